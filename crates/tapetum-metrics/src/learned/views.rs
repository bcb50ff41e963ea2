//! Pictures as tensors, and features as slices.

use tapetum_nn::prelude::{Device, Tensor, TensorData};
use tapetum_nn::weights::TensorValues;

use crate::{MetricError, Picture};

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

/// Fails unless both are finite and have one size with sides of at least `side_min`. A network can hide
/// a NaN: a ReLU may make 0 of it.
pub(super) fn check_pair(
    metric: &'static str,
    first: &Picture,
    second: &Picture,
    side_min: usize,
) -> Result<(), MetricError> {
    let sizes = [first, second].map(|picture| (picture.width(), picture.height()));
    if sizes[0] != sizes[1] {
        return Err(MetricError::Sizes {
            first_width: sizes[0].0,
            first_height: sizes[0].1,
            second_width: sizes[1].0,
            second_height: sizes[1].1,
        });
    }
    check_finite(metric, first)?;
    check_finite(metric, second)?;
    let (width, height) = sizes[0];
    if width.min(height) < side_min.max(1) {
        return Err(MetricError::TooSmall { metric, side_min, width, height });
    }
    Ok(())
}

fn check_finite(metric: &'static str, picture: &Picture) -> Result<(), MetricError> {
    let values = picture.planes.iter().flat_map(|plane| &plane.values);
    match values.copied().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => {
            let detail = format!("expected a finite picture, got {value}");
            Err(MetricError::Undefined { metric, detail })
        }
    }
}
