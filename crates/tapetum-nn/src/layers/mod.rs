//! Layers: parameters together with the operation that uses them.

mod conv;

pub use conv::{Conv2d, InitialWeights};
