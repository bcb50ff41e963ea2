//! Sums of two images, each weighted channel by channel: residual connections with learned scales,
//! channel attention, and the dropping of whole branches.

use rayon::prelude::*;

use crate::instructions::{Instructions, Kernel};
use crate::lanes::Lanes;

/// Pixels of one parallel piece; sums over pixels are the same for any number of threads.
const N_PIXELS: usize = 512;

/// Two images and their weights.
#[derive(Debug, Clone, Copy)]
pub struct WeightedSum<'a> {
    /// Images, pixels of each, and channels.
    pub shape: [usize; 3],
    /// `[batch, pixels, channels]`.
    pub images: [&'a [f32]; 2],
    /// `[1, channels]`, or `[batch, channels]`.
    pub weights: [&'a [f32]; 2],
}

/// Room for the gradients that are wanted, with the inputs' shapes.
#[derive(Debug, Default)]
pub struct WeightedSumGradients<'a> {
    /// Of the images.
    pub images: [Option<&'a mut [f32]>; 2],
    /// Of the weights.
    pub weights: [Option<&'a mut [f32]>; 2],
}

/// `output = weights₀ · images₀ + weights₁ · images₁`.
///
/// # Panics
/// When lengths do not fit the shape, or the instruction set is missing.
pub fn weighted_sum(instructions: Instructions, inputs: &WeightedSum, output: &mut [f32]) {
    inputs.check();
    assert_eq!(output.len(), inputs.images[0].len(), "a result for every value");
    let [_, n_pixels, n_channels] = inputs.shape;
    if output.is_empty() {
        return;
    }
    for (image, output) in output.chunks_exact_mut(n_pixels * n_channels).enumerate() {
        let weights = inputs.weights_of(image);
        let images = inputs.images.map(|values| part(values, image, n_pixels * n_channels));
        let pieces = output.par_chunks_mut(N_PIXELS * n_channels).enumerate();
        pieces.for_each(|(piece, output)| {
            let images = images.map(|values| part(values, piece, N_PIXELS * n_channels));
            instructions.run(Forward { images, weights, output });
        });
    }
}

/// The gradients of [`weighted_sum`]'s inputs, given that of its output.
///
/// # Panics
/// As [`weighted_sum`].
pub fn weighted_sum_backward(
    instructions: Instructions,
    inputs: &WeightedSum,
    output_gradient: &[f32],
    gradients: WeightedSumGradients,
) {
    inputs.check();
    assert_eq!(output_gradient.len(), inputs.images[0].len(), "a gradient for every result");
    let both = gradients.images.into_iter().zip(gradients.weights);
    for (idx, (image_gradient, weight_gradient)) in both.enumerate() {
        if let Some(image_gradient) = image_gradient {
            // The other image counts nothing.
            let zeros = vec![0.0; inputs.weights[idx].len()];
            let scaled = WeightedSum {
                images: [output_gradient; 2],
                weights: [inputs.weights[idx], &zeros],
                ..*inputs
            };
            weighted_sum(instructions, &scaled, image_gradient);
        }
        if let Some(weight_gradient) = weight_gradient {
            let image = inputs.images[idx];
            sum_products(instructions, inputs.shape, image, output_gradient, weight_gradient);
        }
    }
}

impl<'a> WeightedSum<'a> {
    fn check(&self) {
        let [batch, n_pixels, n_channels] = self.shape;
        for (image, weights) in self.images.iter().zip(&self.weights) {
            assert_eq!(image.len(), batch * n_pixels * n_channels, "images of {:?}", self.shape);
            let n_sets = weights.len() / n_channels.max(1);
            let fits = weights.len() == n_sets * n_channels && (n_sets == 1 || n_sets == batch);
            assert!(fits, "weights of {n_channels} channels, once or for each of {batch} images");
        }
    }

    fn weights_of(&self, image: usize) -> [&'a [f32]; 2] {
        let n_channels = self.shape[2];
        self.weights.map(|weights| {
            if weights.len() == n_channels { weights } else { part(weights, image, n_channels) }
        })
    }
}

/// The piece `idx` of pieces of `n` values; the last may be shorter.
fn part(values: &[f32], idx: usize, n: usize) -> &[f32] {
    &values[idx * n..((idx + 1) * n).min(values.len())]
}

/// `sums[c] = Σ a b` over the pixels of an image, or of all images where there is one set of sums.
fn sum_products(
    instructions: Instructions,
    [batch, n_pixels, n_channels]: [usize; 3],
    a: &[f32],
    b: &[f32],
    sums: &mut [f32],
) {
    sums.fill(0.0);
    let n_sets = sums.len() / n_channels.max(1);
    for image in 0..batch {
        let [a, b] = [a, b].map(|values| part(values, image, n_pixels * n_channels));
        let pieces = a.par_chunks(N_PIXELS * n_channels).zip(b.par_chunks(N_PIXELS * n_channels));
        let pieces: Vec<Vec<f32>> = pieces
            .map(|(a, b)| {
                let mut sums = vec![0.0; n_channels];
                instructions.run(SumProducts { a, b, sums: &mut sums });
                sums
            })
            .collect();
        let set = if n_sets == 1 { 0 } else { image };
        let sums = &mut sums[set * n_channels..][..n_channels];
        for piece in pieces {
            sums.iter_mut().zip(piece).for_each(|(sum, value)| *sum += value);
        }
    }
}

struct Forward<'a> {
    images: [&'a [f32]; 2],
    weights: [&'a [f32]; 2],
    output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { images: [a, b], weights: [a_weights, b_weights], output } = self;
        let n_channels = a_weights.len();
        let pixels = a.chunks_exact(n_channels).zip(b.chunks_exact(n_channels));
        for (output, (a, b)) in output.chunks_exact_mut(n_channels).zip(pixels) {
            let weighted = a.iter().zip(a_weights).zip(b.iter().zip(b_weights));
            for (output, ((a, a_weight), (b, b_weight))) in output.iter_mut().zip(weighted) {
                *output = a * a_weight + b * b_weight;
            }
        }
    }
}

struct SumProducts<'a> {
    a: &'a [f32],
    b: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for SumProducts<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { a, b, sums } = self;
        let n_channels = sums.len();
        for (a, b) in a.chunks_exact(n_channels).zip(b.chunks_exact(n_channels)) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += a * b;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|idx| (idx as f32 * 0.37 + phase).sin()).collect()
    }

    #[test]
    fn every_instruction_set_gives_the_sum_and_its_gradients() {
        for instructions in Instructions::available() {
            for (shape, sets) in [([1, 5, 3], [1, 1]), ([3, 700, 21], [1, 3]), ([2, 1, 64], [2, 1])]
            {
                check(instructions, shape, sets);
            }
        }
    }

    fn check(instructions: Instructions, shape: [usize; 3], n_sets: [usize; 2]) {
        let [batch, n_pixels, n_channels] = shape;
        let n = batch * n_pixels * n_channels;
        let images = [wave(n, 0.0), wave(n, 1.0)];
        let weights = n_sets.map(|n_sets| wave(n_sets * n_channels, 2.0));
        let gradient = wave(n, 3.0);
        let inputs = WeightedSum {
            shape,
            images: images.each_ref().map(Vec::as_slice),
            weights: weights.each_ref().map(Vec::as_slice),
        };
        let mut output = vec![0.0; n];
        weighted_sum(instructions, &inputs, &mut output);
        let mut image_gradients = [vec![0.0; n], vec![0.0; n]];
        let mut weight_gradients = weights.each_ref().map(|weights| vec![0.0; weights.len()]);
        let gradients = WeightedSumGradients {
            images: image_gradients.each_mut().map(|values| Some(values.as_mut_slice())),
            weights: weight_gradients.each_mut().map(|values| Some(values.as_mut_slice())),
        };
        weighted_sum_backward(instructions, &inputs, &gradient, gradients);

        let weight = |which: usize, idx: usize| {
            let image = if n_sets[which] == 1 { 0 } else { idx / (n_pixels * n_channels) };
            image * n_channels + idx % n_channels
        };
        let mut sums = weights.each_ref().map(|weights| vec![0.0_f64; weights.len()]);
        for idx in 0..n {
            let at = [0, 1].map(|which| weight(which, idx));
            let expected = weights[0][at[0]] * images[0][idx] + weights[1][at[1]] * images[1][idx];
            assert!((output[idx] - expected).abs() < 1e-6, "{instructions:?} {shape:?}");
            for which in 0..2 {
                let expected = weights[which][at[which]] * gradient[idx];
                let error = (image_gradients[which][idx] - expected).abs();
                assert!(error < 1e-6, "{instructions:?} {shape:?}");
                sums[which][at[which]] += f64::from(images[which][idx] * gradient[idx]);
            }
        }
        for which in 0..2 {
            for (found, expected) in weight_gradients[which].iter().zip(&sums[which]) {
                let error = (f64::from(*found) - expected).abs();
                assert!(error < 1e-3, "{instructions:?} {shape:?}: {found} for {expected}");
            }
        }
    }
}
