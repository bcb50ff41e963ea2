//! Numbers and pictures to measure with: formulas in whole numbers, so that other programs can be given
//! the same (`tools/peers/synthetic.py`).

use tapetum_image::{
    Channels, EncodeOptions, Format, Image, ImageError, Photo, Raster, Samples, Srgb, encode,
};

/// Values in `-scale..scale`, multiples of `scale / 2^23`, that look random and depend on `salt`.
pub(super) fn values(count: usize, salt: u32, scale: f32) -> Vec<f32> {
    let value = |idx| ((mixed(idx, salt) >> 8) as f32 / 8_388_608.0 - 1.0) * scale;
    (0..count as u32).map(value).collect()
}

/// A dark picture: slow gradients with noise.
pub(super) fn image(width: u32, height: u32) -> Image<Srgb> {
    let levels = levels(width, height);
    Image::new(width, height, levels.map(|level| f32::from(level) / 255.0).collect())
}

/// The same picture as a JPEG file.
pub(super) fn jpeg(width: u32, height: u32) -> Result<Vec<u8>, ImageError> {
    let samples = Samples::U8(levels(width, height).collect());
    let raster = Raster::new(width, height, Channels::Rgb, samples);
    let photo = Photo::from_raster(raster.expect("as many levels as pixels"), Format::Jpeg);
    encode(&photo, Format::Jpeg, &EncodeOptions::default())
}

/// Red, green and blue of every pixel, 0..=79.
fn levels(width: u32, height: u32) -> impl Iterator<Item = u8> {
    let pixels = (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)));
    let samples = pixels.flat_map(|(x, y)| (0..3).map(move |channel| (x, y, channel)));
    samples.map(move |(x, y, channel)| {
        let noise = mixed(3 * (y * width + x) + channel, 0) >> 28;
        ((x / 4 + y / 3 + 16 * channel) % 64 + noise) as u8
    })
}

/// A number that looks random, all 32 bits of it.
fn mixed(idx: u32, salt: u32) -> u32 {
    let mut bits = idx.wrapping_mul(0x9E37_79B1) ^ salt.wrapping_mul(0x85EB_CA77);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x2C1B_3C6D);
    bits = (bits ^ (bits >> 12)).wrapping_mul(0x297A_2D39);
    bits ^ (bits >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_their_range_evenly_and_depend_on_the_salt() {
        let found = values(10_000, 1, 0.5);
        assert!(found.iter().all(|value| (-0.5..0.5).contains(value)));
        let mean: f64 = found.iter().map(|&value| f64::from(value)).sum::<f64>() / 10_000.0;
        let square: f64 = found.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
        // Six deviations of the mean, and of the mean square, of evenly spread values.
        assert!(mean.abs() < 0.018, "{mean}");
        assert!((square / 10_000.0 - 1.0 / 12.0).abs() < 0.005, "{square}");
        let same = found.iter().zip(values(10_000, 2, 0.5)).filter(|(a, b)| **a == *b).count();
        assert!(same < 10, "{same}");
    }

    #[test]
    fn the_picture_is_dark_and_not_flat() {
        let picture = image(64, 48);
        let largest = picture.pixels.iter().copied().fold(0.0, f32::max);
        assert!(largest < 0.35 && largest > 0.2, "{largest}");
        assert!(picture.pixels.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
