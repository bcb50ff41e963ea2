//! Settings that no training can have.

use std::ops::RangeInclusive;

use thiserror::Error;

/// A number out of its range.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{key}: expected {least} to {greatest}, found {found}")]
pub struct SettingError {
    /// The setting.
    pub key: &'static str,
    /// The least that it may be.
    pub least: f64,
    /// The greatest that it may be.
    pub greatest: f64,
    /// What it is.
    pub found: f64,
}

/// Whether a setting lies in its range; NaN lies in none.
///
/// # Errors
/// It does not.
pub fn check(
    key: &'static str,
    found: f64,
    range: RangeInclusive<f64>,
) -> Result<(), SettingError> {
    if range.contains(&found) {
        return Ok(());
    }
    let (least, greatest) = range.into_inner();
    Err(SettingError { key, least, greatest, found })
}
