//! Tests of the methods against golden values.

mod every_method;
mod research;
mod scl_lle;
