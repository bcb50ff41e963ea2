//! The rectifier with learned slopes.

use burn::tensor::Tensor;
use tapetum_kernels::{Instructions, prelu as prelu_kernel, prelu_backward};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run2},
};

/// `x` above 0, else its channel's slope times `x` ([He 2015] §2.1); at 0 the derivative is the slope.
///
/// # Shapes
/// `input` and result: `[batch, channels, height, width]`; `slopes`: `[channels]`.
pub fn prelu(input: Tensor<4>, slopes: Tensor<1>) -> Tensor<4> {
    if has_kernels(&input.device(), input.dtype()) {
        run2(LearnedSlopes, [input.into_dispatch(), slopes.into_dispatch()])
    } else {
        composed::prelu(input, slopes)
    }
}

#[derive(Debug)]
struct LearnedSlopes;

impl Operation<2> for LearnedSlopes {
    fn input_orders(&self) -> [Order; 2] {
        [Order::ChannelsLast, Order::RowMajor]
    }

    fn output_shape(&self, [input, slopes]: [&[usize]; 2]) -> Vec<usize> {
        assert_eq!(slopes, &input[1..2], "a slope a channel");
        input.to_vec()
    }

    fn forward(&self, [input, slopes]: &[Values; 2], output: &mut [f32]) {
        prelu_kernel(Instructions::best(), slopes.values, input.values, output);
    }

    fn backward(
        &self,
        inputs: &[Values; 2],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 2],
    ) {
        let mut unused = Default::default();
        let [input_gradient, slope_gradient] = or_unused(gradients, &mut unused, inputs);
        let [input, slopes] = inputs;
        prelu_backward(
            Instructions::best(),
            slopes.values,
            input.values,
            output_gradient,
            input_gradient,
            slope_gradient,
        );
    }
}
