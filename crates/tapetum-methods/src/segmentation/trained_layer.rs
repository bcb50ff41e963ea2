//! A layer of DeepLabv3+ in training: its parameters, and the statistics of what went through it.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    Weights,
    ops::{Activation, BatchMoments, BatchNormOptions},
    prelude::*,
    weights::{TensorValues, WeightReader},
};

use super::{
    frozen::parameter,
    layer::{EPSILON, Layer, LayerPlan},
};

/// Parameters of a convolution and of its normalisation.
#[derive(Module, Debug)]
pub(super) struct TrainedLayer {
    weight: Param<Tensor<4>>,
    /// Of the normalisation, if there is one.
    scale: Option<Param<Tensor<1>>>,
    /// Of the normalisation, else of the convolution.
    bias: Param<Tensor<1>>,
    #[module(skip)]
    plan: LayerPlan,
}

/// A forward pass in training.
pub(super) struct TrainingPass {
    /// Decides what is left out.
    random: ChaCha8Rng,
    /// Share of the values that is left out.
    dropout: f32,
    /// Statistics of the batch by the name of the normalisation.
    pub(super) moments: BTreeMap<String, BatchMoments>,
}

impl TrainedLayer {
    pub(super) fn read(reader: &mut WeightReader, plan: LayerPlan, device: &Device) -> Self {
        let shape = plan.weight_shape;
        let weight = parameter(reader, &format!("{}.weight", plan.convolution), shape, device);
        let mut channels = |name: &str, part: &str| {
            let values = parameter(reader, &format!("{name}.{part}"), [shape[0]], device);
            Param::from_tensor(values)
        };
        let scale = plan.norm.as_ref().map(|norm| channels(norm, "weight"));
        let bias = channels(plan.norm.as_ref().unwrap_or(&plan.convolution), "bias");
        Self { weight: Param::from_tensor(weight), scale, bias, plan }
    }

    pub(super) fn write(&self, weights: &mut Weights) {
        let LayerPlan { convolution, norm, .. } = &self.plan;
        weights.insert(format!("{convolution}.weight"), TensorValues::of(self.weight.val()));
        if let (Some(norm), Some(scale)) = (norm, &self.scale) {
            weights.insert(format!("{norm}.weight"), TensorValues::of(scale.val()));
        }
        let biased = norm.as_ref().unwrap_or(convolution);
        weights.insert(format!("{biased}.bias"), TensorValues::of(self.bias.val()));
    }
}

impl Layer for TrainedLayer {
    type Pass = TrainingPass;

    fn forward(&self, input: Tensor<4>, pass: &mut TrainingPass) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let (Some(norm), Some(scale)) = (&self.plan.norm, &self.scale) else {
            return self.plan.convolve(input, weight, Some(bias), Activation::Identity);
        };
        let filtered = self.plan.convolve(input, weight, None, Activation::Identity);
        let limits = self.plan.rectifier.limits();
        let options = BatchNormOptions { epsilon: EPSILON, limits };
        let (output, moments) = ops::batch_norm(filtered, scale.val(), bias, &options);
        pass.moments.insert(norm.clone(), moments);
        if self.plan.is_dropping { pass.dropped(output) } else { output }
    }
}

impl TrainingPass {
    pub(super) fn new(random: ChaCha8Rng, dropout: f32) -> Self {
        Self { random, dropout, moments: BTreeMap::new() }
    }

    /// Leaves some values out and scales the others up to the same sum ([Srivastava 2014] §4).
    fn dropped(&mut self, features: Tensor<4>) -> Tensor<4> {
        if self.dropout == 0.0 {
            return features;
        }
        let [n_batch, n_channels, height, width] = features.dims();
        let shape = [n_batch, height, width, n_channels];
        let kept = 1.0 / (1.0 - self.dropout);
        let n_values = shape.iter().product();
        let factor = || if self.random.random::<f32>() < self.dropout { 0.0 } else { kept };
        let factors: Vec<f32> = std::iter::repeat_with(factor).take(n_values).collect();
        let factors = Tensor::<4>::from_data(TensorData::new(factors, shape), &features.device());
        // In the order of the memory, which the engine keeps then.
        (features.permute([0, 2, 3, 1]) * factors).permute([0, 3, 1, 2])
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::segmentation::{
        Segmenter,
        deeplab::{DeeplabNetwork, logits},
        initial_weights::initial_weights,
        losses,
        weights::{read_deeplab, read_trained_deeplab},
    };

    const CLASSES: [&str; 3] = ["a", "b", "c"];

    /// Weights whose normalisations do something.
    fn weights() -> Weights {
        let mut weights = initial_weights(CLASSES.len(), None, 3).expect("nothing to read");
        let mut random = ChaCha8Rng::seed_from_u64(4);
        for (name, tensor) in &mut weights.tensors {
            if tensor.shape.len() == 1 && !name.contains("running") {
                tensor.values.iter_mut().for_each(|v| *v += 0.4 * random.random::<f32>() - 0.2);
            }
        }
        weights
    }

    fn pictures(device: &Device) -> Tensor<4> {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let shape = [3, 3, 37, 50];
        // Each image half as bright as the one before, so that their means differ.
        let n_image = 3 * 37 * 50;
        let value = |idx: usize| random.random::<f32>() * 0.5f32.powi((idx / n_image) as i32);
        let values: Vec<f32> = (0..3 * n_image).map(value).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn network(weights: &Weights, device: &Device) -> DeeplabNetwork<TrainedLayer> {
        read_trained_deeplab(weights, CLASSES.len(), device).expect("the weights fit").0
    }

    fn pass(dropout: f32) -> TrainingPass {
        TrainingPass::new(ChaCha8Rng::seed_from_u64(6), dropout)
    }

    #[test]
    fn with_the_statistics_of_a_batch_the_frozen_network_sees_it_as_training_did() {
        let device = Device::flex();
        let mut weights = weights();
        let mut pass = pass(0.0);
        let DeeplabNetwork { backbone, head } = network(&weights, &device);
        let logits = logits(&backbone, &head, pictures(&device), &mut pass);
        assert_eq!(pass.moments.len(), weights.tensors.len() / 6);
        for (norm, moments) in pass.moments {
            let parts = [("running_mean", moments.mean), ("running_var", moments.variance)];
            for (part, moment) in parts {
                let name = format!("{norm}.{part}");
                weights.tensors.insert(name, TensorValues::of(moment)).expect("there before");
            }
        }
        let frozen = read_deeplab(&weights, &CLASSES, &device).expect("the weights fit");
        let [found, expected] = [frozen.logits(pictures(&device)), logits].map(TensorValues::of);
        let largest = expected.values.iter().fold(0.0, |largest: f32, v| largest.max(v.abs()));
        let pairs = found.values.iter().zip(&expected.values);
        let peak = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Each of sixty normalisations, by few values, divides what the ones before were off by.
        assert!(largest > 0.5 && peak < 4e-4 * largest, "{peak} of {largest}");
    }

    #[test]
    fn a_step_along_a_gradient_changes_the_loss_by_its_length() {
        let device = Device::flex().autodiff();
        let weights = weights();
        let loss = |network: &DeeplabNetwork<TrainedLayer>| {
            let labels = Tensor::<1, burn::tensor::Int>::arange(0..3 * 37 * 50, &device);
            let labels = (labels / 40).remainder_scalar(4).reshape([3, 37, 50]);
            let DeeplabNetwork { backbone, head } = network;
            let logits = logits(backbone, head, pictures(&device), &mut pass(0.1));
            losses::cross_entropy(logits, labels)
        };
        let network_at = |weights: &Weights| network(weights, &device);
        let network = network_at(&weights);
        let gradients = loss(&network).backward();
        let names = [
            "backbone.low_level_features.0.0",
            "backbone.low_level_features.2.conv.1.0",
            "backbone.high_level_features.16.conv.1.0",
            "backbone.high_level_features.17.conv.2",
            "classifier.aspp.convs.3.0",
            "classifier.aspp.project.0",
            "classifier.classifier.0",
        ];
        let layers = network.backbone.layers().chain(network.head.layers());
        for layer in layers.filter(|l| names.contains(&&*l.plan.convolution)) {
            let name = format!("{}.weight", layer.plan.convolution);
            let gradient = layer.weight.val().grad(&gradients).expect("it is a parameter");
            let gradient = TensorValues::of(gradient).values;
            let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
            let at = |distance: f32| {
                let mut moved = weights.clone();
                let values = &mut moved.tensors.get_mut(&name).expect("there").values;
                let pairs = values.iter_mut().zip(&gradient);
                pairs.for_each(|(value, g)| *value += distance * g / length);
                f64::from(loss(&network_at(&moved)).into_scalar::<f32>())
            };
            let step = 5e-4 / length.max(0.1);
            let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
            // Kinks of the rectifiers, and sums in `f32`.
            let error = (slope / f64::from(length) - 1.0).abs();
            assert!(error < 0.03, "{name}: {slope} for {length}");
        }
    }

    #[test]
    fn dropout_leaves_out_its_share_and_keeps_the_mean() {
        let ones = Tensor::ones([2, 50, 10, 10], &Device::flex());
        let values = TensorValues::of(pass(0.25).dropped(ones)).values;
        let kept = values.iter().filter(|value| **value != 0.0);
        assert!(kept.clone().all(|value| (value - 4.0 / 3.0).abs() < 1e-6));
        let share = kept.count() as f32 / values.len() as f32;
        assert!((share - 0.75).abs() < 0.02, "{share}");
    }
}
