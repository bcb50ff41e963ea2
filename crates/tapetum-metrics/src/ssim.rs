//! Structural similarity [Wang 2004], in the variants that published tables use.

use crate::{
    MetricError, Picture, Plane,
    filter::{Border, gaussian, slide, uniform},
    pixel_errors::mean_of_channels,
    scorable::expect_scorable_pair,
};

/// Which SSIM: window, border, covariance and colour differ between programs, and so do the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SsimVariant {
    /// Gaussian 11x11 of σ 1.5, windows inside the image, mean over red, green and blue: BasicSR's, and
    /// the usual one of papers. At least 11 pixels a side.
    GaussValid,
    /// Uniform 7x7, sample covariance (49/48), windows inside the image, channel mean: the default of
    /// scikit-image. At least 7 pixels a side.
    SkUniform,
    /// scikit-image with Gaussian weights of σ 1.5 and population covariance. It leaves out the border
    /// that its reflection touches, so the value is that of `GaussValid`. At least 11 pixels a side.
    SkGauss,
    /// Gaussian 11x11 of σ 1.5 at every pixel with zeros around the image, channel mean: the widespread
    /// `pytorch-ssim`. Any size.
    TorchSame,
    /// `GaussValid` with two guesses: the peak L is 255 where the enhanced image has a value over 128 and
    /// 1 otherwise, and an image smaller than the window shrinks the window. Programs that give this
    /// function values in 0..1 report `GaussValid` in effect. Any size.
    TorchValidAuto,
    /// `GaussValid` of [`Picture::luma_601`], not rounded. At least 11 pixels a side.
    YGauss,
}

impl SsimVariant {
    /// All of them, the usual one first.
    pub const ALL: [Self; 6] = [
        Self::GaussValid,
        Self::SkUniform,
        Self::SkGauss,
        Self::TorchSame,
        Self::TorchValidAuto,
        Self::YGauss,
    ];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussValid => "gauss-valid",
            Self::SkUniform => "sk-uniform",
            Self::SkGauss => "sk-gauss",
            Self::TorchSame => "torch-same",
            Self::TorchValidAuto => "torch-valid-auto",
            Self::YGauss => "y-gauss",
        }
    }

    fn side_min(self) -> usize {
        match self {
            Self::GaussValid | Self::SkGauss | Self::YGauss => 11,
            Self::SkUniform => 7,
            Self::TorchSame | Self::TorchValidAuto => 1,
        }
    }

    fn window(self, enhanced: &Picture) -> Window {
        match self {
            Self::GaussValid | Self::SkGauss | Self::YGauss => Window::wang(),
            Self::SkUniform => {
                Window { taps: uniform(7), sample_factor: 49.0 / 48.0, ..Window::wang() }
            }
            Self::TorchSame => Window { border: Border::Zero, ..Window::wang() },
            Self::TorchValidAuto => {
                let n_taps = enhanced.width().min(enhanced.height()).min(11);
                let is_8_bit = enhanced.planes.iter().flat_map(|p| &p.values).any(|&v| v > 128.0);
                let peak = if is_8_bit { 255.0 } else { 1.0 };
                Window { taps: gaussian(n_taps, 1.5), peak, ..Window::wang() }
            }
        }
    }
}

/// Mean SSIM: `(2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2))` over all windows, with
/// `C1 = (0.01 L)²`, `C2 = (0.03 L)²` and L = 255 [Wang 2004]. -1..1, 1 for equal images; higher is
/// better.
///
/// # Errors
/// When the two differ in size or are too small for the variant.
pub fn ssim(
    enhanced: &Picture,
    reference: &Picture,
    variant: SsimVariant,
) -> Result<f64, MetricError> {
    expect_scorable_pair(variant.name(), variant.side_min(), enhanced, reference)?;
    let window = variant.window(enhanced);
    let score = |enhanced: &Plane, reference: &Plane| similarity(enhanced, reference, &window).ssim;
    Ok(match variant {
        SsimVariant::YGauss => score(&enhanced.luma_601(), &reference.luma_601()),
        _ => mean_of_channels(enhanced, reference, score),
    })
}

/// What slides over the image, and how its moments become a similarity.
#[derive(Debug)]
pub(crate) struct Window {
    taps: Vec<f64>,
    border: Border,
    /// What makes a population covariance the one wanted.
    sample_factor: f64,
    /// The largest value, L.
    peak: f64,
}

impl Window {
    /// The window of [Wang 2004].
    pub(crate) fn wang() -> Self {
        Self { taps: gaussian(11, 1.5), border: Border::Valid, sample_factor: 1.0, peak: 255.0 }
    }
}

/// Means over all windows.
#[derive(Debug, Default)]
pub(crate) struct Similarity {
    /// Luminance times contrast and structure.
    pub(crate) ssim: f64,
    /// Contrast and structure alone, `cs`.
    pub(crate) contrast: f64,
}

/// SSIM of two planes of one size that hold at least one window.
pub(crate) fn similarity(first: &Plane, second: &Plane, window: &Window) -> Similarity {
    let [c1, c2] = [0.01, 0.03].map(|k| (k * window.peak).powi(2));
    let mut sum = Similarity::default();
    let mut n_windows = 0;
    // The variances occur only as their sum: four quantities are enough.
    let quantities = |a: f64, b: f64| [a, b, a * a + b * b, a * b];
    slide(
        [first, second],
        &window.taps,
        window.border,
        quantities,
        |[mean_a, mean_b, squares, product]| {
            n_windows += mean_a.len();
            let means = mean_a.iter().zip(mean_b);
            for ((&a, &b), (&squares, &product)) in means.zip(squares.iter().zip(product)) {
                let variances = window.sample_factor * (squares - a * a - b * b);
                let covariance = window.sample_factor * (product - a * b);
                let contrast = (2.0 * covariance + c2) / (variances + c2);
                sum.ssim += contrast * (2.0 * a * b + c1) / (a * a + b * b + c1);
                sum.contrast += contrast;
            }
        },
    );
    let n_windows = n_windows as f64;
    Similarity { ssim: sum.ssim / n_windows, contrast: sum.contrast / n_windows }
}
