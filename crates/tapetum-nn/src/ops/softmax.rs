//! Softmax over any dimension.

use burn::tensor::Tensor;
use tapetum_kernels::{Instructions, softmax as softmax_kernel, softmax_backward};

use super::{
    composed,
    operation::{CHANNELS_LAST, Operation, Order, Values, has_kernels, run1},
    pointwise::order_of,
};

/// `e^x / Σ e^x` over the dimension `dim`, safe from overflow.
///
/// Tensors of four dimensions are kept as images are, dimension 1 last; a matrix per head does better as
/// `[batch * heads, rows, columns]`, whose memory need not be turned round.
///
/// # Shapes
/// Result: as `input`.
///
/// # Panics
/// When the tensor has no such dimension.
pub fn softmax<const D: usize>(input: Tensor<D>, dim: usize) -> Tensor<D> {
    assert!(dim < D, "one of {D} dimensions, got {dim}");
    if has_kernels(&input.device(), input.dtype()) {
        run1(Softmax { dim, order: order_of::<D>() }, input)
    } else {
        composed::softmax(input, dim)
    }
}

#[derive(Debug)]
struct Softmax {
    dim: usize,
    order: Order,
}

impl Softmax {
    /// `[outer, axis, inner]` of the memory: what varies more slowly than the dimension, the dimension
    /// itself, and what varies faster.
    fn extents(&self, shape: &[usize]) -> [usize; 3] {
        let dims = match self.order {
            Order::RowMajor => (0..shape.len()).collect(),
            Order::ChannelsLast => CHANNELS_LAST.to_vec(),
        };
        let place = dims.iter().position(|dim| *dim == self.dim).expect("checked before");
        let n_values = |dims: &[usize]| dims.iter().map(|dim| shape[*dim]).product();
        [n_values(&dims[..place]), shape[self.dim], n_values(&dims[place + 1..])]
    }
}

impl Operation<1> for Softmax {
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
        softmax_kernel(Instructions::best(), self.extents(input.shape), input.values, output);
    }

    fn needs_output(&self) -> bool {
        true
    }

    fn backward(
        &self,
        [input]: &[Values; 1],
        output: Option<&[f32]>,
        output_gradient: &[f32],
        [gradient]: [Option<&mut [f32]>; 1],
    ) {
        let Some(gradient) = gradient else { return };
        let output = output.expect("kept, as it is needed");
        let (best, extents) = (Instructions::best(), self.extents(input.shape));
        softmax_backward(best, extents, output, output_gradient, gradient);
    }
}
