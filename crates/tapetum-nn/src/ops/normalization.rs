//! Layer normalisation.

use burn::tensor::Tensor;
use tapetum_kernels::{
    Instructions, LayerNorm, LayerNormGradients, layer_norm as layer_norm_kernel,
    layer_norm_backward,
};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run3},
    pointwise::order_of,
};

/// `weight (x - mean) / √(variance + epsilon) + bias`, mean and (biased) variance over the channels of
/// each pixel or token ([Ba 2016] §3.1).
///
/// # Shapes
/// `input` and result: images `[batch, channels, height, width]`, or `[.., channels]` of any other number
/// of dimensions; `weight` and `bias`: `[channels]`.
pub fn layer_norm<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f32,
) -> Tensor<D> {
    if !has_kernels(&input.device(), input.dtype()) {
        return composed::layer_norm(input, weight, bias, epsilon);
    }
    let operation = Normalize { epsilon, order: order_of::<D>() };
    run3(operation, [input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()])
}

/// The dimension that a tensor's channels are.
pub(super) fn channel_dim<const D: usize>() -> usize {
    if D == 4 { 1 } else { D - 1 }
}

#[derive(Debug)]
struct Normalize {
    epsilon: f32,
    order: Order,
}

impl Normalize {
    fn norm<'a>(&self, [_, weight, bias]: &[Values<'a>; 3]) -> LayerNorm<'a> {
        LayerNorm { weight: weight.values, bias: bias.values, epsilon: self.epsilon }
    }
}

impl Operation<3> for Normalize {
    fn input_orders(&self) -> [Order; 3] {
        [self.order, Order::RowMajor, Order::RowMajor]
    }

    fn output_order(&self) -> Order {
        self.order
    }

    fn output_shape(&self, [input, weight, bias]: [&[usize]; 3]) -> Vec<usize> {
        let n_channels = match self.order {
            Order::ChannelsLast => input[1],
            Order::RowMajor => input[input.len() - 1],
        };
        assert_eq!([weight, bias], [&[n_channels]; 2], "a weight and a bias a channel");
        input.to_vec()
    }

    fn forward(&self, inputs: &[Values; 3], output: &mut [f32]) {
        layer_norm_kernel(Instructions::best(), &self.norm(inputs), inputs[0].values, output);
    }

    fn backward(
        &self,
        inputs: &[Values; 3],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 3],
    ) {
        let mut unused = Default::default();
        let [input, weight, bias] = or_unused(gradients, &mut unused, inputs);
        let gradients = LayerNormGradients { input, weight, bias };
        let (best, norm) = (Instructions::best(), self.norm(inputs));
        layer_norm_backward(best, &norm, inputs[0].values, output_gradient, gradients);
    }
}
