//! Products of one image and an activation of another.

use burn::tensor::Tensor;
use tapetum_kernels::{Activation, Instructions};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run2},
};

/// `value ⊙ activation(gate)`, value by value.
///
/// # Shapes
/// All `[batch, channels, height, width]`.
///
/// # Panics
/// When the shapes differ: nothing is broadcast.
pub fn gated(value: Tensor<4>, gate: Tensor<4>, activation: Activation) -> Tensor<4> {
    assert_eq!(value.dims(), gate.dims(), "a gate for every value");
    if has_kernels(&value.device(), value.dtype()) {
        run2(Gated(activation), [value.into_dispatch(), gate.into_dispatch()])
    } else {
        composed::gated(value, gate, activation)
    }
}

#[derive(Debug)]
struct Gated(Activation);

impl Operation<2> for Gated {
    fn input_orders(&self) -> [Order; 2] {
        [Order::ChannelsLast; 2]
    }

    fn output_shape(&self, [value, _]: [&[usize]; 2]) -> Vec<usize> {
        value.to_vec()
    }

    fn forward(&self, [value, gate]: &[Values; 2], output: &mut [f32]) {
        tapetum_kernels::gated(Instructions::best(), self.0, value.values, gate.values, output);
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
        let inputs = inputs.each_ref().map(|input| input.values);
        let best = Instructions::best();
        tapetum_kernels::gated_backward(best, self.0, inputs, output_gradient, gradients);
    }
}
