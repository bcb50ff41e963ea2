//! Seeded changes to training images: where they are cut, how they are turned, and their colours.
//!
//! Everything is drawn first and applied afterwards, so that images which belong together (low and
//! reference, image and labels) get the same. A part takes as many random numbers whatever its
//! settings are: to change one setting leaves the draws of all others as they were.
//!
//! | part | field's name | file |
//! | --- | --- | --- |
//! | where | random crop, resize | `crop.rs`, `resizing.rs` |
//! | turn | flips and rotations by 90°: the dihedral group of the square | `dihedral.rs` |
//! | colours | `ColorJitter`, `RandomGrayscale` | `jitter.rs`, `color.rs` |
//! | sharpness | `GaussianBlur` | `blur.rs` |
//! | channels | channel shuffle | `appearance.rs` |

mod appearance;
mod blur;
mod color;
mod crop;
mod dihedral;
mod draws;
mod jitter;
mod labels;
mod range;
mod resizing;

#[cfg(test)]
mod golden;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub(crate) use crate::augment::{
    appearance::Appearance,
    crop::{Place, scaled},
    dihedral::Dihedral,
    labels::LabelMap,
};
pub use crate::augment::{
    blur::Blur,
    dihedral::Geometry,
    jitter::ColorJitter,
    resizing::{Fit, ResizeFilter, Resizing},
};
use crate::{augment::range::expect_in, error::TrainError};

/// What happens to a training image after it was cut; by default nothing.
///
/// The order is fixed: turn, colour jitter, grey, blur, channels. What belongs between the turn and
/// the colours (a synthesis of the dark photograph) is put there by the caller.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// How the image is turned.
    pub geometry: Geometry,
    /// Brightness, contrast, saturation and hue.
    pub jitter: ColorJitter,
    /// How often the image becomes grey, 0 to 1.
    pub grey_probability: f32,
    /// A Gaussian blur.
    pub blur: Blur,
    /// Whether the channels get one of their six orders, each as likely: a network that sees every
    /// order treats the channels alike, so that grey stays grey.
    pub shuffle_channels: bool,
}

impl Augment {
    /// Whether every number lies in its range.
    ///
    /// # Errors
    /// `Config` for the first that does not, with its key below this table.
    pub fn check(&self) -> Result<(), TrainError> {
        self.jitter.check()?;
        expect_in("grey_probability", self.grey_probability, 0.0..=1.0)?;
        self.blur.check()
    }

    /// Both halves, drawn one after the other.
    pub(crate) fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let turn = self.geometry.draw(random);
        Drawn { turn, appearance: Appearance::draw(self, random) }
    }
}

/// One draw of everything in [`Augment`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawn {
    /// For images that belong together, and their labels.
    pub(crate) turn: Dihedral,
    /// For the image that a network sees.
    pub(crate) appearance: Appearance,
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use tapetum_image::{Image, Srgb};

    use super::*;
    use crate::augment::golden::picture;

    fn strong() -> Augment {
        let jitter = ColorJitter {
            brightness: 0.5,
            contrast: 0.5,
            saturation: 0.5,
            hue: 0.25,
            probability: 0.8,
        };
        let blur = Blur { probability: 0.5, ..Blur::default() };
        Augment {
            geometry: Geometry::Dihedral,
            jitter,
            grey_probability: 0.2,
            blur,
            shuffle_channels: true,
        }
    }

    fn changed(augment: &Augment, random: &mut ChaCha8Rng, image: &Image<Srgb>) -> Image<Srgb> {
        let drawn = augment.draw(random);
        drawn.appearance.apply(drawn.turn.apply(image))
    }

    #[test]
    fn the_same_seed_gives_the_same_image_and_another_seed_another() {
        let image = picture(9, 9);
        let augmented = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            (0..5).map(|_| changed(&strong(), &mut random, &image)).collect::<Vec<_>>()
        };
        assert_eq!(augmented(7), augmented(7));
        assert_ne!(augmented(7), augmented(8));
    }

    #[test]
    fn the_default_changes_no_bit() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut image = picture(5, 4);
        // Bits that arithmetic would lose: above 1, below 0, negative zero.
        image.pixels[..3].copy_from_slice(&[1.25, -0.5, -0.0]);
        let bits = |image: &Image<Srgb>| -> Vec<u32> {
            image.pixels.iter().map(|value| value.to_bits()).collect()
        };
        for _ in 0..50 {
            let after = changed(&Augment::default(), &mut random, &image);
            assert_eq!(bits(&after), bits(&image));
        }
    }

    #[test]
    fn values_stay_in_range_and_sizes_down_to_one_pixel_are_fine() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        for (width, height) in [(1, 1), (1, 5), (4, 1), (7, 3)] {
            let image = picture(width, height);
            for _ in 0..200 {
                let after = changed(&strong(), &mut random, &image);
                assert_eq!(after.width() * after.height(), width * height);
                let inside = after.pixels.iter().all(|value| (0.0..=1.0).contains(value));
                assert!(inside, "{width}x{height}: {after:?}");
            }
        }
    }

    #[test]
    fn every_setting_takes_as_many_random_numbers() {
        let next_after = |augment: &Augment| {
            let mut random = ChaCha8Rng::seed_from_u64(3);
            augment.draw(&mut random);
            random.random::<u64>()
        };
        let none = Augment::default();
        let mut always = strong();
        always.blur.probability = 1.0;
        always.blur.kernels = vec![1, 3, 5];
        for augment in [strong(), always, Augment { grey_probability: 1.0, ..none.clone() }] {
            assert_eq!(next_after(&augment), next_after(&none), "{augment:?}");
        }
    }

    #[test]
    fn a_recipe_says_only_what_differs_and_unknown_keys_are_refused() {
        let text = r#"{"geometry": "flip", "jitter": {"hue": 0.1}, "grey_probability": 0.2}"#;
        let augment: Augment = serde_json::from_str(text).unwrap();
        let jitter = ColorJitter { hue: 0.1, ..ColorJitter::default() };
        let expected = Augment {
            geometry: Geometry::Flip,
            jitter,
            grey_probability: 0.2,
            ..Default::default()
        };
        assert_eq!(augment, expected);
        for text in [r#"{"flip": true}"#, r#"{"jitter": {"gamma": 1}}"#, r#"{"geometry": "turn"}"#]
        {
            assert!(serde_json::from_str::<Augment>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_their_key() {
        let check = |change: fn(&mut Augment), expected: &str| {
            let mut augment = strong();
            augment.check().unwrap();
            change(&mut augment);
            assert_eq!(augment.check().unwrap_err().to_string(), expected);
        };
        check(|a| a.grey_probability = 1.5, "grey_probability: expected 0 to 1, got 1.5");
        check(|a| a.jitter.hue = 0.6, "jitter.hue: expected 0 to 0.5, got 0.6");
        check(|a| a.jitter.contrast = -0.1, "jitter.contrast: expected 0 to 10, got -0.1");
        check(|a| a.jitter.probability = f32::NAN, "jitter.probability: expected 0 to 1, got NaN");
        check(|a| a.blur.probability = -1.0, "blur.probability: expected 0 to 1, got -1");
        check(|a| a.blur.sigma = [0.0, 1.0], "blur.sigma: expected 0.01 to 100, got 0");
        let order = "blur.sigma: expected the smaller value first, got 2 and 1";
        check(|a| a.blur.sigma = [2.0, 1.0], order);
        let odd = "blur.kernels: expected odd sides of 1 to 63, got 4";
        check(|a| a.blur.kernels = vec![3, 4], odd);
        check(|a| a.blur.kernels.clear(), "blur.kernels: expected 1 to 32 of them, got 0");
        let count = "blur.kernel_weights: expected one for each of 1 kernels or none, got 2";
        check(|a| a.blur.kernel_weights = vec![1.0, 1.0], count);
        let none = "blur.kernel_weights: expected at least one above 0, got none";
        check(|a| a.blur.kernel_weights = vec![0.0], none);
    }
}
