//! Squares cut from images, at the same place in all that belong together.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tapetum_image::Rect;

/// Where a crop lies, as shares of the ways it could be moved: 0 up to 1, 1 excluded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    across: f64,
    down: f64,
}

impl Place {
    /// Takes two random numbers.
    pub(crate) fn draw(random: &mut ChaCha8Rng) -> Self {
        Self { across: random.random(), down: random.random() }
    }

    /// The square of `side` pixels there in a picture; every position is as likely.
    ///
    /// # Panics
    /// When the picture is smaller than the square.
    pub(crate) fn square(&self, width: u32, height: u32, side: u32) -> Rect {
        assert!(width.min(height) >= side, "a square of {side} in {width}x{height}");
        let offset = |share: f64, length: u32| (share * (f64::from(length - side) + 1.0)) as u32;
        let (x, y) = (offset(self.across, width), offset(self.down, height));
        Rect { x, y, width: side, height: side }
    }
}

/// The same place in a picture that is `scale` times larger.
pub(crate) fn scaled(rect: Rect, scale: u32) -> Rect {
    let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(|n| n * scale);
    Rect { x, y, width, height }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::augment::{golden::picture, labels::gathered};

    #[test]
    fn crops_stay_inside_pictures_of_any_size() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..2000 {
            let side = random.random_range(1..40);
            let (width, height) =
                (side + random.random_range(0..30), side + random.random_range(0..3));
            let rect = Place::draw(&mut random).square(width, height, side);
            assert!(rect.x + side <= width && rect.y + side <= height, "{rect:?}");
            assert_eq!((rect.width, rect.height), (side, side));
        }
        let last = Place { across: 1.0 - f64::EPSILON / 2.0, down: 0.0 };
        let rect = last.square(u32::MAX, 1, 1);
        assert_eq!((rect.x, rect.y), (u32::MAX - 1, 0));
    }

    #[test]
    fn every_position_is_as_likely() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut counts = [[0_u32; 4]; 3];
        for _ in 0..12_000 {
            let rect = Place::draw(&mut random).square(8, 7, 5);
            counts[rect.y as usize][rect.x as usize] += 1;
        }
        // Four standard deviations around 1000.
        assert!(counts.as_flattened().iter().all(|n| n.abs_diff(1000) < 122), "{counts:?}");
    }

    #[test]
    fn a_larger_reference_is_cut_where_its_low_image_is() {
        // Each pixel of the small picture stands three times in each direction.
        let small = picture(5, 4);
        let large = gathered(&small, (15, 12), |x, y| (x / 3, y / 3));
        let rect = Rect { x: 1, y: 2, width: 2, height: 2 };
        let cut = |image, rect: Rect| {
            gathered(image, (rect.width, rect.height), |x, y| (x + rect.x, y + rect.y))
        };
        let low = cut(&small, rect);
        let reference = cut(&large, scaled(rect, 3));
        assert_eq!(reference, gathered(&low, (6, 6), |x, y| (x / 3, y / 3)));
    }
}
