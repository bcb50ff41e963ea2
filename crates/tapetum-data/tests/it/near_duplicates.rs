//! Copies are found, different pictures are not.

use std::path::{Path, PathBuf};

use rand::RngExt;
use tapetum_data::{DataError, Synthesis, apply, near_duplicates, perceptual_hash, random_stream};
use tapetum_image::{
    Channels, EncodeOptions, Format, Image, Limits, Native, Photo, Raster, Samples, Srgb, encode,
    resize,
};

/// Overlapping rectangles of random colours: structure at all sizes, as photographs have it.
fn scene(name: &str) -> Image<Srgb> {
    let (width, height) = (192_usize, 128_usize);
    let mut random = random_stream(11, name);
    let mut pixels = vec![0.5; width * height * 3];
    for _ in 0..40 {
        let (x, y) = (random.random_range(0..width), random.random_range(0..height));
        let (right, bottom) = (x + random.random_range(8..80), y + random.random_range(8..60));
        let color: [f32; 3] = random.random();
        for row in y..bottom.min(height) {
            for column in x..right.min(width) {
                let start = (row * width + column) * 3;
                pixels[start..start + 3].copy_from_slice(&color);
            }
        }
    }
    Image::new(width as u32, height as u32, pixels)
}

fn hash(image: &Image<Srgb>) -> u64 {
    let native = Image::<Native>::new(image.width(), image.height(), image.pixels.clone());
    perceptual_hash(&native)
}

fn distance(a: &Image<Srgb>, b: &Image<Srgb>) -> u32 {
    (hash(a) ^ hash(b)).count_ones()
}

fn write(folder: &Path, name: &str, image: &Image<Srgb>) -> PathBuf {
    let samples = Samples::F32(image.pixels.clone()).to_depth(8);
    let raster = Raster::new(image.width(), image.height(), Channels::Rgb, samples).unwrap();
    let format = Format::from_extension(name.rsplit_once('.').unwrap().1).unwrap();
    let photo = Photo::from_raster(raster, format);
    let path = folder.join(name);
    let bytes = encode(&photo, format, &EncodeOptions { quality: 75 }).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_resized_copy_is_found_and_other_pictures_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..8).map(|idx| format!("{idx}.png")).collect();
    let all: Vec<PathBuf> =
        names.iter().map(|name| write(folder.path(), name, &scene(name))).collect();
    let copy = write(folder.path(), "copy.jpg", &resize(&scene("3.png"), 75, 50));
    let other = write(folder.path(), "other.png", &scene("another"));
    let found = near_duplicates(&all, &[copy.clone(), other], 8, &Limits::default()).unwrap();
    let found: Vec<_> = found.iter().map(|(a, b, _)| (a.clone(), b.clone())).collect();
    assert_eq!(found, [(all[3].clone(), copy)]);
    let among = near_duplicates(&all, &all, 8, &Limits::default()).unwrap();
    assert!(among.is_empty(), "no file is a duplicate of itself: {among:?}");
}

#[test]
fn exposure_and_gamma_change_few_bits() {
    for name in ["a", "b", "c"] {
        let bright = scene(name);
        let dark = |exposure, gamma, iso| {
            let cast = [1.1, 1.0, 0.9];
            let synthesis =
                Synthesis { shrink: 1, exposure, gamma, cast, iso, jpeg_quality: Some(85) };
            apply(&synthesis, &bright, &mut random_stream(1, name)).unwrap()
        };
        let cases = [(0.3, 1.0, 0, 6), (0.05, 1.2, 400, 12), (0.02, 1.0, 1600, 12)];
        for (exposure, gamma, iso, distance_max) in cases {
            let distance = distance(&bright, &dark(exposure, gamma, iso));
            assert!(distance <= distance_max, "{name}: {distance} bits at exposure {exposure}");
        }
    }
}

#[test]
fn unrelated_pictures_differ_in_half_the_bits() {
    let scenes: Vec<_> = (0..16).map(|idx| hash(&scene(&format!("{idx}")))).collect();
    let pairs = (0..16).flat_map(|i| (0..i).map(move |j| (i, j)));
    let distances: Vec<u32> = pairs.map(|(i, j)| (scenes[i] ^ scenes[j]).count_ones()).collect();
    let mean = f64::from(distances.iter().sum::<u32>()) / distances.len() as f64;
    // Each of 64 bits differs with probability a half: 32 bits, give or take 4 for one pair.
    assert!((mean - 32.0).abs() < 3.0, "{mean} bits on average");
    assert!(distances.iter().min() >= Some(&12), "{distances:?}");
}

#[test]
fn a_picture_of_one_colour_has_no_bits() {
    let flat = |value| hash(&Image::new(9, 5, vec![value; 9 * 5 * 3]));
    for level in 0..=255_u8 {
        assert_eq!(flat(f32::from(level) / 255.0), 0, "level {level}");
    }
}

#[test]
fn what_is_no_image_or_too_large_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.png");
    std::fs::write(&text, "not a picture").unwrap();
    let picture = write(folder.path(), "picture.png", &scene("a"));
    let small = Limits { file_bytes_max: 100, ..Limits::default() };
    let cases = [(text, Limits::default()), (picture, small)];
    for (path, limits) in cases {
        let error = near_duplicates(std::slice::from_ref(&path), &[], 8, &limits).unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        assert!(matches!(error, DataError::Image { .. }), "{error}");
    }
    let missing = folder.path().join("missing.png");
    let error = near_duplicates(&[missing], &[], 8, &Limits::default()).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }), "{error}");
}
