//! Published low-light enhancement methods, one folder a paper, and classical ones, one file each.

pub mod classical;
pub mod collaba;
pub mod lacr_vae;
pub mod scl_lle;
pub mod segmentation;
pub mod semi_llie;
pub mod tagging;

use tapetum_nn::{MethodCard, Network, Weights, WeightsError, prelude::Device};

use crate::classical::{clahe, gamma, histogram_equalization, lime, msrcr, none};

/// The card of every method, in the order they are listed to users. The first is used where nobody asks
/// for another.
pub fn all() -> [&'static MethodCard; 10] {
    [
        &scl_lle::CARD,
        &semi_llie::CARD,
        &lacr_vae::CARD,
        &collaba::CARD,
        &lime::CARD,
        &msrcr::CARD,
        &clahe::CARD,
        &histogram_equalization::CARD,
        &gamma::CARD,
        &none::CARD,
    ]
}

/// The card of the method called `name`.
pub fn find(name: &str) -> Option<&'static MethodCard> {
    all().into_iter().find(|card| card.name == name)
}

/// Builds the network of the method `card` from weights, for inference: in its fastest form. A method
/// without weights takes empty ones.
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
        "lacr-vae" => Ok(Box::new(lacr_vae::weights::read(weights, device)?)),
        "collaba" => Ok(Box::new(collaba::weights::read(weights, device)?)),
        "semi-llie" => Ok(Box::new(semi_llie::weights::read(weights, device)?)),
        name => {
            let method =
                classical::find(name).expect("every card is a folder's or a classical one");
            no_tensors(card, weights)?;
            Ok(Box::new(method))
        }
    }
}

fn no_tensors(card: &MethodCard, weights: &Weights) -> Result<(), WeightsError> {
    if weights.tensors.is_empty() {
        return Ok(());
    }
    let detail = format!("expected no tensors, got {}", weights.tensors.len());
    Err(WeightsError::Mismatch { method: card.name.to_owned(), detail })
}
