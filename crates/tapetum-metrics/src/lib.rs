//! Scores that compare images, in f64.
