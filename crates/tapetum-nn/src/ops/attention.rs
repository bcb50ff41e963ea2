//! Attention to channels and to places.

use burn::tensor::Tensor;
use tapetum_kernels::{
    Attend as Inputs, AttendGradients, Instructions, WeightedChannels,
    channel_statistics as channel_statistics_kernel, channel_statistics_backward,
};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run2, run4},
};

/// Mean and maximum of `features ⊙ channels` over the channels of every pixel; the gradient of a maximum goes
/// to the first channel that has it.
///
/// # Shapes
/// `features`: `[batch, channels, height, width]`; `channels`: `[batch, channels, 1, 1]`; result: `[batch, 2,
/// height, width]`, means first.
///
/// # Panics
/// When the shapes do not fit.
pub fn channel_statistics(features: Tensor<4>, channels: Tensor<4>) -> Tensor<4> {
    check_channels(&features, &channels);
    if !has_kernels(&features.device(), features.dtype()) {
        return composed::channel_statistics(features, channels);
    }
    run2(Statistics, [features.into_dispatch(), channels.into_dispatch()])
}

/// `image + features ⊙ channels ⊙ places`.
///
/// # Shapes
/// `image`, `features` and result: `[batch, channels, height, width]`; `channels`: `[batch, channels, 1, 1]`;
/// `places`: `[batch, 1, height, width]`.
///
/// # Panics
/// When the shapes do not fit.
pub fn attend(
    image: Tensor<4>,
    features: Tensor<4>,
    channels: Tensor<4>,
    places: Tensor<4>,
) -> Tensor<4> {
    check_channels(&features, &channels);
    let [batch, _, height, width] = features.dims();
    assert_eq!(image.dims(), features.dims(), "an image as its features");
    assert_eq!(places.dims(), [batch, 1, height, width], "a weight for every pixel");
    if !has_kernels(&image.device(), image.dtype()) {
        return composed::attend(image, features, channels, places);
    }
    let [image, features] = [image, features].map(Tensor::into_dispatch);
    let [channels, places] = [channels, places].map(Tensor::into_dispatch);
    run4(Attend, [image, features, channels, places])
}

fn check_channels(features: &Tensor<4>, channels: &Tensor<4>) {
    let [batch, n_channels, ..] = features.dims();
    assert_eq!(
        channels.dims(),
        [batch, n_channels, 1, 1],
        "a weight for every channel of an image"
    );
}

#[derive(Debug)]
struct Statistics;

#[derive(Debug)]
struct Attend;

fn weighted<'a>(features: &Values<'a>, channels: &Values<'a>) -> WeightedChannels<'a> {
    let shape = features.shape;
    WeightedChannels {
        shape: [shape[0], shape[2] * shape[3], shape[1]],
        features: features.values,
        channels: channels.values,
    }
}

impl Operation<2> for Statistics {
    fn input_orders(&self) -> [Order; 2] {
        [Order::ChannelsLast, Order::RowMajor]
    }

    fn output_shape(&self, [features, _]: [&[usize]; 2]) -> Vec<usize> {
        vec![features[0], 2, features[2], features[3]]
    }

    fn forward(&self, [features, channels]: &[Values; 2], output: &mut [f32]) {
        channel_statistics_kernel(Instructions::best(), &weighted(features, channels), output);
    }

    fn backward(
        &self,
        inputs: &[Values; 2],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 2],
    ) {
        let mut unused = Default::default();
        let gradients = or_unused(gradients, &mut unused, inputs);
        let [features, channels] = inputs;
        let inputs = weighted(features, channels);
        let best = Instructions::best();
        channel_statistics_backward(best, &inputs, output_gradient, gradients);
    }
}

impl Operation<4> for Attend {
    fn input_orders(&self) -> [Order; 4] {
        [Order::ChannelsLast, Order::ChannelsLast, Order::RowMajor, Order::RowMajor]
    }

    fn output_shape(&self, [image, ..]: [&[usize]; 4]) -> Vec<usize> {
        image.to_vec()
    }

    fn forward(&self, inputs: &[Values; 4], output: &mut [f32]) {
        tapetum_kernels::attend(Instructions::best(), &kernel_inputs(inputs), output);
    }

    fn backward(
        &self,
        inputs: &[Values; 4],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        [image, features, channels, places]: [Option<&mut [f32]>; 4],
    ) {
        let mut unused = Default::default();
        let others = [None, features, channels, places];
        let [_, features, channels, places] = or_unused(others, &mut unused, inputs);
        let gradients = AttendGradients { image, features, channels, places };
        let inputs = kernel_inputs(inputs);
        tapetum_kernels::attend_backward(Instructions::best(), &inputs, output_gradient, gradients);
    }
}

fn kernel_inputs<'a>([image, features, channels, places]: &[Values<'a>; 4]) -> Inputs<'a> {
    Inputs { image: image.values, weighted: weighted(features, channels), places: places.values }
}
