//! Sums over all pixels for the gradients of a depthwise convolution's weight and bias.

use std::ops::Range;

use crate::{
    channels::{load, store},
    depthwise::DepthwiseShape,
    instructions::Kernel,
    lanes::Lanes,
    taps::Taps,
};

/// Rows of one partial sum; fixed, so that sums do not depend on the number of threads.
const N_BAND_ROWS: usize = 16;
/// Pixels whose inputs for all taps stay in the first-level cache.
const N_SEGMENT: usize = 32;
/// Sums that wait for none of their neighbours.
const N_SUMS: usize = 4;

/// The image and the rows of every partial sum.
pub(crate) fn bands(shape: &DepthwiseShape) -> Vec<(usize, Range<usize>)> {
    let height = shape.height;
    let bands = (0..height).step_by(N_BAND_ROWS);
    let bands = bands.map(|start| start..(start + N_BAND_ROWS).min(height));
    (0..shape.batch).flat_map(|image| bands.clone().map(move |rows| (image, rows))).collect()
}

/// Adds up products of a band's gradients with the inputs that each tap sees.
pub(crate) struct WeightGradient<'a> {
    pub(crate) shape: &'a DepthwiseShape,
    pub(crate) band: Range<usize>,
    pub(crate) rows: &'a Taps<usize>,
    pub(crate) columns: &'a Taps<usize>,
    /// Columns whose taps are all there.
    pub(crate) regular: Range<usize>,
    /// One image, and the gradient of its output.
    pub(crate) input: &'a [f32],
    pub(crate) gradient: &'a [f32],
    /// For each tap and then the bias, all channels.
    pub(crate) sums: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(mut self) {
        let n_channels = self.shape.channels;
        let n_whole = n_channels / V::N * V::N;
        for y in self.band.clone() {
            for start in (0..self.shape.width).step_by(N_SEGMENT) {
                let columns = start..(start + N_SEGMENT).min(self.shape.width);
                // SAFETY: the caller's promise; runs of channels end with the last one.
                unsafe {
                    for channel in (0..n_whole).step_by(V::N) {
                        self.segment::<V, true>(y, columns.clone(), channel);
                    }
                    if n_whole < n_channels {
                        self.segment::<V, false>(y, columns, n_whole);
                    }
                }
            }
        }
    }
}

impl WeightGradient<'_> {
    /// # Safety
    /// The machine has the lanes' instruction set; row and columns lie inside the image.
    #[inline(always)]
    unsafe fn segment<V: Lanes, const IS_WHOLE: bool>(
        &mut self,
        y: usize,
        columns: Range<usize>,
        channel: usize,
    ) {
        let DepthwiseShape { width, channels, kernel, dilation, .. } = *self.shape;
        let within = |x: usize| x.clamp(columns.start, columns.end);
        let regular = within(self.regular.start)..within(self.regular.end);
        let count = channels - channel;
        let reach = kernel / 2 * dilation;
        // SAFETY: taps lie inside the image, sums hold all taps and the bias.
        unsafe {
            let gradient = self.gradient.as_ptr().add(y * width * channels + channel);
            let sums = self.sums.as_mut_ptr().add(channel);
            let add_to_tap = |tap: usize, value: V| {
                let sum = sums.add(tap * channels);
                store::<V, IS_WHOLE>(load::<V, IS_WHOLE>(sum, count).add(value), sum, count);
            };
            let at = |row: *const f32, x: usize| load::<V, IS_WHOLE>(row.add(x * channels), count);
            for (source, tap_row) in self.rows.at(y) {
                let input = self.input.as_ptr().add(source * width * channels + channel);
                for tap_column in 0..kernel {
                    let offset = tap_column * dilation;
                    let mut products = [V::splat(0.0); N_SUMS];
                    for x in regular.clone() {
                        let sum = &mut products[x % N_SUMS];
                        *sum = sum.add_product(at(gradient, x), at(input, x + offset - reach));
                    }
                    let total = products[0].add(products[1]).add(products[2].add(products[3]));
                    add_to_tap(tap_row * kernel + tap_column, total);
                }
                for x in (columns.start..regular.start).chain(regular.end..columns.end) {
                    for (source, tap_column) in self.columns.at(x) {
                        let product = at(gradient, x).mul(at(input, *source));
                        add_to_tap(tap_row * kernel + tap_column, product);
                    }
                }
            }
            let total = columns.fold(V::splat(0.0), |sum, x| sum.add(at(gradient, x)));
            add_to_tap(kernel * kernel, total);
        }
    }
}
