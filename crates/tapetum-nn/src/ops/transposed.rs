//! Transposed convolution whose results do not overlap.

use burn::tensor::Tensor;
use tapetum_kernels::Activation;

use super::{
    composed,
    convolution::{ConvOptions, conv2d},
    operation::has_kernels,
};

/// Every pixel becomes a tile of the kernel's size: a transposed convolution whose stride is its kernel,
/// without bias or padding.
///
/// # Shapes
/// `input`: `[batch, in, height, width]`; `weight`: `[in, out, rows, columns]`;
/// result: `[batch, out, height · rows, width · columns]`.
pub fn transposed_conv2d(input: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    if !has_kernels(&input.device(), input.dtype()) {
        return composed::transposed_conv2d(input, weight);
    }
    let ([batch, _, height, width], [n_in, n_out, rows, columns]) = (input.dims(), weight.dims());
    // A 1x1 convolution gives all pixels of a tile, `[batch, rows · columns · out, height, width]`.
    let weight = weight.permute([2, 3, 1, 0]).reshape([rows * columns * n_out, n_in, 1, 1]);
    let tiles = conv2d(input, weight, None, &ConvOptions::same(1), Activation::Identity);
    // `[batch, height, rows, width, columns · out]`, then channels last as the kernels want them.
    let tiles = tiles.permute([0, 2, 3, 1]).reshape([batch, height, width, rows, columns * n_out]);
    let image = tiles.swap_dims(2, 3).reshape([batch, height * rows, width * columns, n_out]);
    image.permute([0, 3, 1, 2])
}
