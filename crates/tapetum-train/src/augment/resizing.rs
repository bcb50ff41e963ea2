//! Other sizes: to a square, or the short side to a length.

use serde::{Deserialize, Serialize};
use tapetum_image::{Filter, Image, Srgb, resize_with};

use crate::{
    augment::{labels::LabelMap, range::refused},
    error::TrainError,
};

/// The longest side that a recipe may ask for, in pixels.
const SIDE_PX_MAX: u32 = 16_384;

/// How an image is brought to another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resizing {
    /// The size to reach.
    pub fit: Fit,
    /// How pixels are weighted; labels always take the nearest.
    #[serde(default)]
    pub filter: ResizeFilter,
}

/// The size to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Both sides get this length in pixels, whatever the shape was.
    Square(u32),
    /// The shorter side gets this length in pixels, the other follows, rounded down.
    ShortSide(u32),
}

/// How pixels are weighted; all are antialiased. See [`Filter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeFilter {
    /// A triangle.
    #[default]
    Bilinear,
    /// Keys' cubic with a = -1/2.
    Bicubic,
    /// A windowed sinc of three lobes.
    Lanczos,
}

impl From<ResizeFilter> for Filter {
    fn from(filter: ResizeFilter) -> Self {
        match filter {
            ResizeFilter::Bilinear => Self::Bilinear,
            ResizeFilter::Bicubic => Self::Bicubic,
            ResizeFilter::Lanczos => Self::Lanczos,
        }
    }
}

impl Resizing {
    /// Whether the length lies in its range.
    ///
    /// # Errors
    /// `Config` where it does not.
    pub fn check(&self) -> Result<(), TrainError> {
        let (Fit::Square(side) | Fit::ShortSide(side)) = self.fit;
        if (1..=SIDE_PX_MAX).contains(&side) {
            return Ok(());
        }
        Err(refused("fit", format!("expected 1 to {SIDE_PX_MAX} pixels, got {side}")))
    }

    /// The image at the new size; unchanged, to the bit, where it has that size already.
    pub(crate) fn apply(&self, image: &Image<Srgb>) -> Image<Srgb> {
        let size @ (width, height) = self.fit.size(image.width(), image.height());
        if size == (image.width(), image.height()) {
            return image.clone();
        }
        resize_with(image, width, height, self.filter.into())
    }

    /// The map at the new size; each label is the one nearest to the centre of its pixel.
    pub(crate) fn apply_to_labels(&self, labels: &LabelMap) -> LabelMap {
        let size @ (width, height) = self.fit.size(labels.width, labels.height);
        let nearest = |idx: u32, n_in: u32, n_out: u32| {
            ((2 * u64::from(idx) + 1) * u64::from(n_in) / (2 * u64::from(n_out))) as u32
        };
        labels.gathered(size, |x, y| {
            (nearest(x, labels.width, width), nearest(y, labels.height, height))
        })
    }
}

impl Fit {
    fn size(self, width: u32, height: u32) -> (u32, u32) {
        let longer = |length: u32, long: u32, short: u32| {
            let long = u64::from(length) * u64::from(long) / u64::from(short);
            u32::try_from(long).unwrap_or(u32::MAX)
        };
        match self {
            Self::Square(side) => (side, side),
            Self::ShortSide(length) if width <= height => (length, longer(length, height, width)),
            Self::ShortSide(length) => (longer(length, width, height), length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::golden::picture;

    #[test]
    fn the_short_side_gets_its_length_and_the_shape_is_kept() {
        let cases = [
            ((600, 400), (384, 256)),
            ((400, 601), (256, 384)),
            ((7, 7), (256, 256)),
            ((1, 9), (256, 2304)),
        ];
        for ((width, height), expected) in cases {
            assert_eq!(Fit::ShortSide(256).size(width, height), expected);
        }
        assert_eq!(Fit::Square(96).size(600, 400), (96, 96));
    }

    #[test]
    fn an_image_of_the_right_size_is_not_touched() {
        let mut image = picture(5, 5);
        image.pixels[0] = 1.5;
        let resizing = Resizing { fit: Fit::Square(5), filter: ResizeFilter::Lanczos };
        assert_eq!(resizing.apply(&image), image);
    }

    #[test]
    fn images_and_labels_get_the_same_size() {
        let labels = LabelMap { width: 6, height: 4, classes: (0..24).collect() };
        for fit in [Fit::Square(3), Fit::ShortSide(2), Fit::ShortSide(9), Fit::Square(1)] {
            let resizing = Resizing { fit, filter: ResizeFilter::Bilinear };
            let image = resizing.apply(&picture(6, 4));
            let labels = resizing.apply_to_labels(&labels);
            assert_eq!((labels.width, labels.height), (image.width(), image.height()));
            assert_eq!(labels.classes.len() * 3, image.pixels.len());
        }
    }

    #[test]
    fn labels_take_the_nearest_class_as_pillow_does() {
        // Printed by tools/golden/augment.py, with Pillow 13.0.
        let labels = LabelMap { width: 6, height: 4, classes: (0..24).collect() };
        let resized = |side| {
            let resizing = Resizing { fit: Fit::Square(side), filter: ResizeFilter::Bilinear };
            resizing.apply_to_labels(&labels).classes
        };
        assert_eq!(resized(3), [1, 3, 5, 13, 15, 17, 19, 21, 23]);
        assert_eq!(resized(5)[..10], [0, 1, 3, 4, 5, 6, 7, 9, 10, 11]);
    }

    #[test]
    fn a_recipe_names_the_size_and_lengths_out_of_range_are_refused() {
        let read = |text| serde_json::from_str::<Resizing>(text);
        let resizing = read(r#"{"fit": {"short-side": 256}, "filter": "bicubic"}"#).unwrap();
        let expected = Resizing { fit: Fit::ShortSide(256), filter: ResizeFilter::Bicubic };
        assert_eq!(resizing, expected);
        assert!(read(r#"{"fit": {"square": 8}, "filter": "box"}"#).is_err());
        for side in [0, 16_385] {
            let resizing = Resizing { fit: Fit::Square(side), filter: ResizeFilter::Bilinear };
            let message = resizing.check().unwrap_err().to_string();
            assert_eq!(message, format!("fit: expected 1 to 16384 pixels, got {side}"));
        }
    }
}
