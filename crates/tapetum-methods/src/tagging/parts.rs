//! Linear layers and normalisations of tokens, whose parameters come from a file and stay.

use std::collections::BTreeMap;

use tapetum_nn::{
    prelude::*,
    weights::{TensorValues, WeightReader},
};

/// Name and shape of every tensor of a network.
pub(super) type Shapes = Vec<(String, Vec<usize>)>;

/// The tensors of a [`Linear`] without bias.
pub(super) fn matrix_shape(shapes: &mut Shapes, name: &str, [n_out, n_in]: [usize; 2]) {
    shapes.push((format!("{name}.weight"), vec![n_out, n_in]));
}

/// The tensors of a [`Linear`].
pub(super) fn linear_shapes(shapes: &mut Shapes, name: &str, [n_out, n_in]: [usize; 2]) {
    matrix_shape(shapes, name, [n_out, n_in]);
    shapes.push((format!("{name}.bias"), vec![n_out]));
}

/// The tensors of a [`Norm`].
pub(super) fn norm_shapes(shapes: &mut Shapes, name: &str, n_channels: usize) {
    for part in ["weight", "bias"] {
        shapes.push((format!("{name}.{part}"), vec![n_channels]));
    }
}

/// The tensors of a network while it is built from them.
#[derive(Debug)]
pub(super) struct Parts {
    tensors: BTreeMap<String, TensorValues>,
    device: Device,
}

impl Parts {
    pub(super) fn read(reader: &mut WeightReader, shapes: Shapes, device: &Device) -> Self {
        let tensors = shapes.into_iter().map(|(name, shape)| {
            let values = reader.take(&name, &shape);
            (name, TensorValues { shape, values })
        });
        Self { tensors: tensors.collect(), device: device.clone() }
    }

    /// # Panics
    /// When the name was not among the shapes, or was taken before.
    pub(super) fn take(&mut self, name: &str) -> TensorValues {
        let tensor = self.tensors.remove(name);
        tensor.unwrap_or_else(|| panic!("a network takes each of its tensors once, got {name}"))
    }

    pub(super) fn tensor<const D: usize>(&mut self, name: &str) -> Tensor<D> {
        let TensorValues { shape, values } = self.take(name);
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    pub(super) fn linear(&mut self, name: &str) -> Linear {
        let weight = self.tensor(&format!("{name}.weight"));
        Linear { weight, bias: Some(self.tensor(&format!("{name}.bias"))) }
    }

    pub(super) fn matrix(&mut self, name: &str) -> Linear {
        Linear { weight: self.tensor(&format!("{name}.weight")), bias: None }
    }

    pub(super) fn norm(&mut self, name: &str, epsilon: f32) -> Norm {
        let [weight, bias] = ["weight", "bias"].map(|part| self.tensor(&format!("{name}.{part}")));
        Norm { weight, bias, epsilon }
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }
}

/// A weighted sum of the channels of every token.
#[derive(Debug)]
pub(super) struct Linear {
    /// `[out, in]`.
    weight: Tensor<2>,
    /// `[out]`.
    bias: Option<Tensor<1>>,
}

impl Linear {
    /// # Shapes
    /// `tokens`: `[batch, tokens, in]`; result: `[batch, tokens, out]`.
    pub(super) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        ops::linear(tokens, self.weight.clone(), self.bias.clone())
    }
}

/// Layer normalisation of every token.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f32,
}

impl Norm {
    /// # Shapes
    /// `tokens` and result: `[batch, tokens, channels]`.
    pub(super) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        ops::layer_norm(tokens, self.weight.clone(), self.bias.clone(), self.epsilon)
    }
}

/// The constant where tensors that carry gradients can be combined with it.
pub(super) fn beside<const D: usize>(constant: &Tensor<D>, device: &Device) -> Tensor<D> {
    let constant = constant.clone();
    if device.is_autodiff() { constant.autodiff() } else { constant }
}

/// `softmax(query keyᵀ + bias) value` in each head; `query` is scaled already.
///
/// # Shapes
/// `query`: `[heads, queries, width]`; `key` and `value`: `[heads, keys, width]`; `biased` maps
/// `[heads, queries, keys]` to the same shape; result: as `query`.
pub(super) fn attend(
    query: Tensor<3>,
    [key, value]: [Tensor<3>; 2],
    biased: impl FnOnce(Tensor<3>) -> Tensor<3>,
) -> Tensor<3> {
    let scores = biased(ops::matmul(query, key.swap_dims(1, 2)));
    ops::matmul(ops::softmax(scores, 2), value)
}
