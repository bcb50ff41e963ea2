//! The quadratic light-enhancement curve, applied in steps.

use burn::tensor::Tensor;

/// Applies `u_n = u_{n-1} + r_n (u_{n-1}² - u_{n-1})` for each step's curve map `r_n`, starting at
/// the image; negative maps brighten. With `|r_n| <= 1` a value in 0..1 stays there
/// ([Guo 2020] Eq. 3; SCL-LLE `lowlight_model.py`).
///
/// # Shapes
/// `image`: `[batch, 3, height, width]`; `curve_maps`: `[batch, 3 * steps, height, width]`, the
/// first step's three maps first; result: as `image`.
pub fn apply_curves(image: Tensor<4>, curve_maps: Tensor<4>) -> Tensor<4> {
    let [_, n_channels, _, _] = image.dims();
    let n_steps = curve_maps.dims()[1] / n_channels;
    (0..n_steps).fold(image, |value, step| {
        let rate = curve_maps.clone().narrow(1, step * n_channels, n_channels);
        value.clone() + rate * (value.clone() * value.clone() - value)
    })
}
