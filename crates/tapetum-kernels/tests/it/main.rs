//! Tests of the kernels against plain loops.

mod bands;
mod conv;
mod scan;
