//! One tile: through the network, and its change onto the photograph. All but the network goes in bands
//! of rows, on all threads.

use rayon::prelude::*;
use tapetum_image::{ColorConversion, Filter, Image, Native, Raster, Rect, Srgb};

use super::{EnhanceError, statistics::Statistics, strength::Blend, tiles::Tile};

/// Rows of a band.
const BAND_ROWS: u32 = 32;

/// How the photograph is enlarged where the result is larger, so that there is something to change.
pub(super) const ENLARGEMENT: Filter = Filter::Bicubic;

/// Enhances a part of the image that lies at a place.
pub(super) type Run<'a> = dyn Fn(&Image<Srgb>, Rect) -> Image<Srgb> + 'a;

/// What all tiles share.
pub(super) struct Photograph<'a> {
    pub(super) raster: &'a Raster,
    pub(super) conversion: &'a ColorConversion,
    pub(super) blend: &'a Blend,
    /// How many times larger the result is on each side.
    pub(super) scale: u32,
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

/// Enhances a tile; bands lie in the result.
pub(super) fn enhance_tile(
    run: &Run<'_>,
    photograph: &Photograph<'_>,
    tile: &Tile,
) -> Result<Vec<Band>, EnhanceError> {
    let padded = photograph.to_srgb(tile.padded);
    let output = run(&padded, tile.padded);
    let outer = tile.padded.enlarged(photograph.scale);
    let band = |place: Rect| {
        let in_outer = Rect { x: place.x - outer.x, y: place.y - outer.y, ..place };
        let after = cropped(&output, in_outer);
        if after.pixels.iter().any(|value| !value.is_finite()) {
            return Err(EnhanceError::NonFiniteOutput { x: tile.core.x, y: tile.core.y });
        }
        let native = photograph.native(place);
        let before = match photograph.scale {
            1 => cropped(&padded, in_outer),
            _ => photograph.conversion.to_srgb(&native),
        };
        Ok(photograph.band(place, native, &before, &after))
    };
    bands(tile.core.enlarged(photograph.scale)).into_par_iter().map(band).collect()
}

/// Finishes a part of the result, whose values come from `output`.
pub(super) fn finish_part(
    output: &(dyn Fn(Rect) -> Image<Srgb> + Sync),
    photograph: &Photograph<'_>,
    part: Rect,
) -> Vec<Band> {
    let band = |place: Rect| {
        let native = photograph.native(place);
        let before = photograph.conversion.to_srgb(&native);
        photograph.band(place, native, &before, &output(place))
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

    /// What is changed at a place of the result: the photograph's own samples, or those of its enlargement.
    fn native(&self, place: Rect) -> Image<Native> {
        self.raster.read_enlarged_rgb(place, self.scale, ENLARGEMENT)
    }

    /// The rows at `place`, which are `native`, or `before` in sRGB, and of which the network made `after`.
    fn band(
        &self,
        place: Rect,
        native: Image<Native>,
        before: &Image<Srgb>,
        after: &Image<Srgb>,
    ) -> Band {
        let srgb = self.blend.apply(before, after);
        let native = changed(native, self.conversion, before, &srgb);
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
