//! Sums of two images, each weighted channel by channel.

use burn::tensor::Tensor;
use tapetum_kernels::{
    DoubledSum, Instructions, Interpolation, WeightedSum as Inputs, WeightedSumGradients,
};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, run4},
    resize::resize2d,
};

/// `weights₀ ⊙ images₀ + weights₁ ⊙ images₁`.
///
/// # Shapes
/// Images and result: `[batch, channels, height, width]`; weights: `[1 or batch, channels, 1, 1]`.
///
/// # Panics
/// When the shapes do not fit.
pub fn weighted_sum(images: [Tensor<4>; 2], weights: [Tensor<4>; 2]) -> Tensor<4> {
    let [batch, n_channels, _, _] = images[0].dims();
    assert_eq!(images[0].dims(), images[1].dims(), "images of one shape");
    for weights in &weights {
        let [n_sets, n, height, width] = weights.dims();
        let fits = (n_sets == 1 || n_sets == batch) && [n, height, width] == [n_channels, 1, 1];
        assert!(fits, "weights [1 or {batch}, {n_channels}, 1, 1], got {:?}", weights.dims());
    }
    if !has_kernels(&images[0].device(), images[0].dtype()) {
        return composed::weighted_sum(images, weights);
    }
    let [a, b] = images.map(Tensor::into_dispatch);
    let [a_weights, b_weights] = weights.map(Tensor::into_dispatch);
    run4(WeightedSum, [a, b, a_weights, b_weights])
}

/// [`weighted_sum`] of an image and of another, which is interpolated to twice its size first. In inference that one is
/// never made.
///
/// # Shapes
/// `image` and result: `[batch, channels, 2 height, 2 width]`; `half`: `[batch, channels, height, width]`; weights:
/// `[batch, channels, 1, 1]`.
///
/// # Panics
/// When the shapes do not fit.
pub fn weighted_sum_of_doubled(
    image: Tensor<4>,
    half: Tensor<4>,
    weights: [Tensor<4>; 2],
) -> Tensor<4> {
    let [batch, n_channels, height, width] = half.dims();
    assert_eq!(image.dims(), [batch, n_channels, 2 * height, 2 * width], "twice as large");
    let device = image.device();
    if device.is_autodiff() || !has_kernels(&device, image.dtype()) {
        let doubled = resize2d(half, [2 * height, 2 * width], Interpolation::Bilinear);
        return weighted_sum([image, doubled], weights);
    }
    for weights in &weights {
        assert_eq!(weights.dims(), [batch, n_channels, 1, 1], "weights for each image");
    }
    let [of_image, of_half] = weights.map(Tensor::into_dispatch);
    run4(OfDoubled, [image.into_dispatch(), half.into_dispatch(), of_image, of_half])
}

#[derive(Debug)]
struct OfDoubled;

impl Operation<4> for OfDoubled {
    fn input_orders(&self) -> [Order; 4] {
        [Order::ChannelsLast, Order::ChannelsLast, Order::RowMajor, Order::RowMajor]
    }

    fn output_shape(&self, [image, ..]: [&[usize]; 4]) -> Vec<usize> {
        image.to_vec()
    }

    fn forward(&self, [image, half, of_image, of_half]: &[Values; 4], output: &mut [f32]) {
        let sum = DoubledSum {
            shape: [half.shape[0], half.shape[2], half.shape[3]],
            image: image.values,
            half: half.values,
            weights: [of_image.values, of_half.values],
        };
        tapetum_kernels::weighted_sum_of_doubled(Instructions::best(), &sum, output);
    }

    fn backward(
        &self,
        _inputs: &[Values; 4],
        _output: Option<&[f32]>,
        _output_gradient: &[f32],
        _gradients: [Option<&mut [f32]>; 4],
    ) {
        unreachable!("with gradients the doubled image is made");
    }
}

#[derive(Debug)]
struct WeightedSum;

impl Operation<4> for WeightedSum {
    fn input_orders(&self) -> [Order; 4] {
        [Order::ChannelsLast, Order::ChannelsLast, Order::RowMajor, Order::RowMajor]
    }

    fn output_shape(&self, [image, ..]: [&[usize]; 4]) -> Vec<usize> {
        image.to_vec()
    }

    fn forward(&self, inputs: &[Values; 4], output: &mut [f32]) {
        tapetum_kernels::weighted_sum(Instructions::best(), &kernel_inputs(inputs), output);
    }

    fn backward(
        &self,
        inputs: &[Values; 4],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        [a, b, a_weights, b_weights]: [Option<&mut [f32]>; 4],
    ) {
        let gradients = WeightedSumGradients { images: [a, b], weights: [a_weights, b_weights] };
        let (best, inputs) = (Instructions::best(), kernel_inputs(inputs));
        tapetum_kernels::weighted_sum_backward(best, &inputs, output_gradient, gradients);
    }
}

fn kernel_inputs<'a>([a, b, a_weights, b_weights]: &[Values<'a>; 4]) -> Inputs<'a> {
    Inputs {
        shape: [a.shape[0], a.shape[2] * a.shape[3], a.shape[1]],
        images: [a.values, b.values],
        weights: [a_weights.values, b_weights.values],
    }
}
