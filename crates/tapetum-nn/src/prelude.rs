//! The names of the tensor engine that methods use, so that an engine upgrade starts in one file.

pub use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor, TensorData},
};

pub use crate::{card::MethodCard, network::Network, ops};
