//! Gradients of weights and biases: for each tap, products of inputs and output gradients summed over
//! all pixels.

use rayon::prelude::*;

use super::{
    Compute, ConvShape, PaddingMode, Precision,
    pack::{Panel, n_lanes, panels},
    taps::{Run, Taps},
    tile::add_product,
    window::{Gathering, Source, Window},
};
use crate::{buffer::Buffer, instructions::Kernel, lanes::Lanes};

/// Columns of a window's grid.
const WINDOW_COLUMNS: usize = 96;
/// Rows of a window's grid: few, so that a panel of output gradients stays in the first-level cache.
const WINDOW_ROWS: usize = 2;
/// Bytes that all partial sums together may take.
const SUMS_BYTES: usize = 32 << 20;
/// Partial sums at most; each is made by one thread, whatever their number.
const N_PARTS: usize = 16;
/// More words than a tile reads beyond the last one it needs.
const SLACK: usize = 16;

/// Everything about the gradient of one group.
pub(super) struct WeightGradient<'a> {
    pub(super) compute: Compute,
    pub(super) shape: &'a ConvShape,
    pub(super) taps: &'a Taps,
    pub(super) sources: &'a [Source<'a>],
    pub(super) output_gradient: &'a Source<'a>,
}

/// The sums of some pixels.
struct Part {
    /// For each panel, tap and input channel, the panel's channels.
    weights: Buffer,
    /// `[n_out]`, in whole panels.
    biases: Buffer,
}

/// Scratch memory of a thread.
#[derive(Default)]
struct Scratch {
    window: Buffer,
    window_pairs: Buffer,
    /// For each panel, `[rows, columns, channels]`.
    gradients: Buffer,
    gradient_pairs: Buffer,
}

impl WeightGradient<'_> {
    /// The gradients, `[tap, input channel, output channel]` and `[output channel]`.
    pub(super) fn run(&self) -> (Vec<f32>, Vec<f32>) {
        let n_out = self.output_gradient.n_taken();
        let panels = panels(self.compute.instructions, n_out, self.depth());
        let lanes = n_lanes(self.compute.instructions);
        let len =
            panels.last().map_or(0, |last| last.start + self.depth() * last.n_registers * lanes);
        let n_bands = self.taps.grid[0].div_ceil(WINDOW_ROWS);
        let bands: Vec<(usize, usize)> = (0..self.shape.batch)
            .flat_map(|image| (0..n_bands).map(move |band| (image, band * WINDOW_ROWS)))
            .collect();
        let n_parts = (SUMS_BYTES / (4 * len.max(1))).clamp(1, N_PARTS);
        let n_band_part = bands.len().div_ceil(n_parts).max(1);
        let parts = bands.par_chunks(n_band_part).map_init(Scratch::default, |scratch, bands| {
            let mut part = Part {
                weights: Buffer::zeros(len),
                biases: Buffer::zeros(n_out.next_multiple_of(2 * lanes)),
            };
            for &(image_idx, row) in bands {
                self.add_band(image_idx, row, &panels, scratch, &mut part);
            }
            part
        });
        let parts: Vec<Part> = parts.collect();
        self.collected(&panels, &parts)
    }

    /// Weights of an output channel.
    fn depth(&self) -> usize {
        self.taps.list.len() * self.n_channels()
    }

    fn n_channels(&self) -> usize {
        self.sources.iter().map(Source::n_taken).sum()
    }

    fn collected(&self, panels: &[Panel], parts: &[Part]) -> (Vec<f32>, Vec<f32>) {
        let n_out = self.output_gradient.n_taken();
        let lanes = n_lanes(self.compute.instructions);
        let sum = |of: fn(&Part) -> &Buffer, at: usize| -> f32 {
            parts.iter().map(|part| of(part).values()[at]).sum()
        };
        let mut weights = vec![0.0; self.depth() * n_out];
        for panel in panels {
            for k in 0..self.depth() {
                let start = panel.start + k * panel.n_registers * lanes;
                for out in 0..panel.n_out {
                    weights[k * n_out + panel.first_out + out] =
                        sum(|part| &part.weights, start + out);
                }
            }
        }
        (weights, (0..n_out).map(|out| sum(|part| &part.biases, out)).collect())
    }

    fn add_band(
        &self,
        image_idx: usize,
        row: usize,
        panels: &[Panel],
        scratch: &mut Scratch,
        part: &mut Part,
    ) {
        let n_rows = WINDOW_ROWS.min(self.taps.grid[0] - row);
        for column in (0..self.taps.grid[1]).step_by(WINDOW_COLUMNS) {
            let n_columns = WINDOW_COLUMNS.min(self.taps.grid[1] - column);
            let block = Block { image_idx, start: [row, column], size: [n_rows, n_columns] };
            self.gather_window(block, scratch);
            for panel in panels {
                self.gather_gradients(block, panel, scratch, part);
                self.add_panel(block, panel, scratch, part);
            }
        }
    }

    fn window_size(&self, block: Block) -> [usize; 2] {
        // With pairs, an odd last pixel has a neighbour, whose gradient is 0.
        let columns = block.size[1].next_multiple_of(2);
        [
            (block.size[0] - 1) * self.taps.input_step[0] + self.taps.span(0).1,
            columns * self.taps.input_step[1] + self.taps.span(1).1,
        ]
    }

    fn gather_window(&self, block: Block, scratch: &mut Scratch) {
        let size = self.window_size(block);
        let start = std::array::from_fn(|axis| {
            (block.start[axis] * self.taps.input_step[axis]) as isize + self.taps.span(axis).0
        });
        let n_channels = self.n_channels();
        let len = size[0] * size[1] * n_channels;
        let words = scratch.window.resized(len + SLACK);
        let window = Window { image_idx: block.image_idx, start, size };
        self.gathering(self.shape.padding_mode, self.shape.size).gather(
            self.sources,
            window,
            words,
        );
        if self.compute.precision == Precision::Bf16 {
            let distance = self.taps.input_step[1] * n_channels;
            let pairs = scratch.window_pairs.resized(len + SLACK);
            self.compute.instructions.run(PairValues {
                values: &words[..len],
                distance,
                pairs: &mut pairs[..len - distance],
            });
        }
    }

    fn gathering(&self, padding_mode: PaddingMode, image_size: [usize; 2]) -> Gathering {
        let instructions = self.compute.instructions;
        Gathering { instructions, precision: Precision::F32, padding_mode, image_size }
    }

    /// One panel's output gradients; adds them to the biases' as well.
    fn gather_gradients(
        &self,
        block: Block,
        panel: &Panel,
        scratch: &mut Scratch,
        part: &mut Part,
    ) {
        let instructions = self.compute.instructions;
        let width = panel.n_registers * n_lanes(instructions);
        let [n_rows, n_columns] = block.size;
        let row_values = n_columns.next_multiple_of(2) * width;
        let gradients = scratch.gradients.resized(n_rows * row_values);
        if panel.n_out < width || !n_columns.is_multiple_of(2) {
            gradients.fill(0.0);
        }
        let source = self.output_gradient.part(panel.first_out..panel.first_out + panel.n_out);
        let gathering = self.gathering(PaddingMode::Zeros, self.taps.grid);
        for (idx, row) in gradients.chunks_exact_mut(row_values).enumerate() {
            let y = block.image_idx * self.taps.grid[0] + block.start[0] + idx;
            let pixel = y * self.taps.grid[1] + block.start[1];
            gathering.copy(&source, pixel, n_columns, row, width);
        }
        let biases = &mut part.biases.values_mut()[panel.first_out..];
        instructions.run(AddRows { rows: gradients, sums: &mut biases[..width] });
        if self.compute.precision == Precision::Bf16 {
            let pairs = scratch.gradient_pairs.resized(n_rows * row_values / 2);
            let pixels = gradients.chunks_exact(2 * width).zip(pairs.chunks_exact_mut(width));
            for (values, pairs) in pixels {
                instructions.run(PairValues { values, distance: width, pairs });
            }
        }
    }

    fn add_panel(&self, block: Block, panel: &Panel, scratch: &Scratch, part: &mut Part) {
        let is_paired = self.compute.precision == Precision::Bf16;
        let (window, gradients) = match is_paired {
            true => (&scratch.window_pairs, &scratch.gradient_pairs),
            false => (&scratch.window, &scratch.gradients),
        };
        let n_channels = self.n_channels();
        let row_words = self.window_size(block)[1] * n_channels;
        let pixel_step = if is_paired { 2 } else { 1 };
        let n_lanes = n_lanes(self.compute.instructions);
        let sums = &mut part.weights.values_mut()[panel.start..];
        assert!(sums.len() >= self.depth() * panel.n_registers * n_lanes, "room for the panel");
        self.compute.instructions.run(AddProducts {
            window: window.values(),
            runs: &self.taps.runs(row_words, n_channels),
            row_stride: self.taps.input_step[0] * row_words,
            pixel_stride: self.taps.input_step[1] * n_channels * pixel_step,
            gradients: gradients.values(),
            gradient_stride: block.size[1].div_ceil(2) * 2 / pixel_step
                * panel.n_registers
                * n_lanes,
            n_rows: block.size[0],
            n_steps: block.size[1].div_ceil(pixel_step),
            n_registers: panel.n_registers,
            is_paired,
            sums,
        });
    }
}

/// Some neighbouring pixels of the grid.
#[derive(Clone, Copy)]
struct Block {
    image_idx: usize,
    start: [usize; 2],
    size: [usize; 2],
}

/// `pairs[i] = (values[i], values[i + distance])`.
struct PairValues<'a> {
    values: &'a [f32],
    distance: usize,
    pairs: &'a mut [f32],
}

impl Kernel for PairValues<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { values, distance, pairs } = self;
        assert!(values.len() >= pairs.len() + distance, "a partner for every value");
        for idx in (0..pairs.len()).step_by(V::N) {
            let count = V::N.min(pairs.len() - idx);
            // SAFETY: the slices hold `count` values from there on.
            unsafe {
                let first = V::load_first(values.as_ptr().add(idx), count);
                let second = V::load_first(values.as_ptr().add(idx + distance), count);
                V::pairs(first, second).store_first(pairs.as_mut_ptr().add(idx), count);
            }
        }
    }
}

/// Adds rows of one or two registers.
struct AddRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { rows, sums } = self;
        for start in (0..sums.len()).step_by(V::N) {
            // SAFETY: rows are whole registers.
            unsafe {
                let mut partial = [V::splat(0.0); 4];
                for (idx, row) in rows.chunks_exact(sums.len()).enumerate() {
                    partial[idx % 4] = partial[idx % 4].add(V::load(row.as_ptr().add(start)));
                }
                let [a, b, c, d] = partial;
                let sum = sums.as_mut_ptr().add(start);
                V::load(sum).add(a.add(b).add(c.add(d))).store(sum);
            }
        }
    }
}

/// Adds the products of a window's words with a panel of output gradients.
struct AddProducts<'a> {
    window: &'a [f32],
    runs: &'a [Run],
    row_stride: usize,
    pixel_stride: usize,
    /// `[rows, steps, panel]`.
    gradients: &'a [f32],
    /// Values of a row of gradients.
    gradient_stride: usize,
    n_rows: usize,
    n_steps: usize,
    n_registers: usize,
    is_paired: bool,
    /// For each word of the runs, a panel.
    sums: &'a mut [f32],
}

impl Kernel for AddProducts<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let reach = self.runs.iter().map(|run| run.end()).max().unwrap_or(0);
        let last = (self.n_rows - 1) * self.row_stride + (self.n_steps - 1) * self.pixel_stride;
        assert!(last + reach + SLACK <= self.window.len(), "a window with slack");
        assert!(
            self.gradient_stride >= self.n_steps * self.n_registers * V::N,
            "a gradient a pixel"
        );
        assert!(self.gradients.len() >= self.n_rows * self.gradient_stride, "whole rows");
        // SAFETY: checked above.
        unsafe {
            match (self.is_paired, self.n_registers) {
                (false, 2) => self.every_tile::<V, 2, false>(),
                (false, _) => self.every_tile::<V, 1, false>(),
                (true, 2) => self.every_tile::<V, 2, true>(),
                (true, _) => self.every_tile::<V, 1, true>(),
            }
        }
    }
}

impl AddProducts<'_> {
    /// # Safety
    /// The machine has the lanes' instruction set; the window holds every run of every pixel and the
    /// slack, the gradients all rows.
    #[inline(always)]
    unsafe fn every_tile<V: Lanes, const REGISTERS: usize, const PAIRS: bool>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            match V::N_ACCUMULATORS {
                24 => self.tiles::<V, 12, REGISTERS, PAIRS>(),
                12 => self.tiles::<V, 6, REGISTERS, PAIRS>(),
                _ => self.tiles::<V, 2, REGISTERS, PAIRS>(),
            }
        }
    }

    /// # Safety
    /// See [`Self::every_tile`].
    #[inline(always)]
    unsafe fn tiles<V: Lanes, const WORDS: usize, const REGISTERS: usize, const PAIRS: bool>(self) {
        const { assert!(WORDS <= SLACK) }
        let width = REGISTERS * V::N;
        let mut done = 0;
        for run in self.runs {
            for word in (0..run.length).step_by(WORDS) {
                let count = WORDS.min(run.length - word);
                let sums = &mut self.sums[done * width..(done + count) * width];
                // SAFETY: the tile reads less than the slack beyond the run.
                unsafe {
                    let window = self.window.as_ptr().add(run.start + word);
                    let mut tile = [[V::splat(0.0); REGISTERS]; WORDS];
                    for row in 0..self.n_rows {
                        let mut input = window.add(row * self.row_stride);
                        let mut gradient = self.gradients.as_ptr().add(row * self.gradient_stride);
                        for _ in 0..self.n_steps {
                            let gradients: [V; REGISTERS] =
                                std::array::from_fn(|idx| V::load(gradient.add(idx * V::N)));
                            for (word, sums) in tile.iter_mut().enumerate() {
                                let value = V::splat(*input.add(word));
                                for (sum, gradient) in sums.iter_mut().zip(gradients) {
                                    *sum = add_product::<V, PAIRS>(*sum, value, gradient);
                                }
                            }
                            input = input.add(self.pixel_stride);
                            gradient = gradient.add(width);
                        }
                    }
                    for (tile, sums) in tile.iter().zip(sums.chunks_exact_mut(width)) {
                        for (register, sums) in tile.iter().zip(sums.chunks_exact_mut(V::N)) {
                            let sum = V::load(sums.as_ptr()).add(*register);
                            sum.store(sums.as_mut_ptr());
                        }
                    }
                }
                done += count;
            }
        }
    }
}
