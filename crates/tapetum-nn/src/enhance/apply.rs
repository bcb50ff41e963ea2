//! One tile: through the network, and its change onto the photograph. All but the network goes in bands
//! of rows, on all threads.

use rayon::prelude::*;
use tapetum_image::{ColorConversion, Image, Native, Raster, Rect, Srgb};

use super::{EnhanceError, statistics::Statistics, strength::Blend, tiles::Tile};

/// Rows of a band.
const BAND_ROWS: u32 = 32;

/// Enhances a part of the image that lies at a place.
pub(super) type Run<'a> = dyn Fn(&Image<Srgb>, Rect) -> Image<Srgb> + 'a;

/// What all tiles share.
pub(super) struct Photograph<'a> {
    pub(super) raster: &'a Raster,
    pub(super) conversion: &'a ColorConversion,
    pub(super) blend: &'a Blend,
}

/// Finished rows.
pub(super) struct Band {
    place: Rect,
    native: Image<Native>,
    statistics: Statistics,
}

/// The result as far as it is finished.
pub(super) struct Canvas {
    pub(super) result: Raster,
    pub(super) statistics: Statistics,
}

impl Canvas {
    pub(super) fn write(&mut self, bands: &[Band]) {
        for band in bands {
            self.statistics.add(&band.statistics);
            self.result.write_rgb(band.place.x, band.place.y, &band.native);
        }
    }
}

/// Enhances a tile.
pub(super) fn enhance_tile(
    run: &Run<'_>,
    photograph: &Photograph<'_>,
    tile: &Tile,
) -> Result<Vec<Band>, EnhanceError> {
    let padded = photograph.to_srgb(tile.padded);
    let output = run(&padded, tile.padded);
    let band = |place: Rect| {
        let in_padded = Rect { x: place.x - tile.padded.x, y: place.y - tile.padded.y, ..place };
        let (before, after) = (cropped(&padded, in_padded), cropped(&output, in_padded));
        if after.pixels.iter().any(|value| !value.is_finite()) {
            return Err(EnhanceError::NonFiniteOutput { x: tile.core.x, y: tile.core.y });
        }
        Ok(photograph.band(place, &before, &after))
    };
    bands(tile.core).into_par_iter().map(band).collect()
}

/// Finishes a part whose results come from `output`.
pub(super) fn finish_part(
    output: &(dyn Fn(Rect) -> Image<Srgb> + Sync),
    photograph: &Photograph<'_>,
    part: Rect,
) -> Vec<Band> {
    let band = |place: Rect| {
        let before = photograph.conversion.to_srgb(&photograph.raster.read_rgb(place));
        photograph.band(place, &before, &output(place))
    };
    bands(part).into_par_iter().map(band).collect()
}

impl Photograph<'_> {
    /// A part of it, for the network.
    pub(super) fn to_srgb(&self, rect: Rect) -> Image<Srgb> {
        let row_values = rect.width as usize * 3;
        let mut pixels = vec![0.0; rect.height as usize * row_values];
        let parts = pixels.par_chunks_mut(BAND_ROWS as usize * row_values);
        parts.zip(bands(rect)).for_each(|(part, place)| {
            part.copy_from_slice(&self.conversion.to_srgb(&self.raster.read_rgb(place)).pixels);
        });
        Image::new(rect.width, rect.height, pixels)
    }

    /// The rows at `place`, of which the network made `after` from `before`.
    fn band(&self, place: Rect, before: &Image<Srgb>, after: &Image<Srgb>) -> Band {
        let srgb = self.blend.apply(before, after);
        let native = changed(self.raster.read_rgb(place), self.conversion, before, &srgb);
        Band { place, native, statistics: Statistics::of(&srgb) }
    }
}

/// The photograph's own samples, with the change that `before` became `after`.
fn changed(
    native: Image<Native>,
    conversion: &ColorConversion,
    before: &Image<Srgb>,
    after: &Image<Srgb>,
) -> Image<Native> {
    let [before, after] = [before, after].map(|image| conversion.from_srgb(image).pixels);
    let (width, height) = (native.width(), native.height());
    let mut pixels = native.pixels;
    for (value, (before, after)) in pixels.iter_mut().zip(before.iter().zip(&after)) {
        *value += after - before;
    }
    Image::new(width, height, pixels)
}

fn bands(rect: Rect) -> Vec<Rect> {
    let starts = (0..rect.height).step_by(BAND_ROWS as usize);
    let band = |y: u32| {
        let height = BAND_ROWS.min(rect.height - y);
        Rect { y: rect.y + y, height, ..rect }
    };
    starts.map(band).collect()
}

/// A part of an image.
fn cropped(image: &Image<Srgb>, rect: Rect) -> Image<Srgb> {
    let rows = image.pixels.chunks_exact(image.width() as usize * 3);
    let rows = rows.skip(rect.y as usize).take(rect.height as usize);
    let start = rect.x as usize * 3;
    let mut pixels = Vec::with_capacity(rect.height as usize * rect.width as usize * 3);
    for row in rows {
        pixels.extend_from_slice(&row[start..start + rect.width as usize * 3]);
    }
    Image::new(rect.width, rect.height, pixels)
}
