//! Operations on kernels against the engine's own, with their gradients, and against finite
//! differences.

mod convolution;
mod normalization;
mod operation;
mod pointwise;
mod pooling;
mod selective_scan;

use std::ops::RangeInclusive;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Seeded values, tracked by the graph of gradients.
struct Numbers(ChaCha8Rng);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn size(&mut self, range: RangeInclusive<usize>) -> usize {
        self.0.random_range(range)
    }

    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        self.untracked(shape).require_grad()
    }

    /// One row-major in memory, and one whose dimension 1 is last there.
    fn both_orders<const D: usize>(&mut self, shape: [usize; D]) -> [Tensor<D>; 2] {
        let mut in_memory = shape;
        in_memory[1..].rotate_left(1);
        let permuted = self.untracked(in_memory).movedim(D - 1, 1).require_grad();
        assert_eq!(permuted.dims(), shape);
        [self.tensor(shape), permuted]
    }

    fn untracked<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let n_values = shape.iter().product();
        let values: Vec<f32> = (0..n_values).map(|_| 2.0 * self.0.random::<f32>() - 1.0).collect();
        leaf(values, shape)
    }
}

fn leaf<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().into_data().try_into_vec().unwrap()
}

fn check_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f32, |scale, value| scale.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(error <= tolerance * scale, "{what}: {found} for {expected}");
    }
}

/// An input of any number of dimensions.
trait Leaf {
    fn gradient(&self, gradients: &Gradients) -> Vec<f32>;
}

impl<const D: usize> Leaf for Tensor<D> {
    fn gradient(&self, gradients: &Gradients) -> Vec<f32> {
        values(&self.grad(gradients).unwrap())
    }
}

/// A loss that weights every value differently.
fn weighted_sum<const D: usize>(output: Tensor<D>) -> Tensor<1> {
    let shape = output.dims();
    let n_values: usize = shape.iter().product();
    let weights: Vec<f32> = (0..n_values).map(|idx| (idx as f32 * 0.7 + 0.3).sin()).collect();
    let weights = Tensor::from_data(TensorData::new(weights, shape), &output.device().inner());
    (output * weights).sum()
}

/// The result of an operation and its gradients for all inputs.
fn with_gradients<const D: usize>(leaves: &[&dyn Leaf], output: Tensor<D>) -> Vec<Vec<f32>> {
    let gradients = weighted_sum(output.clone()).backward();
    let mut results = vec![values(&output)];
    results.extend(leaves.iter().map(|leaf| leaf.gradient(&gradients)));
    results
}

/// Checks the result of an operation and all gradients against those of a reference.
fn check_same<const D: usize>(
    leaves: &[&dyn Leaf],
    tolerance: f32,
    what: &str,
    output: Tensor<D>,
    reference: Tensor<D>,
) {
    assert_eq!(output.dims(), reference.dims(), "{what}");
    let found = with_gradients(leaves, output);
    let expected = with_gradients(leaves, reference);
    for (idx, (found, expected)) in found.iter().zip(&expected).enumerate() {
        check_close(found, expected, tolerance, &format!("{what}, result {idx}"));
        assert!(found.iter().any(|value| *value != 0.0), "{what}, result {idx} is zero");
    }
}
