//! Layer normalisation over the channels of every pixel.

use rayon::prelude::*;

use crate::{
    channels::{load, store},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Pixels of one partial sum of gradients; fixed, so that sums do not depend on the number of threads.
const N_PIXELS: usize = 512;

/// What the normalised channels are scaled and shifted by.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm<'a> {
    /// `[channels]`.
    pub weight: &'a [f32],
    /// `[channels]`.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// Gradients of what layer normalisation reads, in the same shapes.
#[derive(Debug)]
pub struct LayerNormGradients<'a> {
    /// Of the input.
    pub input: &'a mut [f32],
    /// Of the weight.
    pub weight: &'a mut [f32],
    /// Of the bias.
    pub bias: &'a mut [f32],
}

/// `weight (x - mean) / √(variance + epsilon) + bias`, mean and (biased) variance over the channels of
/// each pixel.
///
/// # Shapes
/// `input` and `output`: `[pixels, channels]`.
///
/// # Panics
/// When the lengths do not fit, or the instruction set is missing.
pub fn layer_norm(instructions: Instructions, norm: &LayerNorm, input: &[f32], output: &mut [f32]) {
    norm.check(input, output);
    let n_channels = norm.weight.len();
    let pixels = output.par_chunks_mut(N_PIXELS * n_channels);
    pixels.zip(input.par_chunks(N_PIXELS * n_channels)).for_each(|(output, input)| {
        instructions.run(Forward { norm, input, output });
    });
}

/// The gradients of [`layer_norm`]'s inputs; mean and variance are computed again.
///
/// # Shapes
/// `input` and `output_gradient`: `[pixels, channels]`.
///
/// # Panics
/// As [`layer_norm`].
pub fn layer_norm_backward(
    instructions: Instructions,
    norm: &LayerNorm,
    input: &[f32],
    output_gradient: &[f32],
    gradients: LayerNormGradients,
) {
    norm.check(input, output_gradient);
    norm.check(input, gradients.input);
    let n_channels = norm.weight.len();
    assert_eq!(gradients.weight.len(), n_channels, "a gradient of the weight's size");
    assert_eq!(gradients.bias.len(), n_channels, "a gradient of the bias' size");
    let n_chunk = N_PIXELS * n_channels;
    let inputs = input.par_chunks(n_chunk).zip(output_gradient.par_chunks(n_chunk));
    let pieces = gradients.input.par_chunks_mut(n_chunk).zip(inputs);
    let sums: Vec<Vec<f32>> = pieces
        .map(|(input_gradient, (input, gradient))| {
            let mut sums = vec![0.0; 2 * n_channels];
            let (weight_sums, bias_sums) = sums.split_at_mut(n_channels);
            let backward =
                Backward { norm, input, gradient, input_gradient, weight_sums, bias_sums };
            instructions.run(backward);
            sums
        })
        .collect();
    let totals = gradients.weight.iter_mut().chain(gradients.bias);
    for (idx, total) in totals.enumerate() {
        *total = sums.iter().map(|sums| sums[idx]).sum();
    }
}

impl LayerNorm<'_> {
    fn check(&self, input: &[f32], output: &[f32]) {
        let n_channels = self.weight.len();
        assert!(n_channels > 0 && self.bias.len() == n_channels, "a weight and a bias a channel");
        assert!(input.len().is_multiple_of(n_channels), "pixels of {n_channels} channels");
        assert_eq!(input.len(), output.len(), "an output as large as the input");
    }
}

/// What the registers of a pixel are called with: the first channel, and how many of its lanes count.
macro_rules! for_registers {
    ($n_channels:expr, $lanes:ident, |$channel:ident, $count:ident, $is_whole:ident| $body:expr) => {{
        let n_whole = $n_channels / $lanes::N * $lanes::N;
        {
            const $is_whole: bool = true;
            let $count = $lanes::N;
            let mut $channel = 0;
            while $channel < n_whole {
                $body;
                $channel += $lanes::N;
            }
        }
        if n_whole < $n_channels {
            const $is_whole: bool = false;
            let ($channel, $count) = (n_whole, $n_channels - n_whole);
            $body;
        }
    }};
}

/// Mean, and one over the standard deviation, of a pixel.
///
/// # Safety
/// The machine has the lanes' instruction set, and the pixel has so many channels.
#[inline(always)]
unsafe fn moments<V: Lanes>(pixel: *const f32, n_channels: usize, epsilon: f32) -> (V, V) {
    const ONES: [f32; 16] = [1.0; 16];
    let share = 1.0 / n_channels as f32;
    // SAFETY: the caller's promise.
    unsafe {
        let mut sum = V::splat(0.0);
        for_registers!(n_channels, V, |channel, count, WHOLE| {
            sum = sum.add(load::<V, WHOLE>(pixel.add(channel), count));
        });
        let mean = V::splat(sum.sum() * share);
        let mut squares = V::splat(0.0);
        for_registers!(n_channels, V, |channel, count, WHOLE| {
            let mut difference = load::<V, WHOLE>(pixel.add(channel), count).sub(mean);
            if !WHOLE {
                difference = difference.mul(V::load_first(ONES.as_ptr(), count));
            }
            squares = squares.add_product(difference, difference);
        });
        (mean, V::splat(1.0 / (squares.sum() * share + epsilon).sqrt()))
    }
}

struct Forward<'a> {
    norm: &'a LayerNorm<'a>,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { norm: LayerNorm { weight, bias, epsilon }, input, output } = self;
        let n_channels = weight.len();
        let (weight, bias) = (weight.as_ptr(), bias.as_ptr());
        let pixels = input.chunks_exact(n_channels).zip(output.chunks_exact_mut(n_channels));
        for (input, output) in pixels {
            let (input, output) = (input.as_ptr(), output.as_mut_ptr());
            // SAFETY: all four have so many channels.
            unsafe {
                let (mean, scale) = moments::<V>(input, n_channels, *epsilon);
                for_registers!(n_channels, V, |channel, count, WHOLE| {
                    let value = load::<V, WHOLE>(input.add(channel), count).sub(mean);
                    let scale = load::<V, WHOLE>(weight.add(channel), count).mul(scale);
                    let bias = load::<V, WHOLE>(bias.add(channel), count);
                    store::<V, WHOLE>(bias.add_product(value, scale), output.add(channel), count);
                });
            }
        }
    }
}

struct Backward<'a> {
    norm: &'a LayerNorm<'a>,
    input: &'a [f32],
    gradient: &'a [f32],
    input_gradient: &'a mut [f32],
    weight_sums: &'a mut [f32],
    bias_sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n_channels = self.norm.weight.len();
        let pixels =
            self.input.chunks_exact(n_channels).zip(self.gradient.chunks_exact(n_channels));
        let pixels = pixels.zip(self.input_gradient.chunks_exact_mut(n_channels));
        let sums = [self.weight_sums.as_mut_ptr(), self.bias_sums.as_mut_ptr()];
        for ((input, gradient), input_gradient) in pixels {
            // SAFETY: all of them have so many channels.
            unsafe { backward_pixel::<V>(self.norm, input, gradient, input_gradient, sums) }
        }
    }
}

/// With `n` the normalised channels and `g` their gradients: `(g - mean(g) - n mean(g n))` by the
/// standard deviation; adds a pixel's share to the sums of the weight and of the bias.
///
/// # Safety
/// The machine has the lanes' instruction set; everything has as many channels as the weight.
#[inline(always)]
unsafe fn backward_pixel<V: Lanes>(
    norm: &LayerNorm,
    input: &[f32],
    gradient: &[f32],
    input_gradient: &mut [f32],
    [weight_sums, bias_sums]: [*mut f32; 2],
) {
    let n_channels = norm.weight.len();
    let (weight, input, gradient) = (norm.weight.as_ptr(), input.as_ptr(), gradient.as_ptr());
    let output = input_gradient.as_mut_ptr();
    let share = 1.0 / n_channels as f32;
    // SAFETY: the caller's promise. Lanes beyond the last channel have gradient 0.
    unsafe {
        let (mean, scale) = moments::<V>(input, n_channels, norm.epsilon);
        let (mut sum, mut product_sum) = (V::splat(0.0), V::splat(0.0));
        for_registers!(n_channels, V, |channel, count, WHOLE| {
            let value = load::<V, WHOLE>(input.add(channel), count).sub(mean).mul(scale);
            let gradient = load::<V, WHOLE>(gradient.add(channel), count);
            let to = weight_sums.add(channel);
            let total = load::<V, WHOLE>(to, count).add_product(gradient, value);
            store::<V, WHOLE>(total, to, count);
            let to = bias_sums.add(channel);
            store::<V, WHOLE>(load::<V, WHOLE>(to, count).add(gradient), to, count);
            let gradient = gradient.mul(load::<V, WHOLE>(weight.add(channel), count));
            sum = sum.add(gradient);
            product_sum = product_sum.add_product(gradient, value);
        });
        let mean_gradient = V::splat(sum.sum() * share);
        let mean_product = V::splat(-product_sum.sum() * share);
        for_registers!(n_channels, V, |channel, count, WHOLE| {
            let value = load::<V, WHOLE>(input.add(channel), count).sub(mean).mul(scale);
            let gradient = load::<V, WHOLE>(gradient.add(channel), count);
            let gradient = gradient.mul(load::<V, WHOLE>(weight.add(channel), count));
            let gradient = gradient.sub(mean_gradient).add_product(value, mean_product);
            store::<V, WHOLE>(gradient.mul(scale), output.add(channel), count);
        });
    }
}
