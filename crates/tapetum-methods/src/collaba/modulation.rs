//! The condition and what it does to features.

use tapetum_nn::{
    layers::{Builder, Convolution},
    ops::Activation,
    prelude::*,
};

use super::layers::convolution;

const LEAKY: Activation = Activation::LeakyRelu(0.1);

/// From the illumination map to the condition of all modulations (`Condition_process`).
#[derive(Module, Debug)]
pub(super) struct Condition {
    layers: Vec<Convolution>,
}

impl Condition {
    /// `sizes`: channels of the map after its unshuffling, and of the features.
    pub(super) fn build(builder: &mut Builder, [n_map, n]: [usize; 2]) -> Self {
        let shape = |idx: usize| if idx == 0 { [n, n_map, 3, 3] } else { [n, n, 1, 1] };
        // Activations are counted as layers.
        let name = |idx: usize| format!("Condition_process.{}", 2 * idx);
        let layers = (0..5).map(|idx| convolution(builder, &name(idx), shape(idx))).collect();
        Self { layers }
    }

    /// # Shapes
    /// `map`: `[batch, n_map, height, width]`; result: `[batch, n, height, width]`.
    pub(super) fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(map, |features, (idx, layer)| {
            layer.forward(features, if idx == last { Activation::Identity } else { LEAKY })
        })
    }
}

/// CD-CFT, the channel-decoupling conditional feature transform: a scale and a shift for every value (`CFMLayer`).
#[derive(Module, Debug)]
pub(super) struct Modulation {
    scale: [Convolution; 2],
    shift: [Convolution; 2],
}

impl Modulation {
    pub(super) fn build(builder: &mut Builder, name: &str, n: usize) -> Self {
        let mut two = |what: &str| {
            [0, 1].map(|idx| {
                convolution(builder, &format!("{name}.CFM_{what}_conv{idx}"), [n, n, 1, 1])
            })
        };
        Self { scale: two("scale"), shift: two("shift") }
    }

    /// `f ⊙ (W₁ lrelu(W₀ g) + 1) + V₁ lrelu(V₀ g)`.
    ///
    /// # Shapes
    /// `features`, `condition` and result: `[batch, n, height, width]`.
    pub(super) fn forward(&self, features: Tensor<4>, condition: &Tensor<4>) -> Tensor<4> {
        let of = |[first, second]: &[Convolution; 2]| {
            second.forward(first.forward(condition.clone(), LEAKY), Activation::Identity)
        };
        ops::modulate(features, of(&self.scale), of(&self.shift))
    }
}
