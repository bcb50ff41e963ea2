//! Whole runs with a recipe that is small enough to check by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod gain;
mod places;
mod refusals;
mod runs;
