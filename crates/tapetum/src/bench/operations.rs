//! The works of single kernels through the operations that networks are written with: what a graphics card
//! computes of them. Numbers are those of [`kernels`](super::kernels).

use std::{cell::RefCell, rc::Rc};

use burn::tensor::{Device, Tensor, TensorData};
use tapetum_nn::{
    EnhanceError,
    device::{DeviceKind, FoundDevice},
    ops::{
        self, Activation, ConvOptions, Interpolation, PaddingMode, ScanDirection, ScanInputs,
        with_precision,
    },
    weights::TensorValues,
};

use super::{
    OnCard, Prepared, Setup,
    kernels::{
        N_CHANNELS, N_CONVOLUTIONS, SCAN_CHANNELS, SCAN_STATES, WEIGHT_SCALE, n_pixels, rows_first,
        scan_decay, scan_step_bias,
    },
    synthetic::values,
};
use crate::error::Error;

pub(super) fn conv3x3(setup: &Setup) -> Result<Prepared, Error> {
    let device = &setup.device.device;
    let layers: Vec<_> = (1..=N_CONVOLUTIONS as u32)
        .map(|layer| convolution([N_CHANNELS, N_CHANNELS, 3, 3], layer, device))
        .collect();
    let options = ConvOptions::same(3);
    let n_macs = N_CONVOLUTIONS * 9 * N_CHANNELS * N_CHANNELS * n_pixels(setup);
    picture(setup, N_CHANNELS, 0, Some(n_macs), move |input| {
        layers.iter().cloned().fold(input, |value, (weight, bias)| {
            ops::conv2d(value, weight, Some(bias), &options, Activation::Relu)
        })
    })
}

pub(super) fn conv1x1(setup: &Setup) -> Result<Prepared, Error> {
    let layer = convolution([4 * N_CHANNELS, N_CHANNELS, 1, 1], 0, &setup.device.device);
    let n_macs = 4 * N_CHANNELS * N_CHANNELS * n_pixels(setup);
    picture(setup, N_CHANNELS, 0, Some(n_macs), move |input| {
        let (weight, bias) = layer.clone();
        ops::conv2d(input, weight, Some(bias), &ConvOptions::same(1), Activation::Identity)
    })
}

pub(super) fn depthwise3x3(setup: &Setup) -> Result<Prepared, Error> {
    let layer = convolution([N_CHANNELS, 1, 3, 3], 0, &setup.device.device);
    let n_macs = 9 * N_CHANNELS * n_pixels(setup);
    picture(setup, N_CHANNELS, 0, Some(n_macs), move |input| {
        let (weight, bias) = layer.clone();
        let (zeros, none) = (PaddingMode::Zeros, Activation::Identity);
        ops::depthwise_conv2d(input, weight, Some(bias), 1, zeros, none)
    })
}

pub(super) fn bilinear(setup: &Setup) -> Result<Prepared, Error> {
    let size = rows_first(setup.size).map(|side| 2 * side);
    picture(setup, N_CHANNELS, 0, None, move |input| {
        ops::resize2d(input, size, Interpolation::Bilinear)
    })
}

pub(super) fn layer_norm(setup: &Setup) -> Result<Prepared, Error> {
    let device = &setup.device.device;
    let [weight, bias] = [1, 2].map(|salt| vector(values(N_CHANNELS, salt, 1.0), device));
    picture(setup, N_CHANNELS, 0, None, move |input| {
        ops::layer_norm(input, weight.clone(), bias.clone(), 1e-5)
    })
}

pub(super) fn selective_scan(setup: &Setup) -> Result<Prepared, Error> {
    let device = &setup.device.device;
    let step = image(setup, SCAN_CHANNELS, 1);
    let step_bias = vector(scan_step_bias(), device);
    let decay = TensorData::new(scan_decay(), [SCAN_CHANNELS, SCAN_STATES]);
    let decay = Tensor::<2>::from_data(decay, device);
    let [input, output] = [3, 4].map(|salt| image(setup, SCAN_STATES, salt));
    let skip = vector(values(SCAN_CHANNELS, 5, 1.0), device);
    picture(setup, SCAN_CHANNELS, 0, None, move |x| {
        let inputs = ScanInputs {
            x,
            step: step.clone(),
            step_bias: step_bias.clone(),
            decay: decay.clone(),
            input: input.clone(),
            output: output.clone(),
            skip: skip.clone(),
        };
        ops::selective_scan(inputs, ScanDirection::RowMajor)
    })
}

/// A work on one picture of so many channels.
fn picture(
    setup: &Setup,
    n_channels: usize,
    salt: u32,
    n_macs: Option<usize>,
    work: impl Fn(Tensor<4>) -> Tensor<4> + 'static,
) -> Result<Prepared, Error> {
    let input = values(n_pixels(setup) * n_channels, salt, 1.0);
    let [height, width] = rows_first(setup.size);
    let shape = [1, height, width, n_channels];
    let n_macs = n_macs.map(|n_macs| n_macs as u64);
    on_card(setup, (input, shape), 1, n_macs, move |input| Ok(work(input)))
}

/// A work on a card from an input `[batch, height, width, channels]`, which the work is handed as
/// `[batch, channels, height, width]`, to a tensor of which one value is waited for.
pub(super) fn on_card<const D: usize>(
    setup: &Setup,
    (values, shape): (Vec<f32>, [usize; 4]),
    n_pictures: u64,
    n_macs: Option<u64>,
    mut work: impl FnMut(Tensor<4>) -> Result<Tensor<D>, Error> + 'static,
) -> Result<Prepared, Error> {
    let FoundDevice { kind, device, .. } = setup.device.clone();
    let upload = move |device: &Device| {
        let data = TensorData::new(values.clone(), shape);
        Tensor::<4>::from_data(data, device).permute([0, 3, 1, 2])
    };
    let input = upload(&device);
    finish(&device, kind)?;
    let last: Rc<RefCell<Option<Tensor<D>>>> = Rc::default();
    let (kept, precision) = (Rc::clone(&last), setup.precision);
    let run_device = device.clone();
    let run = move |_: &mut Vec<f32>| {
        let output = with_precision(precision, || work(input.clone()))?;
        finish(&run_device, kind)?;
        kept.replace(Some(output));
        Ok(())
    };
    let upload = move || {
        let _there = upload(&device);
        finish(&device, kind)
    };
    let download = move || {
        let output = last.borrow().clone().expect("read after a run");
        // Images in the order that the CPU's are in.
        let output = if D == 4 { output.movedim(1, 3) } else { output };
        Ok(TensorValues::of(output).values)
    };
    let on_card = OnCard { upload: Box::new(upload), download: Box::new(download) };
    let (size, run) = (setup.size, Box::new(run));
    Ok(Prepared { size, n_pictures, n_macs, run, on_card: Some(on_card) })
}

/// Waits until a card has done all that it was told.
fn finish(device: &Device, kind: DeviceKind) -> Result<(), Error> {
    let failed = |detail| EnhanceError::Device { device: kind, detail };
    device.sync().map_err(|error| failed(error.to_string()).into())
}

fn convolution(shape: [usize; 4], layer: u32, device: &Device) -> (Tensor<4>, Tensor<1>) {
    // The same numbers as on the CPU: a single layer counts its own from 1, several from twice their number.
    let salt = if layer == 0 { 1 } else { 2 * layer };
    let weight = values(shape.iter().product(), salt, WEIGHT_SCALE);
    let bias = vector(values(shape[0], salt + 1, WEIGHT_SCALE), device);
    (Tensor::from_data(TensorData::new(weight, shape), device), bias)
}

fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

fn image(setup: &Setup, n_channels: usize, salt: u32) -> Tensor<4> {
    let [height, width] = rows_first(setup.size);
    let data = values(n_pixels(setup) * n_channels, salt, 1.0);
    let data = TensorData::new(data, [1, height, width, n_channels]);
    Tensor::<4>::from_data(data, &setup.device.device).permute([0, 3, 1, 2])
}
