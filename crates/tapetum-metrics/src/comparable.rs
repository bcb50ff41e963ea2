//! What a metric of two images takes.

use crate::{MetricError, Picture};

/// Values beyond this are no image, and their squares and products would end in infinities.
const VALUE_MAX: f64 = 1e6;

/// Both of one size, with at least `side_min` columns and rows, and of finite values.
pub(crate) fn expect_comparable(
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
    if first_width.min(first_height) < side_min {
        let (width, height) = (first_width, first_height);
        return Err(MetricError::TooSmall { metric, side_min, width, height });
    }
    let mut values = [first, second].into_iter().flat_map(|p| &p.planes).flat_map(|p| &p.values);
    match values.find(|value| !(-VALUE_MAX..=VALUE_MAX).contains(*value)) {
        None => Ok(()),
        Some(value) => {
            let detail = format!("expected values around 0..255, got {value}");
            Err(MetricError::Undefined { metric, detail })
        }
    }
}
