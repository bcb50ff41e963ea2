//! Peak signal-to-noise ratio.

/// PSNR in dB over all pixels and channels together: `10 log10(1 / MSE)`, for values in 0..1.
/// Infinite for equal images.
///
/// # Panics
/// When the two differ in length or are empty.
pub fn psnr_rgb(enhanced: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(enhanced.len(), reference.len(), "images of one size");
    assert!(!reference.is_empty(), "an image has pixels");
    let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
    let mse = enhanced.iter().zip(reference).map(square).sum::<f64>() / reference.len() as f64;
    -10.0 * mse.log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_error_gives_the_known_score() {
        let reference = [0.5; 12];
        assert!((psnr_rgb(&[0.6; 12], &reference) - 20.0).abs() < 1e-5);
        assert_eq!(psnr_rgb(&reference, &reference), f64::INFINITY);
    }
}
