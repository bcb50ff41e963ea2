//! The loss a segmenter is trained with.

use burn::tensor::{Int, activation::log_softmax};
use tapetum_nn::prelude::Tensor;

/// `-mean_p log softmax(S(p))_{y(p)}`: the mean is over the pixels that are not void; 0 where all are.
///
/// # Shapes
/// `logits`: `[batch, classes, height, width]`; `labels`: `[batch, height, width]`, values beyond the
/// classes are void. Result: a scalar.
pub fn cross_entropy(logits: Tensor<4>, labels: Tensor<3, Int>) -> Tensor<1> {
    let [n_batch, n_classes, height, width] = logits.dims();
    let n_pixels = n_batch * height * width;
    // `[pixels, classes]`, as the logits lie in memory.
    let logits = logits.permute([0, 2, 3, 1]).reshape([n_pixels, n_classes]);
    let labels = labels.reshape([n_pixels, 1]);
    let is_valid = labels.clone().lower_elem(n_classes as i64).float();
    let labels = labels.clamp_max(n_classes as i64 - 1);
    let log_likelihood = log_softmax(logits, 1).gather(1, labels) * is_valid.clone();
    -log_likelihood.sum() / is_valid.sum().clamp_min(1.0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use tapetum_nn::prelude::Device;

    use super::*;

    fn loss(labels: [i64; 3]) -> f32 {
        let device = Device::flex();
        // Pixels with logits (0, ln 3), (ln 4, 0) and (100, 0).
        let values = vec![0.0, 4f32.ln(), 100.0, 3f32.ln(), 0.0, 0.0];
        let logits = Tensor::from_data(TensorData::new(values, [1, 2, 1, 3]), &device);
        let labels = Tensor::<1, Int>::from_data(TensorData::from(labels), &device);
        cross_entropy(logits, labels.reshape([1, 1, 3])).into_scalar()
    }

    #[test]
    fn the_mean_is_over_the_pixels_that_are_not_void() {
        let cases = [
            ([1, 1, 2], 0.5 * ((4.0 / 3f32).ln() + 5f32.ln())),
            ([0, 2, 255], 4f32.ln()),
            ([2, 2, 1], 100.0),
            ([2, 3, 255], 0.0),
        ];
        for (labels, expected) in cases {
            let found = loss(labels);
            assert!((found - expected).abs() < 1e-5, "{labels:?}: {found} for {expected}");
        }
    }
}
