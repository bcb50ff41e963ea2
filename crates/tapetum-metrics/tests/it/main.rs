//! Metrics against golden numbers of other implementations.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod scene;
