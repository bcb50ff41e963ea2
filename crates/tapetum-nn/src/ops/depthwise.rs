//! Convolutions of every channel with its own kernel.

use burn::tensor::Tensor;
use tapetum_kernels::{
    Activation, DepthwiseGradients, DepthwiseInputs, DepthwiseShape, Instructions, PaddingMode,
    depthwise_conv, depthwise_conv_backward,
};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run3},
};

/// `activation(bias + weight ∗ input)`, every channel with its own kernel: stride 1, padded so that the
/// size stays. Always in `f32`: its time goes into memory, not into products.
///
/// # Shapes
/// `input` and result: `[batch, channels, height, width]`; `weight`: `[channels, 1, kernel, kernel]`, the
/// kernel odd; `bias`: `[channels]`.
///
/// # Panics
/// When the kernel is not square or even, or the dilation is 0.
pub fn depthwise_conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    dilation: usize,
    padding_mode: PaddingMode,
    activation: Activation,
) -> Tensor<4> {
    let ([_, n_channels, _, _], [_, _, kernel, _]) = (input.dims(), weight.dims());
    assert_eq!(weight.dims(), [n_channels, 1, kernel, kernel], "a square kernel for each channel");
    assert!(kernel % 2 == 1 && dilation > 0, "an odd kernel, got {kernel} dilated by {dilation}");
    if !has_kernels(&input.device(), input.dtype()) {
        return composed::depthwise_conv2d(input, weight, bias, dilation, padding_mode, activation);
    }
    let bias = bias.unwrap_or_else(|| Tensor::zeros([n_channels], &input.device().inner()));
    let operation = Depthwise { dilation, padding_mode, activation };
    run3(operation, [input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()])
}

#[derive(Debug)]
struct Depthwise {
    dilation: usize,
    padding_mode: PaddingMode,
    activation: Activation,
}

impl Depthwise {
    fn shape(&self, input: &[usize], weight: &[usize]) -> DepthwiseShape {
        DepthwiseShape {
            batch: input[0],
            height: input[2],
            width: input[3],
            channels: input[1],
            kernel: weight[2],
            dilation: self.dilation,
            padding: self.padding_mode,
            activation: self.activation,
        }
    }
}

impl Operation<3> for Depthwise {
    fn input_orders(&self) -> [Order; 3] {
        [Order::ChannelsLast, Order::RowMajor, Order::RowMajor]
    }

    fn output_shape(&self, [input, _, _]: [&[usize]; 3]) -> Vec<usize> {
        input.to_vec()
    }

    fn forward(&self, inputs: &[Values; 3], output: &mut [f32]) {
        let shape = self.shape(inputs[0].shape, inputs[1].shape);
        depthwise_conv(Instructions::best(), &shape, &kernel_inputs(inputs), output);
    }

    fn backward(
        &self,
        inputs: &[Values; 3],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 3],
    ) {
        let shape = self.shape(inputs[0].shape, inputs[1].shape);
        let mut unused = Default::default();
        let [input, weight, bias] = or_unused(gradients, &mut unused, inputs);
        let gradients = DepthwiseGradients { input, weight, bias: Some(bias) };
        let inputs = kernel_inputs(inputs);
        let best = Instructions::best();
        depthwise_conv_backward(best, &shape, &inputs, output_gradient, gradients);
    }
}

fn kernel_inputs<'a>([input, weight, bias]: &[Values<'a>; 3]) -> DepthwiseInputs<'a> {
    DepthwiseInputs { input: input.values, weight: weight.values, bias: Some(bias.values) }
}
