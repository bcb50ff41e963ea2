//! DeepLabv3+ on MobileNetV2: the network, in the paper's order.

use tapetum_nn::{
    backbones::InputScale,
    ops::{ConvOptions, Interpolation},
    prelude::*,
    weights::WeightReader,
};

use burn::tensor::ops::PadMode;

use super::{
    Segmenter,
    frozen::{concatenated, parameter},
    mobilenet_v2::{MobileNetV2, N_COARSE, N_FINE, SIDE_MIN},
    normalized::{NormalizedConvolution, Rectifier},
};

/// Channels of the pyramid and of the decoder.
const N_PYRAMID: usize = 256;
/// Channels that the decoder makes of the fine features ([Chen 2018] §4.1).
const N_FINE_PROJECTED: usize = 48;
/// Distances between the taps of the pyramid's convolutions at output stride 16.
const RATES: [usize; 3] = [6, 12, 18];

/// DeepLabv3+ with frozen weights.
#[derive(Debug)]
pub struct Deeplab {
    classes: &'static [&'static str],
    device: Device,
    backbone: MobileNetV2,
    pyramid: Pyramid,
    decoder: Decoder,
}

impl Deeplab {
    pub(super) fn read(
        reader: &mut WeightReader,
        classes: &'static [&'static str],
        device: &Device,
    ) -> Self {
        // No gradient is ever asked for a parameter.
        let device = device.clone().inner();
        Self {
            classes,
            backbone: MobileNetV2::read(reader, &device),
            pyramid: Pyramid::read(reader, &device),
            decoder: Decoder::read(reader, classes.len(), &device),
            device,
        }
    }
}

impl Segmenter for Deeplab {
    fn classes(&self) -> &'static [&'static str] {
        self.classes
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn logits(&self, image: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = image.dims();
        let image = InputScale::TORCHVISION.apply(extended(image));
        let size = [image.dims()[2], image.dims()[3]];
        let [fine, coarse] = self.backbone.forward(image);
        let logits = self.decoder.forward(fine, self.pyramid.forward(coarse));
        let logits = ops::resize2d(logits, size, Interpolation::Bilinear);
        if [height, width] == size {
            logits
        } else {
            logits.narrow(2, 0, height).narrow(3, 0, width)
        }
    }
}

/// The image with its last row and column repeated until the backbone takes it.
fn extended(image: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = image.dims();
    if height >= SIDE_MIN && width >= SIDE_MIN {
        return image;
    }
    let [below, right] = [height, width].map(|side| SIDE_MIN.saturating_sub(side));
    image.pad((0, right, 0, below), PadMode::Edge)
}

/// Atrous spatial pyramid pooling: the same features through convolutions of several reaches, and their
/// mean over the image ([Chen 2017] §3.3).
#[derive(Debug)]
struct Pyramid {
    point: NormalizedConvolution,
    dilated: [NormalizedConvolution; 3],
    mean: NormalizedConvolution,
    project: NormalizedConvolution,
}

impl Pyramid {
    fn read(reader: &mut WeightReader, device: &Device) -> Self {
        let mut read = |part: &str, numbers: [usize; 2], n_in, kernel| {
            let names = numbers.map(|number| format!("classifier.aspp.{part}.{number}"));
            let shape = [N_PYRAMID, n_in, kernel, kernel];
            let names = [&*names[0], &*names[1]];
            NormalizedConvolution::read(reader, names, shape, Rectifier::Relu, device)
        };
        Self {
            point: read("convs.0", [0, 1], N_COARSE, 1),
            dilated: [1, 2, 3].map(|idx| {
                read(&format!("convs.{idx}"), [0, 1], N_COARSE, 3).dilated(RATES[idx - 1])
            }),
            mean: read("convs.4", [1, 2], N_COARSE, 1),
            project: read("project", [0, 1], 5 * N_PYRAMID, 1),
        }
    }

    fn forward(&self, coarse: Tensor<4>) -> Tensor<4> {
        let [n_batch, _, height, width] = coarse.dims();
        let mean = self.mean.forward(ops::global_average_pool(coarse.clone()));
        // One pixel, bilinear in any size, is that pixel everywhere.
        let mean = mean.expand([n_batch, N_PYRAMID, height, width]);
        let mut parts = vec![self.point.forward(coarse.clone())];
        parts.extend(self.dilated.iter().map(|part| part.forward(coarse.clone())));
        parts.push(mean);
        self.project.forward(concatenated(parts))
    }
}

/// Joins the pyramid with the fine features ([Chen 2018] §3.1, Fig. 2).
#[derive(Debug)]
struct Decoder {
    project_fine: NormalizedConvolution,
    join: NormalizedConvolution,
    classify: Tensor<4>,
    classify_bias: Tensor<1>,
}

impl Decoder {
    fn read(reader: &mut WeightReader, n_classes: usize, device: &Device) -> Self {
        let mut read = |part: &str, shape| {
            let names = [0, 1].map(|number| format!("classifier.{part}.{number}"));
            let names = [&*names[0], &*names[1]];
            NormalizedConvolution::read(reader, names, shape, Rectifier::Relu, device)
        };
        let project_fine = read("project", [N_FINE_PROJECTED, N_FINE, 1, 1]);
        let join = read("classifier", [N_PYRAMID, N_FINE_PROJECTED + N_PYRAMID, 3, 3]);
        let name = "classifier.classifier.3";
        let shape = [n_classes, N_PYRAMID, 1, 1];
        Self {
            project_fine,
            join,
            classify: parameter(reader, &format!("{name}.weight"), shape, device),
            classify_bias: parameter(reader, &format!("{name}.bias"), [n_classes], device),
        }
    }

    fn forward(&self, fine: Tensor<4>, pyramid: Tensor<4>) -> Tensor<4> {
        let fine = self.project_fine.forward(fine);
        let size = [fine.dims()[2], fine.dims()[3]];
        let pyramid = ops::resize2d(pyramid, size, Interpolation::Bilinear);
        let joined = self.join.forward(concatenated(vec![fine, pyramid]));
        let (weight, bias) = (self.classify.clone(), Some(self.classify_bias.clone()));
        ops::conv2d(joined, weight, bias, &ConvOptions::same(1), ops::Activation::Identity)
    }
}

#[cfg(test)]
mod tests {
    use tapetum_nn::Weights;

    use super::*;

    #[test]
    fn no_parameter_is_part_of_the_graph_of_gradients() {
        // Missing tensors are zeros until the reader is asked; that they are missing is not at issue.
        let nothing = Weights::default();
        let mut reader = WeightReader::new(&nothing);
        let network = Deeplab::read(&mut reader, &["a", "b"], &Device::flex().autodiff());
        assert!(!network.device().is_autodiff());
        let Deeplab { backbone, pyramid, decoder, .. } = &network;
        for weight in [
            &backbone.first.weight,
            &backbone.blocks[16].project.weight,
            &pyramid.dilated[2].weight,
            &pyramid.mean.weight,
            &decoder.join.weight,
            &decoder.classify,
        ] {
            assert!(!weight.device().is_autodiff());
        }
        assert!(!decoder.classify_bias.device().is_autodiff());
    }
}
