//! The terms of LACR-VAE's loss, one function an equation. Each returns a scalar; which of them the paper has,
//! and how, is our reconstruction.

use tapetum_nn::{ops::PoolOptions, prelude::*};

/// How much each scale of [`visual`] counts, the finest first ([Wang 2003] §3.2).
const SCALE_WEIGHTS: [f32; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// Side of the window of [`visual`], and its standard deviation.
const WINDOW_PX: usize = 11;
const WINDOW_DEVIATION: f64 = 1.5;
/// Keep the quotients of [`visual`] finite, for values of 0..1 ([Wang 2004] Eq. 13).
const STABILIZERS: [f32; 2] = [1e-4, 9e-4];
/// Similarities below this count as this, so that their powers have gradients.
const SIMILARITY_MIN: f32 = 1e-6;
/// Keeps the ratios of [`contrast_ratio`] finite.
const RATIO_EPSILON: f64 = 1e-7;
/// Keeps the lengths of [`contrast_classification`] above 0.
const LENGTH_MIN: f64 = 1e-12;
/// `τ` of [`contrast_classification`].
const TEMPERATURE: f64 = 0.07;

/// `L_rec = mean (Ŷ - Y)²`.
///
/// # Shapes
/// Both `[batch, 3, height, width]`.
pub fn squared(enhanced: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
    let difference = enhanced - reference;
    (difference.clone() * difference).mean()
}

/// `L_rec = mean |Ŷ - Y|`.
///
/// # Shapes
/// Both `[batch, 3, height, width]`.
pub fn absolute(enhanced: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
    (enhanced - reference).abs().mean()
}

/// `L_vis = 1 - MS-SSIM(Ŷ, Y)` ([Wang 2003] Eq. 7), of every channel of every image and then the mean: five
/// scales, or as many as have room for the window of 11x11, whose weights are divided by their sum then.
/// Windows lie inside the image. LRCR-Net has it without a gradient.
///
/// # Shapes
/// Both `[batch, channels, height, width]`.
///
/// # Panics
/// When a side is below 11 pixels.
pub fn visual(enhanced: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
    let [_, _, height, width] = enhanced.dims();
    let side = height.min(width);
    assert!(side >= WINDOW_PX, "sides of at least {WINDOW_PX} pixels, got {height}x{width}");
    let n_scales = (1..SCALE_WEIGHTS.len()).take_while(|n| side >> n >= WINDOW_PX).count() + 1;
    let is_whole = n_scales == SCALE_WEIGHTS.len();
    let sum = if is_whole { 1.0 } else { SCALE_WEIGHTS[..n_scales].iter().sum() };
    let (mut enhanced, mut reference) = (enhanced, reference);
    let mut product: Option<Tensor<1>> = None;
    for (scale, weight) in SCALE_WEIGHTS[..n_scales].iter().enumerate() {
        let [luminance, structure] = similarity(enhanced.clone(), reference.clone());
        let similarity = match scale + 1 == n_scales {
            true => luminance * structure,
            false => structure,
        };
        let n = similarity.dims()[0];
        let mean = similarity.mean_dims(&[1, 2]).reshape([n]).clamp_min(SIMILARITY_MIN);
        let power = mean.powf_scalar(weight / sum);
        product = Some(product.map_or(power.clone(), |product| product * power));
        let halves = PoolOptions::tiles([2, 2]);
        [enhanced, reference] =
            [enhanced, reference].map(|image| ops::average_pool2d(image, &halves));
    }
    -product.expect("there is a scale").mean() + 1.0
}

/// Luminance, and contrast times structure, of every window of every channel, `[batch · channels, rows,
/// columns]` ([Wang 2004] Eq. 6, 13).
fn similarity(first: Tensor<4>, second: Tensor<4>) -> [Tensor<3>; 2] {
    let [batch, n_channels, height, width] = first.dims();
    let n = batch * n_channels;
    let [first, second] = [first, second].map(|image| image.reshape([n, height, width]));
    let moments = vec![
        first.clone(),
        second.clone(),
        first.clone() * first.clone(),
        second.clone() * second.clone(),
        first * second,
    ];
    // Means over windows, along rows and along columns.
    let device = moments[0].device();
    let [rows, columns] = [height, width].map(|side| window_means(side, &device));
    let means = ops::matmul(ops::matmul(rows, Tensor::cat(moments, 0)), columns.swap_dims(1, 2));
    let [a, b, aa, bb, ab] = [0, 1, 2, 3, 4].map(|moment| means.clone().narrow(0, moment * n, n));
    let [luminance_min, contrast_min] = STABILIZERS;
    let (product, squares) = (a.clone() * b.clone(), a.clone() * a + b.clone() * b);
    let luminance = (product.clone() * 2.0 + luminance_min) / (squares.clone() + luminance_min);
    let structure = ((ab - product) * 2.0 + contrast_min) / (aa + bb - squares + contrast_min);
    [luminance, structure]
}

/// A matrix whose product with a column of `side` pixels holds the means of all windows inside of it,
/// `[1, side - 10, side]`.
fn window_means(side: usize, device: &Device) -> Tensor<3> {
    let middle = (WINDOW_PX / 2) as f64;
    let bell: Vec<f64> = (0..WINDOW_PX)
        .map(|tap| (-0.5 * ((tap as f64 - middle) / WINDOW_DEVIATION).powi(2)).exp())
        .collect();
    let sum: f64 = bell.iter().sum();
    let n_windows = side - WINDOW_PX + 1;
    let mut values = vec![0.0f32; n_windows * side];
    for (window, row) in values.chunks_exact_mut(side).enumerate() {
        for (value, tap) in row[window..].iter_mut().zip(&bell) {
            *value = (tap / sum) as f32;
        }
    }
    Tensor::from_data(TensorData::new(values, [1, n_windows, side]), device)
}

/// `L_tex = mean (φ(Ŷ) - φ(Y))²`, `φ` the features of VGG-16 behind its last pooling (LRCR-Net). Only `enhanced`
/// gets a gradient.
///
/// # Shapes
/// Both of one shape.
pub fn texture(enhanced: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
    squared(enhanced, reference.detach())
}

/// `L_KL = mean ½ Σ_c (μ² + e^ℓ - 1 - ℓ)`: how far the latent's distribution is from N(0, 1), in nats, the
/// mean over images and places ([Kingma 2014] App. B).
///
/// # Shapes
/// Both `[batch, channels, height, width]`.
pub fn divergence(mean: Tensor<4>, log_variance: Tensor<4>) -> Tensor<1> {
    let n_channels = mean.dims()[1] as f64;
    let excess = log_variance.clone().exp() - 1.0 - log_variance;
    (mean.clone() * mean + excess).mean() * (0.5 * n_channels)
}

/// `L_LACR = ‖a - p‖₁ / (1/K Σ_k ‖a - n_k‖₁ + 1e-7)` of every image and then the mean, norms as means over the
/// values: latents of enhanced images are pulled to those of references and pushed from those of dark images
/// (the form of [Wu 2021] Eq. 8, on latents). Only `anchor` gets a gradient.
///
/// # Shapes
/// All `[batch, channels, height, width]`; there is a negative.
pub fn contrast_ratio(
    anchor: &Tensor<4>,
    positive: &Tensor<4>,
    negatives: &[Tensor<4>],
) -> Tensor<1> {
    let far = negatives.iter().map(|negative| distance(anchor, negative));
    let far = far.reduce(|sum, one| sum + one).expect("there is a negative");
    let far = far / negatives.len() as f64;
    (distance(anchor, positive) / (far + RATIO_EPSILON)).mean()
}

/// Mean absolute difference of every image, `[batch]`; only `anchor` gets a gradient.
pub(super) fn distance(anchor: &Tensor<4>, other: &Tensor<4>) -> Tensor<1> {
    let n_batch = anchor.dims()[0];
    let difference = (anchor.clone() - other.clone().detach()).abs();
    difference.mean_dims(&[1, 2, 3]).reshape([n_batch])
}

/// `-ln (e^(⟨u_a, u_p⟩/τ) / (e^(⟨u_a, u_p⟩/τ) + Σ_k e^(⟨u_a, u_nk⟩/τ)))` of every image and then the mean,
/// `u` the direction of a latent's mean over its places, `τ = 0.07` ([Oord 2018] Eq. 4). Only `anchor` gets a
/// gradient.
///
/// # Shapes
/// As in [`contrast_ratio`].
pub fn contrast_classification(
    anchor: &Tensor<4>,
    positive: &Tensor<4>,
    negatives: &[Tensor<4>],
) -> Tensor<1> {
    let own = direction(anchor.clone());
    let others = std::iter::once(positive).chain(negatives);
    let scores = others.map(|other| {
        let other = direction(other.clone().detach());
        (own.clone() * other).sum_dim(1) / TEMPERATURE
    });
    let scores = Tensor::cat(scores.collect(), 1);
    -burn::tensor::activation::log_softmax(scores, 1).narrow(1, 0, 1).mean()
}

/// `[batch, channels]`, of length 1.
fn direction(latent: Tensor<4>) -> Tensor<2> {
    let [n_batch, n_channels, ..] = latent.dims();
    let mean = latent.mean_dims(&[2, 3]).reshape([n_batch, n_channels]);
    let squares = (mean.clone() * mean.clone()).sum_dim(1);
    mean / squares.clamp_min(LENGTH_MIN * LENGTH_MIN).sqrt()
}
