//! Metrics against golden numbers of other implementations.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod full_reference;
mod golden;
#[cfg(feature = "learned")]
mod learned;
mod naturalness;
mod noise;
mod scene;
mod segmentation;
mod statistics;
