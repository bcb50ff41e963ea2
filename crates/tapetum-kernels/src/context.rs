//! Features shifted channel by channel by what the whole image says, then activated and added to where they
//! came from: the end of a global context block [Cao 2019].

use rayon::prelude::*;

use crate::{
    activation::Activation,
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Pixels of one parallel piece; sums over pixels are the same for any number of threads.
const N_PIXELS: usize = 512;

/// Features, and what is added to them.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Images, pixels of each, and channels.
    pub shape: [usize; 3],
    /// After the shift.
    pub activation: Activation,
    /// `[batch, pixels, channels]`.
    pub features: &'a [f32],
    /// `[batch, channels]`.
    pub shift: &'a [f32],
}

/// `output = activation(features + shift) + input`.
///
/// # Panics
/// When lengths do not fit the shape, or the instruction set is missing.
pub fn add_in_context(
    instructions: Instructions,
    context: &Context,
    input: &[f32],
    output: &mut [f32],
) {
    context.check(input.len());
    assert_eq!(output.len(), input.len(), "a result for every value");
    let piece = N_PIXELS * context.shape[2];
    for (image, output) in output.chunks_exact_mut(context.image_len()).enumerate() {
        let (features, shift) = context.of_image(image);
        let input = part(input, image, context.image_len());
        let pieces = output.par_chunks_mut(piece).zip(features.par_chunks(piece));
        pieces.zip(input.par_chunks(piece)).for_each(|((output, features), input)| {
            let activation = context.activation;
            instructions.run(Forward { activation, features, shift, input, output });
        });
    }
}

/// The gradients of the features and of the shift, given that of [`add_in_context`]'s output, which is also that
/// of the input.
///
/// # Panics
/// As [`add_in_context`].
pub fn add_in_context_backward(
    instructions: Instructions,
    context: &Context,
    output_gradient: &[f32],
    features_gradient: &mut [f32],
    shift_gradient: &mut [f32],
) {
    context.check(output_gradient.len());
    assert_eq!(features_gradient.len(), output_gradient.len(), "a gradient for every feature");
    assert_eq!(shift_gradient.len(), context.shift.len(), "a gradient for every shift");
    let n_channels = context.shape[2];
    let piece = N_PIXELS * n_channels;
    let images = features_gradient.chunks_exact_mut(context.image_len()).enumerate();
    for ((image, to_features), sums) in images.zip(shift_gradient.chunks_exact_mut(n_channels)) {
        let (features, shift) = context.of_image(image);
        let gradient = part(output_gradient, image, context.image_len());
        let pieces = to_features.par_chunks_mut(piece).zip(features.par_chunks(piece));
        let pieces = pieces.zip(gradient.par_chunks(piece));
        let pieces: Vec<Vec<f32>> = pieces
            .map(|((to_features, features), gradient)| {
                let mut sums = vec![0.0; n_channels];
                let activation = context.activation;
                let to_shift = &mut sums;
                instructions.run(Backward {
                    activation,
                    features,
                    shift,
                    gradient,
                    to_features,
                    to_shift,
                });
                sums
            })
            .collect();
        sums.fill(0.0);
        for piece in pieces {
            sums.iter_mut().zip(piece).for_each(|(sum, value)| *sum += value);
        }
    }
}

impl<'a> Context<'a> {
    fn image_len(&self) -> usize {
        (self.shape[1] * self.shape[2]).max(1)
    }

    fn of_image(&self, image: usize) -> (&'a [f32], &'a [f32]) {
        (part(self.features, image, self.image_len()), part(self.shift, image, self.shape[2]))
    }

    fn check(&self, n_values: usize) {
        let [batch, n_pixels, n_channels] = self.shape;
        assert_eq!(self.features.len(), batch * n_pixels * n_channels, "{:?}", self.shape);
        assert_eq!(self.shift.len(), batch * n_channels, "a shift for every channel");
        assert_eq!(n_values, self.features.len(), "as many values as features");
    }
}

/// The piece `idx` of pieces of `n` values.
fn part(values: &[f32], idx: usize, n: usize) -> &[f32] {
    &values[idx * n..(idx + 1) * n]
}

struct Forward<'a> {
    activation: Activation,
    features: &'a [f32],
    shift: &'a [f32],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { activation, features, shift, input, output } = self;
        let n_channels = shift.len();
        let pixels = features.chunks_exact(n_channels).zip(input.chunks_exact(n_channels));
        for (output, (features, input)) in output.chunks_exact_mut(n_channels).zip(pixels) {
            for at in (0..n_channels).step_by(V::N) {
                let n = (n_channels - at).min(V::N);
                // SAFETY: the caller's promise; `n` values from `at` on lie in every slice.
                unsafe {
                    let [features, shift, input] = [features, shift, input]
                        .map(|values| V::load_first(values.as_ptr().add(at), n));
                    let sum = activation.apply(features.add(shift)).add(input);
                    sum.store_first(output.as_mut_ptr().add(at), n);
                }
            }
        }
    }
}

struct Backward<'a> {
    activation: Activation,
    features: &'a [f32],
    shift: &'a [f32],
    gradient: &'a [f32],
    to_features: &'a mut [f32],
    to_shift: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { activation, features, shift, gradient, to_features, to_shift } = self;
        let n_channels = shift.len();
        let pixels = features.chunks_exact(n_channels).zip(gradient.chunks_exact(n_channels));
        for (to_features, (features, gradient)) in
            to_features.chunks_exact_mut(n_channels).zip(pixels)
        {
            for at in (0..n_channels).step_by(V::N) {
                let n = (n_channels - at).min(V::N);
                // SAFETY: the caller's promise; `n` values from `at` on lie in every slice.
                unsafe {
                    let [features, shift, gradient] = [features, shift, gradient]
                        .map(|values| V::load_first(values.as_ptr().add(at), n));
                    let gradient = activation.gradient_from_input(features.add(shift), gradient);
                    gradient.store_first(to_features.as_mut_ptr().add(at), n);
                    let sums = to_shift.as_mut_ptr().add(at);
                    V::load_first(sums, n).add(gradient).store_first(sums, n);
                }
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
            for shape in [[1, 5, 3], [3, 700, 21], [2, 1, 64]] {
                check(instructions, shape);
            }
        }
    }

    fn check(instructions: Instructions, shape: [usize; 3]) {
        let [batch, n_pixels, n_channels] = shape;
        let n = batch * n_pixels * n_channels;
        let [features, input, gradient] = [0.0, 1.0, 2.0].map(|phase| wave(n, phase));
        let shift = wave(batch * n_channels, 3.0);
        let slope = 0.2;
        let activation = Activation::LeakyRelu(slope);
        let context = Context { shape, activation, features: &features, shift: &shift };
        let mut output = vec![0.0; n];
        add_in_context(instructions, &context, &input, &mut output);
        let (mut to_features, mut to_shift) = (vec![0.0; n], vec![0.0; shift.len()]);
        add_in_context_backward(instructions, &context, &gradient, &mut to_features, &mut to_shift);
        let mut sums = vec![0.0_f64; shift.len()];
        for idx in 0..n {
            let at = idx / (n_pixels * n_channels) * n_channels + idx % n_channels;
            let sum = features[idx] + shift[at];
            let factor = if sum > 0.0 { 1.0 } else { slope };
            let expected = [factor * sum + input[idx], factor * gradient[idx]];
            for (found, expected) in [output[idx], to_features[idx]].iter().zip(expected) {
                let error = (found - expected).abs();
                assert!(error < 1e-6, "{instructions:?} {shape:?}: {found} for {expected}");
            }
            sums[at] += f64::from(to_features[idx]);
        }
        for (found, expected) in to_shift.iter().zip(&sums) {
            let error = (f64::from(*found) - expected).abs();
            assert!(error < 1e-3, "{instructions:?} {shape:?}: {found} for {expected}");
        }
    }
}
