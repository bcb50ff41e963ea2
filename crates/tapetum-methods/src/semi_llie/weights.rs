//! Names of the authors' checkpoints, with the prefix `module.` or without, and their constants.

use tapetum_nn::{
    Weights, WeightsError,
    layers::{from_reader, named},
    prelude::Device,
    weights::{TensorValues, WeightReader},
};

use super::{
    CARD,
    network::{MambaLowlight, Variant},
};

/// What data-parallel training puts before every name.
const PREFIX: &str = "module.";
/// Kernels of the gradient map, which the authors keep among the parameters.
const CONSTANTS: [&str; 2] = ["get_gradient.weight_h", "get_gradient.weight_v"];
/// What only the guided network has.
const GUIDED: &str = ".fuse.";

/// Builds the network, plain or guided as the names say. Exactly its tensors are expected; the constant
/// kernels of the gradient map may be there or not.
pub fn read(weights: &Weights, device: &Device) -> Result<MambaLowlight, WeightsError> {
    let weights = without_prefix(weights);
    let is_guided = weights.tensors.keys().any(|name| name.contains(GUIDED));
    let variant = if is_guided { Variant::Guided } else { Variant::Plain };
    let mut reader = WeightReader::new(&weights);
    for name in CONSTANTS {
        reader.take_if_there(name, &[1, 1, 3, 3]);
    }
    let network = MambaLowlight::build(&mut from_reader(&mut reader), variant, device);
    reader.finish(CARD.title)?;
    Ok(network)
}

/// The network's tensors under the authors' names, with an empty header.
pub fn write(network: &MambaLowlight) -> Weights {
    named(network, network.names())
}

fn without_prefix(weights: &Weights) -> Weights {
    let named = |(name, values): (&String, &TensorValues)| {
        (name.strip_prefix(PREFIX).unwrap_or(name).to_owned(), values.clone())
    };
    Weights { tensors: weights.tensors.iter().map(named).collect(), header: weights.header.clone() }
}
