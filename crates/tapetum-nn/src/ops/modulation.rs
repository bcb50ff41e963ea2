//! Features under a condition: scaled and shifted pixel by pixel, or shifted by what the whole image says.

use burn::tensor::Tensor;
use tapetum_kernels::{Activation, Context, Instructions};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run3},
};

/// `features ⊙ (scale + 1) + shift`, value by value.
///
/// # Shapes
/// All `[batch, channels, height, width]`.
///
/// # Panics
/// When the shapes differ: nothing is broadcast.
pub fn modulate(features: Tensor<4>, scale: Tensor<4>, shift: Tensor<4>) -> Tensor<4> {
    let shape = features.dims();
    assert_eq!([scale.dims(), shift.dims()], [shape; 2], "a scale and a shift for every value");
    if has_kernels(&features.device(), features.dtype()) {
        run3(Modulate, [features, scale, shift].map(Tensor::into_dispatch))
    } else {
        composed::modulate(features, scale, shift)
    }
}

/// `activation(features + shift) + input`.
///
/// # Shapes
/// `features`, `input` and result: `[batch, channels, height, width]`; `shift`: `[batch, channels, 1, 1]`.
///
/// # Panics
/// When the shapes do not fit.
pub fn add_in_context(
    features: Tensor<4>,
    shift: Tensor<4>,
    input: Tensor<4>,
    activation: Activation,
) -> Tensor<4> {
    let [batch, n_channels, ..] = features.dims();
    assert_eq!(features.dims(), input.dims(), "features and input of one shape");
    assert_eq!(shift.dims(), [batch, n_channels, 1, 1], "a shift for every channel");
    if has_kernels(&features.device(), features.dtype()) {
        run3(AddInContext(activation), [features, shift, input].map(Tensor::into_dispatch))
    } else {
        composed::add_in_context(features, shift, input, activation)
    }
}

#[derive(Debug)]
struct Modulate;

impl Operation<3> for Modulate {
    fn input_orders(&self) -> [Order; 3] {
        [Order::ChannelsLast; 3]
    }

    fn output_shape(&self, [features, ..]: [&[usize]; 3]) -> Vec<usize> {
        features.to_vec()
    }

    fn forward(&self, inputs: &[Values; 3], output: &mut [f32]) {
        let inputs = inputs.each_ref().map(|input| input.values);
        tapetum_kernels::modulate(Instructions::best(), inputs, output);
    }

    fn backward(
        &self,
        inputs: &[Values; 3],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 3],
    ) {
        let mut unused = Default::default();
        let [to_features, to_scale, to_shift] = or_unused(gradients, &mut unused, inputs);
        to_shift.copy_from_slice(output_gradient);
        let [features, scale, _] = inputs.each_ref().map(|input| input.values);
        tapetum_kernels::modulate_backward(
            Instructions::best(),
            [features, scale],
            output_gradient,
            [to_features, to_scale],
        );
    }
}

#[derive(Debug)]
struct AddInContext(Activation);

impl AddInContext {
    fn context<'a>(&self, [features, shift, _]: &[Values<'a>; 3]) -> Context<'a> {
        let &[batch, n_channels, height, width] = features.shape else { panic!("an image") };
        Context {
            shape: [batch, height * width, n_channels],
            activation: self.0,
            features: features.values,
            shift: shift.values,
        }
    }
}

impl Operation<3> for AddInContext {
    fn input_orders(&self) -> [Order; 3] {
        [Order::ChannelsLast, Order::RowMajor, Order::ChannelsLast]
    }

    fn output_shape(&self, [features, ..]: [&[usize]; 3]) -> Vec<usize> {
        features.to_vec()
    }

    fn forward(&self, inputs: &[Values; 3], output: &mut [f32]) {
        let (context, input) = (self.context(inputs), inputs[2].values);
        tapetum_kernels::add_in_context(Instructions::best(), &context, input, output);
    }

    fn backward(
        &self,
        inputs: &[Values; 3],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 3],
    ) {
        let mut unused = Default::default();
        let [to_features, to_shift, to_input] = or_unused(gradients, &mut unused, inputs);
        to_input.copy_from_slice(output_gradient);
        tapetum_kernels::add_in_context_backward(
            Instructions::best(),
            &self.context(inputs),
            output_gradient,
            to_features,
            to_shift,
        );
    }
}
