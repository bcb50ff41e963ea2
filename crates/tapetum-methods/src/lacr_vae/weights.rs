//! Names of the tensors in weight files, and how a network is known by them. There is no released checkpoint:
//! the names are ours.

use tapetum_nn::{
    Weights, WeightsError,
    layers::{from_reader, named},
    prelude::Device,
    weights::WeightReader,
};

use super::{
    CARD,
    config::{Latent, MultiScale, NetworkConfig, Positions, Region},
    network::LacrVae,
};

/// The header's line for what no tensor tells.
const POSITIONS: &str = "positions";

/// Builds the network, its parts as the names say. Exactly its tensors are expected.
///
/// # Errors
/// A tensor is missing, of another shape or unknown, or the header names positions that there are not.
pub fn read(weights: &Weights, device: &Device) -> Result<LacrVae, WeightsError> {
    let config = config_of(weights)?;
    let mut reader = WeightReader::new(weights);
    let network = LacrVae::build(&mut from_reader(&mut reader), config, device);
    reader.finish(CARD.title)?;
    Ok(network)
}

/// The network's tensors, and in the header what they do not tell.
pub fn write(network: &LacrVae) -> Weights {
    let mut weights = named(network, network.names());
    let positions = match network.config().positions {
        Positions::Fixed => "fixed",
        Positions::Interpolated => "interpolated",
    };
    weights.header.insert(POSITIONS.to_owned(), positions.to_owned());
    weights
}

fn config_of(weights: &Weights) -> Result<NetworkConfig, WeightsError> {
    let has = |name: &str| weights.tensors.contains_key(name);
    let positions = match weights.header.get(POSITIONS).map(String::as_str) {
        None | Some("fixed") => Positions::Fixed,
        Some("interpolated") => Positions::Interpolated,
        Some(other) => {
            let detail = format!("expected positions fixed or interpolated, got '{other}'");
            return Err(WeightsError::Mismatch { method: CARD.title.to_owned(), detail });
        }
    };
    Ok(NetworkConfig {
        region: if has("enc.0.rcam.weight") { Region::Convolution } else { Region::Attention },
        multi_scale: match has("enc.0.amsm0.weight") {
            true => MultiScale::Convolution,
            false => MultiScale::Attention,
        },
        latent: if has("logvar.weight") { Latent::Gaussian } else { Latent::Deterministic },
        calibrate: has("enc.0.rcam.calibrate.weight"),
        positions,
    })
}
