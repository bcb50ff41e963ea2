//! The enhancement pipeline: a raster of any size through a network, tile by tile, and back.

mod apply;
mod exposure;
mod fast;
mod feathered;
mod precision;
mod reduced;
mod spread;
mod statistics;
mod strength;
mod tile_tensor;
mod tiles;

use burn::tensor::Device;
use tapetum_image::{ColorConversion, Image, Raster, Rect, Srgb};
use thiserror::Error;

use self::{
    apply::{Canvas, Photograph, Run, enhance_tile},
    exposure::measure,
    reduced::{REDUCED_PX_MAX, factor, reduce},
    statistics::Statistics,
    strength::Blend,
    tiles::{Plan, Work},
};
pub use self::{
    exposure::Exposure,
    fast::Quality,
    precision::PrecisionMode,
    spread::Spread,
    strength::Strength,
    tile_tensor::{from_tensor, to_tensor},
    tiles::TilingMode,
};
use crate::{
    network::Network,
    ops::{Precision, with_precision},
};

/// Default for [`EnhanceOptions::memory_bytes_max`]: 1 GiB.
pub const MEMORY_BYTES_DEFAULT: u64 = 1 << 30;

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
    /// Whether the image may be cut into tiles.
    pub tiling: TilingMode,
}

impl Default for EnhanceOptions {
    fn default() -> Self {
        Self {
            strength: Strength::Auto,
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            precision: PrecisionMode::Auto,
            quality: Quality::Exact,
            tiling: TilingMode::Auto,
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
    /// Whether these tiles give about what the whole image would, and not that.
    pub is_approximate: bool,
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
        /// Whether tiles would fit where the whole image was asked for as one.
        tiles_fit: bool,
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
            Self::Memory { tiles_fit: true, .. } => {
                "allow tiles with --tiles auto, or raise --memory"
            }
            Self::Memory { tiles_fit: false, .. } => "raise --memory",
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
        is_approximate: false,
        precision,
        exposure,
    };
    if blend.strength == 0.0 {
        return Ok((raster.clone(), report, None));
    }
    let photograph = Photograph { raster, conversion, blend: &blend };
    let (plan, canvas) =
        with_precision(precision, || enhance_tiles(network, &photograph, options, device))?;
    report.n_tiles = plan.n_tiles();
    report.is_approximate = matches!(plan, Plan::Feathered(_));
    report.mean_after = canvas.statistics.mean();
    Ok((canvas.result, report, Some(canvas.statistics)))
}

/// Cuts the photograph as the memory asks for, and enhances all of it.
fn enhance_tiles(
    network: &dyn Network,
    photograph: &Photograph<'_>,
    options: &EnhanceOptions,
    device: &Device,
) -> Result<(Plan, Canvas), EnhanceError> {
    let Photograph { raster, conversion, .. } = *photograph;
    let work = match options.quality {
        Quality::Exact => Work::of(network.card(), raster, options.memory_bytes_max),
        Quality::Fast => Work::of_fast(network.card(), raster, options.memory_bytes_max),
    };
    let plan = tiles::plan(raster, &work, options.tiling)?;
    let fast = match options.quality {
        Quality::Exact => None,
        Quality::Fast => Some(fast::prepare(network, raster, conversion)?),
    };
    let for_tiles = match &plan {
        Plan::Cut(_) => None,
        Plan::Feathered(_) => {
            let px_max = work.n_pixels_max().min(REDUCED_PX_MAX);
            let factor = factor(raster.width(), raster.height(), px_max);
            network.for_tiles(&reduce(raster, conversion, factor), device)
        }
    };
    let network = for_tiles.as_deref().unwrap_or(network);
    let run: &Run<'_> = &|image: &Image<Srgb>, place: Rect| match &fast {
        None => network.enhance_image(image, device),
        Some(fast) => fast.enhance_part(image, place.x, place.y),
    };
    let mut canvas = Canvas { result: raster.same_shape(), statistics: Statistics::default() };
    match &plan {
        Plan::Cut(tiles) => {
            for tile in tiles {
                canvas.write(&enhance_tile(run, photograph, tile)?);
            }
        }
        Plan::Feathered(grid) => grid.enhance(run, photograph, &mut canvas)?,
    }
    Ok((plan, canvas))
}
