//! A layer of DeepLabv3+ with frozen weights, its batch normalisation folded into the convolution.

use tapetum_nn::{ops::Activation, prelude::*, weights::WeightReader};

use super::{
    frozen::{ChannelScale, parameter},
    layer::{EPSILON, Layer, LayerPlan, Rectifier},
};

/// Weight and bias of convolution and normalisation together.
#[derive(Debug)]
pub(super) struct FrozenLayer {
    pub(super) weight: Tensor<4>,
    pub(super) bias: Tensor<1>,
    plan: LayerPlan,
}

impl FrozenLayer {
    pub(super) fn read(reader: &mut WeightReader, plan: LayerPlan, device: &Device) -> Self {
        let shape = plan.weight_shape;
        let name = &plan.convolution;
        let weight = parameter(reader, &format!("{name}.weight"), shape, device);
        let Some(norm) = &plan.norm else {
            let bias = parameter(reader, &format!("{name}.bias"), [shape[0]], device);
            return Self { weight, bias, plan };
        };
        let scale = ChannelScale::read_batch_norm(reader, norm, shape[0], EPSILON, device);
        // How many batches the statistics are from; older programs did not write it.
        let _ = reader.take_if_there(&format!("{norm}.num_batches_tracked"), &[]);
        Self { weight: weight * scale.factors, bias: scale.summands, plan }
    }
}

impl Layer for FrozenLayer {
    type Pass = ();

    fn forward(&self, input: Tensor<4>, _pass: &mut ()) -> Tensor<4> {
        let (weight, bias) = (self.weight.clone(), Some(self.bias.clone()));
        let rectifier = self.plan.rectifier;
        let rectified = self.plan.convolve(input, weight, bias, activation(rectifier));
        limited(rectified, rectifier)
    }
}

/// The part of a rectifier that a convolution takes along.
fn activation(rectifier: Rectifier) -> Activation {
    match rectifier {
        Rectifier::Linear => Activation::Identity,
        Rectifier::Relu | Rectifier::Relu6 => Activation::Relu,
    }
}

/// The rest.
fn limited(rectified: Tensor<4>, rectifier: Rectifier) -> Tensor<4> {
    match rectifier {
        Rectifier::Linear | Rectifier::Relu => rectified,
        // In the order of the memory, which the engine keeps then.
        Rectifier::Relu6 => rectified.permute([0, 2, 3, 1]).clamp_max(6.0).permute([0, 3, 1, 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectifiers_limit_what_they_should() {
        let values = Tensor::<1>::from_floats([-7.0, -1.0, 0.5, 6.5], &Device::flex());
        let cases = [
            (Rectifier::Linear, [-7.0, -1.0, 0.5, 6.5]),
            (Rectifier::Relu, [0.0, 0.0, 0.5, 6.5]),
            (Rectifier::Relu6, [0.0, 0.0, 0.5, 6.0]),
        ];
        for (rectifier, expected) in cases {
            let image = values.clone().reshape([1, 1, 1, 4]);
            let found = limited(ops::activate(image, activation(rectifier)), rectifier);
            assert_eq!(found.into_data().try_into_vec::<f32>().expect("f32"), expected);
        }
    }
}
