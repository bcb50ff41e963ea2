//! Random brightness, contrast, saturation and hue: `ColorJitter`.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tapetum_image::{Image, Srgb};

use crate::{
    augment::{
        color,
        draws::{between, chance, index},
        range::expect_in,
    },
    error::TrainError,
};

/// The largest deviation from a factor of 1.
const DEVIATION_MAX: f32 = 10.0;

/// How far colours may stray, in a random order; by default not at all.
///
/// A factor is uniform between `max(0, 1 - x)` and `1 + x`, the turn of the hue between `-x` and `x`
/// of the whole circle. The formulas are those of torchvision on floats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// Deviation of the factor on all values, 0 to 10.
    pub brightness: f32,
    /// Deviation of the factor on the distance to the image's mean grey, 0 to 10.
    pub contrast: f32,
    /// Deviation of the factor on the distance to each pixel's grey, 0 to 10.
    pub saturation: f32,
    /// Deviation of the hue, 0 to 0.5.
    pub hue: f32,
    /// How often anything is changed at all, 0 to 1.
    pub probability: f32,
}

impl Default for ColorJitter {
    fn default() -> Self {
        Self { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0, probability: 1.0 }
    }
}

impl ColorJitter {
    pub(super) fn check(&self) -> Result<(), TrainError> {
        expect_in("jitter.brightness", self.brightness, 0.0..=DEVIATION_MAX)?;
        expect_in("jitter.contrast", self.contrast, 0.0..=DEVIATION_MAX)?;
        expect_in("jitter.saturation", self.saturation, 0.0..=DEVIATION_MAX)?;
        expect_in("jitter.hue", self.hue, 0.0..=0.5)?;
        expect_in("jitter.probability", self.probability, 0.0..=1.0)
    }

    /// The changes in the order in which they happen, without those that change nothing. Takes six
    /// random numbers.
    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> Vec<Change> {
        let happens = chance(self.probability, random);
        let mut factor =
            |deviation: f32| between([(1.0 - deviation).max(0.0), 1.0 + deviation], random);
        let changes = [
            Change::Brightness(factor(self.brightness)),
            Change::Contrast(factor(self.contrast)),
            Change::Saturation(factor(self.saturation)),
            Change::Hue(between([-self.hue, self.hue], random)),
        ];
        let order = shuffled(changes, index(24, random));
        order.into_iter().filter(|change| happens && !change.is_nothing()).collect()
    }
}

/// One change of colour with its factor, or its part of the circle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    Brightness(f32),
    Contrast(f32),
    Saturation(f32),
    Hue(f32),
}

impl Change {
    fn is_nothing(self) -> bool {
        match self {
            Self::Brightness(factor) | Self::Contrast(factor) | Self::Saturation(factor) => {
                factor == 1.0
            }
            Self::Hue(turns) => turns == 0.0,
        }
    }

    pub(super) fn apply(self, image: &mut Image<Srgb>) {
        match self {
            Self::Brightness(factor) => color::brightness(image, factor),
            Self::Contrast(factor) => color::contrast(image, factor),
            Self::Saturation(factor) => color::saturation(image, factor),
            Self::Hue(turns) => color::hue(image, turns),
        }
    }
}

/// One of the 24 orders of four things.
fn shuffled<T>(things: [T; 4], order_idx: usize) -> Vec<T> {
    let mut left = Vec::from(things);
    [order_idx / 6, order_idx / 2 % 3, order_idx % 2, 0].map(|idx| left.remove(idx)).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;
    use crate::augment::golden::check;

    const HALF: ColorJitter = ColorJitter {
        brightness: 0.5,
        contrast: 0.2,
        saturation: 1.5,
        hue: 0.25,
        probability: 1.0,
    };

    fn draws(jitter: ColorJitter, n: usize) -> Vec<Vec<Change>> {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        (0..n).map(|_| jitter.draw(&mut random)).collect()
    }

    #[test]
    fn changes_one_after_the_other_are_those_of_torchvision() {
        check("hue 0.1, contrast 1.3, brightness 0.8, saturation 1.2", |image| {
            let changes = [
                Change::Hue(0.1),
                Change::Contrast(1.3),
                Change::Brightness(0.8),
                Change::Saturation(1.2),
            ];
            changes.iter().for_each(|change| change.apply(image));
        });
    }

    #[test]
    fn the_24_orders_are_all_different() {
        let orders: HashSet<_> = (0..24).map(|idx| shuffled([0, 1, 2, 3], idx)).collect();
        assert_eq!(orders.len(), 24);
        assert!(orders.iter().all(|order| order.iter().sum::<i32>() == 6), "{orders:?}");
    }

    #[test]
    fn factors_are_uniform_in_their_ranges() {
        let drawn = draws(HALF, 4000);
        let check = |[lowest, highest]: [f32; 2], factor: fn(&Change) -> Option<f32>| {
            let factors: Vec<_> = drawn.iter().flatten().filter_map(factor).collect();
            assert!(factors.len() > 3990, "{}", factors.len());
            assert!(factors.iter().all(|factor| (lowest..=highest).contains(factor)));
            // Four standard deviations of a mean of 4000 uniform numbers: 0.0183 of the range.
            let mean = factors.iter().sum::<f32>() / factors.len() as f32;
            let share = (mean - lowest) / (highest - lowest);
            assert!((share - 0.5).abs() < 0.0183, "{share}");
            let below = factors.iter().filter(|f| **f < lowest + (highest - lowest) / 10.0).count();
            assert!(below.abs_diff(400) < 76, "{below}");
        };
        check([0.5, 1.5], |c| if let Change::Brightness(f) = c { Some(*f) } else { None });
        check([0.8, 1.2], |c| if let Change::Contrast(f) = c { Some(*f) } else { None });
        check([0.0, 2.5], |c| if let Change::Saturation(f) = c { Some(*f) } else { None });
        check([-0.25, 0.25], |c| if let Change::Hue(f) = c { Some(*f) } else { None });
    }

    #[test]
    fn each_change_is_first_as_often_as_the_others() {
        let drawn = draws(HALF, 4000);
        let first = |wanted: fn(&Change) -> bool| {
            drawn.iter().filter(|changes| wanted(&changes[0])).count()
        };
        let counts = [
            first(|c| matches!(c, Change::Brightness(_))),
            first(|c| matches!(c, Change::Contrast(_))),
            first(|c| matches!(c, Change::Saturation(_))),
            first(|c| matches!(c, Change::Hue(_))),
        ];
        assert!(counts.iter().all(|count| count.abs_diff(1000) < 110), "{counts:?}");
    }

    #[test]
    fn nothing_happens_as_often_as_the_probability_says() {
        let happened = |probability| {
            let drawn = draws(ColorJitter { probability, ..HALF }, 4000);
            drawn.iter().filter(|changes| !changes.is_empty()).count()
        };
        assert_eq!((happened(0.0), happened(1.0)), (0, 4000));
        // Four standard deviations around 3200.
        assert!(happened(0.8).abs_diff(3200) < 102, "{}", happened(0.8));
    }

    #[test]
    fn another_range_of_one_factor_leaves_the_other_draws() {
        let hues = |jitter| -> Vec<_> {
            let is_hue = |change: &Change| matches!(change, Change::Hue(_));
            draws(jitter, 50).into_iter().flatten().filter(is_hue).collect()
        };
        assert_eq!(hues(HALF), hues(ColorJitter { brightness: 0.0, contrast: 1.0, ..HALF }));
    }
}
