//! LACR-VAE's loss terms and their gradients against `tools/golden/lacr_vae_losses.py`.

use tapetum_methods::lacr_vae::losses::{
    absolute, contrast_classification, contrast_ratio, divergence, squared, texture, visual,
};
use tapetum_nn::{prelude::*, weights::TensorValues};

use crate::scl_lle::grid;

#[test]
fn the_divergence_and_its_gradients_equal_the_independent_transcription() {
    let (mean, log_variance) = (|| latent(0.0) - 0.3, || latent(1.0) * 1.5 - 1.0);
    let of_mean = |mean| divergence(mean, log_variance());
    check("mean", mean(), of_mean, [0.5063362800, 0.0386427465, -0.0009188233]);
    let of_log_variance = |log_variance| divergence(mean(), log_variance);
    let expected = [0.5063362800, 0.0324214703, -0.0009506145];
    check("log variance", log_variance(), of_log_variance, expected);
}

#[test]
fn both_contrasts_and_their_gradients_equal_the_independent_transcription() {
    let ratio = |n| move |anchor| contrast_ratio(&anchor, &positive(), &negatives()[..n]);
    let classes =
        |n| move |anchor| contrast_classification(&anchor, &positive(), &negatives()[..n]);
    check("ratio", anchor(), ratio(1), [2.5067849197, 0.7613214467, 0.0183458856]);
    check("ratio of 3", anchor(), ratio(3), [1.4442898321, 0.2553869703, 0.0035130223]);
    check("classes", anchor(), classes(1), [0.6932727997, 0.2816316099, 0.0064164720]);
    check("classes of 3", anchor(), classes(3), [1.1932693361, 0.4239783684, 0.0109006788]);
}

#[test]
fn comparisons_of_images_and_their_gradients_equal_the_independent_transcription() {
    let two_scales = [2, 3, 24, 30];
    let three_scales = [1, 3, 48, 50];
    let five_scales = [1, 3, 177, 190];
    for (name, loss, shape, expected) in [
        ("visual 2", visual as Loss, two_scales, [0.1115588255, 0.0565771315, -0.0044489435]),
        ("squared 2", squared, two_scales, [0.0154637889, 0.0037839560, -0.0001038883]),
        ("absolute 2", absolute, two_scales, [0.1062297909, 0.0152145155, -0.0002314815]),
        ("visual 3", visual, three_scales, [0.0908174865, 0.0326359386, -0.0003592948]),
        ("squared 3", squared, three_scales, [0.0156900749, 0.0029524072, 0.0000118507]),
        ("absolute 3", absolute, three_scales, [0.1070638495, 0.0117851130, 0.0001388889]),
        ("visual 5", visual, five_scales, [0.0859961460, 0.0093608477, -0.0000205743]),
    ] {
        let [enhanced, reference] = images(shape);
        check(name, enhanced, |enhanced| loss(enhanced, reference.clone()), expected);
    }
}

type Loss = fn(Tensor<4>, Tensor<4>) -> Tensor<1>;

#[test]
fn images_with_nothing_in_common_have_no_gradient_and_no_infinity() {
    let [image, _] = images([1, 3, 48, 50]);
    let loss = |image: Tensor<4>| visual(image, 1.0 - images([1, 3, 48, 50])[0].clone());
    check("opposites", image, loss, [0.999999, 0.0, 0.0]);
}

#[test]
fn terms_vanish_where_they_have_to() {
    let zeros = || Tensor::<4>::zeros([2, 5, 9, 12], &Device::flex());
    let [image, _] = images([2, 3, 24, 30]);
    for (name, loss) in [
        ("a latent as the prior's", divergence(zeros(), zeros())),
        ("squares of the same", squared(image.clone(), image.clone())),
        ("distances of the same", absolute(image.clone(), image.clone())),
        ("likeness of the same", visual(image.clone(), image.clone())),
        ("texture of the same", texture(image.clone(), image)),
        ("an anchor at its positive", contrast_ratio(&anchor(), &anchor(), &negatives())),
    ] {
        assert!(scalar(loss).abs() < 2e-7, "{name}");
    }
    let apart = contrast_ratio(&anchor(), &positive(), &negatives());
    assert!(scalar(apart) > 0.1);
}

#[test]
fn the_ratio_of_distances_has_no_unit_and_grows_towards_the_dark() {
    let ratio = |scale: f64| {
        let negatives = negatives().map(|negative| negative * scale);
        scalar(contrast_ratio(&(anchor() * scale), &(positive() * scale), &negatives))
    };
    assert!((ratio(1.0) - ratio(37.0)).abs() < 1e-5 * ratio(1.0));
    let [dark, ..] = negatives();
    let near_dark = dark.clone() + 1e-3;
    assert!(scalar(contrast_ratio(&near_dark, &positive(), &[dark])) > 100.0);
}

#[test]
fn positives_and_negatives_get_no_gradient() {
    for contrast in [contrast_ratio, contrast_classification] {
        let tracked = |image: Tensor<4>| image.autodiff().require_grad();
        let [anchor, positive] = [anchor(), positive()].map(tracked);
        let negatives = negatives().map(tracked);
        let gradients = contrast(&anchor, &positive, &negatives).backward();
        assert!(anchor.grad(&gradients).is_some());
        assert!(positive.grad(&gradients).is_none());
        assert!(negatives.iter().all(|negative| negative.grad(&gradients).is_none()));
    }
}

/// `expected`: the value, then the norm of the gradient and its value in the middle.
fn check(name: &str, input: Tensor<4>, loss: impl Fn(Tensor<4>) -> Tensor<1>, expected: [f64; 3]) {
    let input = input.autodiff().require_grad();
    let [_, n_channels, height, width] = input.dims();
    let value = loss(input.clone());
    let found = scalar(value.clone().inner());
    let gradient = TensorValues::of(input.grad(&value.backward()).unwrap());
    let norm = gradient.values.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let place = [input.dims()[0] / 2, n_channels / 2, height / 2, width / 2];
    let idx = ((place[0] * n_channels + place[1]) * height + place[2]) * width + place[3];
    let middle = f64::from(gradient.values[idx]);
    for (found, expected) in [found, norm, middle].into_iter().zip(expected) {
        // Sums in `f32`, and moments that nearly cancel.
        let bound = 5e-5 * expected.abs().max(2e-3);
        assert!((found - expected).abs() < bound, "{name}: {found} for {expected}");
    }
}

/// The script's formula.
fn waves(phase: f64, shape: [usize; 4]) -> Tensor<4> {
    grid(shape, |b, c, i, j| {
        0.5 + 0.4 * (0.3 * (i + 1.0) + 0.2 * (j + 1.0) + 0.5 * c + 0.9 * b + phase).sin()
    })
}

fn latent(phase: f64) -> Tensor<4> {
    waves(phase, [2, 5, 9, 12])
}

fn anchor() -> Tensor<4> {
    latent(0.0) * latent(3.0)
}

fn positive() -> Tensor<4> {
    latent(1.0)
}

fn negatives() -> [Tensor<4>; 3] {
    let dark = latent(2.5);
    [dark.clone() * 0.3, dark.clone() * 0.5 - 0.2, latent(4.0) * dark]
}

/// An enhanced image and its reference.
fn images(shape: [usize; 4]) -> [Tensor<4>; 2] {
    let grain = || grid(shape, |_, _, i, j| (2.1 * i + 0.2 * j * j).sin());
    let reference = waves(0.0, shape) + grain() * 0.1;
    let enhanced = waves(0.4, shape) * 0.9 + grain() * 0.06;
    [enhanced, reference]
}

fn scalar(loss: Tensor<1>) -> f64 {
    f64::from(loss.into_scalar::<f32>())
}
