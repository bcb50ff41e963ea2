//! Golden values that tools/golden/augment.py wrote with torchvision, and the picture they are of.

use std::collections::HashMap;

use tapetum_image::{Image, Srgb};

const WIDTH: u32 = 7;
const HEIGHT: u32 = 6;
/// Largest difference to torchvision; `f32` sums in another order, the hue's division by small
/// differences. Measured: 4.8e-7.
const DIFFERENCE_MAX: f32 = 2e-6;

/// 8-bit values of all sizes in no order, as 0..1; asymmetric, no two rows or columns the same. The
/// script makes it too.
pub(super) fn picture(width: u32, height: u32) -> Image<Srgb> {
    let value = |x: u32, y: u32, channel: u32| {
        (x * x * 13 + y * 57 + x * y * 7 + channel * (31 + 11 * y + 5 * x)) % 256
    };
    let row = |y| (0..width).flat_map(move |x| (0..3).map(move |channel| value(x, y, channel)));
    let values = (0..height).flat_map(row).map(|value| value as f32 / 255.0);
    Image::new(width, height, values.collect())
}

/// Compares what `change` makes of the picture with the golden values of a name.
pub(super) fn check(name: &str, change: impl FnOnce(&mut Image<Srgb>)) {
    let text = include_str!("../../tests/data/augment.json");
    let golden: HashMap<String, Vec<f32>> = serde_json::from_str(text).unwrap();
    let expected = golden.get(name).unwrap_or_else(|| panic!("no golden values of {name}"));
    let mut image = picture(WIDTH, HEIGHT);
    change(&mut image);
    assert_eq!(image.pixels.len(), expected.len());
    let differences = image.pixels.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let largest = differences.fold(0.0, f32::max);
    assert!(largest <= DIFFERENCE_MAX, "{name}: {largest:e}");
}
