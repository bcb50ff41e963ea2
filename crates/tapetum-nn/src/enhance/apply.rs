//! One tile: through the network, and its change onto the photograph. All but the network goes in bands
//! of rows, on all threads.

use rayon::prelude::*;
use tapetum_image::{ColorConversion, Image, Native, Raster, Rect, Srgb};

use super::{EnhanceError, Statistics, strength::Blend, tiles::Tile};

/// Rows of a band.
const BAND_ROWS: u32 = 32;

/// The finished rows of a tile.
pub(super) struct Band {
    pub(super) place: Rect,
    pub(super) native: Image<Native>,
    pub(super) statistics: Statistics,
}

/// Enhances a tile; `run` enhances a part of the image that lies at a place.
pub(super) fn enhance_tile(
    run: &dyn Fn(&Image<Srgb>, Rect) -> Image<Srgb>,
    raster: &Raster,
    conversion: &ColorConversion,
    blend: &Blend,
    tile: &Tile,
) -> Result<Vec<Band>, EnhanceError> {
    let padded = to_srgb(raster, conversion, tile.padded);
    let output = run(&padded, tile.padded);
    let band = |place: Rect| {
        let in_padded = Rect { x: place.x - tile.padded.x, y: place.y - tile.padded.y, ..place };
        let (before, after) = (cropped(&padded, in_padded), cropped(&output, in_padded));
        if after.pixels.iter().any(|value| !value.is_finite()) {
            return Err(EnhanceError::NonFiniteOutput { x: tile.core.x, y: tile.core.y });
        }
        let srgb = blend.apply(&before, &after);
        let native = changed(raster.read_rgb(place), conversion, &before, &srgb);
        Ok(Band { place, native, statistics: Statistics::of(&srgb) })
    };
    bands(tile.core).into_par_iter().map(band).collect()
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

fn to_srgb(raster: &Raster, conversion: &ColorConversion, rect: Rect) -> Image<Srgb> {
    let row_values = rect.width as usize * 3;
    let mut pixels = vec![0.0; rect.height as usize * row_values];
    let parts = pixels.par_chunks_mut(BAND_ROWS as usize * row_values);
    parts.zip(bands(rect)).for_each(|(part, place)| {
        part.copy_from_slice(&conversion.to_srgb(&raster.read_rgb(place)).pixels);
    });
    Image::new(rect.width, rect.height, pixels)
}

fn bands(rect: Rect) -> Vec<Rect> {
    let starts = (0..rect.height).step_by(BAND_ROWS as usize);
    let band = |y: u32| {
        let height = BAND_ROWS.min(rect.height - y);
        Rect { y: rect.y + y, height, ..rect }
    };
    starts.map(band).collect()
}

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
