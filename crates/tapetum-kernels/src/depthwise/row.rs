//! One row of a depthwise convolution.

use std::ops::Range;

use super::{DepthwiseShape, Pass};
use crate::{
    channels::{load, store},
    instructions::Kernel,
    lanes::Lanes,
};

/// Pixels that are finished together, while they are in the first-level cache.
const N_SEGMENT: usize = 32;

/// One row of the output.
pub(super) struct Row<'a> {
    pub(super) pass: &'a Pass,
    pub(super) rows: &'a [(usize, usize)],
    /// Columns whose taps are all there.
    pub(super) regular: Range<usize>,
    /// The image and those after it.
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let DepthwiseShape { width, channels, activation, .. } = self.pass.shape;
        let row = self.output.as_mut_ptr();
        for start in (0..width).step_by(N_SEGMENT) {
            let end = (start + N_SEGMENT).min(width);
            let regular = self.regular.start.clamp(start, end)..self.regular.end.clamp(start, end);
            // SAFETY: the taps lie inside the image, the segment inside the row.
            unsafe {
                self.irregular::<V>(start..regular.start, row);
                let rest = self.regular_pixels::<V>(regular, row);
                self.irregular::<V>(rest..end, row);
                let segment = row.add(start * channels);
                let n_values = (end - start) * channels;
                activation.apply_in_place::<V>(std::slice::from_raw_parts_mut(segment, n_values));
            }
        }
    }
}

impl Row<'_> {
    /// Computes as many of the columns as make up whole tiles; returns the first one that is left.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set; the columns are regular; `row` is the output's first
    /// pixel.
    #[inline(always)]
    unsafe fn regular_pixels<V: Lanes>(&self, columns: Range<usize>, row: *mut f32) -> usize {
        /// Pixels that share what they load.
        const PIXELS: usize = 4;
        let DepthwiseShape { channels, kernel, dilation, .. } = self.pass.shape;
        let mut x = columns.start;
        // SAFETY: whole tiles lie within the columns.
        unsafe {
            while x + PIXELS <= columns.end {
                let output = row.add(x * channels);
                match (kernel, dilation) {
                    (3, 1) => self.tile::<V, Neighbours<3>, PIXELS>(x, output),
                    (5, 1) => self.tile::<V, Neighbours<5>, PIXELS>(x, output),
                    _ => self.tile::<V, Scattered, PIXELS>(x, output),
                }
                x += PIXELS;
            }
        }
        x
    }

    /// A few pixels next to each other, all channels.
    ///
    /// # Safety
    /// As [`Self::regular_pixels`].
    #[inline(always)]
    unsafe fn tile<V: Lanes, T: TileRow, const PIXELS: usize>(&self, x: usize, output: *mut f32) {
        let n_channels = self.pass.shape.channels;
        let n_whole = n_channels / V::N * V::N;
        // SAFETY: the caller's promise; runs of channels end with the last one.
        unsafe {
            for channel in (0..n_whole).step_by(V::N) {
                self.tile_run::<V, T, PIXELS, true>(x, channel, output.add(channel));
            }
            if n_whole < n_channels {
                self.tile_run::<V, T, PIXELS, false>(x, n_whole, output.add(n_whole));
            }
        }
    }

    /// # Safety
    /// As [`Self::regular_pixels`]; `output` is the first pixel's `channel`.
    #[inline(always)]
    unsafe fn tile_run<V: Lanes, T: TileRow, const PIXELS: usize, const IS_WHOLE: bool>(
        &self,
        x: usize,
        channel: usize,
        output: *mut f32,
    ) {
        let DepthwiseShape { width, channels, kernel, dilation, .. } = self.pass.shape;
        let count = channels - channel;
        let weights = self.pass.weights.0.as_ptr();
        let first_column = x - self.pass.shape.reach();
        // SAFETY: the rows' and columns' taps lie inside the image; weights hold all taps.
        unsafe {
            let bias = weights.add(kernel * kernel * channels + channel);
            let mut sums = [load::<V, IS_WHOLE>(bias, count); PIXELS];
            for (y, tap_row) in self.rows {
                let input = self.input.as_ptr().add((y * width + first_column) * channels);
                let row = TileRowInput {
                    input: input.add(channel),
                    weights: weights.add(tap_row * kernel * channels + channel),
                    channels,
                    kernel,
                    dilation,
                    count,
                };
                T::add::<V, PIXELS, IS_WHOLE>(&row, &mut sums);
            }
            for (pixel, sum) in sums.into_iter().enumerate() {
                store::<V, IS_WHOLE>(sum, output.add(pixel * channels), count);
            }
        }
    }

    /// Pixels some of whose taps are missing or mirrored.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set; `row` is the output's first pixel.
    #[inline(always)]
    unsafe fn irregular<V: Lanes>(&self, columns: Range<usize>, row: *mut f32) {
        let n_channels = self.pass.shape.channels;
        let n_whole = n_channels / V::N * V::N;
        for x in columns {
            // SAFETY: the caller's promise; runs of channels end with the last one.
            unsafe {
                let output = row.add(x * n_channels);
                for channel in (0..n_whole).step_by(V::N) {
                    self.irregular_run::<V, true>(x, channel, output.add(channel));
                }
                if n_whole < n_channels {
                    self.irregular_run::<V, false>(x, n_whole, output.add(n_whole));
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::irregular`]; `output` is the pixel's `channel`.
    #[inline(always)]
    unsafe fn irregular_run<V: Lanes, const IS_WHOLE: bool>(
        &self,
        x: usize,
        channel: usize,
        output: *mut f32,
    ) {
        let DepthwiseShape { width, channels, kernel, .. } = self.pass.shape;
        let count = channels - channel;
        let weights = self.pass.weights.0.as_ptr();
        // SAFETY: the taps lie inside the image; weights hold all taps.
        unsafe {
            let bias = weights.add(kernel * kernel * channels + channel);
            let mut sum = load::<V, IS_WHOLE>(bias, count);
            for (y, tap_row) in self.rows {
                for (x, tap_column) in self.pass.columns.at(x) {
                    let input = self.input.as_ptr().add((y * width + x) * channels + channel);
                    let weight = weights.add((tap_row * kernel + tap_column) * channels + channel);
                    let input = load::<V, IS_WHOLE>(input, count);
                    sum = sum.add_product(input, load::<V, IS_WHOLE>(weight, count));
                }
            }
            store::<V, IS_WHOLE>(sum, output, count);
        }
    }
}

/// One row of the kernel over one row of the input.
struct TileRowInput {
    /// The first tap of the first pixel.
    input: *const f32,
    weights: *const f32,
    channels: usize,
    kernel: usize,
    dilation: usize,
    count: usize,
}

/// How a row of taps is added to the sums of a tile.
trait TileRow {
    /// # Safety
    /// The machine has the lanes' instruction set, and the taps of all pixels can be read.
    unsafe fn add<V: Lanes, const PIXELS: usize, const IS_WHOLE: bool>(
        row: &TileRowInput,
        sums: &mut [V; PIXELS],
    );
}

/// A known number of taps next to each other: pixels share their inputs.
struct Neighbours<const KERNEL: usize>;

impl<const KERNEL: usize> TileRow for Neighbours<KERNEL> {
    #[inline(always)]
    unsafe fn add<V: Lanes, const PIXELS: usize, const IS_WHOLE: bool>(
        row: &TileRowInput,
        sums: &mut [V; PIXELS],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut weights = [V::splat(0.0); KERNEL];
            for (tap, weight) in weights.iter_mut().enumerate() {
                *weight = load::<V, IS_WHOLE>(row.weights.add(tap * row.channels), row.count);
            }
            for place in 0..KERNEL + PIXELS - 1 {
                let input = load::<V, IS_WHOLE>(row.input.add(place * row.channels), row.count);
                for (tap, weight) in weights.into_iter().enumerate() {
                    if tap <= place && place - tap < PIXELS {
                        sums[place - tap] = sums[place - tap].add_product(input, weight);
                    }
                }
            }
        }
    }
}

/// Any number of taps, any distance apart.
struct Scattered;

impl TileRow for Scattered {
    #[inline(always)]
    unsafe fn add<V: Lanes, const PIXELS: usize, const IS_WHOLE: bool>(
        row: &TileRowInput,
        sums: &mut [V; PIXELS],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            for tap in 0..row.kernel {
                let weight = load::<V, IS_WHOLE>(row.weights.add(tap * row.channels), row.count);
                let input = row.input.add(tap * row.dilation * row.channels);
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    let input = load::<V, IS_WHOLE>(input.add(pixel * row.channels), row.count);
                    *sum = sum.add_product(input, weight);
                }
            }
        }
    }
}
