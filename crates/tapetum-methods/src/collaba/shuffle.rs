//! Pixels as channels and back ([Shi 2016] Eq. 4).

use tapetum_nn::prelude::*;

/// Squares of `factor` pixels a side as channels: those of a channel one behind the other, row by row.
///
/// # Shapes
/// `image`: `[batch, n, factor height, factor width]`; result: `[batch, n factor², height, width]`.
pub(super) fn unshuffled(image: Tensor<4>, factor: usize) -> Tensor<4> {
    if factor == 1 {
        return image;
    }
    let [batch, n, height, width] = image.dims();
    let (rows, columns) = (height / factor, width / factor);
    let squares = image.reshape([batch, n, rows, factor, columns, factor]);
    squares.permute([0, 1, 3, 5, 2, 4]).reshape([batch, n * factor * factor, rows, columns])
}

/// The way back.
pub(super) fn shuffled(image: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, n_all, rows, columns] = image.dims();
    let n = n_all / (factor * factor);
    let squares = image.reshape([batch, n, factor, factor, rows, columns]);
    squares.permute([0, 1, 4, 2, 5, 3]).reshape([batch, n, rows * factor, columns * factor])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn squares_become_channels_row_by_row_and_come_back() {
        let ramp: Vec<f32> = (0..2 * 4 * 6).map(|value| value as f32).collect();
        let image = Tensor::<1>::from_floats(ramp.as_slice(), &Device::flex());
        let image = image.reshape([1, 2, 4, 6]);
        let channels = unshuffled(image.clone(), 2);
        assert_eq!(channels.dims(), [1, 8, 2, 3]);
        let first = channels.clone().narrow(2, 0, 1).narrow(3, 0, 1).into_data();
        let first: Vec<f32> = first.try_into_vec().unwrap();
        assert_eq!(first, [0.0, 1.0, 6.0, 7.0, 24.0, 25.0, 30.0, 31.0]);
        let back: Vec<f32> = shuffled(channels, 2).into_data().try_into_vec().unwrap();
        assert_eq!(back, ramp);
    }
}
