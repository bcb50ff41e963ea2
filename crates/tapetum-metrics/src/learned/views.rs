//! Pictures as tensors, and features as slices.

use tapetum_nn::prelude::{Device, Tensor, TensorData};
use tapetum_nn::weights::TensorValues;

use crate::Picture;

/// `[1, 3, height, width]`, 0..1.
pub(super) fn tensor(picture: &Picture, device: &Device) -> Tensor<4> {
    let values = picture.planes.iter().flat_map(|plane| &plane.values);
    let values: Vec<f32> = values.map(|&value| (value / 255.0) as f32).collect();
    let shape = [1, 3, picture.height(), picture.width()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// One picture's features, the channels of a pixel side by side.
pub(super) struct Features {
    pub(super) n_channels: usize,
    pub(super) values: Vec<f32>,
}

impl Features {
    /// From `[1, channels, height, width]`.
    pub(super) fn of(tensor: Tensor<4>) -> Self {
        let n_channels = tensor.dims()[1];
        // The kernels' own order: nothing moves.
        let values = TensorValues::of(tensor.permute([0, 2, 3, 1])).values;
        Self { n_channels, values }
    }

    pub(super) fn pixels(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.n_channels)
    }
}
