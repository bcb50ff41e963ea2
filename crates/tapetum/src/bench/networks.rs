//! Works of a whole network.

use burn::{
    optim::{AdamConfig, GradientsParams},
    tensor::TensorData,
};
use tapetum_methods::{collaba, lacr_vae, scl_lle, semi_llie};
use tapetum_nn::{
    Weights, WeightsError,
    device::DeviceKind,
    ops::with_precision,
    prelude::{Device, Module, Network, Tensor},
};

use super::{Prepared, Setup, operations::on_card, synthetic};
use crate::{error::Error, model::Model};

/// Pictures of a training step.
const BATCH: usize = 8;
/// Where every pixel is to come to.
const TARGET: f32 = 0.6;
/// Small enough that the network stays what it is over the runs of a measurement.
const LEARNING_RATE: f64 = 1e-5;

pub(super) fn scl_lle(setup: &Setup) -> Result<Prepared, Error> {
    enhancing(setup, "scl-lle")
}

pub(super) fn semi_llie(setup: &Setup) -> Result<Prepared, Error> {
    enhancing(setup, "semi-llie")
}

pub(super) fn lacr_vae(setup: &Setup) -> Result<Prepared, Error> {
    enhancing(setup, "lacr-vae")
}

pub(super) fn collaba_s_x2(setup: &Setup) -> Result<Prepared, Error> {
    enhancing(setup, "collaba-s-x2")
}

/// A network through the call that the pipeline makes; on a graphics card, on a tensor that is there already.
fn enhancing(setup: &Setup, weights: &str) -> Result<Prepared, Error> {
    let (width, height) = setup.size;
    let device = setup.device.device.clone();
    let model = Model::built_in(weights)?;
    let network = tapetum_methods::load(model.method, &model.weights, &device)?;
    let low = synthetic::image(width, height);
    let n_pixels = u64::from(width) * u64::from(height);
    let n_macs = model.method.macs_per_pixel.map(|macs| macs * n_pixels);
    if setup.device.kind != DeviceKind::Cpu {
        let shape = [1, height as usize, width as usize, 3];
        let work = move |low| Ok(network.enhance(low));
        return on_card(setup, (low.pixels, shape), 1, n_macs, work);
    }
    let precision = setup.precision;
    let run = move |output: &mut Vec<f32>| {
        *output = with_precision(precision, || network.enhance_image(&low, &device)).pixels;
        Ok(())
    };
    let (size, run) = (setup.size, Box::new(run));
    Ok(Prepared { size, n_pictures: 1, n_macs, run, on_card: None })
}

pub(super) fn scl_lle_train(setup: &Setup) -> Result<Prepared, Error> {
    training(setup, "scl-lle", scl_lle::weights::read)
}

pub(super) fn semi_llie_train(setup: &Setup) -> Result<Prepared, Error> {
    training(setup, "semi-llie", semi_llie::weights::read)
}

pub(super) fn lacr_vae_train(setup: &Setup) -> Result<Prepared, Error> {
    training(setup, "lacr-vae", lacr_vae::weights::read)
}

pub(super) fn collaba_s_x2_train(setup: &Setup) -> Result<Prepared, Error> {
    training(setup, "collaba-s-x2", collaba::weights::read)
}

/// Forward pass, backward pass and a step of Adam; the output is the loss.
fn training<M: Module + Network + 'static>(
    setup: &Setup,
    weights: &str,
    read: fn(&Weights, &Device) -> Result<M, WeightsError>,
) -> Result<Prepared, Error> {
    let (width, height) = setup.size;
    let device = setup.device.device.clone().autodiff();
    let model = Model::built_in(weights)?;
    let mut network = read(&model.weights, &device)?;
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let mut step = move |low: Tensor<4>| {
        let low = Tensor::from_inner(low);
        let loss = (network.enhance(low) - TARGET).abs().mean();
        let value = loss.clone().inner();
        // The backward pass keeps the precision.
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(LEARNING_RATE, network.clone(), gradients);
        value
    };
    // Each of the two gradients of a convolution takes as many as its forward pass.
    let n_pixels = BATCH as u64 * u64::from(width) * u64::from(height);
    let n_macs = model.method.macs_per_pixel.map(|macs| 3 * macs * n_pixels);
    let batch = batch(setup.size);
    if setup.device.kind != DeviceKind::Cpu {
        return on_card(setup, batch, BATCH as u64, n_macs, move |low| Ok(step(low)));
    }
    let (values, shape) = batch;
    let low = Tensor::<4>::from_data(TensorData::new(values, shape), &device.inner());
    let low = low.permute([0, 3, 1, 2]);
    let precision = setup.precision;
    let run = move |output: &mut Vec<f32>| {
        *output = vec![with_precision(precision, || step(low.clone())).into_scalar::<f32>()];
        Ok(())
    };
    let (size, run) = (setup.size, Box::new(run));
    Ok(Prepared { size, n_pictures: BATCH as u64, n_macs, run, on_card: None })
}

/// The synthetic picture [`BATCH`] times the height, cut into as many; `[batch, height, width, 3]`.
fn batch((width, height): (u32, u32)) -> (Vec<f32>, [usize; 4]) {
    let picture = synthetic::image(width, BATCH as u32 * height);
    (picture.pixels, [BATCH, height as usize, width as usize, 3])
}
