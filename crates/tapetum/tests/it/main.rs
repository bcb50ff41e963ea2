//! What the library promises from file to file; every picture is generated.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod pictures;

mod enlarging;
mod light;
mod nothing_lost;
mod orientation;
#[cfg(feature = "train")]
mod recipes;
mod sizes;
mod variations;
