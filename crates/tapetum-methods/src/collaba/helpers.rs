//! What trains along with the generator and is trained elsewhere, and what it starts from.

use tapetum_nn::{
    Weights,
    backbones::{Vgg, VggDepth, VggStage},
    prelude::*,
};

use super::{config::TrainingConfig, losses::absolute, training::StartError};

/// Frozen networks, and the generator's first weights.
#[derive(Default)]
pub struct Helpers {
    /// For the perceptual term: VGG-19 in the paper; VGG-16 stands in for it with the last convolutions of its own
    /// blocks.
    pub vgg: Option<Vgg>,
    /// What the generator starts from in place of random weights: the second stage's first.
    pub generator: Option<Weights>,
}

/// The last convolution of each block, before its rectifier.
fn stages(depth: VggDepth) -> [VggStage; 5] {
    match depth {
        VggDepth::Sixteen => VggStage::BLOCK_ENDS_LINEAR_16,
        VggDepth::Nineteen => VggStage::BLOCK_ENDS_LINEAR_19,
    }
}

impl Helpers {
    /// Whether the settings are right, and every term with a weight has its network.
    pub(super) fn check(&self, config: &TrainingConfig) -> Result<(), StartError> {
        config.check()?;
        let weight = config.weight_perceptual;
        match self.vgg.is_none() && weight != 0.0 {
            true => Err(StartError::MissingVgg { weight }),
            false => Ok(()),
        }
    }

    /// `L_perc = Σ_j w_j mean |ψ_j(y) - ψ_j(G̃)|`; nothing where there is no network.
    pub(super) fn perceptual(
        &self,
        config: &TrainingConfig,
        made: &Tensor<4>,
        target: &Tensor<4>,
    ) -> Option<Tensor<1>> {
        let vgg = self.vgg.as_ref().filter(|_| config.weight_perceptual != 0.0)?;
        let layers = stages(vgg.depth()).into_iter().zip(config.layers_perceptual);
        let (stages, weights): (Vec<_>, Vec<_>) =
            layers.filter(|(_, weight)| *weight != 0.0).unzip();
        let features = |image| config.vgg_input.features(vgg, image, &stages);
        let of_target = features(target.clone().inner());
        let pairs = features(made.clone()).into_iter().zip(of_target);
        let terms = pairs
            .zip(weights)
            .map(|((made, target), weight)| absolute(made, target.autodiff()) * weight);
        terms.reduce(|sum, term| sum + term)
    }
}
