//! CLAHE: contrast limited adaptive histogram equalisation, on the lightness of CIELAB.
//!
//! S. Pizer et al., *Adaptive Histogram Equalization and Its Variations*, CVGIP 39 (1987),
//! doi 10.1016/S0734-189X(87)80186-X; K. Zuiderveld, *Contrast Limited Adaptive Histogram
//! Equalization*, Graphics Gems IV, 1994. Each tile of a grid has an equalising curve whose slope is
//! limited by cutting its histogram; a pixel takes the curves of the four nearest tiles, bilinearly.
//! Clip limit 2, 8 times 8 tiles and `L*` in 256 levels are what the field uses; the details are those
//! of OpenCV's `createCLAHE(2.0, (8, 8))`.

use rayon::prelude::*;
use tapetum_image::{Image, Srgb};
use tapetum_nn::{MethodCard, SizeRule, Tiling};

use super::{
    lab,
    levels::{Curve, LEVEL_MAX, N_LEVELS, at, histogram},
};

/// The facts about CLAHE.
pub static CARD: MethodCard = MethodCard {
    name: "clahe",
    title: "CLAHE",
    citation: "Zuiderveld, Contrast Limited Adaptive Histogram Equalization, Graphics Gems IV, 1994; \
               on L* of CIELAB, clip limit 2, 8x8 tiles",
    purpose: "a baseline that lifts local contrast more than brightness",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::WholeImageOnly,
    // The image before and after and its finished rows, as floats; its colours in CIELAB.
    working_bytes_per_pixel: 80,
    default_weights: None,
    weights_by_scale: &[],
};

/// How many times the mean of its histogram a level may count.
const CLIP_LIMIT: f64 = 2.0;
/// Tiles in each direction.
const N_TILES: usize = 8;
/// Values converted to CIELAB and back at a time.
const PART: usize = 3 << 14;
/// `L*` of white.
const LIGHTNESS_MAX: f32 = 100.0;

/// Equalises `L*`.
pub fn enhance(low: &Image<Srgb>) -> Image<Srgb> {
    let mut colors: Vec<f32> = low.pixels.par_chunks(PART).flat_map_iter(lab::from_srgb).collect();
    let to_level = |lab: &[f32]| (lab[0] * (LEVEL_MAX / LIGHTNESS_MAX)).clamp(0.0, LEVEL_MAX);
    let levels: Vec<f32> = colors.par_chunks_exact(3).map(to_level).collect();
    let equalized = equalize(&levels, low.width() as usize);
    colors.par_chunks_exact_mut(3).zip(&equalized).for_each(|(lab, level)| {
        lab[0] = level * (LIGHTNESS_MAX / LEVEL_MAX);
    });
    let pixels = colors.par_chunks(PART).flat_map_iter(lab::to_srgb).collect();
    Image::new(low.width(), low.height(), pixels)
}

/// Equalises one channel of brightness in 0..255, in rows of `width`; the result is in 0..255, too. On
/// whole levels it is, rounded with ties to even, that of OpenCV.
pub fn equalize(brightness: &[f32], width: usize) -> Vec<f32> {
    let grid = Grid::new(width, brightness.len() / width);
    let curves = (0..N_TILES * N_TILES).into_par_iter();
    let curves: Vec<Curve> = curves.map(|tile| grid.curve(brightness, tile)).collect();
    let mut equalized = vec![0.0; brightness.len()];
    let rows = equalized.par_chunks_mut(width).zip(brightness.par_chunks(width));
    rows.enumerate().for_each(|(y, (row, brightness))| {
        let [upper, lower] = neighbours(y, grid.tile_height);
        for (x, (value, &brightness)) in row.iter_mut().zip(brightness).enumerate() {
            let [left, right] = neighbours(x, grid.tile_width);
            let curve = |row: usize, column: usize| at(&curves[row * N_TILES + column], brightness);
            let mix = |row| curve(row, left.0) * left.1 + curve(row, right.0) * right.1;
            *value = mix(upper.0) * upper.1 + mix(lower.0) * lower.1;
        }
    });
    equalized
}

/// The tiles. An image that they do not divide goes on as its mirror image, to the right and below.
struct Grid {
    width: usize,
    height: usize,
    tile_width: usize,
    tile_height: usize,
}

impl Grid {
    fn new(width: usize, height: usize) -> Self {
        let is_divided = width.is_multiple_of(N_TILES) && height.is_multiple_of(N_TILES);
        // Where one side is not divided, OpenCV adds to both.
        let tile = |side: usize| if is_divided { side / N_TILES } else { side / N_TILES + 1 };
        Self { width, height, tile_width: tile(width), tile_height: tile(height) }
    }

    /// The limited, cumulated histogram of a tile.
    fn curve(&self, brightness: &[f32], tile: usize) -> Curve {
        let (row, column) = (tile / N_TILES, tile % N_TILES);
        let ys = (row * self.tile_height..(row + 1) * self.tile_height)
            .map(|y| mirrored(y, self.height) * self.width);
        let xs = (column * self.tile_width..(column + 1) * self.tile_width)
            .map(|x| mirrored(x, self.width));
        let mut counts =
            histogram(ys.flat_map(|start| xs.clone().map(move |x| brightness[start + x])));
        let n_pixels = self.tile_width * self.tile_height;
        let limit = (CLIP_LIMIT * n_pixels as f64 / N_LEVELS as f64) as u32;
        limit_counts(&mut counts, limit.max(1));
        let scale = LEVEL_MAX / n_pixels as f32;
        let mut n_below = 0;
        counts.map(|count| {
            n_below += count;
            (n_below as f32 * scale).round_ties_even().min(LEVEL_MAX)
        })
    }
}

/// Cuts counts at `limit` and spreads what was cut over all levels.
fn limit_counts(counts: &mut [u32; N_LEVELS], limit: u32) {
    let n_cut: u32 = counts.iter().map(|count| count.saturating_sub(limit)).sum();
    let (share, rest) = (n_cut / N_LEVELS as u32, n_cut as usize % N_LEVELS);
    counts.iter_mut().for_each(|count| *count = (*count).min(limit) + share);
    let step = N_LEVELS.checked_div(rest).unwrap_or(1);
    counts.iter_mut().step_by(step).take(rest).for_each(|count| *count += 1);
}

/// The two tiles whose centres are nearest along one side, and their shares.
fn neighbours(position: usize, tile_side: usize) -> [(usize, f32); 2] {
    let place = position as f32 * (1.0 / tile_side as f32) - 0.5;
    let before = place.floor();
    let share = place - before;
    let after = (before + 1.0) as usize;
    [(before.max(0.0) as usize, 1.0 - share), (after.min(N_TILES - 1), share)]
}

/// Where a position beyond the end is found in the image: mirrored at its last and first pixel.
fn mirrored(position: usize, length: usize) -> usize {
    let period = (2 * length).saturating_sub(2).max(1);
    let folded = position % period;
    folded.min(period - folded)
}
