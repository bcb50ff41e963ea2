//! Sums of two images, each weighted channel by channel.

use burn::tensor::Tensor;
use tapetum_kernels::{Instructions, WeightedSum as Inputs, WeightedSumGradients};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, run4},
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
