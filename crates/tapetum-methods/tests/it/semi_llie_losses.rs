//! Semi-LLIE's loss terms and their gradients at the enhanced image, against `tools/golden/semi_llie.py` and
//! values of the authors' code.

use burn::tensor::s;
use tapetum_methods::{
    semi_llie::losses::{
        consistency, gradient, gradient_map, perceptual, semantic_contrast, structure,
    },
    tagging::Semantics,
};
use tapetum_nn::{prelude::*, weights::TensorValues};

use crate::scl_lle::grid;

#[test]
fn terms_and_their_gradients_equal_the_independent_transcription() {
    let reference = || waves(1.0);
    let of_levels = |enhanced| perceptual(&pyramid(enhanced), &pyramid(reference()));
    let followed = |kept| move |student| consistency(student, waves(1.0), ones(kept));
    let contrasted = |kept| {
        move |student| {
            let [positive, negative] = [waves(1.0), waves(2.5) * 0.3].map(semantics);
            semantic_contrast(&semantics(student), &positive, &negative, ones(kept))
        }
    };
    check("structure", |e| structure(e, reference()), [0.2083098358, 0.0352821053, 0.0012611204]);
    check("perceptual", of_levels, [0.0661812001, 0.0332884068, 0.0000663812]);
    check("gradient", |e| gradient(e, reference()), [0.1755124315, 0.0606484651, -0.0042832349]);
    check("consistency", followed([1.0, 1.0]), [0.2422166559, 0.0392837101, 0.0015432099]);
    check("of one", followed([0.0, 1.0]), [0.2389282322, 0.0555555556, 0.0030864198]);
    check("contrast", contrasted([1.0, 1.0]), [1.3930544443, 0.2259072027, 0.0152353686]);
    check("of one", contrasted([0.0, 1.0]), [1.6060371728, 0.4256651140, 0.0304707372]);
}

#[test]
fn the_gradient_map_has_the_authors_values() {
    let map = gradient_map(waves(0.0));
    let at = |i: usize, j: usize| {
        f64::from(map.clone().slice(s![0..1, 0..1, i..i + 1, j..j + 1]).into_scalar::<f32>())
    };
    assert!((at(0, 0) - 1.092_414).abs() < 1e-6, "{}", at(0, 0));
    assert!((at(4, 5) - 0.257_548).abs() < 1e-6, "{}", at(4, 5));
    let distance = scalar(gradient(waves(0.0), waves(1.0)));
    assert!((distance - 0.175_512).abs() < 1e-6, "{distance}");
}

#[test]
fn what_the_student_is_compared_with_gets_no_gradient() {
    let tracked = |phase| waves(phase).autodiff().require_grad();
    let [student, other, dark] = [0.0, 1.0, 2.5].map(tracked);
    let kept = ones([1.0, 1.0]).autodiff();
    let followed = consistency(student.clone(), other.clone(), kept.clone());
    let levels = perceptual(&pyramid(student.clone()), &pyramid(other.clone()));
    let [anchor, positive, negative] =
        [student.clone(), other.clone(), dark.clone()].map(semantics);
    let contrast = semantic_contrast(&anchor, &positive, &negative, kept);
    let gradients = (followed + levels + contrast).backward();
    assert!(student.grad(&gradients).is_some());
    for (name, other) in [("teacher", other), ("dark", dark)] {
        assert!(other.grad(&gradients).is_none(), "{name}");
    }
}

#[test]
fn terms_vanish_where_student_and_target_are_the_same_and_where_nothing_is_kept() {
    let same = || semantics(waves(0.0));
    let dark = || semantics(waves(2.5) * 0.3);
    let (all, none) = (ones([1.0, 1.0]), ones([0.0, 0.0]));
    for (name, loss) in [
        ("structure", structure(waves(0.0), waves(0.0))),
        ("gradient", gradient(waves(0.0), waves(0.0))),
        ("perceptual", perceptual(&pyramid(waves(0.0)), &pyramid(waves(0.0)))),
        ("consistency", consistency(waves(0.0), waves(0.0), all.clone())),
        ("contrast", semantic_contrast(&same(), &same(), &dark(), all)),
        ("consistency of none", consistency(waves(0.0), waves(1.0), none.clone())),
        ("contrast of none", semantic_contrast(&same(), &dark(), &dark(), none)),
    ] {
        assert!(scalar(loss).abs() < 1e-7, "{name}");
    }
    let far = semantic_contrast(&same(), &dark(), &same(), ones([1.0, 1.0]));
    assert!(scalar(far) > 1e3, "an image that says what the dark one says is punished");
}

/// `expected`: the value, then the norm of the gradient and its value in the middle.
fn check(name: &str, loss: impl Fn(Tensor<4>) -> Tensor<1>, expected: [f64; 3]) {
    let input = waves(0.0).autodiff().require_grad();
    let value = loss(input.clone());
    let found = scalar(value.clone().inner());
    let gradient = TensorValues::of(input.grad(&value.backward()).unwrap()).values;
    let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let middle = f64::from(gradient[((3 + 1) * 9 + 4) * 12 + 5]);
    for (found, expected) in [found, norm, middle].into_iter().zip(expected) {
        // Sums of a few hundred values in `f32`.
        let bound = 5e-6 * expected.abs().max(1e-2);
        assert!((found - expected).abs() < bound, "{name}: {found} for {expected}");
    }
}

/// Images of the script's formula.
fn waves(phase: f64) -> Tensor<4> {
    grid([2, 3, 9, 12], |b, c, i, j| {
        0.5 + 0.4 * (0.3 * (i + 1.0) + 0.2 * (j + 1.0) + 0.5 * c + 0.9 * b + phase).sin()
    })
}

/// What stands for an encoder's levels: the image, and the squares of some of it.
fn pyramid(image: Tensor<4>) -> Vec<Tensor<4>> {
    let part = image.clone().slice(s![.., 1.., ..;2, ..;2]);
    vec![image, part.clone() * part]
}

/// What stands for tokens and logits: rows of the image, and means of its squares.
fn semantics(image: Tensor<4>) -> Semantics {
    let [n_batch, n_channels, _, _] = image.dims();
    let squares = (image.clone() * image.clone()).mean_dims(&[2, 3]);
    Semantics {
        tokens: image.flatten(1, 2),
        logits: squares.reshape([n_batch, n_channels]),
        pyramid: Vec::new(),
    }
}

fn ones(kept: [f32; 2]) -> Tensor<1> {
    Tensor::from_floats(kept, &Device::flex())
}

fn scalar(loss: Tensor<1>) -> f64 {
    f64::from(loss.into_scalar::<f32>())
}
