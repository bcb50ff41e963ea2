//! Linear layers of every pixel.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use super::parameters::{Builder, Initial};
use crate::ops::{self, Activation, ConvOptions};

/// `activation(weight x + bias)` of the channels `x` of every pixel.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Linear {
    /// Parameters `{name}.weight`, of `shape` `[out, in]`, and `{name}.bias`.
    pub fn build(
        builder: &mut Builder,
        name: &str,
        shape: [usize; 2],
        [weight, bias]: [Initial; 2],
    ) -> Self {
        Self {
            weight: builder.parameter(format!("{name}.weight"), shape, weight),
            bias: builder.parameter(format!("{name}.bias"), [shape[0]], bias),
        }
    }

    /// # Shapes
    /// `input`: `[batch, in, height, width]`; result: `[batch, out, height, width]`.
    pub fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let [n_out, n_in] = self.weight.dims();
        let weight = self.weight.val().reshape([n_out, n_in, 1, 1]);
        ops::conv2d(input, weight, Some(self.bias.val()), &ConvOptions::same(1), activation)
    }
}
