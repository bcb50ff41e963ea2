//! The curve network: seven convolutions that estimate eight curve maps, at full resolution.

use tapetum_nn::{
    layers::{Conv2d, InitialWeights},
    ops::Activation,
    prelude::*,
    weights::WeightReader,
};

use super::CARD;

/// Steps of the curve.
pub const N_STEPS: usize = 8;

/// Name and weight shape `[out, in, 3, 3]` of each convolution, in forward order.
pub(super) const LAYERS: [(&str, [usize; 4]); 7] = [
    ("e_conv1", [32, 3, 3, 3]),
    ("e_conv2", [32, 32, 3, 3]),
    ("e_conv3", [32, 32, 3, 3]),
    ("e_conv4", [32, 32, 3, 3]),
    ("e_conv5", [32, 64, 3, 3]),
    ("e_conv6", [32, 64, 3, 3]),
    ("e_conv7", [24, 64, 3, 3]),
];

/// Estimates the curve maps `A` of an image and applies them (authors' `lowlight_model.py`).
#[derive(Module, Debug)]
pub struct CurveNetwork {
    layers: [Conv2d; 7],
}

impl CurveNetwork {
    /// Builds the network from one pair of value lists per layer.
    pub fn new(mut initial: impl FnMut([usize; 4]) -> InitialWeights, device: &Device) -> Self {
        Self { layers: LAYERS.map(|(_, shape)| Conv2d::new(shape, initial(shape), device)) }
    }

    pub(super) fn read(reader: &mut WeightReader, device: &Device) -> Self {
        Self { layers: LAYERS.map(|(name, shape)| Conv2d::read(reader, name, shape, device)) }
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = (&'static str, &Conv2d)> {
        LAYERS.iter().map(|(name, _)| *name).zip(&self.layers)
    }

    /// The curve maps `A`: the maps `r_1 … r_8` of three channels each.
    ///
    /// # Shapes
    /// `low`: `[batch, 3, height, width]`, sRGB-encoded, 0..1; result: `[batch, 24, height, width]`,
    /// -1..1, negative where the image is to be brightened.
    pub fn curve_maps(&self, low: Tensor<4>) -> Tensor<4> {
        ops::activate(self.raw_curve_maps(low), Activation::Tanh)
    }

    /// [`Self::curve_maps`] before their hyperbolic tangent.
    pub fn raw_curve_maps(&self, low: Tensor<4>) -> Tensor<4> {
        let [conv1, conv2, conv3, conv4, conv5, conv6, conv7] = &self.layers;
        let x1 = conv1.forward(low, Activation::Relu);
        let x2 = conv2.forward(x1.clone(), Activation::Relu);
        let x3 = conv3.forward(x2.clone(), Activation::Relu);
        let x4 = conv4.forward(x3.clone(), Activation::Relu);
        let x5 = conv5.forward_of_two(x3, x4, Activation::Relu);
        let x6 = conv6.forward_of_two(x2, x5, Activation::Relu);
        conv7.forward_of_two(x1, x6, Activation::Identity)
    }
}

impl Network for CurveNetwork {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let raw_curve_maps = self.raw_curve_maps(low.clone());
        ops::apply_curves(low, raw_curve_maps)
    }

    fn n_parameters(&self) -> usize {
        self.num_params()
    }
}
