//! The one trait a segmentation network implements to judge and to teach enhancers.

use burn::tensor::{Device, Tensor};
use tapetum_image::{Image, Srgb};

use crate::{enhance::to_tensor, weights::TensorValues};

/// A frozen network that gives every pixel a class.
pub trait Segmenter: Send + Sync {
    /// The names of the classes, in the order of the logits.
    fn classes(&self) -> &'static [&'static str];

    /// Where the network's weights are.
    fn device(&self) -> &Device;

    /// How strongly each pixel speaks for each class, before any softmax. Gradients flow to the image and
    /// to no parameter.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`, sRGB-encoded, 0..1, any height and width from 1; the
    /// network normalises it itself. Result: `[batch, classes, height, width]`.
    fn logits(&self, image: Tensor<4>) -> Tensor<4>;

    /// Number of classes.
    fn n_classes(&self) -> usize {
        self.classes().len()
    }

    /// The class of every pixel, row by row; of equal logits the first class.
    fn predict(&self, image: &Image<Srgb>) -> Vec<u8> {
        let logits = self.logits(to_tensor(image, self.device()));
        // `[1, height, width, classes]`.
        let logits = TensorValues::of(logits.permute([0, 2, 3, 1]));
        logits.values.chunks_exact(self.n_classes()).map(largest).collect()
    }
}

/// The position of the first largest value.
fn largest(values: &[f32]) -> u8 {
    let better = |best: usize, idx: usize| if values[idx] > values[best] { idx } else { best };
    let best = (1..values.len()).fold(0, better);
    u8::try_from(best).expect("at most 256 classes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_is_the_class() {
        let cases: [(&[f32], u8); 4] =
            [(&[1.0], 0), (&[0.0, 2.0, 2.0], 1), (&[-3.0, -4.0, -1.0], 2), (&[5.0, 5.0, 5.0], 0)];
        for (values, expected) in cases {
            assert_eq!(largest(values), expected, "{values:?}");
        }
    }
}
