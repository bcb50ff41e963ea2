//! The terms of Semi-LLIE's loss, one function an equation. Each returns a scalar.

use tapetum_nn::{
    ops::{Activation, PaddingMode},
    prelude::*,
};

use crate::tagging::Semantics;

/// Share of absolute differences in [`structure`]; squares have the rest.
const ABSOLUTE_SHARE: f64 = 0.8;
/// Keeps the square root of [`gradient_map`] differentiable on even areas.
const GRADIENT_EPSILON: f64 = 1e-6;
/// Keeps the ratios of [`semantic_contrast`] finite.
const RATIO_EPSILON: f64 = 1e-7;

/// `L_str = 0.8 mean |Ŷ - Y| + 0.2 mean (Ŷ - Y)²`: the enhanced image is the reference (`loss/losses.py`,
/// `trainer_with_grad_ramperceputal.py`).
///
/// # Shapes
/// Both `[batch, 3, height, width]`.
pub fn structure(enhanced: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
    let difference = enhanced - reference;
    let squares = (difference.clone() * difference.clone()).mean();
    difference.abs().mean() * ABSOLUTE_SHARE + squares * (1.0 - ABSOLUTE_SHARE)
}

/// `L_per = 1/J Σ_j mean (φ_j(Ŷ) - φ_j(Y))²`: an encoder finds the same features at every one of its `J`
/// levels (`loss/ram_perceputal.py`). Only `enhanced` gets a gradient.
///
/// # Shapes
/// Levels as in [`Semantics::pyramid`].
///
/// # Panics
/// When there is no level, or not the same number of them on both sides.
pub fn perceptual(enhanced: &[Tensor<4>], reference: &[Tensor<4>]) -> Tensor<1> {
    assert_eq!(enhanced.len(), reference.len(), "as many levels on both sides");
    let levels = enhanced.iter().zip(reference);
    let distances = levels.map(|(enhanced, reference)| {
        let difference = enhanced.clone() - reference.clone().detach();
        (difference.clone() * difference).mean()
    });
    let sum = distances.reduce(|sum, distance| sum + distance).expect("there is a level");
    sum / enhanced.len() as f64
}

/// `∇X = √(v² + h² + 1e-6)` of every channel, `v` and `h` the differences of the neighbours below and above,
/// right and left; zeros lie around the image (`GetGradientNopadding`).
///
/// # Shapes
/// `image` and result: `[batch, 3, height, width]`.
pub fn gradient_map(image: Tensor<4>) -> Tensor<4> {
    let device = image.device();
    let differences = |kernel: [f32; 9]| {
        let kernel = Tensor::<1>::from_floats(kernel, &device).reshape([1, 1, 3, 3]);
        let (zeros, linear) = (PaddingMode::Zeros, Activation::Identity);
        let kernels = kernel.repeat_dim(0, 3);
        let result = ops::depthwise_conv2d(image.clone(), kernels, None, 1, zeros, linear);
        result.clone() * result
    };
    let vertical = differences([0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let horizontal = differences([0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    (vertical + horizontal + GRADIENT_EPSILON).sqrt()
}

/// `L_grad = mean |∇Ŷ - ∇Y|`: edges are where the reference has them (`trainer_with_grad_ramperceputal.py`,
/// which adds it twice: the weight says so).
///
/// # Shapes
/// Both `[batch, 3, height, width]`.
pub fn gradient(enhanced: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
    (gradient_map(enhanced) - gradient_map(reference)).abs().mean()
}

/// `L_cons = mean |s - t|`, over the images that `kept` has a 1 for: the student gives what the teacher gives.
/// 0 where there is none. Only `student` gets a gradient.
///
/// # Shapes
/// Images: `[batch, 3, height, width]`; `kept`: `[batch]`, 0 or 1.
pub fn consistency(student: Tensor<4>, teacher: Tensor<4>, kept: Tensor<1>) -> Tensor<1> {
    let [n_batch, ..] = student.dims();
    let distances = (student - teacher.detach()).abs().mean_dims(&[1, 2, 3]).reshape([n_batch]);
    mean_of_kept(distances, kept)
}

/// `L_cr = d(E(s), E(t)) / (d(E(s), E(u)) + 1e-7) + d(ℓ(s), ℓ(t)) / (d(ℓ(s), ℓ(u)) + 1e-7)`, with `d` the mean
/// absolute difference, `E` the tokens and `ℓ` the logits: the student's image says what the teacher's says,
/// and not what the dark one says ([Wu 2021] Eq. 8; `loss/ram_contrast.py`). Each image has its own ratio; 0
/// where none is kept. Only `anchor` gets a gradient.
///
/// # Shapes
/// As in [`Semantics`]; `kept`: `[batch]`, 0 or 1.
// Deviation: the authors' distances are means over the batch, so that one image's ratio depends on others.
pub fn semantic_contrast(
    anchor: &Semantics,
    positive: &Semantics,
    negative: &Semantics,
    kept: Tensor<1>,
) -> Tensor<1> {
    let tokens = |semantics: &Semantics| semantics.tokens.clone().flatten::<2>(1, 2);
    let of_tokens = ratio(tokens(anchor), tokens(positive), tokens(negative));
    let logits = |semantics: &Semantics| semantics.logits.clone();
    let of_logits = ratio(logits(anchor), logits(positive), logits(negative));
    mean_of_kept(of_tokens + of_logits, kept)
}

/// Of every row, how much nearer it is to that of the positive than to that of the negative; `[batch]`.
fn ratio(anchor: Tensor<2>, positive: Tensor<2>, negative: Tensor<2>) -> Tensor<1> {
    let distance = |other: Tensor<2>| (anchor.clone() - other.detach()).abs().mean_dim(1);
    let ratio = distance(positive) / (distance(negative) + RATIO_EPSILON);
    ratio.squeeze_dim(1)
}

fn mean_of_kept(values: Tensor<1>, kept: Tensor<1>) -> Tensor<1> {
    let n_kept = kept.clone().sum().clamp_min(1.0);
    (values * kept).sum() / n_kept
}
