//! Batch normalisation by the statistics of the batch itself.

use burn::tensor::Tensor;
use tapetum_kernels::{
    BatchNorm, BatchNormGradients, Instructions, batch_moments, batch_norm as batch_norm_kernel,
    batch_norm_backward,
};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run1, run4},
};

/// How a batch is normalised, and between which values the result is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNormOptions {
    /// Added to the variance.
    pub epsilon: f32,
    /// The smallest and the largest result, infinite where there is none; a result at a limit or beyond
    /// hands on no gradient.
    pub limits: [f32; 2],
}

/// Statistics of a batch, each of `[channels]`. Neither carries a gradient.
#[derive(Debug, Clone)]
pub struct BatchMoments {
    /// Over all images and pixels.
    pub mean: Tensor<1>,
    /// Around that mean, divided by [`Self::n_values`].
    pub variance: Tensor<1>,
    /// Images times pixels: how many values of a channel there are.
    pub n_values: usize,
}

/// `weight (x - mean) / √(variance + epsilon) + bias`, kept within the limits; mean and (biased) variance
/// over all images and pixels ([Ioffe 2015] Alg. 1). Gradients flow through the statistics too.
///
/// # Shapes
/// `input` and result: `[batch, channels, height, width]`; `weight` and `bias`: `[channels]`.
pub fn batch_norm(
    input: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    options: &BatchNormOptions,
) -> (Tensor<4>, BatchMoments) {
    let [batch, n_channels, height, width] = input.dims();
    let n_values = batch * height * width;
    if !has_kernels(&input.device(), input.dtype()) {
        let (output, [mean, variance]) = composed::batch_norm(input, weight, bias, options);
        return (output, BatchMoments { mean, variance, n_values });
    }
    let moments: Tensor<2> = run1(Moments, input.clone().inner());
    let [mean, variance] =
        [0, 1].map(|row| moments.clone().narrow(0, row, 1).reshape([n_channels]));
    let inputs = [input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
    let [input, weight, bias] = inputs;
    let output = run4(Normalize(*options), [input, weight, bias, moments.into_dispatch()]);
    (output, BatchMoments { mean, variance, n_values })
}

/// Mean and variance, `[2, channels]`; no gradient flows back.
#[derive(Debug)]
struct Moments;

impl Operation<1> for Moments {
    fn input_orders(&self) -> [Order; 1] {
        [Order::ChannelsLast]
    }

    fn output_order(&self) -> Order {
        Order::RowMajor
    }

    fn output_shape(&self, [input]: [&[usize]; 1]) -> Vec<usize> {
        vec![2, input[1]]
    }

    fn forward(&self, [input]: &[Values; 1], output: &mut [f32]) {
        let (mean, variance) = output.split_at_mut(input.shape[1]);
        batch_moments(Instructions::best(), input.values, mean, variance);
    }

    fn backward(
        &self,
        _inputs: &[Values; 1],
        _output: Option<&[f32]>,
        _output_gradient: &[f32],
        _gradients: [Option<&mut [f32]>; 1],
    ) {
        unreachable!("its input is outside of the graph");
    }
}

/// Input, weight, bias and the input's own moments, which are a constant to the graph: the gradient of
/// the input takes them into account.
#[derive(Debug)]
struct Normalize(BatchNormOptions);

impl Normalize {
    fn norm<'a>(&self, [_, weight, bias, moments]: &[Values<'a>; 4]) -> BatchNorm<'a> {
        let BatchNormOptions { epsilon, limits } = self.0;
        let (mean, variance) = moments.values.split_at(weight.values.len());
        BatchNorm { weight: weight.values, bias: bias.values, mean, variance, epsilon, limits }
    }
}

impl Operation<4> for Normalize {
    fn input_orders(&self) -> [Order; 4] {
        [Order::ChannelsLast, Order::RowMajor, Order::RowMajor, Order::RowMajor]
    }

    fn output_shape(&self, [input, weight, bias, _]: [&[usize]; 4]) -> Vec<usize> {
        assert_eq!([weight, bias], [&input[1..2]; 2], "a weight and a bias a channel");
        input.to_vec()
    }

    fn forward(&self, inputs: &[Values; 4], output: &mut [f32]) {
        batch_norm_kernel(Instructions::best(), &self.norm(inputs), inputs[0].values, output);
    }

    fn backward(
        &self,
        inputs: &[Values; 4],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 4],
    ) {
        let mut unused = Default::default();
        let [input, weight, bias, _] = or_unused(gradients, &mut unused, inputs);
        let gradients = BatchNormGradients { input, weight, bias };
        let (best, norm) = (Instructions::best(), self.norm(inputs));
        batch_norm_backward(best, &norm, inputs[0].values, output_gradient, gradients);
    }
}
