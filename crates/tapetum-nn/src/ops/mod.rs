//! The operations that networks are written with. Each composes the engine's own operations; a
//! faster kernel can take an operation's place here without touching a method.

mod curves;

use burn::tensor::{Tensor, activation, module, ops::ConvOptions};

pub use curves::apply_curves;

/// What follows a convolution in the same operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(0, x)`.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

/// Convolution with stride 1, zero padding that keeps the size, bias, then `activation`.
///
/// # Shapes
/// `input`: `[batch, in, height, width]`; `weight`: `[out, in, kernel, kernel]` with an odd kernel;
/// `bias`: `[out]`; result: `[batch, out, height, width]`.
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    activation: Activation,
) -> Tensor<4> {
    let [_, _, kernel_height, kernel_width] = weight.dims();
    let padding = [kernel_height / 2, kernel_width / 2];
    let options = ConvOptions::new([1, 1], padding, [1, 1], 1);
    let output = module::conv2d(input, weight, Some(bias), options);
    match activation {
        Activation::Identity => output,
        Activation::Relu => activation::relu(output),
        Activation::Tanh => activation::tanh(output),
    }
}

/// [`conv2d`] of the channel concatenation `first ‖ second`, first channels first.
///
/// # Shapes
/// `first`: `[batch, a, height, width]`; `second`: `[batch, b, height, width]`;
/// `weight`: `[out, a + b, kernel, kernel]`.
pub fn conv2d_of_two(
    first: Tensor<4>,
    second: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    activation: Activation,
) -> Tensor<4> {
    conv2d(Tensor::cat(vec![first, second], 1), weight, bias, activation)
}
