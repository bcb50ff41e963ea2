//! Works of a whole network.

use burn::{
    optim::{AdamConfig, GradientsParams},
    tensor::TensorData,
};
use tapetum_methods::scl_lle;
use tapetum_nn::{
    ops::with_precision,
    prelude::{Device, Network, Tensor},
};

use super::{Prepared, Setup, synthetic};
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

/// A network through the call that the pipeline makes.
fn enhancing(setup: &Setup, weights: &str) -> Result<Prepared, Error> {
    let (width, height) = setup.size;
    let device = Device::flex();
    let model = Model::built_in(weights)?;
    let network = tapetum_methods::load(model.method, &model.weights, &device)?;
    let low = synthetic::image(width, height);
    let n_pixels = u64::from(width) * u64::from(height);
    let n_macs = model.method.macs_per_pixel.map(|macs| macs * n_pixels);
    let precision = setup.compute.precision;
    let run = move |output: &mut Vec<f32>| {
        *output = with_precision(precision, || network.enhance_image(&low, &device)).pixels;
        Ok(())
    };
    Ok(Prepared { size: setup.size, n_pictures: 1, n_macs, run: Box::new(run) })
}

/// Forward pass, backward pass and a step of Adam; the output is the loss.
pub(super) fn scl_lle_train(setup: &Setup) -> Result<Prepared, Error> {
    let (width, height) = setup.size;
    let device = Device::flex().autodiff();
    let model = Model::built_in("scl-lle")?;
    let mut network = scl_lle::weights::read(&model.weights, &device)?;
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let low = batch(setup.size, &device);
    let precision = setup.compute.precision;
    let run = move |output: &mut Vec<f32>| {
        // The backward pass keeps the precision.
        let enhanced = with_precision(precision, || network.enhance(low.clone()));
        let loss = (enhanced - TARGET).abs().mean();
        *output = vec![loss.clone().into_scalar::<f32>()];
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(LEARNING_RATE, network.clone(), gradients);
        Ok(())
    };
    // Each of the two gradients of a convolution takes as many as its forward pass.
    let n_pixels = BATCH as u64 * u64::from(width) * u64::from(height);
    let n_macs = model.method.macs_per_pixel.map(|macs| 3 * macs * n_pixels);
    Ok(Prepared { size: setup.size, n_pictures: BATCH as u64, n_macs, run: Box::new(run) })
}

/// The synthetic picture [`BATCH`] times the height, cut into as many.
fn batch((width, height): (u32, u32), device: &Device) -> Tensor<4> {
    let picture = synthetic::image(width, BATCH as u32 * height);
    let shape = [BATCH, height as usize, width as usize, 3];
    let data = TensorData::new(picture.pixels, shape);
    Tensor::<4>::from_data(data, device).permute([0, 3, 1, 2])
}
