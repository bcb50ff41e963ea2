//! The eight ways to lay a square on itself.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tapetum_image::{Image, Srgb};

use crate::augment::labels::{LabelMap, gathered};

/// How an image is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Geometry {
    /// Not at all.
    #[default]
    None,
    /// Left and right change places in half of the cases.
    Flip,
    /// One of the eight flips and quarter turns, each as likely.
    Dihedral,
}

impl Geometry {
    /// Takes one random number whatever the choice.
    pub(crate) fn draw(self, random: &mut ChaCha8Rng) -> Dihedral {
        let bits = random.random::<u32>() >> 29;
        let bit = |idx: u32| bits >> idx & 1 == 1;
        match self {
            Self::None => Dihedral::IDENTITY,
            Self::Flip => Dihedral { mirror_x: bit(0), ..Dihedral::IDENTITY },
            Self::Dihedral => Dihedral { mirror_x: bit(0), mirror_y: bit(1), transpose: bit(2) },
        }
    }
}

/// One of the eight: mirrored first, then rows and columns change places.
///
/// | `mirror_x` | `mirror_y` | `transpose` | the usual name |
/// | --- | --- | --- | --- |
/// | – | – | – | identity |
/// | yes | – | – | horizontal flip |
/// | – | yes | – | vertical flip |
/// | yes | yes | – | half turn |
/// | – | – | yes | transposition |
/// | yes | – | yes | quarter turn against the clock |
/// | – | yes | yes | quarter turn with the clock |
/// | yes | yes | yes | transposition along the other diagonal |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dihedral {
    /// Left and right change places.
    pub(crate) mirror_x: bool,
    /// Top and bottom change places.
    pub(crate) mirror_y: bool,
    /// Rows become columns; width and height change places.
    pub(crate) transpose: bool,
}

impl Dihedral {
    pub(crate) const IDENTITY: Self = Self { mirror_x: false, mirror_y: false, transpose: false };

    pub(crate) fn apply(self, image: &Image<Srgb>) -> Image<Srgb> {
        if self == Self::IDENTITY {
            return image.clone();
        }
        let (width, height) = (image.width(), image.height());
        gathered(image, self.size(width, height), |x, y| self.source(x, y, width, height))
    }

    pub(crate) fn apply_to_labels(self, labels: &LabelMap) -> LabelMap {
        let (width, height) = (labels.width, labels.height);
        labels.gathered(self.size(width, height), |x, y| self.source(x, y, width, height))
    }

    fn size(self, width: u32, height: u32) -> (u32, u32) {
        if self.transpose { (height, width) } else { (width, height) }
    }

    /// Where in a picture of `width` x `height` the pixel comes from that ends at `x`, `y`.
    fn source(self, x: u32, y: u32, width: u32, height: u32) -> (u32, u32) {
        let (x, y) = if self.transpose { (y, x) } else { (x, y) };
        let x = if self.mirror_x { width - 1 - x } else { x };
        let y = if self.mirror_y { height - 1 - y } else { y };
        (x, y)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::augment::golden::picture;

    fn all() -> Vec<Dihedral> {
        let bit = |bits: u32, idx: u32| bits >> idx & 1 == 1;
        (0..8)
            .map(|bits| Dihedral {
                mirror_x: bit(bits, 0),
                mirror_y: bit(bits, 1),
                transpose: bit(bits, 2),
            })
            .collect()
    }

    fn turned(mirror_x: bool, mirror_y: bool, transpose: bool) -> Vec<u8> {
        let labels = LabelMap { width: 3, height: 2, classes: vec![1, 2, 3, 4, 5, 6] };
        Dihedral { mirror_x, mirror_y, transpose }.apply_to_labels(&labels).classes
    }

    #[test]
    fn each_of_the_eight_does_what_its_name_says() {
        // 1 2 3
        // 4 5 6
        assert_eq!(turned(false, false, false), [1, 2, 3, 4, 5, 6]);
        assert_eq!(turned(true, false, false), [3, 2, 1, 6, 5, 4]);
        assert_eq!(turned(false, true, false), [4, 5, 6, 1, 2, 3]);
        assert_eq!(turned(true, true, false), [6, 5, 4, 3, 2, 1]);
        assert_eq!(turned(false, false, true), [1, 4, 2, 5, 3, 6]);
        assert_eq!(turned(true, false, true), [3, 6, 2, 5, 1, 4]);
        assert_eq!(turned(false, true, true), [4, 1, 5, 2, 6, 3]);
        assert_eq!(turned(true, true, true), [6, 3, 5, 2, 4, 1]);
    }

    #[test]
    fn the_eight_form_a_group() {
        for image in [picture(4, 4), picture(5, 3)] {
            let results: Vec<_> = all().iter().map(|turn| turn.apply(&image)).collect();
            for (idx, result) in results.iter().enumerate() {
                assert!(!results[..idx].contains(result), "{idx} is no turn of its own");
                // Turned again by each of the eight: the same eight once more, so that one of them
                // is the image itself and every turn has exactly one inverse.
                let again: Vec<_> = all().iter().map(|turn| turn.apply(result)).collect();
                assert!(results.iter().all(|one| again.contains(one)), "after {idx}");
                assert_eq!(again.iter().filter(|one| **one == image).count(), 1, "after {idx}");
            }
        }
    }

    #[test]
    fn labels_move_with_their_pixels() {
        let image = picture(5, 3);
        let class = |pixel: &[f32; 3]| (pixel[0] * 255.0).round() as u8;
        let classes = |image: &Image<Srgb>| -> Vec<u8> {
            image.pixels.as_chunks::<3>().0.iter().map(class).collect()
        };
        let labels = LabelMap { width: 5, height: 3, classes: classes(&image) };
        for turn in all() {
            let (image, labels) = (turn.apply(&image), turn.apply_to_labels(&labels));
            assert_eq!((labels.width, labels.height), (image.width(), image.height()));
            assert_eq!(labels.classes, classes(&image), "{turn:?}");
        }
    }

    #[test]
    fn each_turn_is_drawn_as_often_as_the_choice_says() {
        let counts = |geometry: Geometry| -> Vec<usize> {
            let mut random = ChaCha8Rng::seed_from_u64(5);
            let drawn: Vec<_> = (0..8000).map(|_| geometry.draw(&mut random)).collect();
            all().iter().map(|turn| drawn.iter().filter(|one| *one == turn).count()).collect()
        };
        assert_eq!(counts(Geometry::None), [8000, 0, 0, 0, 0, 0, 0, 0]);
        let flips = counts(Geometry::Flip);
        // Four standard deviations.
        assert!(flips[0].abs_diff(4000) < 179 && flips[0] + flips[1] == 8000, "{flips:?}");
        let turns = counts(Geometry::Dihedral);
        assert!(turns.iter().all(|count| count.abs_diff(1000) < 119), "{turns:?}");
    }
}
