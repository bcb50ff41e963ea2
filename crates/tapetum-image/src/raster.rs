//! Samples exactly as deep as the file held them, read and written through `f32` windows.

use crate::{
    error::ImageError,
    image::{Image, Native, Rect},
};

/// Rec. 601 luma weights, used when an RGB result returns to a grey photograph.
const GREY_WEIGHTS: [f32; 3] = [0.299, 0.587, 0.114];

/// What one pixel of a [`Raster`] is made of; alpha is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One sample a pixel.
    Grey,
    /// Red, green and blue.
    Rgb,
}

impl Channels {
    /// Samples a pixel.
    pub fn n_samples(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// Samples in the depth of the file: full scale is 255, 65,535 or 1.0.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Eight bits.
    U8(Vec<u8>),
    /// Sixteen bits.
    U16(Vec<u16>),
    /// Floats; they may lie outside 0..1.
    F32(Vec<f32>),
}

impl Samples {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::U16(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// 8, 16 or 32.
    pub fn depth_bits(&self) -> u8 {
        match self {
            Self::U8(_) => 8,
            Self::U16(_) => 16,
            Self::F32(_) => 32,
        }
    }

    /// The same values at another depth (8, 16 or 32), scaled and rounded half up; floats are
    /// clamped to 0..1 on their way to integers. Equal depths are a plain copy.
    ///
    /// # Panics
    /// When `depth_bits` is not 8, 16 or 32.
    pub fn to_depth(&self, depth_bits: u8) -> Self {
        match (self, depth_bits) {
            (Self::U8(_), 8) | (Self::U16(_), 16) | (Self::F32(_), 32) => self.clone(),
            (Self::U8(values), 16) => {
                Self::U16(values.iter().map(|&v| u16::from(v) * 257).collect())
            }
            (Self::U16(values), 8) => {
                Self::U8(values.iter().map(|&v| ((u32::from(v) + 128) / 257) as u8).collect())
            }
            (_, 8) => Self::U8(self.unit_values().map(to_u8).collect()),
            (_, 16) => Self::U16(self.unit_values().map(to_u16).collect()),
            (_, 32) => Self::F32(self.unit_values().collect()),
            _ => panic!("depth is 8, 16 or 32 bits, got {depth_bits}"),
        }
    }

    /// Every sample on the scale where full is 1.0.
    fn unit_values(&self) -> Box<dyn Iterator<Item = f32> + '_> {
        match self {
            Self::U8(values) => Box::new(values.iter().map(|&v| f32::from(v) / 255.0)),
            Self::U16(values) => Box::new(values.iter().map(|&v| f32::from(v) / 65_535.0)),
            Self::F32(values) => Box::new(values.iter().copied()),
        }
    }

    /// Zeros of the same depth.
    fn zeros(&self, n_samples: usize) -> Self {
        match self {
            Self::U8(_) => Self::U8(vec![0; n_samples]),
            Self::U16(_) => Self::U16(vec![0; n_samples]),
            Self::F32(_) => Self::F32(vec![0.0; n_samples]),
        }
    }
}

/// Rows of pixels in the file's own depth and colour profile, without alpha.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    width: u32,
    height: u32,
    channels: Channels,
    samples: Samples,
}

impl Raster {
    /// # Errors
    /// `Shape` when a side is 0 or the number of samples is not `width * height * channels`.
    pub fn new(
        width: u32,
        height: u32,
        channels: Channels,
        samples: Samples,
    ) -> Result<Self, ImageError> {
        let expected = u64::from(width) * u64::from(height) * channels.n_samples() as u64;
        if expected == 0 || samples.len() as u64 != expected {
            let found = samples.len();
            return Err(ImageError::Shape {
                detail: format!(
                    "expected {expected} samples for {width}x{height} {channels:?}, got {found}"
                ),
            });
        }
        Ok(Self { width, height, channels, samples })
    }

    /// Columns, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Grey or RGB.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// The samples, row by row, interleaved.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The samples without a copy.
    pub fn into_samples(self) -> Samples {
        self.samples
    }

    /// 8, 16 or 32.
    pub fn depth_bits(&self) -> u8 {
        self.samples.depth_bits()
    }

    /// Pixels, not samples.
    pub fn n_pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The rectangle that covers everything.
    pub fn rect(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }

    /// Black, with the same channels and depth, and `scale` times as large on each side.
    ///
    /// # Panics
    /// When the scale is 0, or a side of the result is 2^32 or more.
    pub fn blank(&self, scale: u32) -> Self {
        let side = |length: u32| length.checked_mul(scale).filter(|side| *side > 0);
        let (Some(width), Some(height)) = (side(self.width), side(self.height)) else {
            panic!("{}x{} pixels {scale} times as large", self.width, self.height)
        };
        let n_samples = width as usize * height as usize * self.channels.n_samples();
        Self { width, height, samples: self.samples.zeros(n_samples), ..*self }
    }

    /// A window as `f32`, full scale 1.0, in the file's own profile; grey is repeated three times.
    /// Float samples come as they are.
    ///
    /// # Panics
    /// When `rect` reaches outside.
    pub fn read_rgb(&self, rect: Rect) -> Image<Native> {
        self.assert_inside(rect);
        let mut pixels = Vec::with_capacity(rect.width as usize * rect.height as usize * 3);
        for row in rect.y..rect.y + rect.height {
            let range = self.row_range(rect.x, row, rect.width);
            match &self.samples {
                Samples::U8(values) => self.extend_rgb(&mut pixels, &values[range], from_u8),
                Samples::U16(values) => self.extend_rgb(&mut pixels, &values[range], from_u16),
                Samples::F32(values) => self.extend_rgb(&mut pixels, &values[range], |v| v),
            }
        }
        Image::new(rect.width, rect.height, pixels)
    }

    /// Writes a window with its left upper corner at `x`, `y`: clamped to 0..1 and rounded half up
    /// for integer samples, as it is for floats. Grey is `0.299 R + 0.587 G + 0.114 B`.
    /// `write_rgb(read_rgb(rect))` restores every sample bit for bit.
    ///
    /// # Panics
    /// When the image reaches outside.
    pub fn write_rgb(&mut self, x: u32, y: u32, image: &Image<Native>) {
        let rect = Rect { x, y, width: image.width(), height: image.height() };
        self.assert_inside(rect);
        if rect.width == 0 {
            return;
        }
        let rows = image.pixels.chunks_exact(rect.width as usize * 3);
        for (row, pixels) in (y..).zip(rows) {
            let range = self.row_range(x, row, rect.width);
            let channels = self.channels;
            match &mut self.samples {
                Samples::U8(values) => store(channels, pixels, &mut values[range], to_u8),
                Samples::U16(values) => store(channels, pixels, &mut values[range], to_u16),
                Samples::F32(values) => store(channels, pixels, &mut values[range], |v| v),
            }
        }
    }

    fn assert_inside(&self, rect: Rect) {
        let right = u64::from(rect.x) + u64::from(rect.width);
        let bottom = u64::from(rect.y) + u64::from(rect.height);
        let inside = right <= u64::from(self.width) && bottom <= u64::from(self.height);
        assert!(inside, "{rect:?} reaches outside {}x{}", self.width, self.height);
    }

    /// Where `n_pixels` pixels from column `x` of `row` lie in the samples.
    fn row_range(&self, x: u32, row: u32, n_pixels: u32) -> std::ops::Range<usize> {
        let n_samples = self.channels.n_samples();
        let start = (row as usize * self.width as usize + x as usize) * n_samples;
        start..start + n_pixels as usize * n_samples
    }

    fn extend_rgb<T: Copy>(&self, pixels: &mut Vec<f32>, row: &[T], convert: impl Fn(T) -> f32) {
        match self.channels {
            Channels::Grey => pixels.extend(row.iter().flat_map(|&value| [convert(value); 3])),
            Channels::Rgb => pixels.extend(row.iter().map(|&value| convert(value))),
        }
    }
}

fn store<T>(channels: Channels, pixels: &[f32], row: &mut [T], convert: impl Fn(f32) -> T) {
    match channels {
        Channels::Grey => {
            for (sample, rgb) in row.iter_mut().zip(pixels.chunks_exact(3)) {
                *sample = convert(grey(rgb[0], rgb[1], rgb[2]));
            }
        }
        Channels::Rgb => {
            for (sample, &value) in row.iter_mut().zip(pixels) {
                *sample = convert(value);
            }
        }
    }
}

/// Exact for neutral pixels, where the rounded weights would not quite add up.
fn grey(red: f32, green: f32, blue: f32) -> f32 {
    if red == green && green == blue {
        return red;
    }
    GREY_WEIGHTS[0] * red + GREY_WEIGHTS[1] * green + GREY_WEIGHTS[2] * blue
}

fn from_u8(value: u8) -> f32 {
    f32::from(value) / 255.0
}

fn from_u16(value: u16) -> f32 {
    f32::from(value) / 65_535.0
}

// The casts saturate, which is the one clamp; NaN becomes 0.
fn to_u8(value: f32) -> u8 {
    (value * 255.0 + 0.5) as u8
}

fn to_u16(value: f32) -> u16 {
    (value * 65_535.0 + 0.5) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads and writes back every window of a raster and expects every bit to stay.
    fn check_restores(raster: &Raster) {
        let mut copy = raster.blank(1);
        let (width, height) = (raster.width(), raster.height());
        let half = width / 2;
        for rect in [
            Rect { x: 0, y: 0, width: half, height },
            Rect { x: half, y: 0, width: width - half, height },
        ] {
            copy.write_rgb(rect.x, rect.y, &raster.read_rgb(rect));
        }
        assert_eq!(&copy, raster);
    }

    #[test]
    fn every_level_survives_reading_and_writing() {
        for channels in [Channels::Grey, Channels::Rgb] {
            let n = channels.n_samples();
            let bytes = (0..=255u8).flat_map(|v| vec![v; n]).collect();
            check_restores(&Raster::new(16, 16, channels, Samples::U8(bytes)).unwrap());
            let words = (0..=65_535u16).flat_map(|v| vec![v; n]).collect();
            check_restores(&Raster::new(256, 256, channels, Samples::U16(words)).unwrap());
            let floats = [-0.25, 0.1, 1.0, 7.5].iter().flat_map(|&v| vec![v; n]).collect();
            check_restores(&Raster::new(4, 1, channels, Samples::F32(floats)).unwrap());
        }
    }

    #[test]
    fn writing_rounds_half_up_and_clamps_once() {
        let mut raster = Raster::new(1, 1, Channels::Rgb, Samples::U8(vec![0; 3])).unwrap();
        raster.write_rgb(0, 0, &Image::new(1, 1, vec![0.5, -3.0, 9.0]));
        assert_eq!(raster.samples(), &Samples::U8(vec![128, 0, 255]));
    }

    #[test]
    fn a_coloured_result_returns_to_grey_by_luma() {
        let mut raster = Raster::new(1, 1, Channels::Grey, Samples::U8(vec![0])).unwrap();
        raster.write_rgb(0, 0, &Image::new(1, 1, vec![1.0, 0.5, 0.0]));
        assert_eq!(raster.samples(), &Samples::U8(vec![151]));
    }

    #[test]
    fn depth_changes_round_to_the_nearest_level() {
        let words = Samples::U16(vec![0, 128, 129, 65_535]);
        assert_eq!(words.to_depth(8), Samples::U8(vec![0, 0, 1, 255]));
        assert_eq!(Samples::U8(vec![0, 1, 255]).to_depth(16), Samples::U16(vec![0, 257, 65_535]));
        let floats = Samples::F32(vec![-1.0, 0.5, 2.0]);
        assert_eq!(floats.to_depth(16), Samples::U16(vec![0, 32_768, 65_535]));
    }

    #[test]
    fn wrong_sample_counts_and_empty_sides_are_refused() {
        assert!(Raster::new(2, 2, Channels::Rgb, Samples::U8(vec![0; 11])).is_err());
        assert!(Raster::new(0, 2, Channels::Rgb, Samples::U8(vec![])).is_err());
    }
}
