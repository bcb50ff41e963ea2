//! Sums over all pixels for the gradients of a depthwise convolution's weight and bias.

use std::ops::Range;

use super::DepthwiseShape;
use crate::{
    channels::{load, store},
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
pub(super) fn bands(shape: &DepthwiseShape) -> Vec<(usize, Range<usize>)> {
    let height = shape.height;
    let bands = (0..height).step_by(N_BAND_ROWS);
    let bands = bands.map(|start| start..(start + N_BAND_ROWS).min(height));
    (0..shape.batch).flat_map(|image| bands.clone().map(move |rows| (image, rows))).collect()
}

/// Adds up products of a band's gradients with the inputs that each tap sees.
pub(super) struct WeightGradient<'a> {
    pub(super) shape: &'a DepthwiseShape,
    pub(super) band: Range<usize>,
    pub(super) rows: &'a Taps<usize>,
    pub(super) columns: &'a Taps<usize>,
    /// Columns whose taps are all there.
    pub(super) regular: Range<usize>,
    /// One image, and the gradient of its output.
    pub(super) input: &'a [f32],
    pub(super) gradient: &'a [f32],
    /// For each tap and then the bias, all channels.
    pub(super) sums: &'a mut [f32],
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
        let reach = kernel / 2 * dilation;
        let pixels = Pixels { n_channels: channels, count: channels - channel };
        // SAFETY: taps lie inside the image, sums hold all taps and the bias.
        unsafe {
            let gradient = self.gradient.as_ptr().add(y * width * channels + channel);
            let sums = self.sums.as_mut_ptr().add(channel);
            for (source, tap_row) in self.rows.at(y) {
                let input = self.input.as_ptr().add(source * width * channels + channel);
                let sums = sums.add(tap_row * kernel * channels);
                if !regular.is_empty() {
                    let gradient = gradient.add(regular.start * channels);
                    let input = input.add((regular.start - reach) * channels);
                    for tap in 0..kernel {
                        let input = input.add(tap * dilation * channels);
                        let sum = pixels.dot::<V, IS_WHOLE>(gradient, input, regular.len());
                        pixels.add_to::<V, IS_WHOLE>(sums, tap, sum);
                    }
                }
                for x in (columns.start..regular.start).chain(regular.end..columns.end) {
                    let gradient = pixels.at::<V, IS_WHOLE>(gradient, x);
                    for (source, tap) in self.columns.at(x) {
                        let product = gradient.mul(pixels.at::<V, IS_WHOLE>(input, *source));
                        pixels.add_to::<V, IS_WHOLE>(sums, *tap, product);
                    }
                }
            }
            let mut sum = V::splat(0.0);
            for x in columns {
                sum = sum.add(pixels.at::<V, IS_WHOLE>(gradient, x));
            }
            pixels.add_to::<V, IS_WHOLE>(sums, kernel * kernel, sum);
        }
    }
}

/// A register of each of many pixels.
#[derive(Clone, Copy)]
struct Pixels {
    n_channels: usize,
    /// Lanes that count, where not all do.
    count: usize,
}

impl Pixels {
    /// # Safety
    /// The machine has the lanes' instruction set, and the pixel can be read.
    #[inline(always)]
    unsafe fn at<V: Lanes, const IS_WHOLE: bool>(self, row: *const f32, x: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { load::<V, IS_WHOLE>(row.add(x * self.n_channels), self.count) }
    }

    /// # Safety
    /// The machine has the lanes' instruction set, and the tap can be read and written.
    #[inline(always)]
    unsafe fn add_to<V: Lanes, const IS_WHOLE: bool>(self, sums: *mut f32, tap: usize, value: V) {
        // SAFETY: the caller's promise.
        unsafe {
            let sum = self.at::<V, IS_WHOLE>(sums, tap).add(value);
            store::<V, IS_WHOLE>(sum, sums.add(tap * self.n_channels), self.count);
        }
    }

    /// Sum of the products of `n` pixels.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set, and the pixels can be read.
    #[inline(always)]
    unsafe fn dot<V: Lanes, const IS_WHOLE: bool>(
        self,
        a: *const f32,
        b: *const f32,
        n: usize,
    ) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [V::splat(0.0); N_SUMS];
            let n_whole = n / N_SUMS * N_SUMS;
            for x in (0..n_whole).step_by(N_SUMS) {
                for (idx, sum) in sums.iter_mut().enumerate() {
                    let (a, b) =
                        (self.at::<V, IS_WHOLE>(a, x + idx), self.at::<V, IS_WHOLE>(b, x + idx));
                    *sum = sum.add_product(a, b);
                }
            }
            for x in n_whole..n {
                let (a, b) = (self.at::<V, IS_WHOLE>(a, x), self.at::<V, IS_WHOLE>(b, x));
                sums[0] = sums[0].add_product(a, b);
            }
            sums[0].add(sums[1]).add(sums[2].add(sums[3]))
        }
    }
}
