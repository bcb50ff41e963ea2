//! Tests of the methods against golden values.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod every_method;
mod fast;
mod research;
mod scl_lle;
