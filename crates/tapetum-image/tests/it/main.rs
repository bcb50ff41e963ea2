//! Photographs in and out, as a caller sees it; every file is generated.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod samples;

mod alpha_and_depth;
mod colour;
mod enlarged;
mod formats;
mod hostile;
mod metadata;
mod orientation;
mod tiff_files;
