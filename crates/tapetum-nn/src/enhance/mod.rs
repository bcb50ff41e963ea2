//! The enhancement pipeline: a raster of any size through a network, tile by tile, and back.

mod apply;
mod exposure;
mod fast;
mod precision;
mod strength;
mod tile_tensor;
mod tiles;

use burn::tensor::Device;
use tapetum_image::{ColorConversion, Image, Raster, Rect, Srgb};
use thiserror::Error;

use self::{
    apply::enhance_tile,
    exposure::{luma, measure},
    strength::Blend,
    tiles::Work,
};
pub use self::{
    exposure::Exposure,
    fast::Quality,
    precision::PrecisionMode,
    strength::Strength,
    tile_tensor::{from_tensor, to_tensor},
};
use crate::{
    network::Network,
    ops::{Precision, with_precision},
};

/// Default for [`EnhanceOptions::memory_bytes_max`]: 1 GiB.
pub const MEMORY_BYTES_DEFAULT: u64 = 1 << 30;

/// How much the mean may sink before an output counts as darker than its input: one 8-bit level.
const DARKER_TOLERANCE: f64 = 1.0 / 255.0;

/// What the caller decides.
#[derive(Debug, Clone, PartialEq)]
pub struct EnhanceOptions {
    /// How much of the network's change is applied.
    pub strength: Strength,
    /// Memory for the result and the network's work, beyond the decoded photograph.
    pub memory_bytes_max: u64,
    /// In which numbers the network computes.
    pub precision: PrecisionMode,
    /// How closely the result follows the network.
    pub quality: Quality,
}

impl Default for EnhanceOptions {
    fn default() -> Self {
        Self {
            strength: Strength::Auto,
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            precision: PrecisionMode::Auto,
            quality: Quality::Exact,
        }
    }
}

/// What was found and decided.
#[derive(Debug, Clone, PartialEq)]
pub struct EnhanceReport {
    /// How the input is exposed.
    pub exposure: Exposure,
    /// The strength that was applied to dark regions, 0..1.
    pub strength: f32,
    /// Mean luma before, 0..1.
    pub mean_before: f64,
    /// Mean luma after, 0..1.
    pub mean_after: f64,
    /// Number of tiles the network ran on; none at strength 0.
    pub n_tiles: usize,
    /// In which numbers it computed.
    pub precision: Precision,
}

/// Why an image was not enhanced. No output exists then.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum EnhanceError {
    /// The input holds NaN or infinite samples.
    #[error("the image holds non-finite values")]
    NonFiniteInput,
    /// The network gave NaN or infinite values.
    #[error("the network gave non-finite values in the tile at {x},{y}")]
    NonFiniteOutput {
        /// Left edge of the tile.
        x: u32,
        /// Upper edge of the tile.
        y: u32,
    },
    /// The network turned an image with content into a single value.
    #[error("the network gave a constant image of value {value:.3}")]
    Constant {
        /// The value everywhere.
        value: f64,
    },
    /// The network made the image darker.
    #[error("the result is darker than the image: mean {after:.3} from {before:.3}")]
    Darker {
        /// Mean luma before.
        before: f64,
        /// Mean luma after.
        after: f64,
    },
    /// The result and the smallest tile do not fit the budget; for some methods that is the whole image.
    #[error("a memory budget of {budget_bytes} bytes is too small, {needed_bytes} are needed")]
    Memory {
        /// What the caller allowed.
        budget_bytes: u64,
        /// What the result and the smallest tile need.
        needed_bytes: u64,
    },
    /// The method has no fast way.
    #[error("{method} has no fast way")]
    NoFastWay {
        /// Its name.
        method: &'static str,
    },
}

impl EnhanceError {
    /// What to try next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NonFiniteInput => {
                "the file's float samples are broken; save it again as integers"
            }
            Self::NonFiniteOutput { .. } | Self::Constant { .. } => {
                "the weights do not suit this image; try other weights or verify them with \
                 'tapetum models verify'"
            }
            Self::Darker { .. } => {
                "the image is well lit already; use --strength auto, or lower it"
            }
            Self::Memory { .. } => "raise --memory",
            Self::NoFastWay { .. } => "leave out --fast",
        }
    }
}

/// Enhances a raster of any size, and refuses what cannot be meant: [`enhance_unguarded`] and guards.
/// Whole images and tiles take this same path, and so does validation during training.
///
/// The network sees sRGB. Its change, scaled by the strength, is added to the photograph's own
/// samples in their own profile, so strength 0 gives every sample back and colours outside sRGB stay
/// there.
///
/// # Errors
/// See [`EnhanceError`]; nothing is returned that is non-finite, constant or darker than the input.
pub fn enhance(
    network: &dyn Network,
    raster: &Raster,
    conversion: &ColorConversion,
    options: &EnhanceOptions,
    device: &Device,
) -> Result<(Raster, EnhanceReport), EnhanceError> {
    let (result, report, statistics) = run(network, raster, conversion, options, device)?;
    if let Some(statistics) = statistics {
        statistics.check(&report.exposure)?;
    }
    Ok((result, report))
}

/// [`enhance`] without its guards on the whole: the result may be constant or darker than the input.
/// Evaluation wants it, where a method's score is asked for and not a photograph.
///
/// # Errors
/// See [`EnhanceError`]; nothing is returned that is non-finite.
pub fn enhance_unguarded(
    network: &dyn Network,
    raster: &Raster,
    conversion: &ColorConversion,
    options: &EnhanceOptions,
    device: &Device,
) -> Result<(Raster, EnhanceReport), EnhanceError> {
    let (result, report, _) = run(network, raster, conversion, options, device)?;
    Ok((result, report))
}

/// The work; there are no statistics where nothing was changed.
fn run(
    network: &dyn Network,
    raster: &Raster,
    conversion: &ColorConversion,
    options: &EnhanceOptions,
    device: &Device,
) -> Result<(Raster, EnhanceReport, Option<Statistics>), EnhanceError> {
    let (exposure, preview) = measure(raster, conversion).ok_or(EnhanceError::NonFiniteInput)?;
    let precision = match options.quality {
        Quality::Exact => options.precision.decide(network, &preview, device),
        Quality::Fast => options.precision.decide_fast(),
    };
    let blend = Blend::decide(options.strength, &exposure, &preview, |preview| {
        with_precision(precision, || network.enhance_image(preview, device))
    });
    drop(preview);
    let mut report = EnhanceReport {
        strength: blend.strength,
        mean_before: exposure.mean,
        mean_after: exposure.mean,
        n_tiles: 0,
        precision,
        exposure,
    };
    if blend.strength == 0.0 {
        return Ok((raster.clone(), report, None));
    }
    let work = match options.quality {
        Quality::Exact => Work::of(network.card()),
        Quality::Fast => Work::of_fast(network.card(), raster),
    };
    let tiles = tiles::plan(raster, &work, options.memory_bytes_max)?;
    let fast = match options.quality {
        Quality::Exact => None,
        Quality::Fast => {
            Some(with_precision(precision, || fast::prepare(network, raster, conversion))?)
        }
    };
    let enhance_part = |image: &Image<Srgb>, place: Rect| match &fast {
        None => network.enhance_image(image, device),
        Some(fast) => fast.enhance_part(image, place.x, place.y),
    };
    let mut result = raster.same_shape();
    let mut statistics = Statistics::default();
    for tile in &tiles {
        let bands = with_precision(precision, || {
            enhance_tile(&enhance_part, raster, conversion, &blend, tile)
        })?;
        for band in bands {
            statistics.add(&band.statistics);
            result.write_rgb(band.place.x, band.place.y, &band.native);
        }
    }
    report.n_tiles = tiles.len();
    report.mean_after = statistics.mean();
    Ok((result, report, Some(statistics)))
}

/// What the guards need to know about the whole result.
#[derive(Debug)]
struct Statistics {
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
    fn of(image: &Image<Srgb>) -> Self {
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

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.n_pixels += other.n_pixels;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }

    fn mean(&self) -> f64 {
        self.sum / self.n_pixels as f64
    }

    fn check(&self, input: &Exposure) -> Result<(), EnhanceError> {
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
