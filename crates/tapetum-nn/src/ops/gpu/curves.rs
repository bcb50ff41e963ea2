//! The light-enhancement curve, all its steps at once: a unit for each value of the image.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{channels_first, channels_last, cubes_for, empty_like};

/// Channels of an image.
const N_CHANNELS: usize = 3;

/// See [`crate::ops::apply_curves`].
pub(super) fn curves(image: CubeTensor, maps: CubeTensor) -> CubeTensor {
    let n_steps = n_steps(&image, &maps);
    let [image, maps] = [image, maps].map(channels_last);
    let output = empty_like(&image);
    let (count, dim) = cubes_for(&image, image.meta.num_elements());
    curves_kernel::launch(
        &image.client.clone(),
        count,
        dim,
        image.into_tensor_arg(),
        maps.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        n_steps,
    );
    channels_first(output)
}

/// The gradients of image and maps.
pub(super) fn curves_backward(
    image: CubeTensor,
    maps: CubeTensor,
    gradient: CubeTensor,
) -> (CubeTensor, CubeTensor) {
    let n_steps = n_steps(&image, &maps);
    let [image, maps, gradient] = [image, maps, gradient].map(channels_last);
    let [to_image, to_maps] = [&image, &maps].map(empty_like);
    let (count, dim) = cubes_for(&image, image.meta.num_elements());
    curves_backward_kernel::launch(
        &image.client.clone(),
        count,
        dim,
        image.into_tensor_arg(),
        maps.into_tensor_arg(),
        gradient.into_tensor_arg(),
        to_image.clone().into_tensor_arg(),
        to_maps.clone().into_tensor_arg(),
        n_steps,
    );
    (channels_first(to_image), channels_first(to_maps))
}

fn n_steps(image: &CubeTensor, maps: &CubeTensor) -> usize {
    let [image, maps] = [image, maps].map(|tensor| tensor.meta.shape());
    assert_eq!(image[1], N_CHANNELS, "an image of three channels");
    assert_eq!([image[0], image[2], image[3]], [maps[0], maps[2], maps[3]], "maps of the image");
    maps[1] / N_CHANNELS
}

#[cube(launch)]
fn curves_kernel(
    image: &Tensor<f32>,
    maps: &Tensor<f32>,
    output: &mut Tensor<f32>,
    #[comptime] n_steps: usize,
) {
    let idx = ABSOLUTE_POS;
    if idx < output.len() {
        let first = first_map(idx, n_steps);
        let mut value = image[idx];
        #[unroll]
        for step in 0..n_steps {
            let rate = maps[first + step * N_CHANNELS].tanh();
            value += rate * (value * value - value);
        }
        output[idx] = value;
    }
}

#[cube(launch)]
fn curves_backward_kernel(
    image: &Tensor<f32>,
    maps: &Tensor<f32>,
    gradient: &Tensor<f32>,
    to_image: &mut Tensor<f32>,
    to_maps: &mut Tensor<f32>,
    #[comptime] n_steps: usize,
) {
    let idx = ABSOLUTE_POS;
    if idx < to_image.len() {
        let first = first_map(idx, n_steps);
        // What each step starts from, and its rate.
        let mut values = Array::<f32>::new(n_steps);
        let mut rates = Array::<f32>::new(n_steps);
        let mut value = image[idx];
        #[unroll]
        for step in 0..n_steps {
            let rate = maps[first + step * N_CHANNELS].tanh();
            values[step] = value;
            rates[step] = rate;
            value += rate * (value * value - value);
        }
        let mut slope = gradient[idx];
        #[unroll]
        for back in 0..n_steps {
            let step = n_steps - 1 - back;
            let (value, rate) = (values[step], rates[step]);
            let to_rate = slope * (value * value - value);
            to_maps[first + step * N_CHANNELS] = to_rate * (1.0f32 - rate * rate);
            slope *= 1.0f32 + rate * (2.0f32 * value - 1.0f32);
        }
        to_image[idx] = slope;
    }
}

/// Where the map of the first step lies for the value `idx` of the image.
#[cube]
fn first_map(idx: usize, #[comptime] n_steps: usize) -> usize {
    idx / N_CHANNELS * (N_CHANNELS * n_steps) + idx % N_CHANNELS
}
