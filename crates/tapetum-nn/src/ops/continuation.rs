//! Images continued beyond their border.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// The image continued by reflection at the right and at the bottom to `size`, height first: there and back again
/// as often as needed, border pixels once. Sides that are as long already stay.
///
/// # Shapes
/// `image`: `[batch, channels, height, width]`; result: `[batch, channels, size]`.
///
/// # Panics
/// When the image is larger.
pub fn continued(image: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = image.dims();
    assert!(height <= size[0] && width <= size[1], "{height}x{width} within {size:?}");
    let sides = [(2, height, size[0]), (3, width, size[1])];
    sides.into_iter().fold(image, |image, (dim, side, target)| match target == side {
        true => image,
        false => image.clone().select(dim, reflected(side, target, &image.device())),
    })
}

/// Where the pixels of a row of `target` lie in one of `side`.
fn reflected(side: usize, target: usize, device: &Device) -> Tensor<1, Int> {
    let period = (2 * side).saturating_sub(2).max(1);
    let place = |idx: usize| {
        let place = idx % period;
        place.min(period - place).min(side - 1) as i32
    };
    let places: Vec<i32> = (0..target).map(place).collect();
    Tensor::from_data(TensorData::new(places, [target]), device)
}
