//! Tapetum as a library: dark photograph in, bright photograph out.
