//! The tapetum command: makes dark photographs bright.
fn main() {}
