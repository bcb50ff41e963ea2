//! The fast way: what a network needs to know of a photograph comes from a reduced copy of it.

use tapetum_image::{ColorConversion, Raster};

use super::{
    EnhanceError,
    reduced::{REDUCED_PX_MAX, factor, reduce},
};
use crate::network::{FastEnhancer, Network};

/// Working memory for a pixel of the reduced copy: its three values, and up to 32 that a method finds.
const REDUCED_BYTES_PER_PX: u64 = 140;

/// How closely the result follows the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quality {
    /// The network's own result.
    #[default]
    Exact,
    /// Close to it, and much faster for large photographs: see
    /// [`Network::fast`](crate::Network::fast). Photographs of up to 200,000 pixels come out as with
    /// `Exact`, to 1e-5.
    Fast,
}

/// Lets the network find what it needs on a reduced copy.
pub(super) fn prepare(
    network: &dyn Network,
    raster: &Raster,
    conversion: &ColorConversion,
) -> Result<Box<dyn FastEnhancer>, EnhanceError> {
    let factor = factor(raster.width(), raster.height(), REDUCED_PX_MAX);
    let reduced = reduce(raster, conversion, factor);
    let no_fast_way = EnhanceError::NoFastWay { method: network.card().name };
    network.fast(&reduced, factor).ok_or(no_fast_way)
}

/// Working memory for the reduced copy.
pub(super) fn working_bytes(raster: &Raster) -> u64 {
    let factor = factor(raster.width(), raster.height(), REDUCED_PX_MAX);
    let side = |length: u32| u64::from(length.div_ceil(factor));
    side(raster.width()) * side(raster.height()) * REDUCED_BYTES_PER_PX
}
