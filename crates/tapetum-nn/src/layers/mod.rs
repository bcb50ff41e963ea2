//! Layers: parameters together with the operation that uses them.

mod conv;
mod convolution;
mod linear;
mod normalization;
mod parameters;
mod spectral;

pub use conv::{Conv2d, InitialWeights};
pub use convolution::{Convolution, DepthwiseConvolution};
pub use linear::Linear;
pub use normalization::{BatchNorm, LayerNorm};
pub use parameters::{Builder, Initial, Source, from_random, from_reader, named};
pub use spectral::SpectralConvolution;
