//! The enhancement pipeline: a raster of any size through a network, tile by tile, and back.

mod apply;
mod cascade;
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
use tapetum_image::{ColorConversion, Image, Limits, Raster, Rect, Srgb};
use thiserror::Error;

use self::{
    apply::{Canvas, ENLARGEMENT, Photograph, Run, enhance_tile},
    exposure::measure,
    reduced::{REDUCED_PX_MAX, factor, reduce},
    statistics::Statistics,
    strength::Blend,
    tiles::{Plan, Work},
};
pub use self::{
    cascade::Cascade,
    exposure::Exposure,
    fast::Quality,
    precision::PrecisionMode,
    spread::Spread,
    strength::Strength,
    tile_tensor::{from_tensor, to_tensor},
    tiles::TilingMode,
};
use crate::{
    device::{DeviceKind, attempt},
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
    /// How large a result may be that is larger than its photograph; of the lengths of files nothing is
    /// asked.
    pub limits: Limits,
}

impl Default for EnhanceOptions {
    fn default() -> Self {
        Self {
            strength: Strength::Auto,
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            precision: PrecisionMode::Auto,
            quality: Quality::Exact,
            tiling: TilingMode::Auto,
            limits: Limits::default(),
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
    /// What computed it.
    pub device: DeviceKind,
    /// How many times larger the result is on each side.
    pub scale: u32,
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
    /// An enlarged result would be larger than the caller allows.
    #[error("the result would be {width}x{height} pixels: limit {name} is {limit}")]
    TooLarge {
        /// Columns of the result.
        width: u64,
        /// Rows of the result.
        height: u64,
        /// The field of [`Limits`].
        name: &'static str,
        /// What the caller allowed.
        limit: u64,
    },
    /// The method has no fast way.
    #[error("{method} has no fast way")]
    NoFastWay {
        /// Its name.
        method: &'static str,
    },
    /// The device does not compute in the numbers that were asked for.
    #[error("{device} here does not compute in {}", precision.name())]
    Precision {
        /// The numbers.
        precision: Precision,
        /// What should compute.
        device: DeviceKind,
    },
    /// A graphics card gave up: its memory is full, or its driver refuses the work.
    #[error("{device} failed: {detail}")]
    Device {
        /// Which.
        device: DeviceKind,
        /// What was said.
        detail: String,
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
            Self::TooLarge { .. } => "enlarge it less, or raise the limit",
            Self::NoFastWay { .. } => "leave out --fast",
            Self::Precision { .. } => "leave out --precision, or compute on another --device",
            Self::Device { .. } => "lower --memory, or compute on the CPU with --device cpu",
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
/// A network that enlarges changes the photograph as enlarged by a bicubic filter, in its own samples and
/// profile: that is the result at strength 0.
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

/// The work, whose panics are errors where a graphics card does it.
fn run(
    network: &dyn Network,
    raster: &Raster,
    conversion: &ColorConversion,
    options: &EnhanceOptions,
    device: &Device,
) -> Result<(Raster, EnhanceReport, Option<Statistics>), EnhanceError> {
    let run = || run_on(network, raster, conversion, options, device);
    match DeviceKind::of(device) {
        DeviceKind::Cpu => run(),
        kind => {
            let failed = |detail| EnhanceError::Device { device: kind, detail };
            attempt(run).map_err(failed)?
        }
    }
}

/// The work; there are no statistics where nothing was changed.
fn run_on(
    network: &dyn Network,
    raster: &Raster,
    conversion: &ColorConversion,
    options: &EnhanceOptions,
    device: &Device,
) -> Result<(Raster, EnhanceReport, Option<Statistics>), EnhanceError> {
    let scale = network.scale();
    check_size(raster, scale, &options.limits)?;
    options.precision.check(device)?;
    if scale != 1 && options.quality == Quality::Fast {
        return Err(EnhanceError::NoFastWay { method: network.card().name });
    }
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
        device: DeviceKind::of(device),
        scale,
        exposure,
    };
    if blend.strength == 0.0 {
        return Ok((unchanged(raster, scale, options)?, report, None));
    }
    let photograph = Photograph { raster, conversion, blend: &blend, scale };
    let (plan, canvas) =
        with_precision(precision, || enhance_tiles(network, &photograph, options, device))?;
    report.n_tiles = plan.n_tiles();
    report.is_approximate = matches!(plan, Plan::Feathered(_));
    report.mean_after = canvas.statistics.mean();
    Ok((canvas.result, report, Some(canvas.statistics)))
}

/// Refuses a result that is larger than its photograph and than the limits.
///
/// # Errors
/// [`EnhanceError::TooLarge`], and nothing was worked on.
pub fn check_size(raster: &Raster, scale: u32, limits: &Limits) -> Result<(), EnhanceError> {
    if scale == 1 {
        return Ok(());
    }
    let side = |length: u32| u64::from(length) * u64::from(scale);
    let (width, height) = (side(raster.width()), side(raster.height()));
    let n_pixels = width.saturating_mul(height);
    let sample_bytes = u64::from(raster.depth_bits() / 8) * raster.channels().n_samples() as u64;
    let bounds = [
        ("width_max", u64::from(limits.width_max), width),
        ("height_max", u64::from(limits.height_max), height),
        ("n_pixels_max", limits.n_pixels_max, n_pixels),
        ("decoded_bytes_max", limits.decoded_bytes_max, n_pixels.saturating_mul(sample_bytes)),
    ];
    match bounds.into_iter().find(|(_, limit, found)| found > limit) {
        Some((name, limit, _)) => Err(EnhanceError::TooLarge { width, height, name, limit }),
        None => Ok(()),
    }
}

/// The photograph itself, or enlarged.
fn unchanged(
    raster: &Raster,
    scale: u32,
    options: &EnhanceOptions,
) -> Result<Raster, EnhanceError> {
    if scale == 1 {
        return Ok(raster.clone());
    }
    let (budget_bytes, needed_bytes) =
        (options.memory_bytes_max, tiles::result_bytes(raster, scale));
    if needed_bytes > budget_bytes {
        return Err(EnhanceError::Memory { budget_bytes, needed_bytes, tiles_fit: false });
    }
    Ok(raster.enlarged(scale, ENLARGEMENT))
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
        Quality::Exact => Work::of(network, raster, options.memory_bytes_max),
        Quality::Fast => Work::of_fast(network, raster, options.memory_bytes_max),
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
    let result = raster.blank(photograph.scale);
    let mut canvas = Canvas { result, statistics: Statistics::default() };
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
