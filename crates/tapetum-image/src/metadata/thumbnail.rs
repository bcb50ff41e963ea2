//! Small JPEG pictures of the photograph for its EXIF.

use std::borrow::Cow;

use crate::{
    codec::{EncodeOptions, Pixels, jpeg},
    image::Rect,
    metadata::exif::Thumbnail,
    photo::Metadata,
    raster::{Channels, Raster, Samples},
};

/// The longer side; EXIF 2.32 §4.5.8 has 160x120.
const SIDE_PX_MAX: u32 = 160;

/// Samples averaged for each pixel of the thumbnail, along one side.
const N_TAPS_MAX: u32 = 8;

const QUALITY: u8 = 80;

/// A thumbnail of at most 160 pixels a side; `None` when the codec refuses.
pub(crate) fn of(raster: &Raster) -> Option<Thumbnail> {
    let longer = raster.width().max(raster.height());
    let scaled = |side: u32| match longer {
        ..=SIDE_PX_MAX => side,
        _ => (u64::from(side) * u64::from(SIDE_PX_MAX)).div_ceil(u64::from(longer)) as u32,
    };
    let (width, height) = (scaled(raster.width()), scaled(raster.height()));
    let mut pixels = vec![0.0; width as usize * height as usize * 3];
    for (y, row) in (0..).zip(pixels.chunks_exact_mut(width as usize * 3)) {
        let lines = taps(y, height, raster.height());
        for &line in &lines {
            let source = raster.read_rgb(Rect { x: 0, y: line, width: raster.width(), height: 1 });
            add_line(row, &source.pixels, 1.0 / lines.len() as f32);
        }
    }
    let mut small = Raster::new(width, height, Channels::Rgb, Samples::U8(vec![0; pixels.len()]))
        .expect("a raster has at least one pixel and so has its thumbnail");
    small.write_rgb(0, 0, &crate::Image::new(width, height, pixels));
    let samples = Cow::Borrowed(small.samples());
    let options = EncodeOptions { quality: QUALITY };
    let pixels = Pixels { width, height, n_channels: 3, samples };
    let jpeg = jpeg::encode(&pixels, &Metadata::default(), &options).ok()?;
    Some(Thumbnail { width, height, jpeg })
}

/// Evenly spread positions of the source that fall into cell `idx` of `n_cells`.
fn taps(idx: u32, n_cells: u32, length: u32) -> Vec<u32> {
    let at = |idx: u32| (u64::from(idx) * u64::from(length) / u64::from(n_cells)) as u32;
    let (start, end) = (at(idx), at(idx + 1).max(at(idx) + 1));
    let n_taps = (end - start).min(N_TAPS_MAX);
    (0..n_taps).map(|tap| start + (end - start) * tap / n_taps).collect()
}

/// Adds a line of the source, shrunk to the row's width.
fn add_line(row: &mut [f32], line: &[f32], weight: f32) {
    let (width, source_width) = (row.len() as u32 / 3, line.len() as u32 / 3);
    for (x, pixel) in (0..).zip(row.chunks_exact_mut(3)) {
        let columns = taps(x, width, source_width);
        let weight = weight / columns.len() as f32;
        for column in columns {
            let source = &line[column as usize * 3..][..3];
            for (value, source) in pixel.iter_mut().zip(source) {
                *value += weight * source.clamp(0.0, 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_keep_the_shape_and_never_grow() {
        for (size, expected) in [((400, 100), (160, 40)), ((3, 5), (3, 5)), ((1, 2000), (1, 160))] {
            let samples = vec![90; size.0 as usize * size.1 as usize];
            let raster = Raster::new(size.0, size.1, Channels::Grey, Samples::U8(samples)).unwrap();
            let thumbnail = of(&raster).unwrap();
            assert_eq!((thumbnail.width, thumbnail.height), expected);
        }
    }

    #[test]
    fn taps_cover_each_source_position_once_when_shrinking() {
        let all: Vec<u32> = (0..7).flat_map(|idx| taps(idx, 7, 20)).collect();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
    }
}
