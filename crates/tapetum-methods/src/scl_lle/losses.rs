//! The terms of SCL-LLE's loss, one function an equation. Each returns a scalar.

use tapetum_nn::prelude::Tensor;

use burn::tensor::Int;

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
    let labels = labels.unsqueeze_dim::<4>(1);
    // [batch, classes, height, width], one where a pixel is of the class.
    let masks = (0..n_classes).map(|class| labels.clone().equal_elem(class as i64).float());
    let masks = Tensor::cat(masks.collect(), 1);
    let n_pixels = masks.clone().sum_dims(&[2, 3]).clamp_min(1.0);
    let class_means = (masks.clone() * brightness.clone()).sum_dims(&[2, 3]) / n_pixels;
    square((brightness - class_means) * masks).sum() / (n_batch * height * width) as f64
}

/// `Ȳ`: mean of the three channels of each pixel, `[batch, 1, height, width]`.
fn brightness(image: Tensor<4>) -> Tensor<4> {
    image.mean_dim(1)
}

fn square<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.clone() * tensor
}
