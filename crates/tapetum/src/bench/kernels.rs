//! Works of a single kernel, or of one kind of them: on the CPU on plain slices, elsewhere as [`operations`].

use tapetum_nn::{
    device::DeviceKind,
    kernels::{
        self, Activation, Compute, ConvShape, DepthwiseInputs, DepthwiseShape, Instructions,
        Interpolation, LayerNorm, PaddingMode, ResizeShape, ScanDirection, ScanInputs, ScanShape,
        conv2d, depthwise_conv, resize,
    },
};

use super::{Prepared, Setup, operations, synthetic::values};
use crate::error::Error;

/// Channels of most works.
pub(super) const N_CHANNELS: usize = 64;
/// Convolutions in a row.
pub(super) const N_CONVOLUTIONS: usize = 8;
/// Weights that keep the magnitude of values through a convolution 3x3 and ReLU, or nearly so.
pub(super) const WEIGHT_SCALE: f32 = 0.1;
/// Channels of the scan.
pub(super) const SCAN_CHANNELS: usize = 128;
/// States of the scan.
pub(super) const SCAN_STATES: usize = 16;

pub(super) fn conv3x3(setup: &Setup) -> Result<Prepared, Error> {
    if setup.device.kind != DeviceKind::Cpu {
        return operations::conv3x3(setup);
    }
    let compute = setup.compute();
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
    if setup.device.kind != DeviceKind::Cpu {
        return operations::conv1x1(setup);
    }
    let compute = setup.compute();
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
    if setup.device.kind != DeviceKind::Cpu {
        return operations::depthwise3x3(setup);
    }
    let instructions = Instructions::best();
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
    if setup.device.kind != DeviceKind::Cpu {
        return operations::bilinear(setup);
    }
    let instructions = Instructions::best();
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
    if setup.device.kind != DeviceKind::Cpu {
        return operations::layer_norm(setup);
    }
    let instructions = Instructions::best();
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
    if setup.device.kind != DeviceKind::Cpu {
        return operations::selective_scan(setup);
    }
    let instructions = Instructions::best();
    let [height, width] = rows_first(setup.size);
    let shape = ScanShape { batch: 1, height, width, channels: SCAN_CHANNELS, states: SCAN_STATES };
    let x = values(n_pixels(setup) * SCAN_CHANNELS, 0, 1.0);
    let step = values(n_pixels(setup) * SCAN_CHANNELS, 1, 1.0);
    let (step_bias, decay) = (scan_step_bias(), scan_decay());
    let input = values(n_pixels(setup) * SCAN_STATES, 3, 1.0);
    let mixed = values(n_pixels(setup) * SCAN_STATES, 4, 1.0);
    let skip = values(SCAN_CHANNELS, 5, 1.0);
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

/// Steps of some 0.02, as networks start with.
pub(super) fn scan_step_bias() -> Vec<f32> {
    values(SCAN_CHANNELS, 2, 1.0).iter().map(|value| value - 4.0).collect()
}

pub(super) fn scan_decay() -> Vec<f32> {
    (0..SCAN_CHANNELS * SCAN_STATES).map(|idx| -((idx % SCAN_STATES + 1) as f32)).collect()
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
    Prepared { size: setup.size, n_pictures: 1, n_macs, run: Box::new(run), on_card: None }
}

/// Height and width.
pub(super) fn rows_first((width, height): (u32, u32)) -> [usize; 2] {
    [height as usize, width as usize]
}

pub(super) fn n_pixels(setup: &Setup) -> usize {
    rows_first(setup.size).into_iter().product()
}
