//! What training strategies share: optimisers, schedules, averages and checkpoints.

mod adam_p;
mod checkpoint;
mod gradient_checkpointing;
mod learner;
mod schedule;
mod settings;

use burn::nn::{BatchNorm, BatchNormConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    layers::{Conv2d, InitialWeights},
    ops::{self, Activation},
    prelude::*,
    training::{Learner, LearnerConfig},
    weights::TensorValues,
};

/// Two convolutions with running statistics between them.
#[derive(Module, Debug)]
struct Net {
    first: Conv2d,
    norm: BatchNorm,
    last: Conv2d,
}

impl Net {
    fn new(seed: u64, device: &Device) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut conv = |shape: [usize; 4]| {
            let n_values = shape.iter().product();
            let mut values = |n| (0..n).map(|_| random.random_range(-0.3..0.3)).collect();
            let initial = InitialWeights { weight: values(n_values), bias: values(shape[0]) };
            Conv2d::new(shape, initial, device)
        };
        let (first, last) = (conv([4, 3, 3, 3]), conv([3, 4, 1, 1]));
        Self { first, norm: BatchNormConfig::new(4).init(device), last }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let features = self.norm.forward(self.first.forward(input, Activation::Relu));
        self.last.forward(ops::activate(features, Activation::Silu), Activation::Identity)
    }

    /// Mean squared difference from the input's square.
    fn loss(&self, input: Tensor<4>) -> Tensor<1> {
        (self.forward(input.clone()) - input.square()).square().mean()
    }

    /// All values of parameters and running statistics.
    fn values(&self) -> Vec<Vec<f32>> {
        let net = self.valid();
        let norm = &net.norm;
        let vectors = [&norm.gamma, &norm.beta].map(Param::val);
        let statistics = [norm.running_mean.value(), norm.running_var.value()];
        let mut weights = tapetum_nn::Weights::default();
        net.first.write(&mut weights, "first");
        net.last.write(&mut weights, "last");
        let convs = weights.tensors.into_values().map(|tensor| tensor.values);
        let norms = vectors.into_iter().chain(statistics).map(|t| TensorValues::of(t).values);
        convs.chain(norms).collect()
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn settings(text: &str) -> LearnerConfig {
    toml::from_str(text).unwrap()
}

fn learner(seed: u64, settings_text: &str) -> Learner<Net> {
    Learner::new(Net::new(seed, &device()), settings(settings_text), 10)
}

/// `[4, 3, 6, 5]`, another for each seed.
fn images(seed: u64, device: &Device) -> Tensor<4> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..4 * 3 * 6 * 5).map(|_| random.random_range(0.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, [4, 3, 6, 5]), device)
}

/// One update on the images of that seed.
fn train(learner: &mut Learner<Net>, seed: u64) {
    let loss = learner.module().loss(images(seed, &device()));
    learner.accumulate(loss, 1.0);
    learner.update().unwrap();
}
