//! One decoded photograph, or one image of labels.

use std::path::Path;

use tapetum_data::read_photo;
use tapetum_image::{Channels, ColorConversion, Image, Limits, Raster, Rect, Samples, Srgb};

use crate::{
    augment::{LabelMap, Resizing},
    error::TrainError,
};

/// A photograph, at the depth of its file.
pub(crate) struct Photograph {
    raster: Raster,
    conversion: ColorConversion,
}

impl Photograph {
    /// Decodes a file and brings it to another size, at the depth of the file.
    pub(crate) fn read(path: &Path, resizing: Option<Resizing>) -> Result<Self, TrainError> {
        let image = |source| TrainError::Image { path: path.to_owned(), source };
        let photo = read_photo(path, &Limits::default())?;
        let (conversion, _) = ColorConversion::for_photo(&photo).map_err(image)?;
        let whole = Self { raster: photo.raster, conversion };
        Ok(match resizing {
            Some(resizing) => whole.resized(resizing),
            None => whole,
        })
    }

    /// Decodes a file of class indices.
    pub(crate) fn read_labels(path: &Path, resizing: Option<Resizing>) -> Result<Self, TrainError> {
        let raster = read_photo(path, &Limits::default())?.raster;
        let n_channels = raster.channels().n_samples();
        let [width, height] = [raster.width(), raster.height()];
        let Samples::U8(values) = raster.samples() else {
            let detail =
                format!("expected 8-bit class indices, found {} bits", raster.depth_bits());
            return Err(TrainError::data(path, detail));
        };
        let classes = values.iter().step_by(n_channels).copied().collect();
        let mut labels = LabelMap { width, height, classes };
        if let Some(resizing) = resizing {
            labels = resizing.apply_to_labels(&labels);
        }
        let LabelMap { width, height, classes } = labels;
        let raster = Raster::new(width, height, Channels::Grey, Samples::U8(classes));
        let raster = raster.expect("one class a pixel");
        Ok(Self { raster, conversion: ColorConversion::identity() })
    }

    pub(crate) fn width(&self) -> u32 {
        self.raster.width()
    }

    pub(crate) fn height(&self) -> u32 {
        self.raster.height()
    }

    pub(crate) fn raster(&self) -> &Raster {
        &self.raster
    }

    pub(crate) fn conversion(&self) -> &ColorConversion {
        &self.conversion
    }

    /// What it takes in memory.
    pub(crate) fn n_bytes(&self) -> usize {
        self.raster.samples().len() * usize::from(self.raster.depth_bits()) / 8
    }

    /// A part of it, sRGB, 0..1.
    pub(crate) fn part(&self, rect: Rect) -> Image<Srgb> {
        self.conversion.to_srgb(&self.raster.read_rgb(rect))
    }

    /// The classes of a part.
    pub(crate) fn classes(&self, rect: Rect) -> LabelMap {
        let part = self.raster.read_rgb(rect);
        let (pixels, _) = part.pixels.as_chunks::<3>();
        let classes = pixels.iter().map(|[class, _, _]| (class * 255.0).round() as u8).collect();
        LabelMap { width: rect.width, height: rect.height, classes }
    }

    fn resized(&self, resizing: Resizing) -> Self {
        let image = resizing.apply(&self.part(self.raster.rect()));
        let (width, height) = (image.width(), image.height());
        let samples = Samples::F32(image.pixels).to_depth(self.raster.depth_bits());
        let raster = Raster::new(width, height, Channels::Rgb, samples);
        let raster = raster.expect("three values a pixel");
        Self { raster, conversion: ColorConversion::identity() }
    }
}
