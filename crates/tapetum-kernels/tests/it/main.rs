//! Tests of the kernels against plain loops.

mod activation;
mod bands;
mod batch_norm;
mod comparison;
mod conv;
mod curves;
mod depthwise;
mod norm;
mod pool;
mod prelu;
mod reduced_curve;
mod resize;
mod scan;
mod softmax;
