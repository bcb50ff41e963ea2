//! Convolutions whose kernels have a largest singular value of one.

use burn::{
    module::{Module, Param, RunningState},
    tensor::Tensor,
};

use super::{
    normalization::{on_device_of, set},
    parameters::{Builder, Initial},
};
use crate::ops::{self, Activation, ConvOptions};

/// Keeps a vector of zeros from dividing by its length.
const LENGTH_MIN: f32 = 1e-12;

/// A convolution without bias by `W / σ`, where `σ = uᵀ W v` is about the largest singular value of the weight seen
/// as a matrix `[out, in · kernel · kernel]` ([Miyato 2018] Eq. 8 and Alg. 1). The vectors get no gradient; the
/// weight gets that of the quotient.
#[derive(Module, Debug)]
pub struct SpectralConvolution {
    weight: Param<Tensor<4>>,
    left: RunningState<Tensor<1>>,
    right: RunningState<Tensor<1>>,
    #[module(skip)]
    options: ConvOptions,
}

impl SpectralConvolution {
    /// Parameter `{name}.weight_orig`, of `shape` `[out, in, kernel, kernel]`, and vectors `{name}.weight_u`, `[out]`,
    /// and `{name}.weight_v`, `[in · kernel · kernel]`, which start as random directions of length 1 or nearly.
    pub fn build(
        builder: &mut Builder,
        name: &str,
        shape: [usize; 4],
        options: ConvOptions,
        weight: Initial,
    ) -> Self {
        let n_right: usize = shape[1..].iter().product();
        let direction = |n: usize| Initial::Normal(1.0 / (n as f32).sqrt());
        Self {
            weight: builder.parameter(format!("{name}.weight_orig"), shape, weight),
            left: builder.running(format!("{name}.weight_u"), [shape[0]], direction(shape[0])),
            right: builder.running(format!("{name}.weight_v"), [n_right], direction(n_right)),
            options,
        }
    }

    /// Values that are kept and not learned.
    pub fn n_kept(&self) -> usize {
        let [n_left, rest @ ..] = self.weight.dims();
        n_left + rest.iter().product::<usize>()
    }

    /// See [`ops::conv2d`].
    pub fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        ops::conv2d(input, self.normalized(), None, &self.options, activation)
    }

    /// `W / σ` by the vectors as they are.
    pub fn normalized(&self) -> Tensor<4> {
        let (weight, matrix) = (self.weight.val(), self.matrix());
        let [n_left, n_right] = matrix.dims();
        let left = self.left.value_sync().reshape([1, n_left]);
        let right = self.right.value_sync().reshape([n_right, 1]);
        let singular_value = ops::matmul(left, ops::matmul(matrix, right));
        weight / singular_value.reshape([1, 1, 1, 1])
    }

    /// `σ` by the vectors that are kept.
    pub fn singular_value(&self) -> f32 {
        let weight = self.matrix().detach();
        let [n_left, n_right] = weight.dims();
        let left = self.left.value_sync().reshape([1, n_left]);
        let right = self.right.value_sync().reshape([n_right, 1]);
        ops::matmul(left, ops::matmul(weight, right)).into_scalar()
    }

    /// Lets the vectors follow the weight, once before every pass in training: `v = Wᵀu / ‖Wᵀu‖`, `u = Wv / ‖Wv‖`,
    /// so many times.
    pub fn iterate(&self, n_times: usize) {
        let matrix = untracked(self.matrix());
        let [n_left, n_right] = matrix.dims();
        let mut left = untracked(self.left.value_sync()).reshape([1, n_left]);
        for _ in 0..n_times {
            let right = direction(ops::matmul(left.clone(), matrix.clone()));
            left = direction(ops::matmul(right.clone(), matrix.clone().transpose()));
            let kept = self.right.value_sync();
            set(&self.right, on_device_of(&kept, right.reshape([n_right])));
        }
        let kept = self.left.value_sync();
        set(&self.left, on_device_of(&kept, left.reshape([n_left])));
    }

    /// Takes over the vectors of the same layer of another network.
    pub fn copy_vectors(&self, other: &Self) {
        let pairs = [(&self.left, &other.left), (&self.right, &other.right)];
        for (own, other) in pairs {
            let kept = own.value_sync();
            set(own, on_device_of(&kept, untracked(other.value_sync())));
        }
    }

    fn matrix(&self) -> Tensor<2> {
        let weight = self.weight.val();
        let n_left = weight.dims()[0];
        weight.reshape([n_left as i32, -1])
    }
}

fn untracked<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.device().is_autodiff() { tensor.inner() } else { tensor }
}

/// Of length 1.
fn direction(row: Tensor<2>) -> Tensor<2> {
    let length = (row.clone() * row.clone()).sum_dim(1).sqrt().clamp_min(LENGTH_MIN);
    row / length
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::layers::from_random;

    fn layer(device: &Device) -> SpectralConvolution {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut source = from_random(&mut random);
        let mut builder = Builder::new(&mut source, device);
        let initial = Initial::Uniform(0.7);
        let options = ConvOptions::same(3);
        SpectralConvolution::build(&mut builder, "layer", [6, 4, 3, 3], options, initial)
    }

    /// The largest singular value by many steps from another start.
    fn largest(weight: Tensor<4>) -> f32 {
        let matrix = weight.reshape([6, 36]);
        let mut left = Tensor::<2>::ones([1, 6], &matrix.device());
        for _ in 0..500 {
            left = direction(left.matmul(matrix.clone()).matmul(matrix.clone().transpose()));
        }
        left.matmul(matrix).square().sum().sqrt().into_scalar()
    }

    #[test]
    fn following_the_weight_brings_its_largest_singular_value_to_one() {
        let layer = layer(&Device::flex());
        let weight = layer.weight.val();
        layer.iterate(1);
        let first = layer.normalized();
        assert!((largest(first) - 1.0).abs() > 1e-3, "one step is not enough from afar");
        layer.iterate(300);
        assert!((largest(layer.normalized()) - 1.0).abs() < 1e-4);
        assert!((layer.singular_value() - largest(weight)).abs() < 1e-4);
    }

    #[test]
    fn a_pass_leaves_the_vectors_alone_and_copies_are_equal() {
        let layer = layer(&Device::flex().autodiff());
        let values = |layer: &SpectralConvolution| {
            layer.left.value_sync().into_data().try_into_vec::<f32>().unwrap()
        };
        let before = values(&layer);
        layer.normalized();
        assert_eq!(values(&layer), before);
        layer.iterate(1);
        assert_ne!(values(&layer), before);
        let other = self::layer(&Device::flex());
        assert_ne!(values(&other), values(&layer));
        other.copy_vectors(&layer);
        assert_eq!(values(&other), values(&layer));
    }

    #[test]
    fn the_gradient_is_that_of_the_quotient_with_fixed_vectors() {
        let layer = layer(&Device::flex().autodiff());
        layer.iterate(3);
        let loss = |weight: Tensor<4>| {
            let ramp: Vec<f32> = (0..216).map(|idx| (idx as f32 * 0.7).sin()).collect();
            let ramp = Tensor::<1>::from_floats(ramp.as_slice(), &weight.device().inner());
            (weight * ramp.reshape([6, 4, 3, 3]).autodiff()).sum()
        };
        let gradients = loss(layer.normalized()).backward();
        let gradient = layer.weight.val().grad(&gradients).unwrap();
        let gradient: Vec<f32> = gradient.into_data().try_into_vec().unwrap();
        let value = |idx: usize, change: f32| -> f32 {
            let mut layer = layer.clone();
            let data = layer.weight.val().inner().into_data();
            let mut values: Vec<f32> = data.try_into_vec().unwrap();
            values[idx] += change;
            let device = Device::flex().autodiff();
            let weight = Tensor::<1>::from_floats(values.as_slice(), &device);
            layer.weight = Param::from_tensor(weight.reshape([6, 4, 3, 3]));
            loss(layer.normalized()).into_scalar()
        };
        for idx in [0, 50, 133, 215] {
            let step = 1e-2;
            let slope = (value(idx, step) - value(idx, -step)) / (2.0 * step);
            assert!((slope - gradient[idx]).abs() < 2e-3, "{slope} for {}", gradient[idx]);
        }
    }
}
