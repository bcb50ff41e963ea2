//! Tiles that overlap: what the network makes of them is mixed where they meet, so that no seam remains.
//!
//! Along each side of the image, a piece has the weight 1 but for ramps at its inner ends, which rise
//! where those of its neighbour fall: weights sum to 1, whatever the lengths. The ramps take the middle
//! half of what both neighbours see. In the outer quarters the weight is 0, since there the network
//! lacks its surroundings.

use std::ops::Range;

use rayon::prelude::*;
use tapetum_image::{Image, Raster, Rect, Srgb};

use super::{
    EnhanceError,
    apply::{Canvas, Photograph, Run, finish_part},
    tiles::cut,
};

/// Bytes for a pixel of the strip.
const STRIP_BYTES_PER_PX: u64 = 12;

/// A part of one side of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start: u32,
    end: u32,
    /// Length of the side.
    length: u32,
    overlap_px: u32,
    /// What it sees begins at a multiple of this.
    step_px: u32,
}

/// Columns and rows of tiles, in pixels of the photograph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    columns: Vec<Piece>,
    rows: Vec<Piece>,
}

impl Grid {
    /// Of pieces of at most `side` pixels without the overlap.
    pub(super) fn new(raster: &Raster, side: u32, [overlap_px, step_px]: [u32; 2]) -> Self {
        let pieces = |length| {
            let piece = move |(start, n)| {
                let end = start + n;
                Piece { start, end, length, overlap_px, step_px }
            };
            cut(length, side).map(piece).collect()
        };
        Self { columns: pieces(raster.width()), rows: pieces(raster.height()) }
    }

    pub(super) fn n_tiles(&self) -> usize {
        self.columns.len() * self.rows.len()
    }

    /// Enhances tiles from left to right and from top to bottom; rows that no further tile reaches are
    /// finished.
    pub(super) fn enhance(
        &self,
        run: &Run<'_>,
        photograph: &Photograph<'_>,
        canvas: &mut Canvas,
    ) -> Result<(), EnhanceError> {
        let scale = photograph.scale;
        let width = photograph.raster.width() * scale;
        let mut strip = Strip { y: 0, width, sums: Vec::new() };
        let n_rows_max = self.rows.iter().map(|row| row.mixed().len()).max().unwrap_or(0);
        strip.sums.reserve_exact(n_rows_max * scale as usize * strip.row_values());
        for (idx, row) in self.rows.iter().enumerate() {
            strip.extend_to(row.mixed().end * scale);
            for column in &self.columns {
                strip.add_tile(run, photograph, column, row)?;
            }
            let end = self.rows.get(idx + 1).map_or(row.length, |next| next.mixed().start) * scale;
            for column in &self.columns {
                let (x, width) = (column.start * scale, (column.end - column.start) * scale);
                let part = Rect { x, y: strip.y, width, height: end - strip.y };
                canvas.write(&finish_part(&|place| strip.cropped(place), photograph, part));
            }
            strip.drop_above(end);
        }
        Ok(())
    }
}

/// Memory for the strip of a grid on a raster whose result is `scale` times as large. Counts the same pieces
/// as [`Grid::new`].
pub(super) fn strip_bytes(raster: &Raster, side: u32, overlap_px: u32, scale: u32) -> u64 {
    let n_rows = u64::from(longest_px(raster.height(), side, overlap_px / 2));
    u64::from(raster.width()) * n_rows * u64::from(scale).pow(2) * STRIP_BYTES_PER_PX
}

/// Pixels that the network sees of the largest tile of a grid, as [`strip_bytes`] counts.
pub(super) fn tile_pixels(raster: &Raster, side: u32, [overlap_px, step_px]: [u32; 2]) -> u64 {
    let seen = |length: u32| {
        let longest = longest_px(length, side, overlap_px) + step_px - 1;
        u64::from(longest.min(length))
    };
    seen(raster.width()) * seen(raster.height())
}

/// Bound for the longest piece that reaches that far beyond its inner ends.
fn longest_px(length: u32, side: u32, reach_px: u32) -> u32 {
    let n_pieces = length.div_ceil(side);
    let n_inner_ends = (n_pieces - 1).min(2);
    let reach_px = reach_px.saturating_mul(n_inner_ends);
    length.div_ceil(n_pieces).saturating_add(reach_px).min(length)
}

impl Piece {
    /// What the network sees.
    fn seen(&self) -> Range<u32> {
        let Range { start, end } = self.reaching(self.overlap_px);
        start / self.step_px * self.step_px..end
    }

    /// Where the weight is not 0.
    fn mixed(&self) -> Range<u32> {
        self.reaching(self.overlap_px / 2)
    }

    fn reaching(&self, reach_px: u32) -> Range<u32> {
        self.start.saturating_sub(reach_px)..self.end.saturating_add(reach_px).min(self.length)
    }

    /// Of the pixels in [`Piece::mixed`] of a result `scale` times as large, 0..1.
    fn weights(&self, scale: u32) -> Vec<f32> {
        let rise = |boundary: u32, idx: u32| {
            if boundary == 0 || boundary == self.length {
                return if boundary == 0 { 1.0 } else { 0.0 };
            }
            let from_boundary = (f64::from(idx) + 0.5) / f64::from(scale) - f64::from(boundary);
            let ramp_px = f64::from(self.overlap_px / 2) * 2.0;
            (from_boundary / ramp_px + 0.5).clamp(0.0, 1.0) as f32
        };
        let mixed = self.mixed();
        let mixed = mixed.start * scale..mixed.end * scale;
        mixed.map(|idx| rise(self.start, idx) - rise(self.end, idx)).collect()
    }
}

/// Rows of the result from `y` on, over its whole width: sums of results times their weights.
struct Strip {
    y: u32,
    width: u32,
    sums: Vec<f32>,
}

impl Strip {
    fn row_values(&self) -> usize {
        self.width as usize * 3
    }

    fn extend_to(&mut self, end: u32) {
        self.sums.resize((end - self.y) as usize * self.row_values(), 0.0);
    }

    fn add_tile(
        &mut self,
        run: &Run<'_>,
        photograph: &Photograph<'_>,
        column: &Piece,
        row: &Piece,
    ) -> Result<(), EnhanceError> {
        let (seen_x, seen_y) = (column.seen(), row.seen());
        let (width, height) = (seen_x.end - seen_x.start, seen_y.end - seen_y.start);
        let seen = Rect { x: seen_x.start, y: seen_y.start, width, height };
        let output = run(&photograph.to_srgb(seen), seen);
        let scale = photograph.scale;
        let seen = seen.enlarged(scale);
        let (weights_x, weights_y) = (column.weights(scale), row.weights(scale));
        let (x, y) = (column.mixed().start * scale, row.mixed().start * scale);
        let (from, to) = ((x - seen.x) as usize * 3, x as usize * 3);
        let (row_values, n_values) = (self.row_values(), weights_x.len() * 3);
        let results = output.pixels.par_chunks_exact(seen.width as usize * 3);
        let results = results.skip((y - seen.y) as usize).map(|row| &row[from..from + n_values]);
        let sums = self.sums.par_chunks_exact_mut(row_values).skip((y - self.y) as usize);
        let sums = sums.map(|row| &mut row[to..to + n_values]);
        let is_finite = sums.zip(results).zip(weights_y).map(|((sums, results), weight_y)| {
            add_row(sums, results, &weights_x, weight_y);
            results.iter().all(|value| value.is_finite())
        });
        // All rows are added, whatever the first ones hold.
        if is_finite.reduce(|| true, |a, b| a & b) {
            Ok(())
        } else {
            Err(EnhanceError::NonFiniteOutput { x: column.start, y: row.start })
        }
    }

    /// A part in coordinates of the result.
    fn cropped(&self, place: Rect) -> Image<Srgb> {
        let rows = self.sums.chunks_exact(self.row_values());
        let rows = rows.skip((place.y - self.y) as usize).take(place.height as usize);
        let (start, n_values) = (place.x as usize * 3, place.width as usize * 3);
        let pixels = rows.flat_map(|row| &row[start..start + n_values]).copied().collect();
        Image::new(place.width, place.height, pixels)
    }

    fn drop_above(&mut self, y: u32) {
        self.sums.drain(..(y - self.y) as usize * self.row_values());
        self.y = y;
    }
}

fn add_row(sums: &mut [f32], results: &[f32], weights_x: &[f32], weight_y: f32) {
    let (sums, _) = sums.as_chunks_mut::<3>();
    let (results, _) = results.as_chunks::<3>();
    for ((sum, result), weight_x) in sums.iter_mut().zip(results).zip(weights_x) {
        for (sum, value) in sum.iter_mut().zip(result) {
            *sum += weight_x * weight_y * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use tapetum_image::{Channels, Samples};

    use super::*;

    /// Sides of the image, of a tile, and their overlap.
    const CASES: [(u32, u32, u32); 8] = [
        (1, 32, 8),
        (100, 32, 0),
        (100, 32, 1),
        (100, 32, 16),
        (100, 32, 33),
        (333, 32, 200),
        (64, 32, 4000),
        (1000, 300, 128),
    ];

    fn grid(length: u32, side: u32, overlap_px: u32, step_px: u32) -> Grid {
        let row = Samples::U8(vec![0; length as usize]);
        let row = Raster::new(length, 1, Channels::Grey, row).unwrap();
        Grid::new(&row, side, [overlap_px, step_px])
    }

    #[test]
    fn weights_sum_to_one_and_never_rise_faster_than_the_ramp() {
        for ((length, side, overlap_px), scale) in
            CASES.into_iter().flat_map(|case| [1, 2, 4].map(|scale| (case, scale)))
        {
            let mut sums = vec![0.0; (length * scale) as usize];
            for piece in grid(length, side, overlap_px, 1).columns {
                let mut all = vec![0.0; sums.len()];
                for (idx, weight) in (piece.mixed().start * scale..).zip(piece.weights(scale)) {
                    all[idx as usize] = weight;
                    sums[idx as usize] += weight;
                    assert!((0.0..=1.0).contains(&weight), "{weight}");
                }
                let ramp_px = (overlap_px / 2 * 2 * scale).max(1);
                let steepest = all.windows(2).map(|pair| (pair[1] - pair[0]).abs());
                let steepest = steepest.fold(0.0, f32::max);
                assert!(steepest <= 1.0 / ramp_px as f32 + 1e-6, "{length}: {steepest}");
            }
            let peak = sums.iter().map(|sum| (sum - 1.0f32).abs()).fold(0.0, f32::max);
            assert!(peak <= 3e-7, "{length} in {side} with {overlap_px} x{scale}: {peak}");
        }
    }

    #[test]
    fn the_planned_length_holds_every_piece() {
        let steps = [1, 16].into_iter();
        for ((length, side, overlap_px), step_px) in
            steps.flat_map(|step_px| CASES.map(|case| (case, step_px)))
        {
            for piece in grid(length, side, overlap_px, step_px).columns {
                assert!(piece.seen().start.is_multiple_of(step_px));
                let longest = longest_px(length, side, overlap_px) + step_px - 1;
                assert!(piece.seen().len() <= longest as usize);
                assert!(piece.mixed().len() <= longest_px(length, side, overlap_px / 2) as usize);
            }
        }
        assert_eq!(longest_px(1000, 300, 128), 250 + 2 * 128);
        assert_eq!(longest_px(600, 300, 128), 300 + 128, "one inner end each");
    }
}
