//! SCL-LLE's loss terms and their gradients at the enhanced image, against `tools/golden/scl_lle_losses.py`.

use burn::tensor::{Int, s};
use tapetum_methods::scl_lle::losses::{
    class_brightness, class_brightness_released, feature_preservation, gram_distance, segmentation,
    style_contrast,
};
use tapetum_nn::{prelude::*, weights::TensorValues};

use crate::scl_lle::{golden_labels, grid};

const N_CLASSES: usize = 4;

#[test]
fn terms_and_their_gradients_equal_the_independent_transcription() {
    let style = |enhanced: Tensor<4>| {
        let n_batch = enhanced.dims()[0];
        let [positive, negative] = [1.0, 2.5].map(|phase| stages(waves(phase, n_batch, 3)));
        style_contrast(&stages(enhanced), &positive, &negative, 0.3)
    };
    let features = |enhanced| feature_preservation(waves(1.0, 2, 3), enhanced);
    let per_image = |enhanced| class_brightness(enhanced, labels(), N_CLASSES);
    let released = |enhanced| class_brightness_released(enhanced, labels(), N_CLASSES);
    let cross_entropy = |logits| segmentation(logits, labels(), N_CLASSES);
    let enhanced = waves(0.0, 2, 3);
    let black = enhanced.clone().slice_fill(s![.., .., 3..6, ..], 0.0);
    let logits = (waves(0.7, 2, 5) - 0.5) * 3.0;

    check("style", style, enhanced.clone(), [0.1947405221, 0.0564198133, 0.0006503687]);
    check("of three", style, waves(0.0, 3, 3), [0.1004149492, 0.0456133128, 0.0004335792]);
    check("features", features, enhanced.clone(), [0.0726825553, 0.0211815426, 0.0001327624]);
    check("per image", per_image, enhanced.clone(), [0.0218460414, 0.0116125840, -0.0000196637]);
    check("released", released, enhanced, [0.1347466382, 0.0288120863, 0.0003460942]);
    check("with black", released, black, [0.1108644318, 0.0261498202, 0.0]);
    check("segmentation", cross_entropy, logits, [1.8234464097, 0.0675747196, 0.0005944500]);
}

#[test]
fn the_gram_distance_is_a_sum_over_the_batch() {
    let distance = |n_batch| {
        let images = [0.0, 1.0].map(|phase| [waves(phase, n_batch, 3)]);
        scalar(gram_distance(&images[0], &images[1]))
    };
    assert!((distance(2) - 0.027_856_934_5).abs() < 1e-6, "{}", distance(2));
    assert!(distance(1) < distance(2) && distance(2) < distance(3));
}

#[test]
fn what_enhanced_images_are_compared_with_gets_no_gradient() {
    let tracked = |phase| waves(phase, 2, 3).autodiff().require_grad();
    let [enhanced, positive, negative, low] = [0.0, 1.0, 2.5, 0.4].map(tracked);
    let stage = |image: &Tensor<4>| [image.clone()];
    let style = style_contrast(&stage(&enhanced), &stage(&positive), &stage(&negative), 0.3);
    let gradients = (style + feature_preservation(low.clone(), enhanced.clone())).backward();
    assert!(enhanced.grad(&gradients).is_some());
    for (name, other) in [("positive", positive), ("negative", negative), ("low", low)] {
        assert!(other.grad(&gradients).is_none(), "{name}");
    }
}

#[test]
fn terms_vanish_where_they_should() {
    let image = || waves(0.0, 2, 3);
    let far = [waves(2.5, 2, 3) * 4.0];
    let style = style_contrast(&[image()], &[image()], &far, 0.04);
    let void = Tensor::<3, Int>::full([2, 9, 12], 255, &Device::flex());
    let sure = Tensor::cat(vec![waves(0.0, 2, 1) * 0.0 + 40.0, waves(0.0, 2, 1)], 1);
    let first = Tensor::<3, Int>::zeros([2, 9, 12], &Device::flex());
    let cases = [
        ("style of what is further from the negative than the margin", style),
        ("features of the same", feature_preservation(image(), image())),
        ("segmentation without a valid pixel", segmentation(image(), void.clone(), 3)),
        ("segmentation of what is sure and right", segmentation(sure, first, 2)),
        (
            "released class brightness without a valid pixel",
            class_brightness_released(image(), void, 3),
        ),
    ];
    for (name, loss) in cases {
        let loss = scalar(loss);
        assert!(loss.abs() < 1e-6, "{name}: {loss}");
    }
}

#[test]
fn the_released_class_brightness_pulls_even_constant_classes_to_another_level() {
    let labels = Tensor::<3, Int>::from_data([[[0, 0], [1, 1]]], &Device::flex());
    let constant = Tensor::<4>::from_data([[[[0.2, 0.2], [0.6, 0.6]]]], &Device::flex());
    let constant = constant.expand([1, 3, 2, 2]);
    assert!(scalar(class_brightness(constant.clone(), labels.clone(), 2)).abs() < 1e-6);
    // Each class fills half of the image, so its mean counts half: 1/2 (0.1² + 0.3²).
    let released = scalar(class_brightness_released(constant, labels, 2));
    assert!((released - 0.05).abs() < 1e-6, "{released}");
}

/// `expected`: the value, then the norm of the gradient and its value in the middle.
fn check(name: &str, loss: impl Fn(Tensor<4>) -> Tensor<1>, input: Tensor<4>, expected: [f64; 3]) {
    let [_, n_channels, height, width] = input.dims();
    let input = input.autodiff().require_grad();
    let value = loss(input.clone());
    let found = scalar(value.clone().inner());
    let gradient = TensorValues::of(input.grad(&value.backward()).unwrap()).values;
    let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let middle = gradient[((n_channels + 1) * height + 4) * width + 5];
    for (found, expected) in [found, norm, f64::from(middle)].into_iter().zip(expected) {
        // Sums of a few hundred values in `f32`.
        let bound = 2e-6 * expected.abs().max(1e-2);
        assert!((found - expected).abs() < bound, "{name}: {found} for {expected}");
    }
}

/// Images of the script's formula, which the existing labels and sizes belong to.
fn waves(phase: f64, n_batch: usize, n_channels: usize) -> Tensor<4> {
    grid([n_batch, n_channels, 9, 12], |b, c, i, j| {
        0.5 + 0.4 * (0.3 * (i + 1.0) + 0.2 * (j + 1.0) + 0.5 * c + 0.9 * b + phase).sin()
    })
}

/// What stands for the stages of VGG-16: the image, and the squares of some of it.
fn stages(image: Tensor<4>) -> Vec<Tensor<4>> {
    let part = image.clone().slice(s![.., 1.., ..;2, ..;2]);
    vec![image, part.clone() * part]
}

fn labels() -> Tensor<3, Int> {
    golden_labels()
}

fn scalar(loss: Tensor<1>) -> f64 {
    f64::from(loss.into_scalar::<f32>())
}
