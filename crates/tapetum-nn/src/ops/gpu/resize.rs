//! Bilinear interpolation and its gradient, which the engine does not have on cards: a unit for each value of
//! the result, which for the gradient is the input.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{channels_first, channels_last, cubes_for, empty};

/// Two pixels of a row or column that a pixel of the result lies between.
#[derive(CubeType, Clone, Copy)]
struct Between {
    low: usize,
    high: usize,
    /// How far it lies from the lower one.
    share: f32,
}

/// `image` resized to `[height, width]`; see [`crate::ops::resize2d`].
pub(super) fn bilinear(
    image: CubeTensor,
    [height, width]: [usize; 2],
    corners: bool,
) -> CubeTensor {
    let image = channels_last(image);
    let shape = image.meta.shape();
    let output = empty(&image, [shape[0], height, width, shape[3]]);
    let (count, dim) = cubes_for(&image, output.meta.num_elements());
    bilinear_kernel::launch(
        &image.client.clone(),
        count,
        dim,
        image.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        corners,
    );
    channels_first(output)
}

/// The gradient of an image of `[height, width]` from that of what it was resized to.
pub(super) fn bilinear_backward(
    gradient: CubeTensor,
    [height, width]: [usize; 2],
    corners: bool,
) -> CubeTensor {
    let gradient = channels_last(gradient);
    let shape = gradient.meta.shape();
    let to_image = empty(&gradient, [shape[0], height, width, shape[3]]);
    let (count, dim) = cubes_for(&gradient, to_image.meta.num_elements());
    bilinear_backward_kernel::launch(
        &gradient.client.clone(),
        count,
        dim,
        gradient.into_tensor_arg(),
        to_image.clone().into_tensor_arg(),
        corners,
    );
    channels_first(to_image)
}

#[cube(launch)]
fn bilinear_kernel(image: &Tensor<f32>, output: &mut Tensor<f32>, #[comptime] corners: bool) {
    let idx = ABSOLUTE_POS;
    if idx < output.len() {
        let (height, width, n_channels) = (image.shape(1), image.shape(2), image.shape(3));
        let channel = idx % n_channels;
        let pixel = idx / n_channels;
        let x = between(pixel % output.shape(2), output.shape(2), width, corners);
        let row = pixel / output.shape(2);
        let y = between(row % output.shape(1), output.shape(1), height, corners);
        let first = row / output.shape(1) * height;
        let top = (first + y.low) * width;
        let bottom = (first + y.high) * width;
        let upper = mixed(
            image[(top + x.low) * n_channels + channel],
            image[(top + x.high) * n_channels + channel],
            x.share,
        );
        let lower = mixed(
            image[(bottom + x.low) * n_channels + channel],
            image[(bottom + x.high) * n_channels + channel],
            x.share,
        );
        output[idx] = mixed(upper, lower, y.share);
    }
}

#[cube(launch)]
fn bilinear_backward_kernel(
    gradient: &Tensor<f32>,
    to_image: &mut Tensor<f32>,
    #[comptime] corners: bool,
) {
    let idx = ABSOLUTE_POS;
    if idx < to_image.len() {
        let (height, width, n_channels) = (to_image.shape(1), to_image.shape(2), to_image.shape(3));
        let (rows, columns) = (gradient.shape(1), gradient.shape(2));
        let channel = idx % n_channels;
        let pixel = idx / n_channels;
        let (x, row) = (pixel % width, pixel / width);
        let y = row % height;
        let first = row / height * rows;
        let (first_row, end_row) = (first_near(y, rows, height), end_near(y, rows, height));
        let (first_column, end_column) =
            (first_near(x, columns, width), end_near(x, columns, width));
        let mut sum = 0.0f32;
        for to_row in first_row..end_row {
            let of_row = share_of(y, between(to_row, rows, height, corners));
            for to_column in first_column..end_column {
                let of_column = share_of(x, between(to_column, columns, width, corners));
                let place = ((first + to_row) * columns + to_column) * n_channels + channel;
                sum += of_row * of_column * gradient[place];
            }
        }
        to_image[idx] = sum;
    }
}

/// Where pixel `idx` of `n_to` lies among `n_from` pixels.
#[cube]
fn between(idx: usize, n_to: usize, n_from: usize, #[comptime] corners: bool) -> Between {
    let (from, to) = (f32::cast_from(n_from as u32), f32::cast_from(n_to as u32));
    let mut place = 0.0f32;
    if comptime!(corners) {
        if n_to > 1 {
            place = f32::cast_from(idx as u32) * ((from - 1.0f32) / (to - 1.0f32));
        }
    } else {
        place = max((f32::cast_from(idx as u32) + 0.5f32) * (from / to) - 0.5f32, 0.0f32);
    }
    let last = n_from - 1;
    let low = min(u32::cast_from(place) as usize, last);
    Between { low, high: min(low + 1, last), share: place - f32::cast_from(low as u32) }
}

/// The weight of pixel `idx` in what lies there.
#[cube]
fn share_of(idx: usize, place: Between) -> f32 {
    let mut share = 0.0f32;
    if place.low == idx {
        share += 1.0f32 - place.share;
    }
    if place.high == idx {
        share += place.share;
    }
    share
}

/// The first pixel of `n_to` that may lie within a pixel of pixel `idx` of `n_from`; those before it do not.
#[cube]
fn first_near(idx: usize, n_to: usize, n_from: usize) -> usize {
    let mut first = 0usize.runtime();
    let reach = 2 * (n_to / n_from + 1);
    let middle = idx * n_to / n_from;
    if idx > 0 && middle > reach {
        first = middle - reach;
    }
    first
}

/// The end of those.
#[cube]
fn end_near(idx: usize, n_to: usize, n_from: usize) -> usize {
    let mut end = n_to;
    let reach = 2 * (n_to / n_from + 1);
    let middle = (idx + 1) * n_to / n_from;
    if idx + 1 < n_from {
        end = min(middle + reach + 1, n_to);
    }
    end
}

#[cube]
fn mixed(a: f32, b: f32, share: f32) -> f32 {
    (1.0f32 - share) * a + share * b
}
