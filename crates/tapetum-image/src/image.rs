//! Working images: interleaved `f32` RGB whose encoding is part of the type.

use std::marker::PhantomData;

/// The sRGB encoding: IEC 61966-2-1 primaries, white and transfer function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Srgb;

/// Linear light with the primaries and white of sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear;

/// The file's own encoding, whatever its colour profile says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Native;

/// Red, green and blue in encoding `E`, row by row, 0..1 unless a file of floats says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Image<E> {
    width: u32,
    height: u32,
    /// Interleaved RGB, `width * height * 3` values.
    pub pixels: Vec<f32>,
    encoding: PhantomData<E>,
}

/// A rectangle of pixels; `x` and `y` are its left upper corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Columns to the left of the rectangle.
    pub x: u32,
    /// Rows above the rectangle.
    pub y: u32,
    /// Columns in the rectangle.
    pub width: u32,
    /// Rows in the rectangle.
    pub height: u32,
}

impl Rect {
    /// The same part of an image that is `scale` times as large on each side.
    pub fn enlarged(self, scale: u32) -> Self {
        let [x, y, width, height] =
            [self.x, self.y, self.width, self.height].map(|length| length * scale);
        Self { x, y, width, height }
    }
}

impl<E> Image<E> {
    /// # Panics
    /// When `pixels` does not hold exactly `width * height * 3` values.
    pub fn new(width: u32, height: u32, pixels: Vec<f32>) -> Self {
        let expected = width as usize * height as usize * 3;
        assert_eq!(pixels.len(), expected, "{width}x{height} pixels of three channels");
        Self { width, height, pixels, encoding: PhantomData }
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The rectangle that covers the whole image.
    pub fn rect(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }

    fn map<F>(&self, change: impl Fn(f32) -> f32) -> Image<F> {
        let pixels = self.pixels.iter().map(|&value| change(value)).collect();
        Image::new(self.width, self.height, pixels)
    }
}

impl Image<Srgb> {
    /// Undoes the sRGB transfer function.
    pub fn to_linear(&self) -> Image<Linear> {
        self.map(srgb_to_linear)
    }
}

impl Image<Linear> {
    /// Applies the sRGB transfer function.
    pub fn to_srgb(&self) -> Image<Srgb> {
        self.map(linear_to_srgb)
    }
}

/// IEC 61966-2-1, §5.2; odd-symmetric, so that values below 0 survive a round trip.
fn srgb_to_linear(encoded: f32) -> f32 {
    let magnitude = encoded.abs();
    let linear = if magnitude <= 0.040_45 {
        magnitude / 12.92
    } else {
        ((magnitude + 0.055) / 1.055).powf(2.4)
    };
    linear.copysign(encoded)
}

/// IEC 61966-2-1, §5.3; odd-symmetric like its inverse.
fn linear_to_srgb(linear: f32) -> f32 {
    let magnitude = linear.abs();
    let encoded = if magnitude <= 0.003_130_8 {
        magnitude * 12.92
    } else {
        1.055 * magnitude.powf(1.0 / 2.4) - 0.055
    };
    encoded.copysign(linear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn srgb_transfer_matches_known_values_and_inverts() {
        let known = Image::<Srgb>::new(1, 1, vec![0.0, 0.5, 1.0]).to_linear();
        for (value, expected) in known.pixels.iter().zip([0.0, 0.214_041, 1.0]) {
            assert!((value - expected).abs() < 1e-5, "{value} is not {expected}");
        }
        let ramp: Vec<f32> = (0..=255).flat_map(|v| [v as f32 / 255.0; 3]).collect();
        let image = Image::<Srgb>::new(256, 1, ramp);
        let back = image.to_linear().to_srgb();
        for (a, b) in image.pixels.iter().zip(&back.pixels) {
            assert!((a - b).abs() < 1e-6, "{a} came back as {b}");
        }
    }
}
