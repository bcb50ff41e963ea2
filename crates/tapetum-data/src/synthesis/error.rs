//! Why no dark photograph was made.

use std::fmt::Display;

use tapetum_image::ImageError;
use thiserror::Error;

/// Why no dark photograph was made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SynthesisError {
    /// A number that no synthesis can have.
    #[error("{name}: expected {expected}, got {got}")]
    OutOfRange {
        /// The field.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// The dark photograph would not lie on whole pixels of its reference.
    #[error("expected sides that are multiples of {factor}, got {width}x{height}")]
    Size {
        /// How many times smaller the dark photograph is.
        factor: u32,
        /// Columns of the reference.
        width: u32,
        /// Rows of the reference.
        height: u32,
    },
    /// The dark photograph has no place in a JPEG file.
    #[error(transparent)]
    Image(#[from] ImageError),
}

pub(crate) fn check(
    is_right: bool,
    name: &'static str,
    expected: &'static str,
    got: impl Display,
) -> Result<(), SynthesisError> {
    if is_right {
        return Ok(());
    }
    Err(SynthesisError::OutOfRange { name, expected, got: got.to_string() })
}
