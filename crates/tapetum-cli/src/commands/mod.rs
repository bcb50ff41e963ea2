//! One file a command.

pub(crate) mod bench;
pub(crate) mod data;
pub(crate) mod enhance;
pub(crate) mod evaluate;
pub(crate) mod generate;
pub(crate) mod leaderboard;
pub(crate) mod methods;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod synthesize;
pub(crate) mod train;
