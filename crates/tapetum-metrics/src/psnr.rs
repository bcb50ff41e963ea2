//! Peak signal-to-noise ratio: `10 log10(255² / MSE)` in dB; higher is better, equal images give
//! infinity.

use crate::{
    MetricError, Picture,
    pixel_errors::{mean_of_channels, mse, plane_mse},
    scorable::expect_scorable_pair,
};

/// PSNR in dB from the mean squared error over all pixels and the three channels together: the number
/// of most papers on low light. Higher is better; infinite for equal images.
///
/// # Errors
/// When the two differ in size or hold no pixel.
pub fn psnr_rgb(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    Ok(decibels(mse(enhanced, reference)?))
}

/// PSNR in dB of [`Picture::luma_601`] with the peak 255, as BasicSR takes it. Higher is better; infinite
/// for equal lumas.
///
/// # Errors
/// When the two differ in size or hold no pixel.
pub fn psnr_y(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("psnr-y", 1, enhanced, reference)?;
    Ok(decibels(plane_mse(&enhanced.luma_601(), &reference.luma_601())))
}

/// Mean of the PSNR in dB of red, of green and of blue; at least [`psnr_rgb`]. Higher is better;
/// infinite when one channel is equal.
///
/// # Errors
/// When the two differ in size or hold no pixel.
pub fn psnr_channel_mean(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("psnr-channel-mean", 1, enhanced, reference)?;
    Ok(mean_of_channels(enhanced, reference, |a, b| decibels(plane_mse(a, b))))
}

fn decibels(mse_255: f64) -> f64 {
    10.0 * (255.0 * 255.0 / mse_255).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, value: f32) -> Picture {
        Picture::from_rgb(width, height, &vec![value; width * height * 3])
    }

    #[test]
    fn a_known_error_gives_the_known_score() {
        let (reference, enhanced) = (grey(2, 2, 0.5), grey(2, 2, 0.6));
        assert!((psnr_rgb(&enhanced, &reference).unwrap() - 20.0).abs() < 1e-5);
        assert!((psnr_channel_mean(&enhanced, &reference).unwrap() - 20.0).abs() < 1e-5);
        // Luma spans 219 of 255 levels.
        let expected = 20.0 + 20.0 * (255.0f64 / 219.0).log10();
        assert!((psnr_y(&enhanced, &reference).unwrap() - expected).abs() < 1e-5);
    }

    #[test]
    fn equal_images_score_infinity() {
        let picture = grey(3, 1, 0.3);
        for score in [psnr_rgb, psnr_y, psnr_channel_mean] {
            assert_eq!(score(&picture, &picture).unwrap(), f64::INFINITY);
        }
    }

    #[test]
    fn other_sizes_and_no_pixels_are_errors() {
        for score in [psnr_rgb, psnr_y, psnr_channel_mean] {
            let sizes = score(&grey(2, 3, 0.1), &grey(3, 2, 0.1));
            assert!(matches!(sizes, Err(MetricError::Sizes { first_width: 2, .. })));
            let empty = score(&grey(0, 0, 0.0), &grey(0, 0, 0.0));
            assert!(matches!(empty, Err(MetricError::TooSmall { .. })));
        }
    }
}
