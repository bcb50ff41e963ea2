//! The curve with maps of a reduced copy: block means on the way down, the maps between their places on
//! the way up.

use rayon::prelude::*;

use crate::{
    bands::N_OUT,
    instructions::{Instructions, Kernel},
    lanes::Lanes,
    math,
};

/// Channels of an image.
const N_RGB: usize = 3;
/// Steps of the curve.
const N_STEPS: usize = 8;
/// Rows of one parallel piece.
const N_ROWS: usize = 32;
/// Columns whose rates of two rows of the reduced copy fit the first-level cache.
const N_COLUMNS: usize = 128;
/// Values of a block's row for one step, and a register that reads or writes beyond them.
const N_STEP: usize = N_COLUMNS * N_RGB + 16;
/// Values of a block's row for all steps.
const N_ROW: usize = N_STEPS * N_STEP;

/// Means over blocks of `factor` times `factor` pixels; at the right and lower border over what is there.
///
/// # Shapes
/// `image`: `[height, width, 3]`; `output`: `[⌈height / factor⌉, ⌈width / factor⌉, 3]`.
///
/// # Panics
/// When the lengths do not fit, the factor is 0, or the instruction set is missing.
pub fn block_means(
    instructions: Instructions,
    image: &[f32],
    width: usize,
    factor: usize,
    output: &mut [f32],
) {
    assert!(factor > 0 && image.len().is_multiple_of((width * N_RGB).max(1)), "whole rows");
    let height = image.len() / (width * N_RGB).max(1);
    let n_blocks = width.div_ceil(factor);
    let n_expected = height.div_ceil(factor) * n_blocks * N_RGB;
    assert_eq!(output.len(), n_expected, "an output for blocks of {factor} pixels");
    if output.is_empty() {
        return;
    }
    let rows = image.par_chunks(factor * width * N_RGB);
    output.par_chunks_mut(n_blocks * N_RGB).zip(rows).for_each_init(
        || vec![0.0; width * N_RGB],
        |sums, (output, rows)| {
            instructions.run(RowSums { rows, sums });
            let n_rows = rows.len() / sums.len();
            for (mean, block) in output.chunks_mut(N_RGB).zip(sums.chunks(factor * N_RGB)) {
                let scale = 1.0 / (n_rows * block.len() / N_RGB) as f32;
                let (pixels, _) = block.as_chunks::<N_RGB>();
                let sum = pixels.iter().fold([0.0; N_RGB], |sum, pixel| {
                    [sum[0] + pixel[0], sum[1] + pixel[1], sum[2] + pixel[2]]
                });
                mean.copy_from_slice(&sum.map(|sum| sum * scale));
            }
        },
    );
}

/// The sum of rows as long as `sums`.
struct RowSums<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for RowSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n_values = self.sums.len();
        let n_whole = n_values / V::N * V::N;
        let n_rest = n_values - n_whole;
        // SAFETY: rows are as long as the sums, and the rest ends with them.
        unsafe {
            let to = self.sums.as_mut_ptr();
            for start in (0..n_whole).step_by(V::N) {
                let mut sum = V::splat(0.0);
                for row in self.rows.chunks_exact(n_values) {
                    sum = sum.add(V::load(row.as_ptr().add(start)));
                }
                sum.store(to.add(start));
            }
            if n_rest > 0 {
                let mut sum = V::splat(0.0);
                for row in self.rows.chunks_exact(n_values) {
                    sum = sum.add(V::load_first(row.as_ptr().add(n_whole), n_rest));
                }
                sum.store_first(to.add(n_whole), n_rest);
            }
        }
    }
}

/// Rates `tanh(m)` of a row of maps, as [`BandPlan::run`](crate::BandPlan::run) finishes it.
///
/// # Shapes
/// `maps` and `rates`: `[width, 32]`; the image is not read.
///
/// # Panics
/// When the lengths differ.
pub fn rates_of_row(_image: &[f32], maps: &[f32], rates: &mut [f32]) {
    assert_eq!(maps.len(), rates.len(), "rows of one width");
    Instructions::best().run(Rates { maps, rates });
}

struct Rates<'a> {
    maps: &'a [f32],
    rates: &'a mut [f32],
}

impl Kernel for Rates<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        debug_assert!(N_OUT.is_multiple_of(V::N));
        for (maps, rates) in self.maps.chunks_exact(V::N).zip(self.rates.chunks_exact_mut(V::N)) {
            // SAFETY: chunks of a register; a pixel is a whole number of them.
            unsafe { math::tanh(V::load(maps.as_ptr())).store(rates.as_mut_ptr()) }
        }
    }
}

/// The curve's rates at the centres of blocks of pixels; between the centres they are interpolated
/// linearly in both directions, and beyond the outermost ones they stay as they are.
#[derive(Debug, Clone)]
pub struct ReducedCurve {
    rates: Vec<f32>,
    width: usize,
    height: usize,
    factor: usize,
}

impl ReducedCurve {
    /// # Shapes
    /// `rates`: `[height, width, 32]`, of which the first 24 channels are the rates of eight steps, the
    /// first step's three first.
    ///
    /// # Panics
    /// When there are no rates, the lengths do not fit, or the factor is 0.
    pub fn new(rates: Vec<f32>, width: usize, factor: usize) -> Self {
        assert!(factor > 0 && width > 0 && !rates.is_empty(), "blocks with pixels");
        assert!(rates.len().is_multiple_of(width * N_OUT), "whole rows of 32 channels");
        let height = rates.len() / (width * N_OUT);
        Self { rates, width, height, factor }
    }

    /// Applies `u ← u + r (u² - u)` for each step's three rates `r` to a part of the full image whose
    /// upper left pixel is at `[x, y]`.
    ///
    /// # Shapes
    /// `image` and `output`: `[part's height, part's width, 3]`.
    ///
    /// # Panics
    /// When the lengths do not fit, or the instruction set is missing.
    pub fn apply(
        &self,
        instructions: Instructions,
        [x, y]: [usize; 2],
        image: &[f32],
        width: usize,
        output: &mut [f32],
    ) {
        assert_eq!(image.len(), output.len(), "an output as large as the image");
        if image.is_empty() {
            return;
        }
        assert!(image.len().is_multiple_of(width * N_RGB), "whole rows");
        let columns: Vec<Between> =
            (x..x + width).map(|x| Between::centres(x, self.factor, self.width)).collect();
        let n_values = N_ROWS * width * N_RGB;
        let pieces = output.par_chunks_mut(n_values).zip(image.par_chunks(n_values)).enumerate();
        pieces.for_each_init(
            || vec![0.0; 2 * N_ROW],
            |scratch, (idx, (output, image))| {
                let y = y + idx * N_ROWS;
                let columns = &columns;
                instructions.run(Apply { curve: self, columns, y, image, output, scratch });
            },
        );
    }
}

/// A place between two centres of blocks.
#[derive(Debug, Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    second_weight: f32,
}

impl Between {
    /// Where pixel `at` is: at `(at + ½) / factor - ½`, counted in blocks.
    fn centres(at: usize, factor: usize, n_blocks: usize) -> Self {
        let last = n_blocks - 1;
        let halves = (2 * at + 1).saturating_sub(factor);
        let first = (halves / (2 * factor)).min(last);
        let second_weight = (halves % (2 * factor)) as f32 / (2 * factor) as f32;
        Self { first, second: (first + 1).min(last), second_weight }
    }
}

struct Apply<'a> {
    curve: &'a ReducedCurve,
    /// Of all columns of the part.
    columns: &'a [Between],
    /// First row in the full image.
    y: usize,
    image: &'a [f32],
    output: &'a mut [f32],
    /// Room for two rows of a block's rates.
    scratch: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { curve, columns, y, image, output, scratch } = self;
        let (n_row, n_rows) = (columns.len() * N_RGB, image.len() / (columns.len() * N_RGB));
        // Even rows of the reduced copy have the first place, odd ones the second.
        let (even, odd) = scratch.split_at_mut(N_ROW);
        let rows = [even, odd];
        for (block, columns) in columns.chunks(N_COLUMNS).enumerate() {
            let mut held = [usize::MAX; 2];
            for row in 0..n_rows {
                let between = Between::centres(y + row, curve.factor, curve.height);
                for source in [between.first, between.second] {
                    let place = source % 2;
                    if held[place] != source {
                        held[place] = source;
                        // SAFETY: the machine has the instruction set; `source` is a row.
                        unsafe { expand::<V>(curve, source, columns, rows[place]) };
                    }
                }
                let start = row * n_row + block * N_COLUMNS * N_RGB;
                let rates = [between.first, between.second].map(|source| rows[source % 2].as_ptr());
                let n_values = columns.len() * N_RGB;
                let from = &image[start..start + n_values];
                let to = &mut output[start..start + n_values];
                // SAFETY: both rows hold all steps' rates of as many values.
                unsafe { apply_row::<V>(rates, between.second_weight, from, to) };
            }
        }
    }
}

/// A row of the reduced copy's rates at each column of a block, each step's next to each other as the
/// image's values are.
///
/// # Safety
/// The machine has the lanes' instruction set; the row and the columns' blocks are there, and `to` has
/// room for a block's row.
#[inline(always)]
unsafe fn expand<V: Lanes>(curve: &ReducedCurve, row: usize, columns: &[Between], to: &mut [f32]) {
    debug_assert!(to.len() >= N_ROW && columns.len() <= N_COLUMNS);
    let row = &curve.rates[row * curve.width * N_OUT..][..curve.width * N_OUT];
    let mut pixel = [0.0_f32; N_OUT];
    for (column, between) in columns.iter().enumerate() {
        let [first, second] =
            [between.first, between.second].map(|block| row[block * N_OUT..][..N_OUT].as_ptr());
        // SAFETY: a pixel has 32 channels; a step's room takes a value more than its own, and the next
        // pixel overwrites it.
        unsafe {
            let weight = V::splat(between.second_weight);
            for channel in (0..N_OUT).step_by(V::N) {
                let (first, second) = (V::load(first.add(channel)), V::load(second.add(channel)));
                let rate = first.add_product(weight, second.sub(first));
                rate.store(pixel.as_mut_ptr().add(channel));
            }
            let to = to.as_mut_ptr().add(column * N_RGB);
            for step in 0..N_STEPS {
                let rates = pixel.as_ptr().add(step * N_RGB).cast::<[f32; 4]>();
                to.add(step * N_STEP).cast::<[f32; 4]>().write_unaligned(rates.read_unaligned());
            }
        }
    }
}

/// All steps for a row of a block, with rates between those of two rows.
///
/// # Safety
/// The machine has the lanes' instruction set; both rows hold all steps' rates, and a register may be
/// read at each value.
#[inline(always)]
unsafe fn apply_row<V: Lanes>(
    [first, second]: [*const f32; 2],
    second_weight: f32,
    image: &[f32],
    output: &mut [f32],
) {
    let n_whole = image.len() / V::N * V::N;
    let n_rest = image.len() - n_whole;
    // SAFETY: the caller's promise; the rest ends with the row.
    unsafe {
        let weight = V::splat(second_weight);
        let (from, to) = (image.as_ptr(), output.as_mut_ptr());
        for start in (0..n_whole).step_by(V::N) {
            let rates = [first.add(start), second.add(start)];
            apply_register(V::load(from.add(start)), rates, weight).store(to.add(start));
        }
        if n_rest > 0 {
            let rates = [first.add(n_whole), second.add(n_whole)];
            let value = V::load_first(from.add(n_whole), n_rest);
            apply_register(value, rates, weight).store_first(to.add(n_whole), n_rest);
        }
    }
}

/// With `v = u - ½`, a step is `v ← v + r (v² - ¼)`.
///
/// # Safety
/// As [`apply_row`].
#[inline(always)]
unsafe fn apply_register<V: Lanes>(value: V, [first, second]: [*const f32; 2], weight: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let half = V::splat(0.5);
        let minus_quarter = V::splat(-0.25);
        let mut value = value.sub(half);
        for step in 0..N_STEPS {
            let (first, second) =
                (V::load(first.add(step * N_STEP)), V::load(second.add(step * N_STEP)));
            let rate = first.add_product(weight, second.sub(first));
            value = value.add_product(rate, minus_quarter.add_product(value, value));
        }
        value.add(half)
    }
}
