//! Making an image half as large after the filter `[1 2 1] / 4` along rows and columns, so that a shift
//! of the image changes little.

use burn::tensor::{Tensor, ops::PadMode};

use crate::{
    ops::{self, PoolOptions},
    weights::{WeightReader, WeightsError},
};

/// Smallest side that [`blur_pool`] takes, in pixels: two are mirrored.
#[cfg(test)]
const SIDE_MIN: usize = 3;

/// Filters the image, mirrored at its border pixels by two pixels a side, at every second pixel
/// ([Zhang 2019], with the wider border of [Ghildyal and Liu 2022]).
///
/// # Shapes
/// `[batch, channels, height, width]` becomes `[batch, channels, ⌊(height + 1) / 2⌋ + 1, …]`; from three
/// pixels a side.
pub(super) fn blur_pool(input: Tensor<4>) -> Tensor<4> {
    filtered(input.pad((2, 2, 2, 2), PadMode::Reflect))
}

/// The square root of the filtered squares, with zeros around the image ([Ding 2020]).
///
/// # Shapes
/// `[batch, channels, height, width]` becomes `[batch, channels, ⌈height / 2⌉, ⌈width / 2⌉]`.
pub(super) fn l2_pool(input: Tensor<4>) -> Tensor<4> {
    let squares = input.clone() * input;
    (filtered(squares.pad((1, 1, 1, 1), PadMode::Constant(0.0))) + 1e-12).sqrt()
}

/// `[1 1] / 2` twice is `[1 2 1] / 4`; the second time takes every second pixel.
fn filtered(padded: Tensor<4>) -> Tensor<4> {
    let pairs = PoolOptions { stride: [1, 1], ..PoolOptions::tiles([2, 2]) };
    ops::average_pool2d(ops::average_pool2d(padded, &pairs), &PoolOptions::tiles([2, 2]))
}

/// Takes a stored filter `[channels, 1, 3, 3]`, which must be the binomial one.
pub(super) fn check_filter(
    reader: &mut WeightReader,
    name: &str,
    n_channels: usize,
) -> Result<(), WeightsError> {
    let filter = reader.take(name, &[n_channels, 1, 3, 3]);
    let expected = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|value| value / 16.0);
    // A missing filter reads as zeros, and is told by the reader itself.
    let is_read = filter.iter().any(|&value| value != 0.0);
    match filter.iter().zip(expected.iter().cycle()).find(|(a, b)| (**a - **b).abs() > 1e-6) {
        Some((found, expected)) if is_read => Err(WeightsError::Mismatch {
            method: "a binomial filter".to_owned(),
            detail: format!("{name}: expected {expected}, got {found}"),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::weights::TensorValues;

    #[test]
    fn the_filter_weighs_one_two_one_and_mirrors_two_pixels() {
        // One row of values a row: only the columns count.
        let row = [1.0, 2.0, 4.0, 8.0, 16.0];
        let image = TensorData::new([row; SIDE_MIN].concat(), [1, 1, SIDE_MIN, row.len()]);
        let found = TensorValues::of(blur_pool(Tensor::from_data(image, &Device::flex())));
        // Mirrored: 4 2 | 1 2 4 8 16 | 8 4; centres at 2, 2, 8 and 8.
        assert_eq!(found.shape, [1, 1, 3, 4]);
        assert_eq!(found.values[..4], [2.25, 2.25, 9.0, 9.0]);
    }

    #[test]
    fn squares_are_filtered_with_zeros_around() {
        let image = TensorData::new(vec![3.0f32; 9], [1, 1, 3, 3]);
        let found = TensorValues::of(l2_pool(Tensor::from_data(image, &Device::flex())));
        // Three quarters of the weight lie inside at each border.
        let corner = 3.0 * 0.75;
        assert_eq!(found.shape, [1, 1, 2, 2]);
        assert!(found.values.iter().all(|value: &f32| (value - corner).abs() < 1e-5));
    }
}
