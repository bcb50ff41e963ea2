//! Names of the authors' checkpoints, and how a network is known by them.

use tapetum_nn::{
    Weights, WeightsError,
    layers::{from_reader, named},
    prelude::Device,
    weights::WeightReader,
};

use super::{
    CARD,
    config::{NetworkConfig, Scale, Size, Upscaler},
    network::CollaBa,
};

/// Builds the network, its size, scale and up-scaler as the tensors say. Exactly its tensors are expected.
///
/// # Errors
/// A tensor is missing, of another shape or unknown.
pub fn read(weights: &Weights, device: &Device) -> Result<CollaBa, WeightsError> {
    let config = config_of(weights)?;
    let mut reader = WeightReader::new(weights);
    let network = CollaBa::build(&mut from_reader(&mut reader), config, device);
    reader.finish(CARD.title)?;
    Ok(network)
}

/// The network's tensors under the authors' names, with an empty header.
pub fn write(network: &CollaBa) -> Weights {
    named(network, network.names())
}

fn config_of(weights: &Weights) -> Result<NetworkConfig, WeightsError> {
    let shape = weights.tensors.get("conv_in.weight").map(|tensor| &tensor.shape[..]);
    let mismatch = |detail| WeightsError::Mismatch { method: CARD.title.to_owned(), detail };
    let Some(&[n_features, n_in, ..]) = shape else {
        return Err(mismatch("expected a tensor conv_in.weight of four dimensions".to_owned()));
    };
    let sizes = [Size::Large, Size::Compact];
    let scales = [Scale::X1, Scale::X2, Scale::X4];
    let size = sizes.into_iter().find(|size| size.n_features() == n_features);
    let scale = scales.into_iter().find(|scale| n_in == 3 * (4 / scale.factor()).pow(2));
    let (Some(size), Some(scale)) = (size, scale) else {
        let expected = "80 or 32 features of 48, 12 or 3 channels";
        return Err(mismatch(format!(
            "expected {expected} in conv_in.weight, got {n_features} of {n_in}"
        )));
    };
    let is_merged = weights.tensors.contains_key("conv_up1.nearest.weight");
    let upscaler = if is_merged { Upscaler::MultiSubstrate } else { Upscaler::Nearest };
    Ok(NetworkConfig { size, scale, upscaler })
}
