//! Published low-light enhancement methods, one folder a paper.

pub mod scl_lle;

use tapetum_nn::{MethodCard, Network, Weights, WeightsError, prelude::Device};

/// The card of every method, in the order they are listed to users.
pub fn all() -> [&'static MethodCard; 1] {
    [&scl_lle::CARD]
}

/// The card of the method called `name`.
pub fn find(name: &str) -> Option<&'static MethodCard> {
    all().into_iter().find(|card| card.name == name)
}

/// Builds the network of the method `card` from weights, for inference: in its fastest form.
///
/// # Errors
/// The tensors are not exactly those of the network.
pub fn load(
    card: &MethodCard,
    weights: &Weights,
    device: &Device,
) -> Result<Box<dyn Network>, WeightsError> {
    match card.name {
        "scl-lle" => Ok(Box::new(scl_lle::fused::FusedCurveNetwork::read(weights, device)?)),
        other => unreachable!("{other} has no card"),
    }
}
