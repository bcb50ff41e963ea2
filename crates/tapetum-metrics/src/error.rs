//! Why a metric gives no number.

use thiserror::Error;

/// Why a metric gives no number.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MetricError {
    /// The two images differ in size.
    #[error(
        "expected images of one size, got {first_width}x{first_height} and {second_width}x{second_height}"
    )]
    Sizes {
        /// Columns of the first.
        first_width: usize,
        /// Rows of the first.
        first_height: usize,
        /// Columns of the second.
        second_width: usize,
        /// Rows of the second.
        second_height: usize,
    },
    /// The image has too few pixels for the metric's window or number of scales.
    #[error("{metric} expects at least {side_min} pixels a side, got {width}x{height}")]
    TooSmall {
        /// The metric's name.
        metric: &'static str,
        /// The smallest side it takes.
        side_min: usize,
        /// Columns of the image.
        width: usize,
        /// Rows of the image.
        height: usize,
    },
    /// A parameter file does not hold what the metric needs.
    #[error("{metric}: {detail}")]
    Parameters {
        /// The metric's name.
        metric: &'static str,
        /// What was expected and what was found.
        detail: String,
    },
    /// The metric is not defined for this image.
    #[error("{metric} is not defined here: {detail}")]
    Undefined {
        /// The metric's name.
        metric: &'static str,
        /// Why.
        detail: String,
    },
}
