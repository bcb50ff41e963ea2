//! BRISQUE: how natural an image's local statistics are, by a support vector machine that people's
//! scores trained.

use libm::tgamma;
use serde::Deserialize;

use crate::{
    MetricError, Picture, Plane,
    mscn::{Border, normalize},
    natural_scene::{SignedMoments, ratio},
    scorable::{expect_scorable, undefined},
    support_vectors::SupportVectors,
};

const METRIC: &str = "brisque";
/// Half the size must still hold a window of 7x7.
const SIDE_MIN: usize = 14;
const N_FEATURES: usize = 36;
/// Grey as scikit-image has it.
const GREY: [f64; 3] = [0.2125, 0.7154, 0.0721];
/// The ranges of 36 features are below 1 kB; nested lists must not be deep.
const RANGES_BYTES_MAX: usize = 4096;
/// Steps down and right to the neighbours that a pixel is multiplied with.
const SHIFTS: [(usize, isize); 4] = [(0, 1), (1, 0), (1, 1), (1, -1)];

/// A trained regression and the ranges that its features were scaled with.
#[derive(Debug, Clone, PartialEq)]
pub struct BrisqueModel {
    regression: SupportVectors,
    ranges: BrisqueRanges,
}

/// The smallest and largest value of each feature in training.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrisqueRanges {
    #[serde(rename = "min_")]
    lowest: Vec<f64>,
    #[serde(rename = "max_")]
    highest: Vec<f64>,
}

impl BrisqueRanges {
    /// From 36 smallest and 36 largest values.
    ///
    /// # Errors
    /// When there are more or fewer, one is not finite, or a largest is not above its smallest.
    pub fn new(lowest: Vec<f64>, highest: Vec<f64>) -> Result<Self, MetricError> {
        if (lowest.len(), highest.len()) != (N_FEATURES, N_FEATURES) {
            let found = format!("{} and {}", lowest.len(), highest.len());
            return bad(format!("expected ranges of 36 features, got {found}"));
        }
        let mut pairs = lowest.iter().zip(&highest);
        if !pairs.all(|(low, high)| low.is_finite() && high.is_finite() && low < high) {
            return bad("expected finite ranges that are not empty".into());
        }
        Ok(Self { lowest, highest })
    }

    /// From a pickled dictionary of two lists, `min_` and `max_`: `normalize.pickle` of the Python
    /// package `brisque`. Plain values only; nothing in it is run.
    ///
    /// # Errors
    /// When the bytes are more than 4 KiB or hold anything else.
    pub fn from_pickle(bytes: &[u8]) -> Result<Self, MetricError> {
        if bytes.len() > RANGES_BYTES_MAX {
            return bad(format!("expected at most {RANGES_BYTES_MAX} bytes, got {}", bytes.len()));
        }
        // Read into lists of numbers at once, not into a tree: a small pickle can name a huge one.
        let ranges: Self = serde_pickle::from_slice(bytes, serde_pickle::DeOptions::new())
            .or_else(|error| bad(error.to_string()))?;
        Self::new(ranges.lowest, ranges.highest)
    }

    /// Each feature's range moved to -1..1.
    fn scale(&self, features: &[f64; N_FEATURES]) -> [f64; N_FEATURES] {
        std::array::from_fn(|idx| {
            let (low, high) = (self.lowest[idx], self.highest[idx]);
            -1.0 + 2.0 * (features[idx] - low) / (high - low)
        })
    }
}

impl BrisqueModel {
    /// From a libsvm model file of a regression (`epsilon_svr` or `nu_svr`) with a radial kernel, and
    /// the ranges of its features.
    ///
    /// # Errors
    /// When the text is more than 4 MiB or is another kind of model.
    pub fn from_libsvm(model_text: &str, ranges: BrisqueRanges) -> Result<Self, MetricError> {
        let regression = SupportVectors::parse(model_text, N_FEATURES).or_else(bad)?;
        Ok(Self { regression, ranges })
    }
}

/// BRISQUE [Mittal 2012] as the Python package `brisque` computes it. About 0..100, may leave that
/// range; lower is better.
///
/// # Errors
/// When a side is below 14 pixels, or the image has no texture to fit distributions to.
pub fn brisque(picture: &Picture, model: &BrisqueModel) -> Result<f64, MetricError> {
    let features = brisque_features(picture)?;
    Ok(model.regression.predict(&model.ranges.scale(&features)))
}

/// The 36 features of BRISQUE: at full and at half size, shape and variance of the normalised values,
/// then shape, mean and both variances of their products with four neighbours.
///
/// Grey is `0.2125 R + 0.7154 G + 0.0721 B`; outside the image is zero; halving is bicubic (a = -0.75)
/// without antialiasing, as OpenCV's `resize`. Shapes are searched in 0.05..50.
///
/// Deviation: normalised values of flat areas are exactly zero here; in the package they are rounding
/// errors, whose signs count.
///
/// # Errors
/// When a side is below 14 pixels, or the image has no texture to fit distributions to.
pub fn brisque_features(picture: &Picture) -> Result<[f64; 36], MetricError> {
    expect_scorable(METRIC, SIDE_MIN, picture)?;
    let grey = picture.mix(GREY);
    let mut features = [0.0; N_FEATURES];
    let (fine, coarse) = features.split_at_mut(N_FEATURES / 2);
    fine.copy_from_slice(&scale_features(&grey));
    coarse.copy_from_slice(&scale_features(&halve(&grey)));
    if features.iter().all(|value| value.is_finite()) {
        Ok(features)
    } else {
        undefined(METRIC, "the image has no texture")
    }
}

fn scale_features(grey: &Plane) -> [f64; N_FEATURES / 2] {
    let normalized = normalize(grey, Border::Zero).values;
    let mut features = [0.0; N_FEATURES / 2];
    let own = fit(&SignedMoments::of(normalized.values.iter().copied()));
    features[..2].copy_from_slice(&[own.shape, 0.5 * (own.left.powi(2) + own.right.powi(2))]);
    for (found, shift) in features[2..].chunks_exact_mut(4).zip(SHIFTS) {
        let fitted = fit(&neighbour_products(&normalized, shift));
        let (left, right) = (fitted.left.powi(2), fitted.right.powi(2));
        found.copy_from_slice(&[fitted.shape, fitted.mean(), left, right]);
    }
    features
}

/// Products of all pairs of values that lie a step apart within the plane.
fn neighbour_products(plane: &Plane, (down, right): (usize, isize)) -> SignedMoments {
    let n_pairs = plane.width - right.unsigned_abs();
    let (start, partner_start) = ((-right).max(0) as usize, right.max(0) as usize);
    let products = (0..plane.height - down).flat_map(|y| {
        let values = &plane.row(y)[start..start + n_pairs];
        let partners = &plane.row(y + down)[partner_start..partner_start + n_pairs];
        values.iter().zip(partners).map(|(value, partner)| value * partner)
    });
    SignedMoments::of(products)
}

/// Shape and standard deviations of the two sides.
struct Fit {
    shape: f64,
    left: f64,
    right: f64,
}

/// Moment matching with the shape as a real number. Zeros count to the right side.
fn fit(moments: &SignedMoments) -> Fit {
    let left = (moments.negative_squares / moments.n_negative).sqrt();
    let right = (moments.positive_squares / (moments.n_values - moments.n_negative)).sqrt();
    Fit { shape: solve_shape(moments.corrected_ratio(left, right)), left, right }
}

impl Fit {
    /// `(σ_r - σ_l) √(Γ(1/α) / Γ(3/α)) Γ(2/α) / Γ(1/α)`.
    fn mean(&self) -> f64 {
        let [first, second, third] = [1.0, 2.0, 3.0].map(|n| tgamma(n / self.shape));
        (self.right - self.left) * (first / third).sqrt() * second / first
    }
}

/// The shape whose ratio is the wanted one, by bisection of its logarithm.
fn solve_shape(wanted: f64) -> f64 {
    if wanted.is_nan() {
        return f64::NAN;
    }
    let (mut low, mut high) = (0.05f64.ln(), 50f64.ln());
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if ratio(middle.exp()) < wanted { low = middle } else { high = middle }
    }
    (0.5 * (low + high)).exp()
}

/// Half the size, rounded to even; the nearest pixel lies beyond the border.
fn halve(plane: &Plane) -> Plane {
    const WEIGHTS: [f64; 4] = [-0.093_75, 0.593_75, 0.593_75, -0.093_75];
    let half = |size: usize| (size as f64 / 2.0).round_ties_even() as usize;
    let (width, height) = (half(plane.width), half(plane.height));
    let taps = |idx: usize, size: usize| {
        [0, 1, 2, 3].map(|tap| (2 * idx + tap).saturating_sub(1).min(size - 1))
    };
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        let rows = taps(y, plane.height).map(|row| plane.row(row));
        values.extend((0..width).map(|x| {
            let columns = taps(x, plane.width);
            let across =
                |row: &[f64]| (0..4).map(|tap| WEIGHTS[tap] * row[columns[tap]]).sum::<f64>();
            (0..4).map(|tap| WEIGHTS[tap] * across(rows[tap])).sum::<f64>()
        }));
    }
    Plane::new(width, height, values)
}

fn bad<T>(detail: String) -> Result<T, MetricError> {
    Err(MetricError::Parameters { metric: "brisque parameters", detail })
}
