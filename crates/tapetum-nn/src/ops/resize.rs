//! Images in another size.

use burn::tensor::Tensor;
use tapetum_kernels::{Instructions, Interpolation, ResizeShape, resize, resize_backward};

#[cfg(feature = "gpu")]
use super::gpu;
use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, run1},
};

/// Resizes to `[height, width]`. [`Interpolation`] says where the pixel `i` of the result lies among
/// those of the input; between two pixels at a distance `t` from the first, it is
/// `(1 - t) first + t second`, along columns and along rows.
///
/// # Shapes
/// `input`: `[batch, channels, any, any]`; result: `[batch, channels, height, width]`.
pub fn resize2d(input: Tensor<4>, size: [usize; 2], interpolation: Interpolation) -> Tensor<4> {
    if has_kernels(&input.device(), input.dtype()) {
        return run1(Resize { size, interpolation }, input);
    }
    #[cfg(feature = "gpu")]
    if interpolation != Interpolation::Nearest && gpu::has_kernels(&input.device(), input.dtype()) {
        let corners = interpolation == Interpolation::BilinearCorners;
        return composed::in_plain_order(gpu::resize_bilinear(input, size, corners));
    }
    composed::resize2d(input, size, interpolation)
}

#[derive(Debug)]
struct Resize {
    size: [usize; 2],
    interpolation: Interpolation,
}

impl Resize {
    fn shape(&self, input: &[usize]) -> ResizeShape {
        ResizeShape {
            batch: input[0],
            height: input[2],
            width: input[3],
            channels: input[1],
            output_height: self.size[0],
            output_width: self.size[1],
        }
    }
}

impl Operation<1> for Resize {
    fn input_orders(&self) -> [Order; 1] {
        [Order::ChannelsLast]
    }

    fn output_shape(&self, [input]: [&[usize]; 1]) -> Vec<usize> {
        vec![input[0], input[1], self.size[0], self.size[1]]
    }

    fn forward(&self, [input]: &[Values; 1], output: &mut [f32]) {
        let shape = self.shape(input.shape);
        resize(Instructions::best(), self.interpolation, &shape, input.values, output);
    }

    fn backward(
        &self,
        [input]: &[Values; 1],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        [gradient]: [Option<&mut [f32]>; 1],
    ) {
        let Some(gradient) = gradient else { return };
        let (best, shape) = (Instructions::best(), self.shape(input.shape));
        resize_backward(best, self.interpolation, &shape, output_gradient, gradient);
    }
}
