//! Works of a single kernel, or of one kind of them.

use tapetum_nn::kernels::{
    self, Activation, Compute, ConvShape, DepthwiseInputs, DepthwiseShape, Interpolation,
    LayerNorm, PaddingMode, ResizeShape, ScanDirection, ScanInputs, ScanShape, conv2d,
    depthwise_conv, resize,
};

use super::{Prepared, Setup, synthetic::values};
use crate::error::Error;

/// Channels of most works.
const N_CHANNELS: usize = 64;
/// Convolutions in a row.
const N_CONVOLUTIONS: usize = 8;
/// Weights that keep the magnitude of values through a convolution 3x3 and ReLU, or nearly so.
const WEIGHT_SCALE: f32 = 0.1;

pub(super) fn conv3x3(setup: &Setup) -> Result<Prepared, Error> {
    let compute = setup.compute;
    let shape = ConvShape::same(1, rows_first(setup.size), N_CHANNELS, N_CHANNELS, 3);
    let n_values = n_pixels(setup) * N_CHANNELS;
    let input = values(n_values, 0, 1.0);
    let layers: Vec<_> =
        (1..=N_CONVOLUTIONS as u32).map(|layer| ConvLayer::new(&shape, layer)).collect();
    let mut scratch = vec![0.0; n_values];
    let run = move |output: &mut Vec<f32>| {
        output.resize(n_values, 0.0);
        layers[0].run(compute, &shape, &input, output);
        for layer in &layers[1..] {
            std::mem::swap(&mut scratch, output);
            layer.run(compute, &shape, &scratch, output);
        }
        Ok(())
    };
    let n_macs = (N_CONVOLUTIONS * shape.n_macs()) as u64;
    Ok(prepared(setup, Some(n_macs), run))
}

pub(super) fn conv1x1(setup: &Setup) -> Result<Prepared, Error> {
    let compute = setup.compute;
    let shape = ConvShape::same(1, rows_first(setup.size), N_CHANNELS, 4 * N_CHANNELS, 1);
    let input = values(n_pixels(setup) * N_CHANNELS, 0, 1.0);
    let weight = values(shape.n_out * shape.n_in, 1, WEIGHT_SCALE);
    let bias = values(shape.n_out, 2, WEIGHT_SCALE);
    let n_outputs = n_pixels(setup) * shape.n_out;
    let run = move |output: &mut Vec<f32>| {
        output.resize(n_outputs, 0.0);
        let weights = (&weight[..], Some(&bias[..]));
        conv2d(compute, &shape, &[&input], weights, Activation::Identity, output);
        Ok(())
    };
    Ok(prepared(setup, Some(shape.n_macs() as u64), run))
}

pub(super) fn depthwise3x3(setup: &Setup) -> Result<Prepared, Error> {
    let instructions = setup.compute.instructions;
    let [height, width] = rows_first(setup.size);
    let shape = DepthwiseShape {
        batch: 1,
        height,
        width,
        channels: N_CHANNELS,
        kernel: 3,
        dilation: 1,
        padding: PaddingMode::Zeros,
        activation: Activation::Identity,
    };
    let input = values(n_pixels(setup) * N_CHANNELS, 0, 1.0);
    let weight = values(9 * N_CHANNELS, 1, WEIGHT_SCALE);
    let bias = values(N_CHANNELS, 2, WEIGHT_SCALE);
    let n_macs = (9 * input.len()) as u64;
    let run = move |output: &mut Vec<f32>| {
        output.resize(input.len(), 0.0);
        let inputs = DepthwiseInputs { input: &input, weight: &weight, bias: Some(&bias) };
        depthwise_conv(instructions, &shape, &inputs, output);
        Ok(())
    };
    Ok(prepared(setup, Some(n_macs), run))
}

pub(super) fn bilinear(setup: &Setup) -> Result<Prepared, Error> {
    let instructions = setup.compute.instructions;
    let [height, width] = rows_first(setup.size);
    let shape = ResizeShape {
        batch: 1,
        height,
        width,
        channels: N_CHANNELS,
        output_height: 2 * height,
        output_width: 2 * width,
    };
    let input = values(n_pixels(setup) * N_CHANNELS, 0, 1.0);
    let run = move |output: &mut Vec<f32>| {
        output.resize(4 * input.len(), 0.0);
        resize(instructions, Interpolation::Bilinear, &shape, &input, output);
        Ok(())
    };
    Ok(prepared(setup, None, run))
}

pub(super) fn layer_norm(setup: &Setup) -> Result<Prepared, Error> {
    let instructions = setup.compute.instructions;
    let input = values(n_pixels(setup) * N_CHANNELS, 0, 1.0);
    let (weight, bias) = (values(N_CHANNELS, 1, 1.0), values(N_CHANNELS, 2, 1.0));
    let run = move |output: &mut Vec<f32>| {
        output.resize(input.len(), 0.0);
        let norm = LayerNorm { weight: &weight, bias: &bias, epsilon: 1e-5 };
        kernels::layer_norm(instructions, &norm, &input, output);
        Ok(())
    };
    Ok(prepared(setup, None, run))
}

pub(super) fn selective_scan(setup: &Setup) -> Result<Prepared, Error> {
    const CHANNELS: usize = 128;
    const STATES: usize = 16;
    let instructions = setup.compute.instructions;
    let [height, width] = rows_first(setup.size);
    let shape = ScanShape { batch: 1, height, width, channels: CHANNELS, states: STATES };
    let x = values(n_pixels(setup) * CHANNELS, 0, 1.0);
    let step = values(n_pixels(setup) * CHANNELS, 1, 1.0);
    // Steps of some 0.02, as networks start with.
    let step_bias: Vec<f32> = values(CHANNELS, 2, 1.0).iter().map(|value| value - 4.0).collect();
    let decay: Vec<f32> = (0..CHANNELS * STATES).map(|idx| -((idx % STATES + 1) as f32)).collect();
    let input = values(n_pixels(setup) * STATES, 3, 1.0);
    let mixed = values(n_pixels(setup) * STATES, 4, 1.0);
    let skip = values(CHANNELS, 5, 1.0);
    let run = move |output: &mut Vec<f32>| {
        output.resize(x.len(), 0.0);
        let inputs = ScanInputs {
            x: &x,
            step: &step,
            step_bias: &step_bias,
            decay: &decay,
            input: &input,
            output: &mixed,
            skip: &skip,
        };
        let direction = ScanDirection::RowMajor;
        kernels::selective_scan(instructions, &shape, direction, &inputs, output);
        Ok(())
    };
    Ok(prepared(setup, None, run))
}

/// Weights of a convolution with a bias and ReLU.
struct ConvLayer {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl ConvLayer {
    fn new(shape: &ConvShape, layer: u32) -> Self {
        let n_weights = shape.n_out * shape.n_in * shape.kernel[0] * shape.kernel[1];
        Self {
            weight: values(n_weights, 2 * layer, WEIGHT_SCALE),
            bias: values(shape.n_out, 2 * layer + 1, WEIGHT_SCALE),
        }
    }

    fn run(&self, compute: Compute, shape: &ConvShape, input: &[f32], output: &mut [f32]) {
        let weights = (&self.weight[..], Some(&self.bias[..]));
        conv2d(compute, shape, &[input], weights, Activation::Relu, output);
    }
}

fn prepared(
    setup: &Setup,
    n_macs: Option<u64>,
    run: impl FnMut(&mut Vec<f32>) -> Result<(), Error> + 'static,
) -> Prepared {
    Prepared { size: setup.size, n_pictures: 1, n_macs, run: Box::new(run) }
}

/// Height and width.
fn rows_first((width, height): (u32, u32)) -> [usize; 2] {
    [height as usize, width as usize]
}

fn n_pixels(setup: &Setup) -> usize {
    rows_first(setup.size).into_iter().product()
}
