//! Names of the released checkpoints with decoder, kept as they are, and what sets them apart.
//!
//! A checkpoint of a network that was trained on several cards has `module.` before every name.

use tapetum_nn::{Weights, WeightsError, prelude::Device, weights::WeightReader};

use super::{
    deeplab::Deeplab,
    espnet::{DecoderInput, Espnet},
    labelled_data::{CAMVID, CITYSCAPES, LabelledData},
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

fn without_prefix(weights: &Weights) -> Weights {
    let plain = |name: &String| name.strip_prefix("module.").unwrap_or(name).to_owned();
    let tensors = weights.tensors.iter().map(|(name, tensor)| (plain(name), tensor.clone()));
    Weights { tensors: tensors.collect(), header: weights.header.clone() }
}
