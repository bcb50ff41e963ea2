//! Where the parameters of a network come from, and what they start training from.

use burn::{
    module::{Module, ModuleVisitor, Param, RunningState},
    tensor::{Device, Tensor, TensorData},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::weights::{TensorValues, WeightReader, Weights};

/// What a parameter is before training.
#[derive(Debug, Clone, Copy)]
pub enum Initial {
    /// The same everywhere.
    Constant(f32),
    /// U(-bound, bound).
    Uniform(f32),
    /// N(0, deviation²).
    Normal(f32),
    /// The same, drawn again where it is further from 0 than two deviations.
    TruncatedNormal(f32),
    /// A distribution of the method's own, of the tensor's shape and the place in it, row-major.
    Drawn(fn(&[usize], usize, &mut ChaCha8Rng) -> f32),
}

/// Gives the values of a parameter, by its name in weight files and its shape.
pub type Source<'a> = dyn FnMut(&str, &[usize], Initial) -> Vec<f32> + 'a;

/// Builds a network parameter by parameter, in the order in which the engine visits them: that of the fields of
/// its modules.
pub struct Builder<'a, 'b> {
    source: &'a mut Source<'b>,
    device: &'a Device,
    names: Vec<String>,
}

impl<'a, 'b> Builder<'a, 'b> {
    /// Nothing built yet.
    pub fn new(source: &'a mut Source<'b>, device: &'a Device) -> Self {
        Self { source, device, names: Vec::new() }
    }

    /// A parameter under that name.
    pub fn parameter<const D: usize>(
        &mut self,
        name: String,
        shape: [usize; D],
        initial: Initial,
    ) -> Param<Tensor<D>> {
        Param::from_tensor(self.tensor(name, shape, initial))
    }

    /// Values under that name that training changes without a gradient.
    pub fn running<const D: usize>(
        &mut self,
        name: String,
        shape: [usize; D],
        initial: Initial,
    ) -> RunningState<Tensor<D>> {
        RunningState::new(self.tensor(name, shape, initial))
    }

    fn tensor<const D: usize>(
        &mut self,
        name: String,
        shape: [usize; D],
        initial: Initial,
    ) -> Tensor<D> {
        let values = (self.source)(&name, &shape, initial);
        self.names.push(name);
        Tensor::from_data(TensorData::new(values, shape), self.device)
    }

    /// The names of all parameters, in the order in which they were built.
    pub fn take_names(&mut self) -> Vec<String> {
        std::mem::take(&mut self.names)
    }
}

/// Values from a file.
pub fn from_reader(reader: &mut WeightReader) -> impl FnMut(&str, &[usize], Initial) -> Vec<f32> {
    |name, shape, _| reader.take(name, shape)
}

/// Values to start training from.
pub fn from_random(random: &mut ChaCha8Rng) -> impl FnMut(&str, &[usize], Initial) -> Vec<f32> {
    |_, shape, initial| {
        let n_values = shape.iter().product();
        (0..n_values).map(|idx| initial.draw(shape, idx, random)).collect()
    }
}

/// The module's tensors under the names that its [`Builder`] had, with an empty header.
///
/// # Panics
/// When there are not as many names as tensors.
pub fn named(module: &impl Module, names: &[String]) -> Weights {
    let mut collect = Collect { names: names.iter(), weights: Weights::default() };
    module.visit(&mut collect);
    assert!(collect.names.next().is_none(), "a tensor for every name");
    collect.weights
}

struct Collect<'a> {
    names: std::slice::Iter<'a, String>,
    weights: Weights,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.names.next().expect("a name for every tensor");
        self.weights.insert(name.clone(), TensorValues::of(param.val()));
    }
}

impl Initial {
    fn draw(self, shape: &[usize], idx: usize, random: &mut ChaCha8Rng) -> f32 {
        match self {
            Self::Constant(value) => value,
            Self::Uniform(bound) => bound * (2.0 * random.random::<f32>() - 1.0),
            Self::Normal(deviation) => {
                let value: f32 = StandardNormal.sample(random);
                deviation * value
            }
            Self::TruncatedNormal(deviation) => loop {
                let value: f32 = StandardNormal.sample(random);
                if value.abs() <= 2.0 {
                    return deviation * value;
                }
            },
            Self::Drawn(draw) => draw(shape, idx, random),
        }
    }
}
