//! The built program as a user meets it: files, exit codes, messages. Every file is generated.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checkpoint;
mod desk;
mod pictures;

mod bad_inputs;
mod bad_weights;
mod bench;
mod data;
mod evaluate;
mod generated;
#[cfg(unix)]
mod interrupted;
mod models;
mod nothing_lost;
mod reports;
mod resume;
mod scale;
mod shorthand;
#[cfg(unix)]
mod system;
mod tiles;
mod train;
mod usage;
