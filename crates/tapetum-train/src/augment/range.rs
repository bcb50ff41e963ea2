//! Refusals of numbers outside their range.

use std::ops::RangeInclusive;

use crate::error::TrainError;

pub(super) fn expect_in(
    name: &'static str,
    value: f32,
    range: RangeInclusive<f32>,
) -> Result<(), TrainError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (lowest, highest) = range.into_inner();
    Err(refused(name, format!("expected {lowest} to {highest}, got {value}")))
}

pub(super) fn refused(name: &'static str, detail: String) -> TrainError {
    TrainError::Config { key: name.to_owned(), detail }
}
