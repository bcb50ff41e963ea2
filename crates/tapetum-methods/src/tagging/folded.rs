//! A frozen convolution with the batch normalisation behind it folded in.

use burn::tensor::{ops::PadMode, s};
use tapetum_nn::{
    ops::{Activation, ConvOptions, PaddingMode},
    prelude::*,
    weights::WeightReader,
};

/// What all layers of a network have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LayerHabits {
    /// Added to the variance of a batch normalisation.
    pub(super) epsilon: f32,
    /// Which pixels are left where every second one is.
    pub(super) halving: Halving,
}

/// The centres of a filter that moves by two pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halving {
    /// 0, 2, 4 and so on: PyTorch, padded by half of the kernel.
    FromFirst,
    /// The last is as far from the end as the first from the start, or one pixel nearer: TensorFlow's `SAME`.
    /// 1, 3, 5 and so on along even sides, 0, 2, 4 along odd ones.
    Same,
}

impl Halving {
    fn first_centre(self, side: usize) -> usize {
        match self {
            Self::Same if side.is_multiple_of(2) => 1,
            _ => 0,
        }
    }
}

/// What a layer is like.
#[derive(Debug, Clone)]
pub(super) struct LayerPlan {
    /// Of the convolution and of the normalisation.
    pub(super) names: [String; 2],
    /// `[out, in, kernel, kernel]`, the kernel odd; with an `in` of 1 every channel has its own kernel.
    pub(super) shape: [usize; 4],
    /// 1 or 2.
    pub(super) stride: usize,
    /// Whether `min(6, max(0, x))` follows.
    pub(super) is_rectified: bool,
}

/// Weight and bias of convolution and normalisation together; zeros around.
#[derive(Debug)]
pub(super) struct FoldedConv {
    weight: Tensor<4>,
    bias: Tensor<1>,
    plan: LayerPlan,
    halving: Halving,
}

impl FoldedConv {
    /// With `g = weight / √(variance + epsilon)` of the normalisation, the convolution's weights become `g`
    /// times as large and the bias is `bias - g mean` ([Ioffe 2015] Alg. 2).
    pub(super) fn read(
        reader: &mut WeightReader,
        plan: LayerPlan,
        habits: LayerHabits,
        device: &Device,
    ) -> Self {
        let LayerPlan { names: [convolution, norm], shape, .. } = &plan;
        let n_out = shape[0];
        let mut weight = reader.take(&format!("{convolution}.weight"), shape);
        let [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| reader.take(&format!("{norm}.{part}"), &[n_out]));
        // How many batches the statistics are from; older programs did not write it.
        let _ = reader.take_if_there(&format!("{norm}.num_batches_tracked"), &[]);
        let gains = scale.iter().zip(variance).map(|(s, v)| s / (v + habits.epsilon).sqrt());
        let gains: Vec<f32> = gains.collect();
        let n_inputs = shape[1..].iter().product();
        for (filter, gain) in weight.chunks_exact_mut(n_inputs).zip(&gains) {
            filter.iter_mut().for_each(|value| *value *= gain);
        }
        let bias = shift.iter().zip(&mean).zip(&gains).map(|((b, m), g)| b - m * g);
        let bias: Vec<f32> = bias.collect();
        Self {
            weight: Tensor::from_data(TensorData::new(weight, *shape), device),
            bias: Tensor::from_data(TensorData::new(bias, [n_out]), device),
            plan,
            halving: habits.halving,
        }
    }

    /// # Shapes
    /// `input`: `[batch, in, height, width]`; result: `[batch, out, …]`, each side divided by the stride and
    /// rounded up.
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let is_depthwise = self.plan.shape[1] == 1;
        let filtered = if is_depthwise { self.depthwise(input) } else { self.full(input) };
        if !self.plan.is_rectified {
            return filtered;
        }
        // In the order of the memory, which the engine keeps then.
        filtered.permute([0, 2, 3, 1]).clamp_max(6.0).permute([0, 3, 1, 2])
    }

    /// The part of the rectifier that a convolution takes along.
    fn activation(&self) -> Activation {
        if self.plan.is_rectified { Activation::Relu } else { Activation::Identity }
    }

    fn full(&self, input: Tensor<4>) -> Tensor<4> {
        let LayerPlan { shape: [_, _, kernel, _], stride, .. } = self.plan;
        let options = ConvOptions { stride: [stride; 2], ..ConvOptions::same(kernel) };
        let (input, options) = match self.first_centres(&input) {
            [0, 0] => (input, options),
            centres => {
                let [rows, columns] = centres.map(|centre| (kernel / 2 - centre, kernel / 2));
                (zero_padded(input, rows, columns), ConvOptions { padding: [0, 0], ..options })
            }
        };
        let (weight, bias) = (self.weight.clone(), Some(self.bias.clone()));
        ops::conv2d(input, weight, bias, &options, self.activation())
    }

    fn depthwise(&self, input: Tensor<4>) -> Tensor<4> {
        let [top, left] = self.first_centres(&input);
        let (weight, bias) = (self.weight.clone(), Some(self.bias.clone()));
        let zeros = PaddingMode::Zeros;
        let filtered = ops::depthwise_conv2d(input, weight, bias, 1, zeros, self.activation());
        if self.plan.stride == 1 {
            return filtered;
        }
        let step = self.plan.stride as isize;
        let kept = filtered.permute([0, 2, 3, 1]).slice(s![.., top..;step, left..;step, ..]);
        kept.permute([0, 3, 1, 2])
    }

    /// Of rows and columns.
    fn first_centres(&self, input: &Tensor<4>) -> [usize; 2] {
        let [_, _, height, width] = input.dims();
        if self.plan.stride == 1 {
            return [0, 0];
        }
        [height, width].map(|side| self.halving.first_centre(side))
    }
}

/// With so many zeros before and after.
fn zero_padded(image: Tensor<4>, rows: (usize, usize), columns: (usize, usize)) -> Tensor<4> {
    let image = image.permute([0, 2, 3, 1]);
    let padded = image.pad([(0, 0), rows, columns, (0, 0)], PadMode::Constant(0.0));
    padded.permute([0, 3, 1, 2])
}
