//! Changes of colour, with the formulas of torchvision's functional transforms on floats.
//!
//! Values are 0..1 before and after. The weights of grey sum to 0.9999, as they do there: what is
//! grey already gets darker by that when it is made grey, and by a share of it in [`saturation`].

use tapetum_image::{Image, Srgb};

/// All channels times `factor`.
pub(super) fn brightness(image: &mut Image<Srgb>, factor: f32) {
    each_pixel(image, |pixel| pixel.map(|value| blend(value, 0.0, factor)));
}

/// Away from (above 1) or towards (below 1) the mean grey of the whole image.
pub(super) fn contrast(image: &mut Image<Srgb>, factor: f32) {
    let (pixels, _) = image.pixels.as_chunks::<3>();
    let sum: f64 = pixels.iter().map(|&pixel| f64::from(grey_of(pixel))).sum();
    let mean = (sum / pixels.len().max(1) as f64) as f32;
    each_pixel(image, |pixel| pixel.map(|value| blend(value, mean, factor)));
}

/// Away from (above 1) or towards (below 1) the grey of each pixel.
pub(super) fn saturation(image: &mut Image<Srgb>, factor: f32) {
    each_pixel(image, |pixel| {
        let grey = grey_of(pixel);
        pixel.map(|value| blend(value, grey, factor))
    });
}

/// Turns the hue by `turns` of the whole circle, -0.5 to 0.5, in hue, saturation and value.
pub(super) fn hue(image: &mut Image<Srgb>, turns: f32) {
    each_pixel(image, |pixel| {
        let [hue, saturation, value] = to_hsv(pixel);
        to_rgb([hue + turns, saturation, value])
    });
}

/// All three channels become the grey of the pixel.
pub(super) fn grey(image: &mut Image<Srgb>) {
    each_pixel(image, |pixel| [grey_of(pixel); 3]);
}

fn each_pixel(image: &mut Image<Srgb>, change: impl Fn([f32; 3]) -> [f32; 3]) {
    let (pixels, _) = image.pixels.as_chunks_mut::<3>();
    pixels.iter_mut().for_each(|pixel| *pixel = change(*pixel));
}

/// `factor * value + (1 - factor) * other`, clamped to 0..1.
fn blend(value: f32, other: f32, factor: f32) -> f32 {
    (factor * value + (1.0 - factor) * other).clamp(0.0, 1.0)
}

/// Luma of BT.601 with the digits that torchvision has; they sum to 0.9999.
fn grey_of([red, green, blue]: [f32; 3]) -> f32 {
    0.2989 * red + 0.587 * green + 0.114 * blue
}

/// Hue 0..1 (a whole circle, red at 0), saturation 0..1, value 0..1.
fn to_hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let value = red.max(green).max(blue);
    let spread = value - red.min(green).min(blue);
    if spread == 0.0 {
        return [0.0, 0.0, value];
    }
    let [red_gap, green_gap, blue_gap] = [red, green, blue].map(|c| (value - c) / spread);
    let sixths = if value == red {
        blue_gap - green_gap
    } else if value == green {
        2.0 + red_gap - blue_gap
    } else {
        4.0 + green_gap - red_gap
    };
    [(sixths / 6.0).rem_euclid(1.0), spread / value, value]
}

/// The inverse; a hue outside 0..1 goes on around the circle.
fn to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sixths = hue.rem_euclid(1.0) * 6.0;
    let within = sixths.fract();
    let lowest = value * (1.0 - saturation);
    let falling = value * (1.0 - saturation * within);
    let rising = value * (1.0 - saturation * (1.0 - within));
    let rgb = match sixths as u32 {
        1 => [falling, value, lowest],
        2 => [lowest, value, rising],
        3 => [lowest, falling, value],
        4 => [rising, lowest, value],
        5 => [value, lowest, falling],
        // 6 is a hue that rounding brought to the end of the circle.
        _ => [value, rising, lowest],
    };
    rgb.map(|channel| channel.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::golden::{check, picture};

    #[test]
    fn colours_change_as_torchvision_changes_them() {
        check("brightness 1.4", |image| brightness(image, 1.4));
        check("brightness 0.3", |image| brightness(image, 0.3));
        check("contrast 1.5", |image| contrast(image, 1.5));
        check("contrast 0.5", |image| contrast(image, 0.5));
        check("saturation 1.5", |image| saturation(image, 1.5));
        check("saturation 0.5", |image| saturation(image, 0.5));
        check("hue 0.25", |image| hue(image, 0.25));
        check("hue -0.1", |image| hue(image, -0.1));
        check("hue 0.5", |image| hue(image, 0.5));
        check("grey", grey);
    }

    #[test]
    fn hue_turns_the_pure_colours_into_each_other() {
        let pure = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]];
        let third = [[0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]];
        let mut image = Image::new(3, 1, pure.as_flattened().to_vec());
        hue(&mut image, 1.0 / 3.0);
        for (found, expected) in image.pixels.iter().zip(third.as_flattened()) {
            assert!((found - expected).abs() < 1e-6, "{:?}", image.pixels);
        }
    }

    #[test]
    fn a_grey_image_stays_as_it_is_under_hue_and_nearly_so_under_saturation() {
        let values = (0..=255).flat_map(|level| [level as f32 / 255.0; 3]).collect();
        let image = Image::<Srgb>::new(256, 1, values);
        for turns in [0.3, -0.5, 0.01] {
            let mut after = image.clone();
            hue(&mut after, turns);
            assert_eq!(after, image, "{turns}");
        }
        for factor in [0.0, 0.5, 1.7] {
            let mut after = image.clone();
            saturation(&mut after, factor);
            // The weights of grey miss 1 by 0.0001.
            let share = 1.0001e-4 * (1.0_f32 - factor).abs() + 1e-7;
            for (found, expected) in after.pixels.iter().zip(&image.pixels) {
                assert!((found - expected).abs() <= share, "{factor}: {found} of {expected}");
            }
        }
    }

    #[test]
    fn hue_there_and_back_is_the_image_again() {
        let image = picture(9, 8);
        for turns in [0.5, 0.25, 0.1, -0.37] {
            let mut after = image.clone();
            hue(&mut after, turns);
            hue(&mut after, -turns);
            for (found, expected) in after.pixels.iter().zip(&image.pixels) {
                assert!((found - expected).abs() < 2e-6, "{turns}: {found} is not {expected}");
            }
        }
    }
}
