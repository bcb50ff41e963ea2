//! Updates of a network, and the average beside it.

use burn::optim::GradientsParams;
use tapetum_nn::{
    Weights, gradients, layers::Conv2d, ops::Activation, prelude::*, recipe::RecipeError,
    training::Learner, weights::TensorValues,
};

use super::{Net, device, images, learner, settings, train};

const SGD: &str = "learning_rate = 0.5\noptimizer = { kind = 'sgd' }";

#[test]
fn training_lowers_the_loss() {
    for kind in ["adam", "adam-p", "sgd"] {
        let text = format!("learning_rate = 0.02\noptimizer = {{ kind = '{kind}' }}");
        let mut learner = learner(1, &text);
        let loss = |learner: &Learner<Net>| -> f32 {
            learner.module().loss(images(1, &device())).into_scalar()
        };
        let before = loss(&learner);
        (0..30).for_each(|_| train(&mut learner, 1));
        let after = loss(&learner);
        assert!(after < 0.7 * before, "{kind}: {before} to {after}");
    }
}

/// A network without statistics over the batch.
fn single(seed: u64) -> Learner<Conv2d> {
    Learner::new(Net::new(seed, &device()).first, settings(SGD), 10)
}

fn loss_of(conv: &Conv2d, images: Tensor<4>) -> Tensor<1> {
    conv.forward(images, Activation::Tanh).square().mean()
}

fn values_of(conv: &Conv2d) -> Vec<f32> {
    let mut weights = Weights::default();
    conv.write(&mut weights, "conv");
    weights.tensors.into_values().flat_map(|tensor: TensorValues| tensor.values).collect()
}

#[test]
fn micro_batches_give_the_update_of_the_whole_batch() {
    let images = images(3, &device());
    let (mut whole, mut parts) = (single(1), single(1));
    whole.accumulate(loss_of(whole.module(), images.clone()), 1.0);
    for part in images.chunk(4, 0) {
        parts.accumulate(loss_of(parts.module(), part), 0.25);
    }
    let norms = [whole.update().unwrap().gradient_norm, parts.update().unwrap().gradient_norm];
    assert!((norms[0] - norms[1]).abs() < 1e-6 * norms[0], "{norms:?}");
    let start = values_of(single(1).module());
    let [whole, parts] = [whole, parts].map(|learner| values_of(learner.module()));
    for (idx, (a, b)) in whole.iter().zip(&parts).enumerate() {
        assert!((a - b).abs() < 1e-6, "value {idx}: {a} and {b}");
    }
    assert_ne!(whole, start);
}

#[test]
fn long_gradients_are_shortened_and_short_ones_are_not() {
    let step_length = |norm_max: f64| {
        let config = settings(&format!("{SGD}\ngradient_norm_max = {norm_max}"));
        let mut learner = Learner::new(Net::new(1, &device()).first, config, 10);
        let before = values_of(learner.module());
        learner.accumulate(loss_of(learner.module(), images(3, &device())), 1.0);
        let update = learner.update().unwrap();
        assert_eq!(update.learning_rate, 0.5);
        let moved = values_of(learner.module());
        let squares = moved.iter().zip(&before).map(|(a, b)| f64::from(a - b).powi(2));
        (update.gradient_norm, squares.sum::<f64>().sqrt())
    };
    let (norm, length) = step_length(1e-3);
    assert!(norm > 2e-3 && (length - 0.5e-3).abs() < 1e-6, "norm {norm}, step {length}");
    let (norm, length) = step_length(1e3);
    assert!((length - 0.5 * norm).abs() < 1e-5 * norm, "norm {norm}, step {length}");
}

#[test]
fn a_gradient_that_is_not_a_number_is_an_error_and_changes_nothing() {
    let mut learner = learner(1, "learning_rate = 0.1\naverage = { decay = 0.5 }");
    train(&mut learner, 1);
    for share in [f64::NAN, f64::INFINITY] {
        let loss = learner.module().loss(images(2, &device()));
        let before = learner.checkpoint();
        learner.accumulate(loss, share);
        let error = learner.update().unwrap_err();
        assert!(matches!(error, RecipeError::NonFinite { term: "gradient_norm", .. }), "{error}");
        assert!(learner.checkpoint() == before, "the learner has changed");
    }
    train(&mut learner, 2);
    assert_eq!(learner.step(), 2);
    assert!(learner.module().values().concat().iter().all(|value| value.is_finite()));
}

#[test]
fn the_average_holds_parameters_and_running_statistics() {
    let mut learner = learner(1, &format!("{SGD}\naverage = {{ decay = 0.75 }}"));
    let mut expected = learner.module().values();
    let start = expected.clone();
    for seed in 0..3 {
        train(&mut learner, seed);
        let values = learner.module().values();
        for (expected, value) in expected.iter_mut().flatten().zip(values.into_iter().flatten()) {
            *expected = 0.75 * *expected + 0.25 * value;
        }
    }
    let found = learner.averaged().values();
    for (tensor, ((found, expected), start)) in found.iter().zip(&expected).zip(&start).enumerate()
    {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "tensor {tensor}: {found}, not {expected}");
        }
        assert_ne!(found, start, "tensor {tensor} has not moved");
    }
}

#[test]
fn an_average_that_was_handed_out_does_not_change_any_more() {
    let mut learner = learner(1, &format!("{SGD}\naverage = {{ decay = 0.5 }}"));
    train(&mut learner, 1);
    let (handed_out, values) = (learner.averaged(), learner.averaged().values());
    train(&mut learner, 2);
    assert_eq!(handed_out.values(), values);
    assert_ne!(learner.averaged().values(), values);
}

#[test]
fn without_an_average_the_network_itself_is_handed_out() {
    let mut learner = learner(1, SGD);
    train(&mut learner, 1);
    assert_eq!(learner.averaged().values(), learner.module().values());
    assert!(!learner.averaged().norm.gamma.val().device().is_autodiff());
}

#[test]
fn two_networks_learn_from_one_loss() {
    let (mut a, mut b) = (single(1), single(2));
    let inputs = images(3, &device());
    let joint = loss_of(a.module(), inputs.clone()) + loss_of(b.module(), inputs.clone()) * 2.0;
    let mut gradients = joint.backward();
    a.collect(&mut gradients);
    b.collect(&mut gradients);
    let (a, b) = (a.update().unwrap(), b.update().unwrap());
    let norm_alone = |seed, share| {
        let mut alone = single(seed);
        alone.accumulate(loss_of(alone.module(), inputs.clone()), share);
        alone.update().unwrap().gradient_norm
    };
    assert!((a.gradient_norm - norm_alone(1, 1.0)).abs() < 1e-6);
    assert!((b.gradient_norm - norm_alone(2, 2.0)).abs() < 1e-6);
}

#[test]
fn an_inner_product_of_gradients_is_that_of_their_values() {
    let learner = single(1);
    let gradients_of = |seed| {
        let loss = loss_of(learner.module(), images(seed, &device()));
        GradientsParams::from_grads(loss.backward(), learner.module())
    };
    let (a, b) = (gradients_of(1), gradients_of(2));
    let product = gradients::inner_product(&a, &b, learner.module());
    // |a + b|² = |a|² + |b|² + 2 a·b, the sum taken by a learner.
    let [norm_a, norm_b] = [&a, &b].map(|grads| gradients::norm(grads, learner.module()));
    let mut both = single(1);
    for seed in [1, 2] {
        both.accumulate(loss_of(both.module(), images(seed, &device())), 1.0);
    }
    let norm = both.update().unwrap().gradient_norm;
    let expected = (norm.powi(2) - norm_a.powi(2) - norm_b.powi(2)) / 2.0;
    assert!((product - expected).abs() < 1e-5 * norm.powi(2), "{product}, not {expected}");
}
