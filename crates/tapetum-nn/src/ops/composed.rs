//! The same operations composed of the engine's own: what runs on devices without kernels of ours, and
//! what the kernels are tested against.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::tensor::{
    Tensor, activation, module,
    ops::{
        AvgPoolOptions, ConvOptions as EngineOptions, ConvTransposeOptions, InterpolateMode,
        InterpolateOptions, MaxPoolOptions, PadMode,
    },
};
use tapetum_kernels::{Activation, Interpolation, PaddingMode, ScanDirection};

use super::{
    BatchNormOptions, ConvOptions, PoolOptions, ScanInputs, normalization::channel_dim,
    precision::rounded,
};
#[cfg(feature = "gpu")]
use super::{
    gpu,
    precision::{Precision, precision},
};

/// [`conv2d`](super::conv2d).
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: &ConvOptions,
    activation: Activation,
) -> Tensor<4> {
    let ConvOptions { stride, padding: [pad_y, pad_x], dilation, groups, padding_mode } = *options;
    let (input, padding) = match padding_mode {
        PaddingMode::Zeros => (input, [pad_y, pad_x]),
        PaddingMode::Reflect => (input.pad((pad_x, pad_x, pad_y, pad_y), PadMode::Reflect), [0, 0]),
    };
    let options = EngineOptions::new(stride, padding, dilation, groups);
    #[cfg(feature = "gpu")]
    if precision() == Precision::F32 && gpu::rounds_products(&input.device()) {
        let product = gpu::product(input, weight, gpu::Product::Convolution(options));
        let product = in_plain_order(product);
        let biased = bias.map(|bias| product.clone() + bias.reshape([1, -1, 1, 1]));
        return activate(biased.unwrap_or(product), activation);
    }
    let output = module::conv2d(rounded(input), rounded(weight), bias, options);
    activate(in_plain_order(output), activation)
}

/// The same image; one of a single channel with its strides in the order of its dimensions. The engine leaves
/// them as if there were more channels, and its kernels for cards then write over values that are still
/// wanted.
pub(super) fn in_plain_order(image: Tensor<4>) -> Tensor<4> {
    let shape = image.dims();
    if shape[1] != 1 {
        return image;
    }
    image.reshape([shape.iter().product::<usize>()]).reshape(shape)
}

/// [`depthwise_conv2d`](super::depthwise_conv2d).
pub fn depthwise_conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    dilation: usize,
    padding_mode: PaddingMode,
    activation: Activation,
) -> Tensor<4> {
    let [n_channels, _, kernel, _] = weight.dims();
    let options = ConvOptions {
        stride: [1, 1],
        padding: [kernel / 2 * dilation; 2],
        dilation: [dilation; 2],
        groups: n_channels,
        padding_mode,
    };
    conv2d(input, weight, bias, &options, activation)
}

/// [`transposed_conv2d`](super::transposed_conv2d).
pub fn transposed_conv2d(input: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    let [_, _, kernel_y, kernel_x] = weight.dims();
    let options = ConvTransposeOptions::new([kernel_y, kernel_x], [0, 0], [0, 0], [1, 1], 1);
    #[cfg(feature = "gpu")]
    if precision() == Precision::F32 && gpu::rounds_products(&input.device()) {
        return in_plain_order(gpu::product(input, weight, gpu::Product::Transposed(options)));
    }
    in_plain_order(module::conv_transpose2d(rounded(input), rounded(weight), None, options))
}

/// [`matmul`](super::matmul).
pub fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "gpu")]
    if gpu::rounds_products(&left.device()) {
        let (mut of_left, mut of_right) = (left.dims(), right.dims());
        for dim in 0..D - 2 {
            let n = of_left[dim].max(of_right[dim]);
            (of_left[dim], of_right[dim]) = (n, n);
        }
        let [left, right] = [left.expand(of_left), right.expand(of_right)];
        return gpu::product(left, right, gpu::Product::Matrices);
    }
    left.matmul(right)
}

/// [`activate`](super::activate).
pub fn activate<const D: usize>(input: Tensor<D>, function: Activation) -> Tensor<D> {
    match function {
        Activation::Identity => input,
        Activation::Relu => activation::relu(input),
        Activation::LeakyRelu(slope) => activation::leaky_relu(input, f64::from(slope)),
        Activation::Tanh => activation::tanh(input),
        Activation::Sigmoid => activation::sigmoid(input),
        Activation::Silu => activation::silu(input),
        // The engine's own has the gradient of the other one.
        Activation::Gelu => (input.clone() * (input.clone() * FRAC_1_SQRT_2).erf() + input) * 0.5,
        Activation::GeluTanh => activation::gelu_approximate(input),
    }
}

/// [`prelu`](super::prelu).
pub fn prelu(input: Tensor<4>, slopes: Tensor<1>) -> Tensor<4> {
    activation::prelu(input, slopes)
}

/// [`add`](super::add).
pub fn add<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    a + b
}

/// [`gated`](super::gated).
pub fn gated(value: Tensor<4>, gate: Tensor<4>, function: Activation) -> Tensor<4> {
    value * activate(gate, function)
}

/// [`modulate`](super::modulate).
pub fn modulate(features: Tensor<4>, scale: Tensor<4>, shift: Tensor<4>) -> Tensor<4> {
    features * (scale + 1.0) + shift
}

/// [`add_in_context`](super::add_in_context).
pub fn add_in_context(
    features: Tensor<4>,
    shift: Tensor<4>,
    input: Tensor<4>,
    function: Activation,
) -> Tensor<4> {
    activate(features + shift, function) + input
}

/// [`weighted_sum`](super::weighted_sum).
pub fn weighted_sum([a, b]: [Tensor<4>; 2], [a_weights, b_weights]: [Tensor<4>; 2]) -> Tensor<4> {
    a * a_weights + b * b_weights
}

/// [`channel_statistics`](super::channel_statistics).
pub fn channel_statistics(features: Tensor<4>, channels: Tensor<4>) -> Tensor<4> {
    let weighted = features * channels;
    Tensor::cat(vec![weighted.clone().mean_dim(1), weighted.max_dim(1)], 1)
}

/// [`attend`](super::attend).
pub fn attend(
    image: Tensor<4>,
    features: Tensor<4>,
    channels: Tensor<4>,
    places: Tensor<4>,
) -> Tensor<4> {
    image + features * channels * places
}

/// [`average_pool2d`](super::average_pool2d).
pub fn average_pool2d(input: Tensor<4>, options: &PoolOptions) -> Tensor<4> {
    let PoolOptions { window, stride, padding, ceil_mode } = *options;
    let options = AvgPoolOptions::new(window).with_stride(stride).with_padding(padding);
    let options = options.with_ceil_mode(ceil_mode).with_count_include_pad(false);
    in_plain_order(module::avg_pool2d(input, options))
}

/// [`max_pool2d`](super::max_pool2d).
pub fn max_pool2d(input: Tensor<4>, options: &PoolOptions) -> Tensor<4> {
    let PoolOptions { window, stride, padding, ceil_mode } = *options;
    let options = MaxPoolOptions::new(window).with_stride(stride).with_padding(padding);
    in_plain_order(module::max_pool2d(input, options.with_ceil_mode(ceil_mode)))
}

/// [`global_average_pool`](super::global_average_pool).
pub fn global_average_pool(input: Tensor<4>) -> Tensor<4> {
    input.mean_dim(3).mean_dim(2)
}

/// [`global_max_pool`](super::global_max_pool).
pub fn global_max_pool(input: Tensor<4>) -> Tensor<4> {
    let [batch, n_channels, height, width] = input.dims();
    // All pixels in one dimension, so that the first largest one is the first of the image.
    input.reshape([batch, n_channels, 1, height * width]).max_dim(3)
}

/// [`resize2d`](super::resize2d).
pub fn resize2d(input: Tensor<4>, size: [usize; 2], interpolation: Interpolation) -> Tensor<4> {
    let mode = match interpolation {
        Interpolation::Nearest => InterpolateMode::Nearest,
        Interpolation::Bilinear | Interpolation::BilinearCorners => InterpolateMode::Bilinear,
    };
    let corners = interpolation == Interpolation::BilinearCorners;
    let options = InterpolateOptions::new(mode).with_align_corners(corners);
    in_plain_order(module::interpolate(input, options.with_output_size(size)))
}

/// [`layer_norm`](super::layer_norm).
pub fn layer_norm<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f32,
) -> Tensor<D> {
    let channels = channel_dim::<D>();
    let input = input.swap_dims(channels, D - 1);
    let output = module::layer_norm(input, weight, Some(bias), f64::from(epsilon));
    output.swap_dims(channels, D - 1)
}

/// [`batch_norm`](super::batch_norm); its result, and mean and variance.
pub fn batch_norm(
    input: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    options: &BatchNormOptions,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    let BatchNormOptions { epsilon, limits: [lowest, highest] } = *options;
    let n_channels = input.dims()[1];
    let mean = input.clone().mean_dims(&[0, 2, 3]);
    let difference = input - mean.clone();
    let variance = (difference.clone() * difference.clone()).mean_dims(&[0, 2, 3]);
    let moments = [&mean, &variance].map(|moment| moment.clone().inner().reshape([n_channels]));
    let [weight, bias] = [weight, bias].map(|values| values.reshape([1, n_channels, 1, 1]));
    let mut output = difference / (variance + epsilon).sqrt() * weight + bias;
    if lowest > f32::NEG_INFINITY {
        output = output.clamp_min(lowest);
    }
    if highest < f32::INFINITY {
        output = output.clamp_max(highest);
    }
    (output, moments)
}

/// [`softmax`](super::softmax).
pub fn softmax<const D: usize>(input: Tensor<D>, dim: usize) -> Tensor<D> {
    activation::softmax(input, dim)
}

/// [`apply_curves`](super::apply_curves).
pub fn apply_curves(image: Tensor<4>, curve_maps: Tensor<4>) -> Tensor<4> {
    let [_, n_channels, _, _] = image.dims();
    let n_steps = curve_maps.dims()[1] / n_channels;
    let curve_maps = activation::tanh(curve_maps);
    (0..n_steps).fold(image, |value, step| {
        let rate = curve_maps.clone().narrow(1, step * n_channels, n_channels);
        value.clone() + rate * (value.clone() * value.clone() - value)
    })
}

/// [`selective_scan`](super::selective_scan): one position after the other.
pub fn selective_scan(inputs: ScanInputs, direction: ScanDirection) -> Tensor<4> {
    let ScanInputs { x, step, step_bias, decay, input, output, skip } = inputs;
    let size = [x.dims()[2], x.dims()[3]];
    let ([n_channels, n_states], n_positions) = (decay.dims(), size[0] * size[1]);
    // `[batch, channels, positions]`, and `[1, channels, states]` of the decay.
    let decay = decay.unsqueeze::<3>();
    let step = step + step_bias.reshape([1, n_channels, 1, 1]);
    let step = sequence(activation::softplus(step, 1.0), direction);
    let passing = x.clone() * skip.reshape([1, n_channels, 1, 1]);
    let [x, input, output] = [x, input, output].map(|image| sequence(image, direction));

    let mut states = Tensor::zeros([x.dims()[0], n_channels, n_states], &x.device());
    let mut results = Vec::with_capacity(n_positions);
    for position in 0..n_positions {
        // `[batch, channels, 1]` and `[batch, 1, states]`.
        let [x, step] = [&x, &step].map(|values| values.clone().narrow(2, position, 1));
        let [input, output] =
            [&input, &output].map(|values| values.clone().narrow(2, position, 1).swap_dims(1, 2));
        states = (step.clone() * decay.clone()).exp() * states + step * x * input;
        results.push((states.clone() * output).sum_dim(2));
    }
    image(Tensor::cat(results, 2), size, direction) + passing
}

fn is_column_major(direction: ScanDirection) -> bool {
    matches!(direction, ScanDirection::ColumnMajor | ScanDirection::ColumnMajorReversed)
}

fn is_reversed(direction: ScanDirection) -> bool {
    matches!(direction, ScanDirection::RowMajorReversed | ScanDirection::ColumnMajorReversed)
}

/// `[batch, channels, height, width]` as `[batch, channels, positions]`.
fn sequence(image: Tensor<4>, direction: ScanDirection) -> Tensor<3> {
    let image = if is_column_major(direction) { image.swap_dims(2, 3) } else { image };
    let sequence = image.flatten(2, 3);
    if is_reversed(direction) { sequence.flip([2]) } else { sequence }
}

/// The other way round.
fn image(sequence: Tensor<3>, [height, width]: [usize; 2], direction: ScanDirection) -> Tensor<4> {
    let [batch, n_channels, _] = sequence.dims();
    let sequence = if is_reversed(direction) { sequence.flip([2]) } else { sequence };
    if is_column_major(direction) {
        sequence.reshape([batch, n_channels, width, height]).swap_dims(2, 3)
    } else {
        sequence.reshape([batch, n_channels, height, width])
    }
}
