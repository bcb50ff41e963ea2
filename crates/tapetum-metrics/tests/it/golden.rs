//! The pictures and the comparison that the tests of `tools/golden/no_reference.py` share.

use tapetum_metrics::{MetricError, Picture};

use crate::scene;

pub fn reference() -> Picture {
    scene::picture(300, 200, &scene::reference(300, 200, 3))
}

pub fn enhanced() -> Picture {
    scene::picture(300, 200, &scene::enhanced(300, 200, 3))
}

pub fn low() -> Picture {
    scene::picture(300, 200, &scene::low(300, 200, 3))
}

/// With odd sides.
pub fn odd() -> Picture {
    scene::picture(203, 215, &scene::enhanced(203, 215, 5))
}

/// One grey, 0..1.
pub fn flat(width: usize, height: usize, value: f32) -> Picture {
    Picture::from_rgb(width, height, &vec![value; width * height * 3])
}

/// Equal to eleven digits: both sides compute in f64, in another order.
pub fn check(name: &str, found: Result<f64, MetricError>, expected: f64) {
    let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
    let difference = (found - expected).abs() / expected.abs().max(1.0);
    assert!(difference < 1e-11, "{name}: {found}, not {expected}: {difference:e}");
}
