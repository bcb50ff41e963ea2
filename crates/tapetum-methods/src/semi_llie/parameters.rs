//! Where the parameters of the network come from, and what they start training from.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tapetum_nn::{prelude::*, weights::WeightReader};

/// What a parameter is before training (authors' constructors).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Initial {
    /// N(0, 0.02²): linear layers.
    Normal,
    /// U(-bound, bound).
    Uniform(f32),
    /// The same everywhere.
    Constant(f32),
    /// `ln(n + 1)` of the state `n`, the last dimension.
    DecayLogarithm,
    /// `softplus⁻¹(Δ)`, `Δ` log-uniform between 0.001 and 0.1.
    StepBias,
}

/// Standard deviation of [`Initial::Normal`].
const DEVIATION: f32 = 0.02;
/// Smallest and largest first step `Δ`.
const STEPS: [f32; 2] = [1e-3, 0.1];

/// Gives the values of a parameter, by its name in the authors' checkpoints and its shape.
pub(super) type Source<'a> = dyn FnMut(&str, &[usize], Initial) -> Vec<f32> + 'a;

/// Builds a network parameter by parameter, in the order in which the engine visits them.
pub(super) struct Builder<'a, 'b> {
    source: &'a mut Source<'b>,
    device: &'a Device,
    names: Vec<String>,
}

impl<'a, 'b> Builder<'a, 'b> {
    pub(super) fn new(source: &'a mut Source<'b>, device: &'a Device) -> Self {
        Self { source, device, names: Vec::new() }
    }

    /// A parameter under that name.
    pub(super) fn parameter<const D: usize>(
        &mut self,
        name: String,
        shape: [usize; D],
        initial: Initial,
    ) -> Param<Tensor<D>> {
        let values = (self.source)(&name, &shape, initial);
        self.names.push(name);
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }

    /// The names of all parameters, in the order in which they were built.
    pub(super) fn take_names(&mut self) -> Vec<String> {
        std::mem::take(&mut self.names)
    }
}

/// Values from a file.
pub(super) fn from_reader(
    reader: &mut WeightReader,
) -> impl FnMut(&str, &[usize], Initial) -> Vec<f32> {
    |name, shape, _| reader.take(name, shape)
}

/// Values to start training from.
pub(super) fn from_random(
    random: &mut ChaCha8Rng,
) -> impl FnMut(&str, &[usize], Initial) -> Vec<f32> {
    |_, shape, initial| {
        let n_values = shape.iter().product();
        (0..n_values).map(|idx| initial.draw(shape, idx, random)).collect()
    }
}

impl Initial {
    fn draw(self, shape: &[usize], idx: usize, random: &mut ChaCha8Rng) -> f32 {
        match self {
            Self::Normal => {
                let value: f32 = StandardNormal.sample(random);
                DEVIATION * value
            }
            Self::Uniform(bound) => bound * (2.0 * random.random::<f32>() - 1.0),
            Self::Constant(value) => value,
            Self::DecayLogarithm => {
                let n_states = shape.last().copied().unwrap_or(1);
                ((idx % n_states + 1) as f32).ln()
            }
            Self::StepBias => {
                let [smallest, largest] = STEPS.map(f32::ln);
                let step = (smallest + random.random::<f32>() * (largest - smallest)).exp();
                // `step + ln(1 - e^-step)`, the inverse of softplus.
                step + (-(-step).exp_m1()).ln()
            }
        }
    }
}
