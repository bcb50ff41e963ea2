//! The terms of the loss, as functions of images. Images are sRGB-encoded, 0..1.

use tapetum_nn::{ops::Activation, prelude::*};

/// Side of the window of sharpening.
const WINDOW_PX: i64 = 51;
/// OpenCV's deviation for that window: `0.3 ((51 - 1) / 2 - 1) + 0.8`.
const WINDOW_DEVIATION: f64 = 8.0;
/// Share of the difference from the blurred image that is added.
const SHARPENING: f64 = 0.5;
/// Larger differences are edges.
const EDGE_MIN: f64 = 10.0 / 255.0;
/// Keeps the division from failing where the bright image is black.
const LIGHT_MIN: f64 = 1e-4;

/// `G̃`, the reference with its edges sharpened (`USMSharp` of Real-ESRGAN, as the authors use it): with the blurred
/// image `b` and `r = G - b`, the mask `M` of `|r| > 10/255`, blurred the same way, mixes `clip(G + r/2)` in. No
/// gradient goes through.
///
/// # Shapes
/// `reference` and result: `[batch, 3, height, width]`.
pub fn sharpened(reference: Tensor<4>) -> Tensor<4> {
    let reference = reference.detach();
    let residual = reference.clone() - blurred(reference.clone());
    let mask = blurred(residual.clone().abs().greater_elem(EDGE_MIN).float());
    let sharp = (reference.clone() + residual * SHARPENING).clamp(0.0, 1.0);
    mask.clone() * sharp + (-mask + 1.0) * reference
}

/// By a Gaussian window; the image goes on by reflection.
fn blurred(image: Tensor<4>) -> Tensor<4> {
    let [batch, n, height, width] = image.dims();
    let device = image.device();
    let [rows, columns] = [height, width].map(|side| window(side, &device));
    let planes = image.reshape([batch * n, height, width]);
    ops::matmul(ops::matmul(rows, planes), columns.swap_dims(1, 2))
        .reshape([batch, n, height, width])
}

/// A matrix whose product with a column of `side` pixels is that column, blurred: `[1, side, side]`.
fn window(side: usize, device: &Device) -> Tensor<3> {
    let tap = |offset: i64| (-0.5 * (offset as f64 / WINDOW_DEVIATION).powi(2)).exp();
    let reach = WINDOW_PX / 2;
    let sum: f64 = (-reach..=reach).map(tap).sum();
    let last = side as i64 - 1;
    let period = (2 * last).max(1);
    let mut values = vec![0.0; side * side];
    for (row, values) in values.chunks_exact_mut(side).enumerate() {
        for offset in -reach..=reach {
            let place = (row as i64 + offset).rem_euclid(period);
            values[place.min(period - place).min(last) as usize] += tap(offset) / sum;
        }
    }
    let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, [1, side, side]), device)
}

/// `L_pix = mean |y - G̃|` and each layer's part of `L_perc`, the same of features.
///
/// # Shapes
/// Both of one shape. Only `made` gets a gradient.
pub fn absolute(made: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    (made - target.detach()).abs().mean()
}

/// How much light each pixel of `low` lacks, `|V(ℓ) - V(x)| / (V(ℓ) + 1e-4)`, `V` the largest of the channels; at most
/// 1, as the map is. (The authors let it grow, to hundreds where noise lies on black, and those pixels rule the term.)
///
/// # Shapes
/// `normal` (the bright image at the size of the dark one) and `low`: `[batch, 3, height, width]`; result:
/// `[batch, 1, height, width]`.
pub fn missing_light(normal: Tensor<4>, low: Tensor<4>) -> Tensor<4> {
    let [normal, low] = [normal, low].map(|image| image.max_dim(1));
    ((normal.clone() - low).abs() / (normal + LIGHT_MIN)).clamp_max(1.0)
}

/// `L_ue = mean (A - A*)²`, `A*` that of [`missing_light`].
///
/// # Shapes
/// Both `[batch, 1, height, width]`. Only `map` gets a gradient.
pub fn illumination_prior(map: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let difference = map - target.detach();
    (difference.clone() * difference).mean()
}

/// `L_tv = 2 (Σ (∂_v A)² / ((h-1) w) + Σ (∂_h A)² / (h (w-1)))`, the mean over the images; a side of one pixel has no
/// differences.
///
/// # Shapes
/// `map`: `[batch, 1, height, width]`.
pub fn smoothness(map: Tensor<4>) -> Tensor<1> {
    let [batch, _, height, width] = map.dims();
    let along = |dim: usize, side: usize, n_differences: usize| {
        let [before, after] = [0, 1].map(|first| map.clone().narrow(dim, first, side - 1));
        let difference = after - before;
        (difference.clone() * difference).sum() / n_differences as f64
    };
    let zero = || Tensor::zeros([1], &map.device());
    let vertical = if height > 1 { along(2, height, (height - 1) * width) } else { zero() };
    let horizontal = if width > 1 { along(3, width, height * (width - 1)) } else { zero() };
    (vertical + horizontal) * (2.0 / batch as f64)
}

/// The binary cross-entropy of logits and the judgement that they should be: photographs where `is_real`.
pub fn judged(logits: Tensor<4>, is_real: bool) -> Tensor<1> {
    // `ln (1 + e^±z)`, of which neither part overflows.
    let wrong = if is_real { -logits } else { logits };
    let tail = (-wrong.clone().abs()).exp().log1p();
    (ops::activate(wrong, Activation::Relu) + tail).mean()
}

/// `L / (2 ϱ²) + ln (1 + ϱ²)` of one term and its learned weight.
///
/// # Shapes
/// Both `[1]`.
pub fn weighed(loss: Tensor<1>, weight: Tensor<1>) -> Tensor<1> {
    let square = weight.clone() * weight;
    loss / (square.clone() * 2.0) + square.log1p()
}
