//! Two-dimensional convolution with its gradients.
//!
//! Each one is a sum over taps on a grid of pixels ([`taps`]). A window of the input, padding
//! included, is gathered into the cache ([`window`]), where it may be converted or multiplied on the
//! way; register tiles then run over it ([`tile`]).

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
mod forward;
pub(crate) mod pack;
mod rewrite;
pub(crate) mod taps;
pub(crate) mod tile;
mod weight_gradient;
pub(crate) mod window;

use self::{
    forward::Grid,
    rewrite::Rewritten,
    taps::Taps,
    weight_gradient::WeightGradient,
    window::{Factor, Source},
};
use crate::{activation::Activation, instructions::Instructions};

/// What lies around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaddingMode {
    /// Zeros.
    Zeros,
    /// The image mirrored at its border pixels, which are not repeated.
    Reflect,
}

/// In what numbers products are computed; sums are `f32` always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// `f32`.
    F32,
    /// Operands are rounded to `bf16` first. Instruction sets without it emulate it, slowly.
    Bf16,
}

impl Precision {
    /// As options and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// Sizes of a convolution; pairs are height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Number of images.
    pub batch: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels of the input.
    pub n_in: usize,
    /// Channels of the output.
    pub n_out: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Pixels added on each side.
    pub padding: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// Groups that the channels fall into; each output channel sees its group's inputs only.
    pub groups: usize,
    /// What the added pixels are.
    pub padding_mode: PaddingMode,
}

impl ConvShape {
    /// Stride 1, one group, zeros around, so that the output is as large as the input when the kernel
    /// is odd.
    pub fn same(batch: usize, size: [usize; 2], n_in: usize, n_out: usize, kernel: usize) -> Self {
        Self {
            batch,
            size,
            n_in,
            n_out,
            kernel: [kernel; 2],
            stride: [1; 2],
            padding: [kernel / 2; 2],
            dilation: [1; 2],
            groups: 1,
            padding_mode: PaddingMode::Zeros,
        }
    }

    /// Height and width of the output.
    ///
    /// # Panics
    /// When the kernel is larger than the padded input.
    pub fn output_size(&self) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let padded = self.size[axis] + 2 * self.padding[axis];
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            assert!(padded >= reach, "a kernel that reaches over {reach} pixels of {padded}");
            (padded - reach) / self.stride[axis] + 1
        })
    }

    /// Multiplications with additions of the forward pass.
    pub fn n_macs(&self) -> usize {
        let [height, width] = self.output_size();
        let kernel = self.kernel[0] * self.kernel[1];
        self.batch * height * width * self.n_out * self.n_in / self.groups * kernel
    }

    fn n_input_pixels(&self) -> usize {
        self.batch * self.size[0] * self.size[1]
    }

    fn n_output_pixels(&self) -> usize {
        let [height, width] = self.output_size();
        self.batch * height * width
    }

    fn n_weights(&self) -> usize {
        self.n_out * self.n_in / self.groups * self.kernel[0] * self.kernel[1]
    }

    fn check(&self, sources: &[&[f32]], weight: usize, output: usize) {
        let counts =
            [self.groups, self.stride[0], self.stride[1], self.dilation[0], self.dilation[1]];
        assert!(counts.iter().all(|&count| count > 0), "groups, strides and dilations from 1");
        assert!(
            self.n_in.is_multiple_of(self.groups) && self.n_out.is_multiple_of(self.groups),
            "channels {} and {} in {} groups",
            self.n_in,
            self.n_out,
            self.groups
        );
        assert!(sources.len() == 1 || self.groups == 1, "groups of one source");
        if self.padding_mode == PaddingMode::Reflect {
            let fits = |axis: usize| self.padding[axis] < self.size[axis].max(1);
            assert!(fits(0) && fits(1), "reflected padding smaller than the image");
        }
        let n_values: usize = sources.iter().map(|source| source.len()).sum();
        assert_eq!(n_values, self.n_input_pixels() * self.n_in, "input values");
        assert!(sources.iter().all(|s| s.len().is_multiple_of(self.n_input_pixels())));
        assert_eq!(weight, self.n_weights(), "weights");
        assert_eq!(output, self.n_output_pixels() * self.n_out, "output values");
    }
}

/// How the kernels run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compute {
    /// With which instructions.
    pub instructions: Instructions,
    /// In which numbers.
    pub precision: Precision,
}

/// `activation(bias + weight ∗ sources)`, where several sources stand for the concatenation of their
/// channels.
///
/// # Shapes
/// Each of `sources`: `[batch, height, width, channels]`, `n_in` channels together; `weight`: `[n_out,
/// n_in / groups, kernel height, kernel width]`; `bias`: `[n_out]`; `output`: `[batch, output height,
/// output width, n_out]`.
///
/// # Panics
/// When the lengths do not fit the shape, channels do not fall into the groups, several sources meet
/// several groups, or reflected padding is as large as the image.
pub fn conv2d(
    compute: Compute,
    shape: &ConvShape,
    sources: &[&[f32]],
    (weight, bias): (&[f32], Option<&[f32]>),
    activation: Activation,
    output: &mut [f32],
) {
    shape.check(sources, weight.len(), output.len());
    if let Some(Rewritten { shape, weight, bias }) =
        rewrite::rewritten(compute.instructions, shape, weight, bias)
    {
        let parameters = (&weight[..], bias.as_deref());
        return conv2d(compute, &shape, sources, parameters, activation, output);
    }
    let (group_in, group_out) = (shape.n_in / shape.groups, shape.n_out / shape.groups);
    let taps = Taps::forward(shape);
    let area = shape.kernel[0] * shape.kernel[1];
    for group in 0..shape.groups {
        let sources =
            Source::list(sources, shape.n_input_pixels(), group * group_in..(group + 1) * group_in);
        let first_out = group * group_out;
        let counts = sources.iter().map(Source::n_taken);
        let words = pack::words_of_taps(&taps, counts, compute.precision);
        let weights = pack::pack(compute, &words, group_out, |tap, channel, out| {
            weight[((first_out + out) * group_in + channel) * area + tap]
        });
        let grid = Grid {
            compute,
            input_size: shape.size,
            padding_mode: shape.padding_mode,
            taps: &taps,
            sources: &sources,
            weights: &weights,
            bias: bias.map(|bias| &bias[first_out..first_out + group_out]),
            activation,
            output_size: shape.output_size(),
            output_channels: shape.n_out,
            first_output_channel: first_out,
        };
        grid.run(output);
    }
}

/// `activation(bias + weight ∗ doubled source)` of a 3x3 kernel with zeros around, where every pixel of the source
/// stands for four: the doubled image is never made. An output pixel reads 2x2 pixels of the source, by sums of the
/// kernel's taps that fall on the same one.
///
/// # Shapes
/// `source`: `[batch, height, width, n_in]`; `weight`: `[n_out, n_in, 3, 3]`; `bias`: `[n_out]`; `output`: `[batch,
/// 2 height, 2 width, n_out]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn conv2d_of_doubled(
    compute: Compute,
    [batch, height, width]: [usize; 3],
    source: &[f32],
    (weight, bias): (&[f32], &[f32]),
    activation: Activation,
    output: &mut [f32],
) {
    let n_pixels = batch * height * width;
    let (n_in, n_out) = (source.len() / n_pixels.max(1), bias.len());
    assert_eq!(source.len(), n_pixels * n_in, "pixels of as many channels");
    assert_eq!(weight.len(), n_out * n_in * 9, "weights");
    assert_eq!(output.len(), 4 * n_pixels * n_out, "output values");
    // The gradient of such a convolution goes the same way: from each pixel to 4x4 of twice the size.
    let shape = ConvShape {
        kernel: [4, 4],
        stride: [2, 2],
        padding: [1, 1],
        ..ConvShape::same(batch, [2 * height, 2 * width], n_out, n_in, 3)
    };
    let kernel = rewrite::kernel_of_doubled(weight);
    let sources = Source::list(&[source], n_pixels, 0..n_in);
    for taps in Taps::backward(&shape) {
        let words = pack::words_of_taps(&taps, [n_in].into_iter(), compute.precision);
        let weights = pack::pack(compute, &words, n_out, |tap, channel, out| {
            kernel[(out * n_in + channel) * 16 + tap]
        });
        let grid = Grid {
            compute,
            input_size: [height, width],
            padding_mode: PaddingMode::Zeros,
            taps: &taps,
            sources: &sources,
            weights: &weights,
            bias: Some(bias),
            activation,
            output_size: shape.size,
            output_channels: n_out,
            first_output_channel: 0,
        };
        grid.run(output);
    }
}

/// What the gradients of a convolution start from.
#[derive(Debug, Clone, Copy)]
pub struct OutputGradient<'a> {
    /// Gradient of the output, `[batch, output height, output width, n_out]`.
    pub gradient: &'a [f32],
    /// The convolution's activation and its output, where that is not the identity; it must have a
    /// gradient that follows from its output.
    pub activation: Option<(Activation, &'a [f32])>,
}

impl<'a> OutputGradient<'a> {
    fn source(&self, n_pixels: usize, channels: std::ops::Range<usize>) -> Vec<Source<'a>> {
        let mut sources = Source::list(&[self.gradient], n_pixels, channels);
        if let Some((activation, output)) = self.activation {
            assert!(activation.has_gradient_from_output(), "{activation:?} needs its input");
            assert_eq!(output.len(), self.gradient.len(), "an output as large as its gradient");
            sources[0].factor = Some(Factor { activation, output });
        }
        sources
    }
}

/// Gradient of the input channels `channels`: the whole input, or one of several sources.
///
/// # Shapes
/// As in [`conv2d`]; `input_gradient`: `[batch, height, width, channels]`.
///
/// # Panics
/// As [`conv2d`], or when part of the channels is asked for with several groups.
pub fn conv2d_input_gradient(
    compute: Compute,
    shape: &ConvShape,
    weight: &[f32],
    output_gradient: &OutputGradient,
    channels: std::ops::Range<usize>,
    input_gradient: &mut [f32],
) {
    assert_eq!(weight.len(), shape.n_weights(), "weights");
    assert_eq!(output_gradient.gradient.len(), shape.n_output_pixels() * shape.n_out, "gradients");
    assert_eq!(input_gradient.len(), shape.n_input_pixels() * channels.len(), "input gradients");
    let is_whole = channels == (0..shape.n_in);
    assert!(is_whole || shape.groups == 1, "part of the channels of one group");
    if shape.padding_mode == PaddingMode::Reflect && shape.padding != [0, 0] {
        let padded = ConvShape {
            size: std::array::from_fn(|axis| shape.size[axis] + 2 * shape.padding[axis]),
            padding: [0, 0],
            padding_mode: PaddingMode::Zeros,
            ..*shape
        };
        let mut gradient = vec![0.0; padded.n_input_pixels() * channels.len()];
        conv2d_input_gradient(compute, &padded, weight, output_gradient, channels, &mut gradient);
        window::fold_reflected(&gradient, shape, input_gradient);
        return;
    }
    let (group_in, group_out) = (shape.n_in / shape.groups, shape.n_out / shape.groups);
    let area = shape.kernel[0] * shape.kernel[1];
    let n_group = if is_whole { group_in } else { channels.len() };
    for group in 0..shape.groups {
        let outs = group * group_out..(group + 1) * group_out;
        let sources = output_gradient.source(shape.n_output_pixels(), outs.clone());
        for taps in Taps::backward(shape) {
            let words = pack::words_of_taps(&taps, [group_out].into_iter(), compute.precision);
            let weights = pack::pack(compute, &words, n_group, |tap, out, channel| {
                weight[((outs.start + out) * group_in + channels.start + channel) * area + tap]
            });
            let grid = Grid {
                compute,
                input_size: shape.output_size(),
                padding_mode: PaddingMode::Zeros,
                taps: &taps,
                sources: &sources,
                weights: &weights,
                bias: None,
                activation: Activation::Identity,
                output_size: shape.size,
                output_channels: channels.len(),
                first_output_channel: group * group_in,
            };
            grid.run(input_gradient);
        }
    }
}

/// Gradients of the weight and of the bias. Sums run in an order that depends on the shape alone, so
/// results are equal for any number of threads.
///
/// # Shapes
/// As in [`conv2d`].
///
/// # Panics
/// As [`conv2d`].
pub fn conv2d_weight_gradient(
    compute: Compute,
    shape: &ConvShape,
    sources: &[&[f32]],
    output_gradient: &OutputGradient,
    weight_gradient: &mut [f32],
    bias_gradient: Option<&mut [f32]>,
) {
    shape.check(sources, weight_gradient.len(), output_gradient.gradient.len());
    let (group_in, group_out) = (shape.n_in / shape.groups, shape.n_out / shape.groups);
    let taps = Taps::forward(shape);
    let area = shape.kernel[0] * shape.kernel[1];
    let mut bias_gradient = bias_gradient;
    for group in 0..shape.groups {
        let (first_in, first_out) = (group * group_in, group * group_out);
        let gradient = WeightGradient {
            compute,
            shape,
            taps: &taps,
            sources: &Source::list(sources, shape.n_input_pixels(), first_in..first_in + group_in),
            output_gradient: &output_gradient
                .source(shape.n_output_pixels(), first_out..first_out + group_out)[0],
        };
        let (weights, biases) = gradient.run();
        for (idx, value) in weights.iter().enumerate() {
            // `[tap, channel, out]`.
            let (tap, rest) = (idx / (group_in * group_out), idx % (group_in * group_out));
            let (channel, out) = (rest / group_out, rest % group_out);
            let tap = taps.list[tap].kernel_idx;
            weight_gradient[((first_out + out) * group_in + channel) * area + tap] = *value;
        }
        if let Some(bias_gradient) = bias_gradient.as_deref_mut() {
            bias_gradient[first_out..first_out + group_out].copy_from_slice(&biases);
        }
    }
}
