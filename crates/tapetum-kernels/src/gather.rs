//! Images whose pixels are weighted sums of another image's, with weights that are products of one for
//! the row and one for the column: interpolation, average pooling, and the gradients of both.

use rayon::prelude::*;

use crate::{
    channels::{ChannelRun, for_channel_runs, load, store},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
    taps::Taps,
};

/// The weights of rows and columns.
pub(crate) struct Gather {
    pub(crate) rows: Taps<f32>,
    pub(crate) columns: Taps<f32>,
}

impl Gather {
    /// The same weights for the gradient of an input of this height and width.
    pub(crate) fn transposed(&self, [height, width]: [usize; 2]) -> Self {
        Self { rows: self.rows.transposed(height), columns: self.columns.transposed(width) }
    }

    /// Computes the output from images of the given height and width.
    ///
    /// # Shapes
    /// `input`: `[batch, height, width, n_channels]`; `output`: `[batch, rows, columns, n_channels]`.
    pub(crate) fn run(
        &self,
        instructions: Instructions,
        [height, width, n_channels]: [usize; 3],
        input: &[f32],
        output: &mut [f32],
    ) {
        assert!(self.rows.are_within(height) && self.columns.are_within(width), "taps inside");
        let n_rows = self.rows.len();
        let (n_input, n_row) = (height * width * n_channels, self.columns.len() * n_channels);
        assert_eq!(input.len() * n_rows * n_row, output.len() * n_input, "images of one batch");
        if output.is_empty() {
            return;
        }
        output.par_chunks_mut(n_row).enumerate().for_each(|(row, output)| {
            let input = &input[row / n_rows * n_input..][..n_input];
            let (rows, columns) = (self.rows.at(row % n_rows), &self.columns);
            instructions.run(Row { rows, columns, width, n_channels, input, output });
        });
    }
}

/// A row of the output, from one image.
struct Row<'a> {
    rows: &'a [(usize, f32)],
    columns: &'a Taps<f32>,
    width: usize,
    n_channels: usize,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { rows, width, n_channels, input, .. } = self;
        for (x, output) in self.output.chunks_exact_mut(n_channels).enumerate() {
            let columns = self.columns.at(x);
            let mut pixel =
                Pixel { rows, columns, width, n_channels, input: input.as_ptr(), output };
            // SAFETY: the taps lie inside the image.
            unsafe { for_channel_runs::<V>(n_channels, &mut pixel) };
        }
    }
}

struct Pixel<'a> {
    rows: &'a [(usize, f32)],
    columns: &'a [(usize, f32)],
    width: usize,
    n_channels: usize,
    input: *const f32,
    output: &'a mut [f32],
}

impl<V: Lanes> ChannelRun<V> for Pixel<'_> {
    #[inline(always)]
    unsafe fn run<const BLOCKS: usize, const IS_WHOLE: bool>(
        &mut self,
        channel: usize,
        count: usize,
    ) {
        // SAFETY: the taps lie inside the image, the run inside the channels.
        unsafe {
            let zeros = [V::splat(0.0); BLOCKS];
            let mut sums = zeros;
            for (row, row_weight) in self.rows {
                let mut row_sums = zeros;
                let row_start = self.input.add(row * self.width * self.n_channels + channel);
                for (column, weight) in self.columns {
                    let weight = V::splat(*weight);
                    let from = row_start.add(column * self.n_channels);
                    for (block, sum) in row_sums.iter_mut().enumerate() {
                        let value = load::<V, IS_WHOLE>(from.add(block * V::N), count);
                        *sum = sum.add_product(value, weight);
                    }
                }
                for (sum, row_sum) in sums.iter_mut().zip(row_sums) {
                    *sum = sum.add_product(row_sum, V::splat(*row_weight));
                }
            }
            let to = self.output.as_mut_ptr().add(channel);
            for (block, sum) in sums.into_iter().enumerate() {
                store::<V, IS_WHOLE>(sum, to.add(block * V::N), count);
            }
        }
    }
}
