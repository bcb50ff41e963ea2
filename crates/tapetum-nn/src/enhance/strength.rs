//! How much of a network's change is applied, and where.

use tapetum_image::{Image, Srgb};

use super::Exposure;

/// How much of the network's change is applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strength {
    /// As much as the exposure asks for.
    Auto,
    /// This share everywhere, 0..1.
    Fixed(f32),
}

/// The decision for one photograph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Blend {
    /// Share applied, 0..1.
    pub(super) strength: f32,
}

impl Blend {
    pub(super) fn decide(strength: Strength, _exposure: &Exposure) -> Self {
        match strength {
            Strength::Fixed(strength) => Self { strength: strength.clamp(0.0, 1.0) },
            Strength::Auto => Self { strength: 1.0 },
        }
    }

    pub(super) fn apply(&self, before: &Image<Srgb>, network: &Image<Srgb>) -> Image<Srgb> {
        let blended = before.pixels.iter().zip(&network.pixels);
        let pixels = blended.map(|(before, after)| before + self.strength * (after - before));
        Image::new(before.width(), before.height(), pixels.collect())
    }
}
