//! Cutting an image into tiles whose results are those of the whole image, where a method allows it.

use tapetum_image::{Raster, Rect};

use super::{EnhanceError, fast};
use crate::card::{MethodCard, Tiling};

/// Smallest side of a tile without its halo: below it, halos cost more than the tile.
const TILE_PX_MIN: u32 = 32;
/// Largest side of a tile without its halo: beyond it, more memory buys no speed.
const TILE_PX_MAX: u32 = 1024;

/// One tile: the pixels it is responsible for, and those the network needs to see for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Pixels that are written.
    pub(super) core: Rect,
    /// `core` and its halo, cut at the borders of the image, where the network pads as it would for
    /// the whole image.
    pub(super) padded: Rect,
}

/// What enhancing asks for, beside the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    /// Pixels that the network needs to see around a tile; `None` for all of the image.
    halo_px: Option<u32>,
    /// Memory for a pixel of a tile, halo included.
    bytes_per_pixel: u64,
    /// Memory that does not depend on the tiles.
    bytes: u64,
}

impl Work {
    /// Of the network on the tiles.
    pub(super) fn of(card: &MethodCard) -> Self {
        let halo_px = match card.tiling {
            Tiling::Exact { receptive_field_px } => Some(receptive_field_px),
            Tiling::WholeImageOnly => None,
        };
        Self { halo_px, bytes_per_pixel: card.working_bytes_per_pixel, bytes: 0 }
    }

    /// Of the network on a reduced copy, whose findings go to the tiles.
    pub(super) fn of_fast(card: &MethodCard, raster: &Raster) -> Self {
        Self { halo_px: Some(0), bytes: fast::working_bytes(raster), ..Self::of(card) }
    }
}

/// Tiles that cover the raster once and keep to the budget together with the result.
pub(super) fn plan(
    raster: &Raster,
    work: &Work,
    memory_bytes_max: u64,
) -> Result<Vec<Tile>, EnhanceError> {
    let result_bytes = raster.samples().len() as u64 * u64::from(raster.depth_bits()) / 8;
    let bytes = result_bytes + work.bytes;
    let Some(halo_px) = work.halo_px else {
        let n_pixels = u64::from(raster.width()) * u64::from(raster.height());
        let needed_bytes = bytes + n_pixels * work.bytes_per_pixel;
        return if needed_bytes <= memory_bytes_max {
            Ok(vec![Tile { core: raster.rect(), padded: raster.rect() }])
        } else {
            Err(EnhanceError::Memory { budget_bytes: memory_bytes_max, needed_bytes })
        };
    };
    let tile_bytes = |side: u32| u64::from(side + 2 * halo_px).pow(2) * work.bytes_per_pixel;
    let needed_bytes = |side: u32| bytes + tile_bytes(side);
    let fits = |side: &u32| needed_bytes(*side) <= memory_bytes_max;
    let side = (TILE_PX_MIN..=TILE_PX_MAX).rev().step_by(TILE_PX_MIN as usize).find(fits);
    let side = side.ok_or(EnhanceError::Memory {
        budget_bytes: memory_bytes_max,
        needed_bytes: needed_bytes(TILE_PX_MIN),
    })?;
    let columns = cut(raster.width(), side);
    let tile = |(y, height), (x, width)| {
        let core = Rect { x, y, width, height };
        Tile { core, padded: grow(core, halo_px, raster) }
    };
    let rows = cut(raster.height(), side);
    Ok(rows.flat_map(|row| columns.clone().map(move |column| tile(row, column))).collect())
}

/// Start and length of pieces of nearly equal length, none longer than `longest`.
fn cut(length: u32, longest: u32) -> impl Iterator<Item = (u32, u32)> + Clone {
    let n_pieces = length.div_ceil(longest);
    let start = move |idx: u32| (u64::from(length) * u64::from(idx) / u64::from(n_pieces)) as u32;
    (0..n_pieces).map(move |idx| (start(idx), start(idx + 1) - start(idx)))
}

fn grow(core: Rect, halo_px: u32, raster: &Raster) -> Rect {
    let (x, y) = (core.x.saturating_sub(halo_px), core.y.saturating_sub(halo_px));
    let right = (core.x + core.width + halo_px).min(raster.width());
    let bottom = (core.y + core.height + halo_px).min(raster.height());
    Rect { x, y, width: right - x, height: bottom - y }
}
