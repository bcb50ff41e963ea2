//! Checks and chores of the Tapetum workspace.
fn main() {}
