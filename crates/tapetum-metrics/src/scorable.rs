//! What metrics take: images of one size, large enough, and of values that are some.
//!
//! A network can hide a NaN, as a ReLU may make 0 of it: what goes in is looked at before.

use crate::{MetricError, Picture};

/// Values beyond this are no image, and their squares and products would end in infinities.
const VALUE_MAX: f64 = 1e6;

/// At least `side_min` columns and rows, and finite values.
pub(crate) fn expect_scorable(
    metric: &'static str,
    side_min: usize,
    picture: &Picture,
) -> Result<(), MetricError> {
    let (width, height) = (picture.width(), picture.height());
    if width.min(height) < side_min {
        return Err(MetricError::TooSmall { metric, side_min, width, height });
    }
    let mut values = picture.planes.iter().flat_map(|plane| &plane.values);
    match values.find(|value| !(-VALUE_MAX..=VALUE_MAX).contains(*value)) {
        None => Ok(()),
        Some(value) => undefined(metric, format!("expected values around 0..255, got {value}")),
    }
}

/// Both [`expect_scorable`], and of one size.
pub(crate) fn expect_scorable_pair(
    metric: &'static str,
    side_min: usize,
    first: &Picture,
    second: &Picture,
) -> Result<(), MetricError> {
    let [(first_width, first_height), (second_width, second_height)] =
        [first, second].map(|picture| (picture.width(), picture.height()));
    if (first_width, first_height) != (second_width, second_height) {
        return Err(MetricError::Sizes { first_width, first_height, second_width, second_height });
    }
    expect_scorable(metric, side_min, first)?;
    expect_scorable(metric, side_min, second)
}

/// [`MetricError::Undefined`] in fewer words.
pub(crate) fn undefined<T>(
    metric: &'static str,
    detail: impl Into<String>,
) -> Result<T, MetricError> {
    Err(MetricError::Undefined { metric, detail: detail.into() })
}
