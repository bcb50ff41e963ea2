//! Batch normalisation by the statistics of the batch itself, and the rectifier that follows it.

use rayon::prelude::*;

use crate::{
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Pixels of one partial sum; fixed, so that sums do not depend on the number of threads.
const N_PIXELS: usize = 512;

/// What every channel is normalised by, and between which values the result is kept.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm<'a> {
    /// `[channels]`.
    pub weight: &'a [f32],
    /// `[channels]`.
    pub bias: &'a [f32],
    /// `[channels]`.
    pub mean: &'a [f32],
    /// `[channels]`, biased.
    pub variance: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
    /// The smallest and the largest result; infinite where there is none.
    pub limits: [f32; 2],
}

/// Gradients of what batch normalisation reads, in the same shapes.
#[derive(Debug)]
pub struct BatchNormGradients<'a> {
    /// Of the input.
    pub input: &'a mut [f32],
    /// Of the weight.
    pub weight: &'a mut [f32],
    /// Of the bias.
    pub bias: &'a mut [f32],
}

/// Mean and biased variance of every channel over all pixels.
///
/// # Shapes
/// `input`: `[pixels, channels]`; `mean` and `variance`: `[channels]`.
///
/// # Panics
/// When the lengths do not fit, there is no pixel, or the instruction set is missing.
pub fn batch_moments(
    instructions: Instructions,
    input: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
) {
    let n_channels = mean.len();
    assert_eq!(variance.len(), n_channels, "a variance for each mean");
    assert!(n_channels > 0 && !input.is_empty(), "a pixel of a channel");
    assert!(input.len().is_multiple_of(n_channels), "pixels of {n_channels} channels");
    let pieces = input.par_chunks(N_PIXELS * n_channels);
    let pieces: Vec<[Vec<f32>; 2]> = pieces
        .map(|pixels| {
            let mut moments = [vec![0.0; n_channels], vec![0.0; n_channels]];
            let [mean, squares] = &mut moments;
            instructions.run(Moments { pixels, mean, squares });
            moments
        })
        .collect();
    let n_pixels = input.len() / n_channels;
    for (channel, (mean, variance)) in mean.iter_mut().zip(variance).enumerate() {
        let pieces = pieces.iter().map(|[means, squares]| [means[channel], squares[channel]]);
        let moments = merged(pieces.map(|moments| moments.map(f64::from)), n_pixels);
        [*mean, *variance] = moments.map(|moment| moment as f32);
    }
}

/// Mean and variance of all pixels from the means of pieces and the sums of squares around them
/// ([Chan 1983] Eq. 2.1).
fn merged(pieces: impl Iterator<Item = [f64; 2]>, n_pixels: usize) -> [f64; 2] {
    let (mut n_before, mut mean, mut squares) = (0, 0.0, 0.0);
    for [piece_mean, piece_squares] in pieces {
        let n_piece = N_PIXELS.min(n_pixels - n_before);
        let n_after = n_before + n_piece;
        let difference = piece_mean - mean;
        let share = n_piece as f64 / n_after as f64;
        mean += difference * share;
        squares += piece_squares + difference * difference * n_before as f64 * share;
        n_before = n_after;
    }
    [mean, squares / n_pixels as f64]
}

/// `weight (x - mean) / √(variance + epsilon) + bias`, kept within the limits.
///
/// # Shapes
/// `input` and `output`: `[pixels, channels]`.
///
/// # Panics
/// When the lengths do not fit, or the instruction set is missing.
pub fn batch_norm(instructions: Instructions, norm: &BatchNorm, input: &[f32], output: &mut [f32]) {
    norm.check(input, output);
    let [factors, summands] = norm.factors_and_summands();
    let n_chunk = N_PIXELS * factors.len();
    let pieces = output.par_chunks_mut(n_chunk).zip(input.par_chunks(n_chunk));
    pieces.for_each(|(output, input)| {
        let (factors, summands, limits) = (&factors, &summands, norm.limits);
        instructions.run(Forward { factors, summands, limits, input, output });
    });
}

/// The gradients of [`batch_norm`]'s inputs where mean and variance are those of the input
/// ([Ioffe 2015] §3). Results at a limit or beyond have no gradient.
///
/// # Shapes
/// `input` and `output_gradient`: `[pixels, channels]`.
///
/// # Panics
/// As [`batch_norm`].
pub fn batch_norm_backward(
    instructions: Instructions,
    norm: &BatchNorm,
    input: &[f32],
    output_gradient: &[f32],
    gradients: BatchNormGradients,
) {
    norm.check(input, output_gradient);
    norm.check(input, gradients.input);
    let n_channels = norm.weight.len();
    assert_eq!(gradients.weight.len(), n_channels, "a gradient of the weight's size");
    assert_eq!(gradients.bias.len(), n_channels, "a gradient of the bias' size");
    let [factors, summands] = norm.factors_and_summands();
    let (factors, summands, limits) = (&*factors, &*summands, norm.limits);
    let n_chunk = N_PIXELS * n_channels;
    let inputs = input.par_chunks(n_chunk).zip(output_gradient.par_chunks(n_chunk));
    let sums: Vec<[Vec<f32>; 2]> = inputs
        .clone()
        .map(|(input, gradient)| {
            let mut sums = [vec![0.0; n_channels], vec![0.0; n_channels]];
            let [gradients, products] = &mut sums;
            let (mean, limited) = (norm.mean, Limited { factors, summands, limits });
            instructions.run(Sums { limited, mean, input, gradient, gradients, products });
            sums
        })
        .collect();
    let total = |sum: usize, channel: usize| -> f64 {
        sums.iter().map(|sums| f64::from(sums[sum][channel])).sum()
    };
    let n_pixels = (input.len() / n_channels) as f64;
    let (mut slopes, mut offsets) = (vec![0.0; n_channels], vec![0.0; n_channels]);
    for channel in 0..n_channels {
        let scale = 1.0 / (f64::from(norm.variance[channel]) + f64::from(norm.epsilon)).sqrt();
        let (gradient, product) = (total(0, channel), total(1, channel));
        gradients.bias[channel] = gradient as f32;
        gradients.weight[channel] = (product * scale) as f32;
        // `factor (g - Σg / N - n Σ(g n) / N)` with `n = (x - mean) scale`, as a line of `x`.
        let factor = f64::from(factors[channel]);
        let slope = -factor * product * scale * scale / n_pixels;
        let offset = -factor * gradient / n_pixels - slope * f64::from(norm.mean[channel]);
        (slopes[channel], offsets[channel]) = (slope as f32, offset as f32);
    }
    let pieces = gradients.input.par_chunks_mut(n_chunk).zip(inputs);
    pieces.for_each(|(output, (input, gradient))| {
        let (slopes, offsets) = (&slopes, &offsets);
        let limited = Limited { factors, summands, limits };
        instructions.run(Backward { limited, slopes, offsets, input, gradient, output });
    });
}

impl BatchNorm<'_> {
    fn check(&self, input: &[f32], output: &[f32]) {
        let n_channels = self.weight.len();
        let others = [self.bias, self.mean, self.variance];
        assert!(others.iter().all(|values| values.len() == n_channels), "as many of each");
        assert!(n_channels > 0, "a channel");
        assert!(input.len().is_multiple_of(n_channels), "pixels of {n_channels} channels");
        assert_eq!(input.len(), output.len(), "an output as large as the input");
    }

    /// The normalisation as a line of the input.
    fn factors_and_summands(&self) -> [Vec<f32>; 2] {
        let factors = self.weight.iter().zip(self.variance);
        let factors = factors.map(|(weight, variance)| weight / (variance + self.epsilon).sqrt());
        let factors: Vec<f32> = factors.collect();
        let summands = self.bias.iter().zip(self.mean).zip(&factors);
        let summands = summands.map(|((bias, mean), factor)| bias - mean * factor).collect();
        [factors, summands]
    }
}

// The compiler turns the loops below into vectors of the instruction set by itself.

struct Moments<'a> {
    pixels: &'a [f32],
    mean: &'a mut [f32],
    squares: &'a mut [f32],
}

impl Kernel for Moments<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { pixels, mean, squares } = self;
        let n_channels = mean.len();
        for pixel in pixels.chunks_exact(n_channels) {
            for (sum, value) in mean.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
        let share = n_channels as f32 / pixels.len() as f32;
        mean.iter_mut().for_each(|mean| *mean *= share);
        for pixel in pixels.chunks_exact(n_channels) {
            for ((sum, &value), &mean) in squares.iter_mut().zip(pixel).zip(&*mean) {
                *sum += (value - mean) * (value - mean);
            }
        }
    }
}

struct Forward<'a> {
    factors: &'a [f32],
    summands: &'a [f32],
    limits: [f32; 2],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n_channels = self.factors.len();
        let [lowest, highest] = self.limits;
        let pixels = self.input.chunks_exact(n_channels);
        for (output, input) in self.output.chunks_exact_mut(n_channels).zip(pixels) {
            let lines = self.factors.iter().zip(self.summands);
            for ((output, &input), (&factor, &summand)) in output.iter_mut().zip(input).zip(lines) {
                let value = input * factor + summand;
                // A NaN stays one.
                let value = if value < lowest { lowest } else { value };
                *output = if value > highest { highest } else { value };
            }
        }
    }
}

/// The normalisation as a line of the input, and its limits.
#[derive(Clone, Copy)]
struct Limited<'a> {
    factors: &'a [f32],
    summands: &'a [f32],
    limits: [f32; 2],
}

struct Sums<'a> {
    limited: Limited<'a>,
    mean: &'a [f32],
    input: &'a [f32],
    gradient: &'a [f32],
    gradients: &'a mut [f32],
    products: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Limited { factors, summands, limits: [lowest, highest] } = self.limited;
        let n_channels = factors.len();
        let pixels =
            self.input.chunks_exact(n_channels).zip(self.gradient.chunks_exact(n_channels));
        for (input, gradient) in pixels {
            let lines = factors.iter().zip(summands).zip(self.mean);
            let sums = self.gradients.iter_mut().zip(self.products.iter_mut());
            let values = input.iter().zip(gradient).zip(lines).zip(sums);
            for (((&input, &gradient), ((&factor, &summand), &mean)), (sum, products)) in values {
                let value = input * factor + summand;
                let is_free = (value > lowest) & (value < highest);
                let gradient = if is_free { gradient } else { 0.0 };
                *sum += gradient;
                *products += gradient * (input - mean);
            }
        }
    }
}

struct Backward<'a> {
    limited: Limited<'a>,
    slopes: &'a [f32],
    offsets: &'a [f32],
    input: &'a [f32],
    gradient: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Limited { factors, summands, limits: [lowest, highest] } = self.limited;
        let n_channels = factors.len();
        let pixels =
            self.input.chunks_exact(n_channels).zip(self.gradient.chunks_exact(n_channels));
        for (output, (input, gradient)) in self.output.chunks_exact_mut(n_channels).zip(pixels) {
            let lines = factors.iter().zip(summands).zip(self.slopes.iter().zip(self.offsets));
            let values = output.iter_mut().zip(input.iter().zip(gradient)).zip(lines);
            for ((output, (&input, &gradient)), ((&factor, &summand), (&slope, &offset))) in values
            {
                let value = input * factor + summand;
                let is_free = (value > lowest) & (value < highest);
                let gradient = if is_free { gradient } else { 0.0 };
                *output = factor * gradient + slope * input + offset;
            }
        }
    }
}
