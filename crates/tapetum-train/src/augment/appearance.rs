//! What one draw does to the colours and the sharpness of an image.

use rand_chacha::ChaCha8Rng;
use tapetum_image::{Image, Srgb};

use crate::augment::{
    Augment,
    blur::blur,
    color,
    draws::{chance, index},
    jitter::Change,
};

/// The orders of red, green and blue; the first is their own.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// One draw; the same for every image that it is applied to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Appearance {
    changes: Vec<Change>,
    grey: bool,
    kernel: Option<Vec<f32>>,
    /// Which channel becomes red, green and blue.
    channels: [usize; 3],
}

impl Appearance {
    /// Takes eleven random numbers whatever the settings are.
    pub(crate) fn draw(augment: &Augment, random: &mut ChaCha8Rng) -> Self {
        let changes = augment.jitter.draw(random);
        let grey = chance(augment.grey_probability, random);
        let kernel = augment.blur.draw(random);
        let order = ORDERS[index(6, random)];
        let channels = if augment.shuffle_channels { order } else { ORDERS[0] };
        Self { changes, grey, kernel, channels }
    }

    /// Jitter, grey, blur, channels; what was drawn not to happen changes no bit.
    pub(crate) fn apply(&self, mut image: Image<Srgb>) -> Image<Srgb> {
        self.changes.iter().for_each(|change| change.apply(&mut image));
        if self.grey {
            color::grey(&mut image);
        }
        if let Some(kernel) = &self.kernel {
            image = blur(&image, kernel);
        }
        if self.channels != ORDERS[0] {
            reorder(&mut image, self.channels);
        }
        image
    }
}

fn reorder(image: &mut Image<Srgb>, channels: [usize; 3]) {
    let (pixels, _) = image.pixels.as_chunks_mut::<3>();
    pixels.iter_mut().for_each(|pixel| *pixel = channels.map(|channel| pixel[channel]));
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::augment::{Blur, ColorJitter, golden::picture};

    #[test]
    fn the_parts_follow_each_other_in_the_stated_order() {
        let image = picture(5, 4);
        let kernel = vec![0.25, 0.5, 0.25];
        let appearance = Appearance {
            changes: vec![Change::Brightness(1.6), Change::Hue(0.2)],
            grey: false,
            kernel: Some(kernel.clone()),
            channels: [2, 0, 1],
        };
        let mut expected = image.clone();
        color::brightness(&mut expected, 1.6);
        color::hue(&mut expected, 0.2);
        expected = blur(&expected, &kernel);
        let (pixels, _) = expected.pixels.as_chunks_mut::<3>();
        pixels.iter_mut().for_each(|pixel| pixel.rotate_right(1));
        assert_eq!(appearance.apply(image), expected);
    }

    #[test]
    fn each_order_of_the_channels_is_as_likely() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        let augment = Augment { shuffle_channels: true, ..Augment::default() };
        let mut counts = [0_u32; 6];
        for _ in 0..6000 {
            let after = Appearance::draw(&augment, &mut random).apply(Image::new(
                1,
                1,
                vec![0.0, 0.5, 1.0],
            ));
            let channels: Vec<_> = after.pixels.iter().map(|v| (v * 2.0) as usize).collect();
            counts[ORDERS.iter().position(|order| *order == channels[..]).unwrap()] += 1;
        }
        // Four standard deviations around 1000.
        assert!(counts.iter().all(|count| count.abs_diff(1000) < 116), "{counts:?}");
    }

    #[test]
    fn the_image_becomes_grey_as_often_as_its_probability_says() {
        let mut random = ChaCha8Rng::seed_from_u64(10);
        let augment = Augment { grey_probability: 0.2, ..Augment::default() };
        let is_grey = |image: &Image<Srgb>| image.pixels.iter().all(|v| *v == image.pixels[0]);
        let red = Image::new(1, 1, vec![0.9, 0.1, 0.2]);
        let n_grey = (0..4000)
            .filter(|_| is_grey(&Appearance::draw(&augment, &mut random).apply(red.clone())))
            .count();
        // Four standard deviations around 800.
        assert!(n_grey.abs_diff(800) < 102, "{n_grey}");
    }

    #[test]
    fn one_setting_leaves_the_draws_of_the_others() {
        let jitter = ColorJitter { brightness: 0.5, ..ColorJitter::default() };
        let shuffling = Augment { jitter, shuffle_channels: true, ..Augment::default() };
        let blur = Blur { probability: 1.0, ..Blur::default() };
        let blurring = Augment { blur, grey_probability: 0.5, ..shuffling.clone() };
        let mut randoms = [ChaCha8Rng::seed_from_u64(6), ChaCha8Rng::seed_from_u64(6)];
        for _ in 0..20 {
            let one = Appearance::draw(&shuffling, &mut randoms[0]);
            let other = Appearance::draw(&blurring, &mut randoms[1]);
            assert_eq!((one.changes, one.channels), (other.changes, other.channels));
        }
    }
}
