//! What DeepLabv3+ starts training from.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};
use tapetum_nn::{Weights, WeightsError, weights::TensorValues};

use super::{deeplab::DeeplabNetwork, layer::LayerPlan, weights::backbone_of_classifier};

/// All tensors of the network: the backbone of `classifier`, if there is one, and the rest seeded.
///
/// # Errors
/// The classifier is another network.
pub(super) fn initial_weights(
    n_classes: usize,
    classifier: Option<&Weights>,
    seed: u64,
) -> Result<Weights, WeightsError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = Weights::default();
    let mut fill = |plan: LayerPlan| fill(&mut weights, &plan, &mut random);
    DeeplabNetwork::build(n_classes, &mut fill);
    if let Some(classifier) = classifier {
        weights.tensors.extend(backbone_of_classifier(classifier)?.tensors);
    }
    Ok(weights)
}

/// Convolutions from N(0, 2 / fan) ([He 2015] Eq. 10, as the authors' `_deeplab.py`), a bias without
/// normalisation from U(-1/√fan, 1/√fan), and normalisations that change nothing.
fn fill(weights: &mut Weights, plan: &LayerPlan, random: &mut ChaCha8Rng) {
    let fan = plan.weight_shape[1..].iter().product::<usize>() as f32;
    let normal = Normal::new(0.0, (2.0 / fan).sqrt()).expect("the deviation is positive");
    let bound = 1.0 / fan.sqrt();
    let uniform = Uniform::new(-bound, bound).expect("the bound is positive");
    for (name, shape) in plan.tensors() {
        let n_values = shape.iter().product();
        let values: Vec<f32> = match name.rsplit('.').next() {
            Some("weight") if shape.len() == 4 => {
                normal.sample_iter(&mut *random).take(n_values).collect()
            }
            Some("bias") if plan.norm.is_none() => {
                uniform.sample_iter(&mut *random).take(n_values).collect()
            }
            Some("weight" | "running_var") => vec![1.0; n_values],
            _ => vec![0.0; n_values],
        };
        weights.insert(name, TensorValues { shape, values });
    }
}
