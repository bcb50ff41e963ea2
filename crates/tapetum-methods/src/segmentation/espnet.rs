//! ESPNet with its decoder, p = 2 and q = 8: the network, in the paper's order.

use burn::tensor::ops::PadMode;
use tapetum_nn::{ops::PoolOptions, prelude::*, weights::WeightReader};

use super::{
    Segmenter,
    esp_module::{EPSILON, EspModule},
    frozen::{ChannelScale, Convolution, Doubling, NormalizedPrelu, concatenated},
    labelled_data::LabelledData,
    weights::Release,
};

/// ESP modules at a quarter of the size: `p`, the paper's `α₂`.
const N_QUARTER: usize = 2;
/// ESP modules at an eighth of the size: `q`, the paper's `α₃`.
const N_EIGHTH: usize = 8;

/// ESPNet with frozen weights.
#[derive(Debug)]
pub struct Espnet {
    data: &'static LabelledData,
    device: Device,
    normalization: ChannelScale,
    encoder: Encoder,
    decoder: Decoder,
}

impl Espnet {
    pub(super) fn read(reader: &mut WeightReader, release: &Release, device: &Device) -> Self {
        // No gradient is ever asked for a parameter.
        let device = device.clone().inner();
        let n_classes = release.data.classes.len();
        Self {
            data: release.data,
            normalization: normalization(release.data, &device),
            encoder: Encoder::read(reader, n_classes, &device),
            decoder: Decoder::read(reader, n_classes, release.decoder_input, &device),
            device,
        }
    }
}

impl Segmenter for Espnet {
    fn classes(&self) -> &'static [&'static str] {
        self.data.classes
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn logits(&self, image: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = image.dims();
        // Blue comes first.
        let image = self.normalization.forward(image.flip([1]));
        self.decoder.forward(self.encoder.forward(image), [height, width])
    }
}

fn normalization(data: &LabelledData, device: &Device) -> ChannelScale {
    let factors = data.deviation_bgr_255.map(|deviation| 1.0 / deviation);
    let offset = |idx: usize| -data.mean_bgr_255[idx] / 255.0 * factors[idx];
    ChannelScale::new(factors.to_vec(), (0..3).map(offset).collect(), device)
}

/// What the last step of the decoder reads at half of the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecoderInput {
    /// The features of the first convolution together with the image at that size, as in Fig. 4d.
    WithImage,
    /// The features of the first convolution alone.
    FeaturesAlone,
}

impl DecoderInput {
    fn n_channels(self) -> usize {
        match self {
            Self::WithImage => 19,
            Self::FeaturesAlone => 16,
        }
    }
}

/// What the encoder hands to the decoder.
struct Features {
    /// `[batch, 16, ⌈height / 2⌉, ⌈width / 2⌉]`.
    half_alone: Tensor<4>,
    /// `[batch, 19, ⌈height / 2⌉, ⌈width / 2⌉]`.
    half: Tensor<4>,
    /// `[batch, 131, …]`, a quarter of the size.
    quarter: Tensor<4>,
    /// `[batch, classes, …]`, an eighth of the size.
    eighth: Tensor<4>,
}

/// From the image to an eighth of its size (§4, Fig. 4d).
#[derive(Debug)]
struct Encoder {
    conv_half: Convolution,
    prelu_half: NormalizedPrelu,
    join_half: NormalizedPrelu,
    down_quarter: EspModule,
    modules_quarter: Vec<EspModule>,
    join_quarter: NormalizedPrelu,
    down_eighth: EspModule,
    modules_eighth: Vec<EspModule>,
    join_eighth: NormalizedPrelu,
    classifier: Convolution,
}

impl Encoder {
    fn read(reader: &mut WeightReader, n_classes: usize, device: &Device) -> Self {
        let name = |part: &str| format!("encoder.{part}");
        let (level1, level2, level3) = (name("level1"), name("level2"), name("level3"));
        let mut join = |part: &str, n_channels| {
            NormalizedPrelu::read(reader, &name(part), n_channels, EPSILON, device)
        };
        let [join_half, join_quarter, join_eighth] =
            [("b1", 19), ("b2", 131), ("b3", 256)].map(|(part, n_channels)| join(part, n_channels));
        let mut modules = |level: &str, n_modules, n_channels| {
            let read = |idx| {
                EspModule::read(reader, &format!("{level}.{idx}"), [n_channels; 2], device)
                    .residual()
            };
            (0..n_modules).map(read).collect()
        };
        let modules_quarter = modules(&level2, N_QUARTER, 64);
        let modules_eighth = modules(&level3, N_EIGHTH, 128);
        let conv_name = format!("{level1}.conv");
        let classifier_name = name("classifier.conv");
        Self {
            conv_half: Convolution::read(reader, &conv_name, [16, 3, 3, 3], device).halving(),
            prelu_half: NormalizedPrelu::read(reader, &level1, 16, EPSILON, device),
            join_half,
            down_quarter: EspModule::read_halving(reader, &name("level2_0"), [19, 64], device),
            modules_quarter,
            join_quarter,
            down_eighth: EspModule::read_halving(reader, &name("level3_0"), [131, 128], device),
            modules_eighth,
            join_eighth,
            classifier: Convolution::read(reader, &classifier_name, [n_classes, 256, 1, 1], device),
        }
    }

    fn forward(&self, image: Tensor<4>) -> Features {
        let image_half = halved(image.clone());
        let image_quarter = halved(image_half.clone());

        let half_alone = self.prelu_half.forward(self.conv_half.forward(image));
        let half = concatenated(vec![half_alone.clone(), image_half]);
        let half = self.join_half.forward(half);

        let first = self.down_quarter.forward(half.clone());
        let last = through(&self.modules_quarter, first.clone());
        let quarter = self.join_quarter.forward(concatenated(vec![last, first, image_quarter]));

        let first = self.down_eighth.forward(quarter.clone());
        let last = through(&self.modules_eighth, first.clone());
        let eighth = self.join_eighth.forward(concatenated(vec![first, last]));
        Features { half_alone, half, quarter, eighth: self.classifier.forward(eighth) }
    }
}

fn through(modules: &[EspModule], first: Tensor<4>) -> Tensor<4> {
    modules.iter().fold(first, |features, module| module.forward(features))
}

/// Means over 3x3 pixels at every second pixel, where pixels outside count as 0: half of the size,
/// rounded up.
fn halved(image: Tensor<4>) -> Tensor<4> {
    let padded = image.pad((1, 1, 1, 1), PadMode::Constant(0.0));
    let options = PoolOptions { stride: [2, 2], ..PoolOptions::tiles([3, 3]) };
    ops::average_pool2d(padded, &options)
}

/// From an eighth of the size back to all of it, class by class (§4, Fig. 4d).
#[derive(Debug)]
struct Decoder {
    input: DecoderInput,
    norm_eighth: ChannelScale,
    up_eighth: Doubling,
    project_quarter: Convolution,
    join_quarter: NormalizedPrelu,
    module_quarter: EspModule,
    up_quarter: Doubling,
    prelu_half: NormalizedPrelu,
    conv_half: Convolution,
    join_half: NormalizedPrelu,
    up_half: Doubling,
}

impl Decoder {
    fn read(
        reader: &mut WeightReader,
        n_classes: usize,
        input: DecoderInput,
        device: &Device,
    ) -> Self {
        let n = n_classes;
        let [up_eighth, up_quarter, up_half] = ["up_l3.0", "up_l2.0", "classifier"]
            .map(|name| Doubling::read(reader, name, n, device));
        let [project_quarter, conv_half] =
            [("level3_C.conv", [n, 131, 1, 1]), ("conv.conv", [n, n + input.n_channels(), 3, 3])]
                .map(|(name, shape)| Convolution::read(reader, name, shape, device));
        let [join_quarter, prelu_half, join_half] =
            [("combine_l2_l3.0", 2 * n), ("up_l2.1", n), ("conv", n)]
                .map(|(name, n)| NormalizedPrelu::read(reader, name, n, EPSILON, device));
        Self {
            input,
            norm_eighth: ChannelScale::read_batch_norm(reader, "br", n, EPSILON, device),
            up_eighth,
            project_quarter,
            join_quarter,
            module_quarter: EspModule::read(reader, "combine_l2_l3.1", [2 * n, n], device),
            up_quarter,
            prelu_half,
            conv_half,
            join_half,
            up_half,
        }
    }

    /// `size` is that of the image.
    fn forward(&self, features: Features, size: [usize; 2]) -> Tensor<4> {
        let Features { half_alone, half, quarter, eighth } = features;
        let size_of = |level: &Tensor<4>| [level.dims()[2], level.dims()[3]];
        let (size_half, size_quarter) = (size_of(&half), size_of(&quarter));

        let below = self.up_eighth.forward(self.norm_eighth.forward(eighth), size_quarter);
        let quarter = concatenated(vec![self.project_quarter.forward(quarter), below]);
        let quarter = self.module_quarter.forward(self.join_quarter.forward(quarter));

        let below = self.prelu_half.forward(self.up_quarter.forward(quarter, size_half));
        let beside = match self.input {
            DecoderInput::WithImage => half,
            DecoderInput::FeaturesAlone => half_alone,
        };
        let half = self.conv_half.forward_of_two(below, beside);
        self.up_half.forward(self.join_half.forward(half), size)
    }
}

#[cfg(test)]
mod tests {
    use tapetum_nn::Weights;

    use super::{
        super::{frozen::ChannelScale, weights::ESPNET_CAMVID},
        *,
    };

    #[test]
    fn no_parameter_is_part_of_the_graph_of_gradients() {
        // Missing tensors are zeros until the reader is asked; that they are missing is not at issue.
        let nothing = Weights::default();
        let mut reader = WeightReader::new(&nothing);
        let device = Device::flex().autodiff();
        let network = Espnet::read(&mut reader, &ESPNET_CAMVID, &device);
        assert!(!network.device().is_autodiff());
        let of_scale = |scale: &ChannelScale| {
            [scale.factors.device().is_autodiff(), scale.summands.device().is_autodiff()]
        };
        let Espnet { normalization, encoder, decoder, .. } = &network;
        let module = &encoder.modules_eighth[7];
        for scale in [normalization, &encoder.join_half.norm, &decoder.norm_eighth] {
            assert_eq!(of_scale(scale), [false; 2]);
        }
        for weight in
            [&encoder.conv_half.weight, &module.transform[4].weight, &decoder.up_half.weight]
        {
            assert!(!weight.device().is_autodiff());
        }
        assert!(!module.prelu.slopes.device().is_autodiff());
    }

    #[test]
    fn halving_counts_what_lies_outside_as_zero() {
        let image = Tensor::<4>::ones([1, 1, 3, 4], &Device::flex());
        let found = halved(image).into_data().try_into_vec::<f32>().expect("f32");
        let expected = [4.0, 6.0, 4.0, 6.0].map(|n_inside: f32| n_inside / 9.0);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
        assert_eq!(found.len(), 4, "half of 3x4 pixels, rounded up");
    }
}
