//! Normalisations under the names of a weight file.

use burn::{
    module::{Module, Param, RunningState},
    tensor::Tensor,
};

use super::{
    convolution::Convolution,
    parameters::{Builder, Initial},
};
use crate::ops::{self, Activation, BatchMoments, BatchNormOptions};

/// Share of a batch's statistics in the running ones (PyTorch's default).
const MOMENTUM: f32 = 0.1;

/// Normalisation over the channels of each pixel.
#[derive(Module, Debug)]
pub struct LayerNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f32,
}

impl LayerNorm {
    /// Parameters `{name}.weight` and `{name}.bias`.
    pub fn build(builder: &mut Builder, name: &str, n_channels: usize, epsilon: f32) -> Self {
        let mut part = |part: &str, value| {
            builder.parameter(format!("{name}.{part}"), [n_channels], Initial::Constant(value))
        };
        Self { weight: part("weight", 1.0), bias: part("bias", 0.0), epsilon }
    }

    /// See [`ops::layer_norm`].
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        ops::layer_norm(input, self.weight.val(), self.bias.val(), self.epsilon)
    }
}

/// Normalisation by the statistics of a batch in training, by those that it kept in inference ([Ioffe 2015]
/// Alg. 1 and 2).
#[derive(Module, Debug)]
pub struct BatchNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_variance: RunningState<Tensor<1>>,
    #[module(skip)]
    epsilon: f32,
}

impl BatchNorm {
    /// Parameters `{name}.weight` and `{name}.bias`, and statistics `{name}.running_mean` and
    /// `{name}.running_var`.
    pub fn build(builder: &mut Builder, name: &str, n_channels: usize, epsilon: f32) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        Self {
            weight: builder.parameter(at("weight"), [n_channels], Initial::Constant(1.0)),
            bias: builder.parameter(at("bias"), [n_channels], Initial::Constant(0.0)),
            running_mean: builder.running(at("running_mean"), [n_channels], Initial::Constant(0.0)),
            running_variance: builder.running(
                at("running_var"),
                [n_channels],
                Initial::Constant(1.0),
            ),
            epsilon,
        }
    }

    /// Values that are kept and not learned.
    pub fn n_statistics(&self) -> usize {
        2 * self.weight.dims()[0]
    }

    /// `max(0, norm(convolution))` in training: by the statistics of this batch, which join the running ones.
    pub fn rectified_training(&self, convolution: &Convolution, input: Tensor<4>) -> Tensor<4> {
        let filtered = convolution.forward(input, Activation::Identity);
        let options = BatchNormOptions { epsilon: self.epsilon, limits: [0.0, f32::INFINITY] };
        let (output, moments) =
            ops::batch_norm(filtered, self.weight.val(), self.bias.val(), &options);
        self.follow(moments);
        output
    }

    /// `max(0, norm(convolution))` in inference: by the running statistics, as one convolution.
    pub fn rectified(&self, convolution: &Convolution, input: Tensor<4>) -> Tensor<4> {
        let deviation = (self.running_variance.value_sync() + self.epsilon).sqrt();
        let factor = self.weight.val() / deviation;
        let (weight, bias) = convolution.parameters();
        let shift = match bias {
            Some(bias) => bias - self.running_mean.value_sync(),
            None => -self.running_mean.value_sync(),
        };
        let bias = shift * factor.clone() + self.bias.val();
        let weight = weight * factor.reshape([-1, 1, 1, 1]);
        convolution.forward_with(input, weight, bias, Activation::Relu)
    }

    /// The variance counts as that of a sample, divided by one value less.
    fn follow(&self, BatchMoments { mean, variance, n_values }: BatchMoments) {
        let n_values = n_values as f32;
        let variance = variance * (n_values / (n_values - 1.0).max(1.0));
        let states = [(&self.running_mean, mean), (&self.running_variance, variance)];
        for (state, value) in states {
            let running = state.value_sync();
            let value = on_device_of(&running, value);
            set(state, running * (1.0 - MOMENTUM) + value * MOMENTUM);
        }
    }
}

/// A value outside the graph of gradients, on the device that a state is kept on.
pub(super) fn on_device_of<const D: usize>(state: &Tensor<D>, value: Tensor<D>) -> Tensor<D> {
    match state.device().is_autodiff() {
        true => value.autodiff(),
        false => value,
    }
}

/// Replaces a state at once: what is visited, and saved, is what was synchronised.
pub(super) fn set<const D: usize>(state: &RunningState<Tensor<D>>, value: Tensor<D>) {
    state.update(value);
    state.value_sync();
}
