//! Convolutions of every channel with its own kernel.

mod gradient;
mod row;

use std::ops::Range;

use rayon::prelude::*;

use self::{
    gradient::{WeightGradient, bands},
    row::Row,
};
use crate::{
    activation::{Activation, activation_gradient_in_place},
    conv::PaddingMode,
    instructions::Instructions,
    taps::Taps,
};

/// A depthwise convolution with stride 1 that keeps the size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthwiseShape {
    /// Images.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Rows and columns of the kernels; odd.
    pub kernel: usize,
    /// Distance between neighbouring taps.
    pub dilation: usize,
    /// What lies around the image.
    pub padding: PaddingMode,
    /// Applied to the result.
    pub activation: Activation,
}

/// What a depthwise convolution reads.
#[derive(Debug, Clone, Copy)]
pub struct DepthwiseInputs<'a> {
    /// `[batch, height, width, channels]`.
    pub input: &'a [f32],
    /// `[channels, kernel, kernel]`.
    pub weight: &'a [f32],
    /// `[channels]`.
    pub bias: Option<&'a [f32]>,
}

/// Gradients of what a depthwise convolution reads, in the same shapes.
#[derive(Debug)]
pub struct DepthwiseGradients<'a> {
    /// Of the input.
    pub input: &'a mut [f32],
    /// Of the weight.
    pub weight: &'a mut [f32],
    /// Of the bias, if there is one.
    pub bias: Option<&'a mut [f32]>,
}

/// `output[y, x, c] = activation(bias[c] + Σ weight[c, i, j] input[y + (i - r) d, x + (j - r) d, c])`
/// with the dilation `d` and half of the kernel, rounded down, `r`.
///
/// # Shapes
/// `output`: `[batch, height, width, channels]`.
///
/// # Panics
/// When the lengths do not fit, the kernel is even, the dilation 0, a reflected image not larger than
/// its padding, or the instruction set is missing.
pub fn depthwise_conv(
    instructions: Instructions,
    shape: &DepthwiseShape,
    inputs: &DepthwiseInputs,
    output: &mut [f32],
) {
    shape.check(inputs);
    let weights = PackedWeights::new(shape, inputs);
    let (rows, columns) = (shape.taps(shape.height), shape.taps(shape.width));
    let pass = Pass { shape: *shape, rows, columns, weights };
    pass.run(instructions, inputs.input, output);
}

/// The gradients of [`depthwise_conv`]'s inputs. With an activation, the value before it is computed
/// again into a buffer as large as the output.
///
/// # Shapes
/// `output_gradient`: `[batch, height, width, channels]`.
///
/// # Panics
/// As [`depthwise_conv`].
pub fn depthwise_conv_backward(
    instructions: Instructions,
    shape: &DepthwiseShape,
    inputs: &DepthwiseInputs,
    output_gradient: &[f32],
    gradients: DepthwiseGradients,
) {
    shape.check(inputs);
    assert_eq!(output_gradient.len(), inputs.input.len(), "a gradient of the output's size");
    let linear = DepthwiseShape { activation: Activation::Identity, ..*shape };
    let mut before = Vec::new();
    let gradient = if shape.activation == Activation::Identity {
        output_gradient
    } else {
        before.resize(output_gradient.len(), 0.0);
        depthwise_conv(instructions, &linear, inputs, &mut before);
        let activation = shape.activation;
        activation_gradient_in_place(instructions, activation, &mut before, output_gradient);
        &before
    };
    input_gradient(instructions, &linear, inputs.weight, gradient, gradients.input);
    weight_gradient(instructions, shape, inputs.input, gradient, gradients.weight, gradients.bias);
}

/// The convolution the other way: every input pixel sums up the output pixels it is a tap of.
fn input_gradient(
    instructions: Instructions,
    linear: &DepthwiseShape,
    weight: &[f32],
    gradient: &[f32],
    input_gradient: &mut [f32],
) {
    // The taps of a pixel inside then ascend like those of a convolution.
    let flipped: Vec<f32> = weight
        .chunks_exact(linear.kernel * linear.kernel)
        .flat_map(|kernel| kernel.iter().rev().copied())
        .collect();
    let inputs = DepthwiseInputs { input: gradient, weight: &flipped, bias: None };
    let pass = Pass {
        shape: *linear,
        rows: linear.transposed_taps(linear.height),
        columns: linear.transposed_taps(linear.width),
        weights: PackedWeights::new(linear, &inputs),
    };
    pass.run(instructions, gradient, input_gradient);
}

fn weight_gradient(
    instructions: Instructions,
    shape: &DepthwiseShape,
    input: &[f32],
    gradient: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: Option<&mut [f32]>,
) {
    let DepthwiseShape { height, width, channels, .. } = *shape;
    let n_taps = shape.kernel * shape.kernel;
    assert_eq!(weight_gradient.len(), n_taps * channels, "a gradient of the weight's size");
    let (rows, columns) = (shape.taps(height), shape.taps(width));
    let regular = shape.regular(&columns);
    let sums = |(image, band): (usize, Range<usize>)| {
        let mut sums = vec![0.0; (n_taps + 1) * channels];
        let image = image * height * width * channels..(image + 1) * height * width * channels;
        instructions.run(WeightGradient {
            shape,
            band,
            rows: &rows,
            columns: &columns,
            regular: regular.clone(),
            input: &input[image.clone()],
            gradient: &gradient[image],
            sums: &mut sums,
        });
        sums
    };
    let sums: Vec<Vec<f32>> = bands(shape).into_par_iter().map(sums).collect();
    let total = |idx: usize| sums.iter().map(|sums| sums[idx]).sum();
    for (channel, kernel) in weight_gradient.chunks_exact_mut(n_taps).enumerate() {
        for (tap, value) in kernel.iter_mut().enumerate() {
            *value = total(tap * channels + channel);
        }
    }
    if let Some(gradient) = bias_gradient {
        assert_eq!(gradient.len(), channels, "a gradient of the bias' size");
        for (channel, value) in gradient.iter_mut().enumerate() {
            *value = total(n_taps * channels + channel);
        }
    }
}

impl DepthwiseShape {
    fn check(&self, inputs: &DepthwiseInputs) {
        assert!(self.kernel % 2 == 1 && self.dilation > 0, "an odd kernel, got {self:?}");
        let n_input = self.batch * self.height * self.width * self.channels;
        assert_eq!(inputs.input.len(), n_input, "an input of {self:?}");
        let n_weight = self.channels * self.kernel * self.kernel;
        assert_eq!(inputs.weight.len(), n_weight, "a weight of {self:?}");
        assert!(inputs.bias.is_none_or(|bias| bias.len() == self.channels), "a bias of {self:?}");
        let fits = self.height.min(self.width) > self.reach();
        assert!(
            self.padding == PaddingMode::Zeros || fits,
            "reflected images exceed their padding"
        );
    }

    /// How far a tap lies from its pixel at most.
    fn reach(&self) -> usize {
        self.kernel / 2 * self.dilation
    }

    /// For each place along an axis of `n`, its sources with the taps' rows (or columns).
    fn taps(&self, n: usize) -> Taps<usize> {
        let Self { kernel, dilation, padding, .. } = *self;
        let (n, reach) = (n as isize, self.reach() as isize);
        Taps::new(n as usize, |place| {
            (0..kernel).filter_map(move |tap| {
                let source = place as isize + (tap * dilation) as isize - reach;
                match padding {
                    PaddingMode::Zeros if source < 0 || source >= n => None,
                    PaddingMode::Zeros => Some((source as usize, tap)),
                    PaddingMode::Reflect => {
                        let source = source.abs();
                        Some((source.min(2 * (n - 1) - source) as usize, tap))
                    }
                }
            })
        })
    }

    /// For each place of the input, the outputs it is a tap of, with rows (or columns) of the flipped
    /// kernel.
    fn transposed_taps(&self, n: usize) -> Taps<usize> {
        let taps = self.taps(n).transposed(n);
        let last = self.kernel - 1;
        Taps::new(n, |place| taps.at(place).iter().map(move |(source, tap)| (*source, last - tap)))
    }

    /// The places whose taps all lie inside, one dilation apart.
    fn regular(&self, taps: &Taps<usize>) -> Range<usize> {
        let is_regular = |place: &usize| {
            let expected = (0..self.kernel)
                .map(|tap| ((place + tap * self.dilation).checked_sub(self.reach()), tap));
            taps.at(*place).iter().map(|(source, tap)| (Some(*source), *tap)).eq(expected)
        };
        let start = (0..taps.len()).find(is_regular).unwrap_or(0);
        start..start + (start..taps.len()).take_while(is_regular).count()
    }
}

/// Weights by tap, then channel; one more tap is the bias.
struct PackedWeights(Vec<f32>);

impl PackedWeights {
    fn new(shape: &DepthwiseShape, inputs: &DepthwiseInputs) -> Self {
        let n_taps = shape.kernel * shape.kernel;
        let taps =
            (0..n_taps).flat_map(|tap| inputs.weight.iter().skip(tap).step_by(n_taps).copied());
        let zeros = vec![0.0; shape.channels];
        Self(taps.chain(inputs.bias.unwrap_or(&zeros).iter().copied()).collect())
    }
}

/// A convolution with its taps.
struct Pass {
    shape: DepthwiseShape,
    rows: Taps<usize>,
    columns: Taps<usize>,
    weights: PackedWeights,
}

impl Pass {
    fn run(&self, instructions: Instructions, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), output.len(), "an output as large as the input");
        if output.is_empty() {
            return;
        }
        let DepthwiseShape { height, width, channels, .. } = self.shape;
        let regular = self.shape.regular(&self.columns);
        output.par_chunks_mut(width * channels).enumerate().for_each(|(row, output)| {
            instructions.run(Row {
                pass: self,
                rows: self.rows.at(row % height),
                regular: regular.clone(),
                input: &input[row / height * height * width * channels..],
                output,
            });
        });
    }
}
