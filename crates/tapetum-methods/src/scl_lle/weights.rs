//! Names of the released checkpoint: `e_conv{1..7}.{weight,bias}`, kept as they are.

use tapetum_nn::{Weights, WeightsError, prelude::Device, weights::WeightReader};

use super::{CARD, network::CurveNetwork};

/// Builds the network; exactly the fourteen tensors of the released checkpoint are expected.
pub fn read(weights: &Weights, device: &Device) -> Result<CurveNetwork, WeightsError> {
    let mut reader = WeightReader::new(weights);
    let network = CurveNetwork::read(&mut reader, device);
    reader.finish(CARD.title)?;
    Ok(network)
}

/// The network's tensors under the same names, with an empty header.
pub fn write(network: &CurveNetwork) -> Weights {
    let mut weights = Weights::default();
    for (name, layer) in network.layers() {
        layer.write(&mut weights, name);
    }
    weights
}
