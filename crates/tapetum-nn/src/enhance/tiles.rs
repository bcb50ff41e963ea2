//! Cutting an image into tiles that the memory holds.

use tapetum_image::{Raster, Rect};

use super::{
    EnhanceError, fast,
    feathered::{self, Grid},
};
use crate::{card::Tiling, network::Network};

/// Smallest side of a tile without its halo: below it, halos cost more than the tile.
const TILE_PX_MIN: u32 = 32;
/// Largest side of a tile that is cut without loss: beyond it, more memory buys no speed.
const TILE_PX_MAX: u32 = 1024;

/// Bytes for a value of an enlarged result between the network and the file: as a tensor, as an image and
/// in finished bands.
const ENLARGED_BYTES_PER_VALUE: u64 = 12;

/// One tile: the pixels it is responsible for, and those the network needs to see for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Pixels that are written.
    pub(super) core: Rect,
    /// `core` and its halo, cut at the borders of the image, where the network pads as it would for
    /// the whole image.
    pub(super) padded: Rect,
}

/// What the caller decides about tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TilingMode {
    /// The whole image as one tile where the memory holds it and tiles would change the result, else tiles
    /// as the method's [`Tiling`] allows.
    #[default]
    Auto,
    /// The whole image as one tile, or [`EnhanceError::Memory`].
    Whole,
}

/// How the image goes through the network.
#[derive(Debug)]
pub(super) enum Plan {
    /// Tiles whose cores cover the image once.
    Cut(Vec<Tile>),
    /// More than one, mixed where they meet.
    Feathered(Grid),
}

impl Plan {
    pub(super) fn n_tiles(&self) -> usize {
        match self {
            Self::Cut(tiles) => tiles.len(),
            Self::Feathered(grid) => grid.n_tiles(),
        }
    }
}

/// What enhancing asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    tiling: Tiling,
    /// How many times larger the result is on each side.
    scale: u32,
    /// Memory for a pixel of a tile, with what it sees around its core.
    bytes_per_pixel: u64,
    /// Memory that does not depend on the tiles: the result, and what was found before.
    bytes: u64,
    memory_bytes_max: u64,
}

impl Work {
    /// Of the network on the tiles.
    pub(super) fn of(network: &dyn Network, raster: &Raster, memory_bytes_max: u64) -> Self {
        let scale = network.scale();
        let enlarged_bytes = match scale {
            1 => 0,
            scale => u64::from(scale).pow(2) * 3 * ENLARGED_BYTES_PER_VALUE,
        };
        Self {
            tiling: network.tiling(),
            scale,
            bytes_per_pixel: network.working_bytes_per_pixel() + enlarged_bytes,
            bytes: result_bytes(raster, scale),
            memory_bytes_max,
        }
    }

    /// Of the network on a reduced copy, whose findings go to the tiles.
    pub(super) fn of_fast(network: &dyn Network, raster: &Raster, memory_bytes_max: u64) -> Self {
        let work = Self::of(network, raster, memory_bytes_max);
        let bytes = work.bytes + fast::working_bytes(raster);
        Self { tiling: Tiling::Exact { receptive_field_px: 0 }, bytes, ..work }
    }

    /// Pixels that the network can work on at once.
    pub(super) fn n_pixels_max(&self) -> u64 {
        self.memory_bytes_max.saturating_sub(self.bytes) / self.bytes_per_pixel.max(1)
    }
}

/// Memory for the result.
pub(super) fn result_bytes(raster: &Raster, scale: u32) -> u64 {
    let bytes = raster.samples().len() as u64 * u64::from(raster.depth_bits()) / 8;
    bytes * u64::from(scale).pow(2)
}

/// Tiles that cover the raster and keep to the memory together with the result.
pub(super) fn plan(raster: &Raster, work: &Work, mode: TilingMode) -> Result<Plan, EnhanceError> {
    let planned = match (mode, work.tiling) {
        (TilingMode::Auto, Tiling::Exact { receptive_field_px }) => {
            cut_exactly(raster, work, receptive_field_px)
        }
        (TilingMode::Auto, Tiling::Approximate { overlap_px, step_px }) => {
            whole(raster, work).or_else(|_| feather(raster, work, [overlap_px, step_px]))
        }
        (TilingMode::Whole, _) | (TilingMode::Auto, Tiling::WholeImageOnly) => whole(raster, work),
    };
    planned.map_err(|needed_bytes| EnhanceError::Memory {
        budget_bytes: work.memory_bytes_max,
        needed_bytes,
        tiles_fit: mode == TilingMode::Whole && plan(raster, work, TilingMode::Auto).is_ok(),
    })
}

/// One tile, or the bytes that it needs.
fn whole(raster: &Raster, work: &Work) -> Result<Plan, u64> {
    let needed_bytes = work.bytes + raster.n_pixels() * work.bytes_per_pixel;
    let tile = Tile { core: raster.rect(), padded: raster.rect() };
    if needed_bytes <= work.memory_bytes_max {
        Ok(Plan::Cut(vec![tile]))
    } else {
        Err(needed_bytes)
    }
}

/// Tiles whose results are those of the whole image, or the bytes that the smallest ones need.
fn cut_exactly(raster: &Raster, work: &Work, halo_px: u32) -> Result<Plan, u64> {
    let tile_bytes = |side: u32| u64::from(side + 2 * halo_px).pow(2) * work.bytes_per_pixel;
    let needed_bytes = |side: u32| work.bytes + tile_bytes(side);
    let fits = |side: &u32| needed_bytes(*side) <= work.memory_bytes_max;
    let side = (TILE_PX_MIN..=TILE_PX_MAX).rev().step_by(TILE_PX_MIN as usize).find(fits);
    let side = side.ok_or(needed_bytes(TILE_PX_MIN))?;
    let columns = cut(raster.width(), side);
    let tile = |(y, height), (x, width)| {
        let core = Rect { x, y, width, height };
        Tile { core, padded: grow(core, halo_px, raster) }
    };
    let rows = cut(raster.height(), side);
    Ok(Plan::Cut(
        rows.flat_map(|row| columns.clone().map(move |column| tile(row, column))).collect(),
    ))
}

/// The largest tiles to be mixed, or the least bytes that such need.
fn feather(raster: &Raster, work: &Work, [overlap_px, step_px]: [u32; 2]) -> Result<Plan, u64> {
    let longest = raster.width().max(raster.height());
    let n_pieces = 2..=longest.div_ceil(TILE_PX_MIN);
    let sides = n_pieces.map(|n_pieces| longest.div_ceil(n_pieces).max(TILE_PX_MIN));
    let with_bytes = sides.map(|side| {
        let strip_bytes = feathered::strip_bytes(raster, side, overlap_px, work.scale);
        let tile_bytes =
            feathered::tile_pixels(raster, side, [overlap_px, step_px]) * work.bytes_per_pixel;
        (side, work.bytes + strip_bytes + tile_bytes)
    });
    match with_bytes.clone().find(|(_, bytes)| *bytes <= work.memory_bytes_max) {
        Some((side, _)) => Ok(Plan::Feathered(Grid::new(raster, side, [overlap_px, step_px]))),
        None => {
            let whole_bytes = work.bytes + raster.n_pixels() * work.bytes_per_pixel;
            Err(with_bytes.map(|(_, bytes)| bytes).fold(whole_bytes, u64::min))
        }
    }
}

/// Start and length of pieces of nearly equal length, none longer than `longest`.
pub(super) fn cut(length: u32, longest: u32) -> impl Iterator<Item = (u32, u32)> + Clone {
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
