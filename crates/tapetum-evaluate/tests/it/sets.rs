//! Folders of generated photographs.

use std::{fs, path::Path};

use tapetum_image::{Channels, EncodeOptions, Format, Photo, Raster, Samples, encode};

/// Writes `size` pixels of one channel repeated, or of a pattern, as PNG.
pub fn write(path: &Path, [width, height]: [u32; 2], value: impl Fn(u32, u32) -> u8) {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let samples = pixels.flat_map(|(x, y)| {
        let value = value(x, y);
        [value, value / 2 + 20, value / 3 + 10]
    });
    write_samples(path, [width, height], Channels::Rgb, Samples::U8(samples.collect()));
}

pub fn write_samples(path: &Path, [width, height]: [u32; 2], channels: Channels, samples: Samples) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let raster = Raster::new(width, height, channels, samples).unwrap();
    let photo = Photo::from_raster(raster, Format::Png);
    fs::write(path, encode(&photo, Format::Png, &EncodeOptions::default()).unwrap()).unwrap();
}

/// A texture, different for each image.
pub fn texture(image: u32, x: u32, y: u32) -> u8 {
    (40 + (x * 7 + y * 3 + image * 11) % 60 + (x / 8 + y / 8) % 2 * 30) as u8
}

/// `n` pairs: references of a texture, dark images of half of it.
pub fn write_pairs(folder: &Path, n: u32) {
    for image in 0..n {
        let name = format!("{image}.png");
        write(&folder.join("high").join(&name), [64, 48], |x, y| texture(image, x, y));
        write(&folder.join("low").join(&name), [64, 48], |x, y| texture(image, x, y) / 2);
    }
}
