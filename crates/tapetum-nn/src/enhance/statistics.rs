//! What the guards need to know about a result, and the guards.

use tapetum_image::{Image, Srgb};

use super::{EnhanceError, Exposure, exposure::luma};

/// How much the mean may sink before an output counts as darker than its input: one 8-bit level.
const DARKER_TOLERANCE: f64 = 1.0 / 255.0;

/// What the guards need to know about the whole result.
#[derive(Debug)]
pub(super) struct Statistics {
    sum: f64,
    n_pixels: u64,
    lowest: f32,
    highest: f32,
}

impl Default for Statistics {
    fn default() -> Self {
        Self { sum: 0.0, n_pixels: 0, lowest: f32::INFINITY, highest: f32::NEG_INFINITY }
    }
}

impl Statistics {
    pub(super) fn of(image: &Image<Srgb>) -> Self {
        let mut statistics = Self::default();
        let (pixels, _) = image.pixels.as_chunks::<3>();
        for pixel in pixels {
            statistics.sum += f64::from(luma(*pixel));
            for &value in pixel {
                statistics.lowest = statistics.lowest.min(value);
                statistics.highest = statistics.highest.max(value);
            }
        }
        statistics.n_pixels = pixels.len() as u64;
        statistics
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.n_pixels += other.n_pixels;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum / self.n_pixels as f64
    }

    /// Refuses a result that cannot be meant.
    pub(super) fn check(&self, input: &Exposure) -> Result<(), EnhanceError> {
        let (before, after) = (input.mean, self.mean());
        if self.lowest == self.highest && !input.is_constant {
            return Err(EnhanceError::Constant { value: after });
        }
        if after < before - DARKER_TOLERANCE {
            return Err(EnhanceError::Darker { before, after });
        }
        Ok(())
    }
}
