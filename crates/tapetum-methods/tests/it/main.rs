//! Tests of the methods against golden values.

mod research;
mod scl_lle;
