//! Convolutions and linear layers.

use burn::{backend::DispatchTensor, tensor::Tensor};
use tapetum_kernels::{
    Activation, Compute, ConvShape, Interpolation, OutputGradient, PaddingMode,
    conv2d as conv2d_kernel, conv2d_input_gradient, conv2d_of_doubled as conv2d_of_doubled_kernel,
    conv2d_weight_gradient,
};

use super::{
    activate, composed,
    operation::{Operation, Order, Values, has_kernels, run3, run4, run5},
    precision,
    resize::resize2d,
};

/// How a convolution moves over its input; pairs are height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvOptions {
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Pixels added on each side.
    pub padding: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// Groups that the channels fall into.
    pub groups: usize,
    /// What the added pixels are.
    pub padding_mode: PaddingMode,
}

impl ConvOptions {
    /// Stride 1 and zeros around, so that an odd kernel keeps the size.
    pub fn same(kernel: usize) -> Self {
        Self {
            stride: [1, 1],
            padding: [kernel / 2; 2],
            dilation: [1, 1],
            groups: 1,
            padding_mode: PaddingMode::Zeros,
        }
    }
}

/// `activation(bias + weight ∗ input)`.
///
/// # Shapes
/// `input`: `[batch, in, height, width]`; `weight`: `[out, in / groups, kernel height, kernel width]`;
/// `bias`: `[out]`; result: `[batch, out, output height, output width]`.
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: &ConvOptions,
    activation: Activation,
) -> Tensor<4> {
    if !has_kernels(&input.device(), input.dtype()) {
        return composed::conv2d(input, weight, bias, options, activation);
    }
    if needs_its_input(&input, activation) {
        return activate(conv2d(input, weight, bias, options, Activation::Identity), activation);
    }
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[0]], &input.device().inner()));
    let operation = Convolution { compute: precision::compute(), options: *options, activation };
    run3(operation, [input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()])
}

/// [`conv2d`] of the channel concatenation `first ‖ second`, first channels first, which is never made.
///
/// # Shapes
/// `sources`: `[batch, a, height, width]` and `[batch, b, height, width]`; `weight`: `[out, a + b, kernel height,
/// kernel width]`; one group.
pub fn conv2d_of_two(
    sources: [Tensor<4>; 2],
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: &ConvOptions,
    activation: Activation,
) -> Tensor<4> {
    let run = |operation, [first, second]: [DispatchTensor; 2], [weight, bias]: [_; 2]| {
        run4(operation, [first, second, weight, bias])
    };
    conv2d_of(sources, (weight, bias), options, activation, run)
}

/// [`conv2d_of_two`] of three.
pub fn conv2d_of_three(
    sources: [Tensor<4>; 3],
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: &ConvOptions,
    activation: Activation,
) -> Tensor<4> {
    let run = |operation, [first, second, third]: [DispatchTensor; 3], [weight, bias]: [_; 2]| {
        run5(operation, [first, second, third, weight, bias])
    };
    conv2d_of(sources, (weight, bias), options, activation, run)
}

fn conv2d_of<const N: usize>(
    sources: [Tensor<4>; N],
    (weight, bias): (Tensor<4>, Option<Tensor<1>>),
    options: &ConvOptions,
    activation: Activation,
    run: impl Fn(Convolution, [DispatchTensor; N], [DispatchTensor; 2]) -> Tensor<4>,
) -> Tensor<4> {
    let (device, dtype) = (sources[0].device(), sources[0].dtype());
    if !has_kernels(&device, dtype) {
        let input = Tensor::cat(sources.into(), 1);
        return composed::conv2d(input, weight, bias, options, activation);
    }
    let is_separate = needs_its_input(&sources[0], activation);
    let within = if is_separate { Activation::Identity } else { activation };
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[0]], &device.inner()));
    let operation =
        Convolution { compute: precision::compute(), options: *options, activation: within };
    let parameters = [weight.into_dispatch(), bias.into_dispatch()];
    let sum = run(operation, sources.map(Tensor::into_dispatch), parameters);
    if is_separate { activate(sum, activation) } else { sum }
}

/// [`conv2d`] of the image at twice the size, where every pixel stands for four. In inference that image is never made,
/// and an output pixel takes four products a channel instead of nine.
///
/// # Shapes
/// `input`: `[batch, in, height, width]`; `weight`: `[out, in, 3, 3]`; `bias`: `[out]`; result: `[batch, out, 2 height,
/// 2 width]`.
pub fn conv2d_of_doubled(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    activation: Activation,
) -> Tensor<4> {
    let device = input.device();
    if device.is_autodiff() || !has_kernels(&device, input.dtype()) {
        let [_, _, height, width] = input.dims();
        let doubled = resize2d(input, [2 * height, 2 * width], Interpolation::Nearest);
        return conv2d(doubled, weight, Some(bias), &ConvOptions::same(3), activation);
    }
    let operation = OfDoubled { compute: precision::compute(), activation };
    run3(operation, [input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()])
}

#[derive(Debug)]
struct OfDoubled {
    compute: Compute,
    activation: Activation,
}

impl Operation<3> for OfDoubled {
    fn input_orders(&self) -> [Order; 3] {
        [Order::ChannelsLast, Order::RowMajor, Order::RowMajor]
    }

    fn output_shape(&self, [input, weight, _]: [&[usize]; 3]) -> Vec<usize> {
        assert_eq!(weight[1..], [input[1], 3, 3], "a 3x3 kernel of as many channels");
        vec![input[0], weight[0], 2 * input[2], 2 * input[3]]
    }

    fn forward(&self, [input, weight, bias]: &[Values; 3], output: &mut [f32]) {
        let size = [input.shape[0], input.shape[2], input.shape[3]];
        let parameters = (weight.values, bias.values);
        let Self { compute, activation } = *self;
        conv2d_of_doubled_kernel(compute, size, input.values, parameters, activation, output);
    }

    fn backward(
        &self,
        _inputs: &[Values; 3],
        _output: Option<&[f32]>,
        _output_gradient: &[f32],
        _gradients: [Option<&mut [f32]>; 3],
    ) {
        unreachable!("with gradients the doubled image is made");
    }
}

/// `input weightᵀ + bias` of every row.
///
/// # Shapes
/// `input`: `[batch, rows, in]`; `weight`: `[out, in]`; `bias`: `[out]`; result: `[batch, rows, out]`.
pub fn linear(input: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let [batch, n_rows, n_in] = input.dims();
    let n_out = weight.dims()[0];
    // Rows of channels are an image of one column, its channels last in memory.
    let image = input.reshape([batch, n_rows, 1, n_in]).permute([0, 3, 1, 2]);
    let weight = weight.reshape([n_out, n_in, 1, 1]);
    let output = conv2d(image, weight, bias, &ConvOptions::same(1), Activation::Identity);
    output.permute([0, 2, 3, 1]).reshape([batch, n_rows, n_out])
}

/// The product of matrices in `f32`, on every device.
///
/// # Shapes
/// `left`: `[.., m, k]`; `right`: `[.., k, n]`; result: `[.., m, n]`. Of the dimensions before, those of 1 serve
/// all of the other's.
pub fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    composed::matmul(left, right)
}

/// Whether gradients will be asked for that follow from the activation's input only.
fn needs_its_input(input: &Tensor<4>, activation: Activation) -> bool {
    input.device().is_autodiff() && !activation.has_gradient_from_output()
}

/// A convolution of one source or several, whose other inputs are weight and bias.
#[derive(Debug)]
struct Convolution {
    compute: Compute,
    options: ConvOptions,
    activation: Activation,
}

impl Convolution {
    fn shape(&self, source: &[usize], n_in: usize, weight: &[usize]) -> ConvShape {
        let ConvOptions { stride, padding, dilation, groups, padding_mode } = self.options;
        let (batch, size) = (source[0], [source[2], source[3]]);
        let (n_out, kernel) = (weight[0], [weight[2], weight[3]]);
        assert_eq!(weight[1] * groups, n_in, "a weight for {n_in} channels in {groups} groups");
        ConvShape {
            batch,
            size,
            n_in,
            n_out,
            kernel,
            stride,
            padding,
            dilation,
            groups,
            padding_mode,
        }
    }

    fn result_shape(&self, sources: &[&[usize]], weight: &[usize]) -> Vec<usize> {
        let n_in = sources.iter().map(|source| source[1]).sum();
        let shape = self.shape(sources[0], n_in, weight);
        let [height, width] = shape.output_size();
        vec![shape.batch, shape.n_out, height, width]
    }

    fn run(&self, sources: &[Values], weight: &Values, bias: &Values, output: &mut [f32]) {
        let n_in = sources.iter().map(|source| source.shape[1]).sum();
        let shape = self.shape(sources[0].shape, n_in, weight.shape);
        let values: Vec<&[f32]> = sources.iter().map(|source| source.values).collect();
        let parameters = (weight.values, Some(bias.values));
        conv2d_kernel(self.compute, &shape, &values, parameters, self.activation, output);
    }

    fn run_backward(
        &self,
        sources: &[Values],
        weight: &Values,
        output_gradient: &OutputGradient,
        source_gradients: &mut [Option<&mut [f32]>],
        weight_gradients: [Option<&mut [f32]>; 2],
    ) {
        let n_in = sources.iter().map(|source| source.shape[1]).sum();
        let shape = self.shape(sources[0].shape, n_in, weight.shape);
        let mut first = 0;
        for (source, gradient) in sources.iter().zip(source_gradients) {
            let channels = first..first + source.shape[1];
            first = channels.end;
            if let Some(gradient) = gradient {
                let weight = weight.values;
                conv2d_input_gradient(
                    self.compute,
                    &shape,
                    weight,
                    output_gradient,
                    channels,
                    gradient,
                );
            }
        }
        let [weight_gradient, bias_gradient] = weight_gradients;
        if weight_gradient.is_none() && bias_gradient.is_none() {
            return;
        }
        let values: Vec<&[f32]> = sources.iter().map(|source| source.values).collect();
        // The bias's gradient is a by-product.
        let mut unused = Vec::new();
        let weight_gradient = weight_gradient.unwrap_or_else(|| {
            unused.resize(weight.values.len(), 0.0);
            &mut unused
        });
        conv2d_weight_gradient(
            self.compute,
            &shape,
            &values,
            output_gradient,
            weight_gradient,
            bias_gradient,
        );
    }

    fn output_gradient<'a>(
        &self,
        output: Option<&'a [f32]>,
        gradient: &'a [f32],
    ) -> OutputGradient<'a> {
        OutputGradient { gradient, activation: output.map(|output| (self.activation, output)) }
    }
}

/// A convolution of so many sources, which come first, then weight and bias.
macro_rules! implement {
    ($n_sources:literal, $n_inputs:literal, $($source:ident),*) => {
        impl Operation<$n_inputs> for Convolution {
            fn input_orders(&self) -> [Order; $n_inputs] {
                let mut orders = [Order::RowMajor; $n_inputs];
                orders[..$n_sources].fill(Order::ChannelsLast);
                orders
            }

            fn output_shape(&self, shapes: [&[usize]; $n_inputs]) -> Vec<usize> {
                self.result_shape(&shapes[..$n_sources], shapes[$n_sources])
            }

            fn forward(&self, inputs: &[Values; $n_inputs], output: &mut [f32]) {
                let (sources, parameters) = inputs.split_at($n_sources);
                self.run(sources, &parameters[0], &parameters[1], output);
            }

            fn needs_output(&self) -> bool {
                self.activation != Activation::Identity
            }

            fn backward(
                &self,
                inputs: &[Values; $n_inputs],
                output: Option<&[f32]>,
                output_gradient: &[f32],
                [$($source,)* weight, bias]: [Option<&mut [f32]>; $n_inputs],
            ) {
                let gradient = self.output_gradient(output, output_gradient);
                let (sources, parameters) = inputs.split_at($n_sources);
                let gradients = &mut [$($source),*];
                self.run_backward(sources, &parameters[0], &gradient, gradients, [weight, bias]);
            }
        }
    };
}

implement!(1, 3, source);
implement!(2, 4, first, second);
implement!(3, 5, first, second, third);
