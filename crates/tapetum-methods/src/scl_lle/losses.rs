//! The terms of SCL-LLE's loss, one function an equation. Each returns a scalar.

use burn::tensor::Int;
use tapetum_nn::prelude::{Tensor, ops};

use crate::segmentation::losses::cross_entropy;

/// Keeps `sqrt` differentiable for a grey image.
const COLOR_EPSILON: f64 = 1e-12;

/// `L_tv = (2/B) [Σ(∂_v A)²/((H-1)W) + Σ(∂_h A)²/(H(W-1))]`: neighbouring pixels get similar curves.
/// The sums run over batch and channels, the denominators over space only (`Myloss.py`, `L_TV`).
///
/// # Shapes
/// `curve_maps`: `[batch, 24, height, width]` with height and width of at least 2.
pub fn curve_smoothness(curve_maps: Tensor<4>) -> Tensor<1> {
    let [n_batch, _, height, width] = curve_maps.dims();
    let a = curve_maps;
    let vertical = a.clone().narrow(2, 1, height - 1) - a.clone().narrow(2, 0, height - 1);
    let horizontal = a.clone().narrow(3, 1, width - 1) - a.narrow(3, 0, width - 1);
    let vertical = square(vertical).sum() / ((height - 1) * width) as f64;
    let horizontal = square(horizontal).sum() / (height * (width - 1)) as f64;
    (vertical + horizontal) * (2.0 / n_batch as f64)
}

/// `L_col = mean_b sqrt(D_rg² + D_rb² + D_gb²)` with `D_xy = (mean x - mean y)²`: the enhanced image
/// is grey on average (`Myloss.py`, `L_color`).
///
/// # Shapes
/// `enhanced`: `[batch, 3, height, width]`.
pub fn color_constancy(enhanced: Tensor<4>) -> Tensor<1> {
    let means = enhanced.mean_dims(&[2, 3]);
    let channel = |idx| means.clone().narrow(1, idx, 1);
    let distance = |a, b| square(square(channel(a) - channel(b)));
    let sum = distance(0, 1) + distance(0, 2) + distance(1, 2);
    ((sum + COLOR_EPSILON).sqrt() - COLOR_EPSILON.sqrt()).mean()
}

/// `L_cb = max(0, d(I, P) - d(I, N) + margin)` with `d(X, Y) = mean |Ȳ(X) - Ȳ(Y)|` pixel by pixel:
/// brighter than badly lit photographs by a margin, as bright as well-lit ones. The images are
/// unrelated, so this acts on average exposure (`Myloss.py`, margin 0.3).
///
/// # Shapes
/// All `[batch, 3, height, width]`.
pub fn brightness_contrast(
    enhanced: Tensor<4>,
    positive: Tensor<4>,
    negative: Tensor<4>,
    margin: f64,
) -> Tensor<1> {
    let enhanced = brightness(enhanced);
    let to_positive = (enhanced.clone() - brightness(positive)).abs().mean();
    let to_negative = (enhanced - brightness(negative)).abs().mean();
    (to_positive - to_negative + margin).clamp_min(0.0)
}

/// `L_cs = max(0, d(I, P) - d(I, N) + margin)` with `d(X, Y)` the [`gram_distance`] divided by `B/2`: in
/// its textures closer to well-lit photographs than to badly lit ones by a margin (`Myloss.py`, margin
/// 0.04). Neither `positive` nor `negative` gets a gradient.
///
/// # Shapes
/// Features of the images at several stages, each `[batch, channels, height, width]`.
// Deviation: the authors' distance is the sum over the batch, which ties the margin to their two images.
pub fn style_contrast(
    enhanced: &[Tensor<4>],
    positive: &[Tensor<4>],
    negative: &[Tensor<4>],
    margin: f64,
) -> Tensor<1> {
    let n_batch = enhanced.first().map_or(0, |features| features.dims()[0]);
    let fixed = |features: &[Tensor<4>]| -> Vec<Tensor<4>> {
        features.iter().map(|features| features.clone().detach()).collect()
    };
    let distance = |features| gram_distance(enhanced, &fixed(features)) * (2.0 / n_batch as f64);
    (distance(positive) - distance(negative) + margin).clamp_min(0.0)
}

/// `Σ_l Σ_{b,i,j} (G_l(X) - G_l(Y))²` of the stages `l`, a sum over batch and matrix (`Myloss.py`).
///
/// # Shapes
/// Stages as in [`style_contrast`].
///
/// # Panics
/// When there is no stage, or not the same number of them on both sides.
pub fn gram_distance(first: &[Tensor<4>], second: &[Tensor<4>]) -> Tensor<1> {
    assert_eq!(first.len(), second.len(), "as many stages on both sides");
    let stages = first.iter().zip(second);
    let distances = stages.map(|(x, y)| square(gram(x.clone()) - gram(y.clone())).sum());
    distances.reduce(|sum, distance| sum + distance).expect("there is a stage")
}

/// `G(X) = F Fᵀ / (C H W)`: how channels go together, wherever in the image (`Myloss.py`).
///
/// # Shapes
/// `features`: `[batch, channels, height, width]`; result: `[batch, channels, channels]`.
fn gram(features: Tensor<4>) -> Tensor<3> {
    let [n_batch, n_channels, height, width] = features.dims();
    // `[batch, pixels, channels]`, as the features lie in memory.
    let features = features.permute([0, 2, 3, 1]);
    let features = features.reshape([n_batch, height * width, n_channels]);
    let products = ops::matmul(features.clone().swap_dims(1, 2), features);
    products / (n_channels * height * width) as f64
}

/// `L_per = mean (F(I_L) - F(I_H))²`: what is in the image stays (`Myloss.py`). Only `enhanced` gets a
/// gradient.
///
/// # Shapes
/// Features of one stage, `[batch, channels, height, width]`.
pub fn feature_preservation(low: Tensor<4>, enhanced: Tensor<4>) -> Tensor<1> {
    square(enhanced - low.detach()).mean()
}

/// `L_ce`, [`cross_entropy`]: a segmenter finds the classes that are there (`train.py`).
///
/// # Shapes
/// `logits`: `[batch, classes, height, width]`, at least `n_classes` of them; `labels`: `[batch, height,
/// width]`, values of `n_classes` and above are void.
// Deviation: the gradient flows; see the front page.
pub fn segmentation(logits: Tensor<4>, labels: Tensor<3, Int>, n_classes: usize) -> Tensor<1> {
    // The segmenter may have a class for void, which is not to be learned.
    let beyond = logits.dims()[1] as i64;
    let is_void = labels.clone().greater_equal_elem(n_classes as i64);
    cross_entropy(logits, labels.mask_fill(is_void, beyond))
}

/// `L_sbc = 1/(BHW) Σ_b Σ_i Σ_{p in class i of image b} (Ȳ(p) - μ_{b,i})²`: pixels of one class in
/// one image are similarly bright.
///
/// # Shapes
/// `enhanced`: `[batch, 3, height, width]`; `labels`: `[batch, height, width]`, values of
/// `n_classes` and above are void.
// Deviation: the mean is that of the class in the image, with full gradient; see the front page.
pub fn class_brightness(
    enhanced: Tensor<4>,
    labels: Tensor<3, Int>,
    n_classes: usize,
) -> Tensor<1> {
    let [n_batch, _, height, width] = enhanced.dims();
    let brightness = brightness(enhanced);
    let masks = class_masks(labels, n_classes);
    let n_pixels = masks.clone().sum_dims(&[2, 3]).clamp_min(1.0);
    let class_means = (masks.clone() * brightness.clone()).sum_dims(&[2, 3]) / n_pixels;
    square((brightness - class_means) * masks).sum() / (n_batch * height * width) as f64
}

/// What the authors' routine for `L_sbc` computes: with `m_i = 1/(B²HW) Σ_{b,b'} Σ_{p in class i of
/// image b'} Ȳ_b(p)`, a constant without gradient, `1/(B²HW) Σ_i Σ_{b,b'} Σ_{p in class i of image b',
/// Ȳ_b(p) ≠ 0} (Ȳ_b(p) - m_i)²` (`Myloss.py`, by broadcasting). Every image meets the labels of all, and
/// the means are over all pixels; see the front page.
///
/// # Shapes
/// As [`class_brightness`].
pub fn class_brightness_released(
    enhanced: Tensor<4>,
    labels: Tensor<3, Int>,
    n_classes: usize,
) -> Tensor<1> {
    let [n_batch, _, height, width] = enhanced.dims();
    let n_cells = (n_batch * n_batch * height * width) as f64;
    let brightness = brightness(enhanced);
    // [1, classes, height, width]: how many images have the class there.
    let counts = class_masks(labels, n_classes).sum_dim(0);
    let sums = (counts.clone() * brightness.clone().detach()).sum_dims(&[0, 2, 3]);
    let is_lit = brightness.clone().detach().not_equal_elem(0.0).float();
    (square(brightness - sums / n_cells) * counts * is_lit).sum() / n_cells
}

/// One where a pixel is of the class, `[batch, classes, height, width]`.
fn class_masks(labels: Tensor<3, Int>, n_classes: usize) -> Tensor<4> {
    let labels = labels.unsqueeze_dim::<4>(1);
    let masks = (0..n_classes).map(|class| labels.clone().equal_elem(class as i64).float());
    Tensor::cat(masks.collect(), 1)
}

/// `Ȳ`: mean of the three channels of each pixel, `[batch, 1, height, width]`.
fn brightness(image: Tensor<4>) -> Tensor<4> {
    image.mean_dim(1)
}

fn square<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.clone() * tensor
}
