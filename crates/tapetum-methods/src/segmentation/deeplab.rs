//! DeepLabv3+ on MobileNetV2: the network, in the paper's order.

use burn::tensor::ops::PadMode;
use tapetum_nn::{backbones::InputScale, ops::Interpolation, prelude::*, weights::WeightReader};

use super::{
    Segmenter,
    frozen::concatenated,
    frozen_layer::FrozenLayer,
    layer::{Layer, LayerPlan, Rectifier},
    mobilenet_v2::{MobileNetV2, N_COARSE, N_FINE, SIDE_MIN},
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
    network: DeeplabNetwork<FrozenLayer>,
}

impl Deeplab {
    pub(super) fn read(
        reader: &mut WeightReader,
        classes: &'static [&'static str],
        device: &Device,
    ) -> Self {
        // No gradient is ever asked for a parameter.
        let device = device.clone().inner();
        let mut read = |plan| FrozenLayer::read(reader, plan, &device);
        let network = DeeplabNetwork::build(classes.len(), &mut read);
        Self { classes, network, device }
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
        logits(&self.network.backbone, &self.network.head, image, &mut ())
    }
}

/// The network, of layers that are frozen or trained.
#[derive(Debug)]
pub(super) struct DeeplabNetwork<L> {
    pub(super) backbone: MobileNetV2<L>,
    pub(super) head: Head<L>,
}

/// What makes logits of the backbone's features.
#[derive(Module, Debug)]
pub(super) struct Head<L> {
    pyramid: Pyramid<L>,
    decoder: Decoder<L>,
}

impl<L> DeeplabNetwork<L> {
    pub(super) fn build(n_classes: usize, layer: &mut impl FnMut(LayerPlan) -> L) -> Self {
        let backbone = MobileNetV2::build(layer);
        let pyramid = Pyramid::build(layer);
        Self { backbone, head: Head { pyramid, decoder: Decoder::build(n_classes, layer) } }
    }
}

impl<L> Head<L> {
    /// All layers.
    pub(super) fn layers(&self) -> impl Iterator<Item = &L> {
        let Pyramid { point, dilated, mean, project } = &self.pyramid;
        let pyramid = [point].into_iter().chain(dilated).chain([mean, project]);
        let Decoder { project_fine, join, classify } = &self.decoder;
        pyramid.chain([project_fine, join, classify])
    }
}

/// As [`Segmenter::logits`], of a network in two parts.
pub(super) fn logits<L: Layer>(
    backbone: &MobileNetV2<L>,
    head: &Head<L>,
    image: Tensor<4>,
    pass: &mut L::Pass,
) -> Tensor<4> {
    let [_, _, height, width] = image.dims();
    let image = InputScale::TORCHVISION.apply(extended(image));
    let size = [image.dims()[2], image.dims()[3]];
    let [fine, coarse] = backbone.forward(image, pass);
    let coarse = head.pyramid.forward(coarse, pass);
    let logits = head.decoder.forward(fine, coarse, pass);
    let logits = ops::resize2d(logits, size, Interpolation::Bilinear);
    if [height, width] == size { logits } else { logits.narrow(2, 0, height).narrow(3, 0, width) }
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
#[derive(Module, Debug)]
struct Pyramid<L> {
    point: L,
    dilated: [L; 3],
    mean: L,
    project: L,
}

impl<L> Pyramid<L> {
    fn build(layer: &mut impl FnMut(LayerPlan) -> L) -> Self {
        let plan = |part: &str, numbers: [usize; 2], n_in, kernel| {
            let names = numbers.map(|number| format!("classifier.aspp.{part}.{number}"));
            let shape = [N_PYRAMID, n_in, kernel, kernel];
            LayerPlan::normalized(names, shape, Rectifier::Relu)
        };
        Self {
            point: layer(plan("convs.0", [0, 1], N_COARSE, 1)),
            dilated: [1, 2, 3].map(|idx| {
                let plan = plan(&format!("convs.{idx}"), [0, 1], N_COARSE, 3);
                layer(plan.dilated(RATES[idx - 1]))
            }),
            mean: layer(plan("convs.4", [1, 2], N_COARSE, 1)),
            project: layer(plan("project", [0, 1], 5 * N_PYRAMID, 1).dropping()),
        }
    }
}

impl<L: Layer> Pyramid<L> {
    fn forward(&self, coarse: Tensor<4>, pass: &mut L::Pass) -> Tensor<4> {
        let [n_batch, _, height, width] = coarse.dims();
        let mean = self.mean.forward(ops::global_average_pool(coarse.clone()), pass);
        // One pixel, bilinear in any size, is that pixel everywhere.
        let mean = mean.expand([n_batch, N_PYRAMID, height, width]);
        let mut parts = vec![self.point.forward(coarse.clone(), pass)];
        parts.extend(self.dilated.iter().map(|part| part.forward(coarse.clone(), pass)));
        parts.push(mean);
        self.project.forward(concatenated(parts), pass)
    }
}

/// Joins the pyramid with the fine features ([Chen 2018] §3.1, Fig. 2).
#[derive(Module, Debug)]
struct Decoder<L> {
    project_fine: L,
    join: L,
    classify: L,
}

impl<L> Decoder<L> {
    fn build(n_classes: usize, layer: &mut impl FnMut(LayerPlan) -> L) -> Self {
        let plan = |part: &str, shape| {
            let names = [0, 1].map(|number| format!("classifier.{part}.{number}"));
            LayerPlan::normalized(names, shape, Rectifier::Relu)
        };
        let join = [N_PYRAMID, N_FINE_PROJECTED + N_PYRAMID, 3, 3];
        let classify = "classifier.classifier.3".to_owned();
        Self {
            project_fine: layer(plan("project", [N_FINE_PROJECTED, N_FINE, 1, 1])),
            join: layer(plan("classifier", join)),
            classify: layer(LayerPlan::biased(classify, [n_classes, N_PYRAMID, 1, 1])),
        }
    }
}

impl<L: Layer> Decoder<L> {
    fn forward(&self, fine: Tensor<4>, pyramid: Tensor<4>, pass: &mut L::Pass) -> Tensor<4> {
        let fine = self.project_fine.forward(fine, pass);
        let size = [fine.dims()[2], fine.dims()[3]];
        let pyramid = ops::resize2d(pyramid, size, Interpolation::Bilinear);
        let joined = self.join.forward(concatenated(vec![fine, pyramid]), pass);
        self.classify.forward(joined, pass)
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
        let DeeplabNetwork { backbone, head } = &network.network;
        for layer in backbone.layers().chain(head.layers()) {
            assert!(!layer.weight.device().is_autodiff());
            assert!(!layer.bias.device().is_autodiff());
        }
    }
}
