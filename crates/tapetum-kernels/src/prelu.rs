//! The rectifier whose slope below zero is learned, one for each channel.

use rayon::prelude::*;

use crate::{
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Pixels of one parallel piece; fixed, so that sums do not depend on the number of threads.
const N_PIXELS: usize = 512;

/// `x` above 0, else its channel's slope times `x`.
///
/// # Shapes
/// `slopes`: `[channels]`; `input` and `output`: `[pixels, channels]`.
///
/// # Panics
/// When the lengths do not fit, or the instruction set is missing.
pub fn prelu(instructions: Instructions, slopes: &[f32], input: &[f32], output: &mut [f32]) {
    check(slopes, input, output);
    let n_chunk = N_PIXELS * slopes.len();
    let pieces = output.par_chunks_mut(n_chunk).zip(input.par_chunks(n_chunk));
    pieces.for_each(|(output, input)| instructions.run(Forward { slopes, input, output }));
}

/// The gradients of [`prelu`]'s input and slopes; at 0 the derivative is the slope.
///
/// # Shapes
/// `slope_gradient`: `[channels]`; the others: `[pixels, channels]`.
///
/// # Panics
/// As [`prelu`].
pub fn prelu_backward(
    instructions: Instructions,
    slopes: &[f32],
    input: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
    slope_gradient: &mut [f32],
) {
    check(slopes, input, output_gradient);
    check(slopes, input, input_gradient);
    assert_eq!(slope_gradient.len(), slopes.len(), "a gradient for each slope");
    let n_chunk = N_PIXELS * slopes.len();
    let inputs = input.par_chunks(n_chunk).zip(output_gradient.par_chunks(n_chunk));
    let pieces = input_gradient.par_chunks_mut(n_chunk).zip(inputs);
    let sums: Vec<Vec<f32>> = pieces
        .map(|(input_gradient, (input, gradient))| {
            let mut sums = vec![0.0; slopes.len()];
            let slope_sums = &mut sums;
            let piece = Backward { slopes, input, gradient, input_gradient, slope_sums };
            instructions.run(piece);
            sums
        })
        .collect();
    for (channel, total) in slope_gradient.iter_mut().enumerate() {
        *total = sums.iter().map(|sums| sums[channel]).sum();
    }
}

fn check(slopes: &[f32], input: &[f32], output: &[f32]) {
    assert!(!slopes.is_empty(), "a slope for each channel");
    assert!(input.len().is_multiple_of(slopes.len()), "pixels of {} channels", slopes.len());
    assert_eq!(input.len(), output.len(), "an output as large as the input");
}

struct Forward<'a> {
    slopes: &'a [f32],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    // The compiler turns these loops into vectors of the instruction set by itself.
    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n_channels = self.slopes.len();
        let pixels = self.input.chunks_exact(n_channels);
        for (output, input) in self.output.chunks_exact_mut(n_channels).zip(pixels) {
            for ((output, &input), &slope) in output.iter_mut().zip(input).zip(self.slopes) {
                *output = if input > 0.0 { input } else { slope * input };
            }
        }
    }
}

struct Backward<'a> {
    slopes: &'a [f32],
    input: &'a [f32],
    gradient: &'a [f32],
    input_gradient: &'a mut [f32],
    slope_sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n_channels = self.slopes.len();
        let pixels =
            self.input.chunks_exact(n_channels).zip(self.gradient.chunks_exact(n_channels));
        let pixels = self.input_gradient.chunks_exact_mut(n_channels).zip(pixels);
        for (output, (input, gradient)) in pixels {
            let channels = output.iter_mut().zip(input).zip(gradient);
            let parameters = self.slopes.iter().zip(self.slope_sums.iter_mut());
            for (((output, &input), &gradient), (&slope, sum)) in channels.zip(parameters) {
                *output = if input > 0.0 { gradient } else { slope * gradient };
                *sum += if input > 0.0 { 0.0 } else { gradient * input };
            }
        }
    }
}
