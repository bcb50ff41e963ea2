//! Operations of every value.

use burn::tensor::Tensor;
use tapetum_kernels::{Activation, Instructions};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, run1, run2},
};

/// The activation of every value.
pub fn activate<const D: usize>(input: Tensor<D>, activation: Activation) -> Tensor<D> {
    if activation == Activation::Identity {
        input
    } else if has_kernels(&input.device(), input.dtype()) {
        run1(Activate { activation, order: order_of::<D>() }, input)
    } else {
        composed::activate(input, activation)
    }
}

/// The sum `a + b` of two tensors of one shape.
///
/// # Panics
/// When the shapes differ: nothing is broadcast.
pub fn add<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    assert_eq!(a.dims(), b.dims(), "summands of one shape");
    if has_kernels(&a.device(), a.dtype()) {
        run2(Add { order: order_of::<D>() }, [a.into_dispatch(), b.into_dispatch()])
    } else {
        composed::add(a, b)
    }
}

/// The order that images are in already.
pub(super) fn order_of<const D: usize>() -> Order {
    if D == 4 { Order::ChannelsLast } else { Order::RowMajor }
}

#[derive(Debug)]
struct Activate {
    activation: Activation,
    order: Order,
}

impl Operation<1> for Activate {
    fn input_orders(&self) -> [Order; 1] {
        [self.order]
    }

    fn output_order(&self) -> Order {
        self.order
    }

    fn output_shape(&self, [input]: [&[usize]; 1]) -> Vec<usize> {
        input.to_vec()
    }

    fn forward(&self, [input]: &[Values; 1], output: &mut [f32]) {
        tapetum_kernels::activate(Instructions::best(), self.activation, input.values, output);
    }

    fn backward(
        &self,
        [input]: &[Values; 1],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        [gradient]: [Option<&mut [f32]>; 1],
    ) {
        let Some(gradient) = gradient else { return };
        let best = Instructions::best();
        let activation = self.activation;
        tapetum_kernels::activation_gradient(
            best,
            activation,
            input.values,
            output_gradient,
            gradient,
        );
    }
}

#[derive(Debug)]
struct Add {
    order: Order,
}

impl Operation<2> for Add {
    fn input_orders(&self) -> [Order; 2] {
        [self.order; 2]
    }

    fn output_order(&self) -> Order {
        self.order
    }

    fn output_shape(&self, [a, _]: [&[usize]; 2]) -> Vec<usize> {
        a.to_vec()
    }

    fn forward(&self, [a, b]: &[Values; 2], output: &mut [f32]) {
        tapetum_kernels::add(Instructions::best(), a.values, b.values, output);
    }

    fn backward(
        &self,
        _inputs: &[Values; 2],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 2],
    ) {
        for gradient in gradients.into_iter().flatten() {
            gradient.copy_from_slice(output_gradient);
        }
    }
}
