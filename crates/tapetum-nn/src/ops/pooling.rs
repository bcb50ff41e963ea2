//! Averages and largest values, of windows and of whole images.

use burn::tensor::Tensor;
use tapetum_kernels::{
    Instructions, PoolShape, average_pool, average_pool_backward, global_average,
    global_average_backward, global_max, global_max_backward, max_pool, max_pool_backward,
};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, run1},
};

/// Windows over an image; pairs are height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Size of a window.
    pub window: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// How far windows may reach out at each side, at most half of the window; what lies outside does
    /// not count.
    pub padding: [usize; 2],
    /// Whether a window that reaches out at the end is kept, if it starts inside.
    pub ceil_mode: bool,
}

impl PoolOptions {
    /// Windows side by side; pixels that fill no window at the end are left out.
    pub fn tiles(window: [usize; 2]) -> Self {
        Self { window, stride: window, padding: [0, 0], ceil_mode: false }
    }
}

/// The mean of every window, over its pixels inside the image.
///
/// # Shapes
/// `input`: `[batch, channels, height, width]`; result: `[batch, channels, rows, columns]` of windows,
/// `⌊(height + 2 padding - window) / stride⌋ + 1` rows; rounded up with `ceil_mode`.
///
/// # Panics
/// When a window is empty, its stride is 0, its padding is more than half of it, or it does not fit.
pub fn average_pool2d(input: Tensor<4>, options: &PoolOptions) -> Tensor<4> {
    if has_kernels(&input.device(), input.dtype()) {
        run1(Pooling::Average(*options), input)
    } else {
        composed::average_pool2d(input, options)
    }
}

/// The largest value of every window; its gradient goes to the first pixel, row by row, that has it.
///
/// # Shapes
/// As [`average_pool2d`].
///
/// # Panics
/// As [`average_pool2d`].
pub fn max_pool2d(input: Tensor<4>, options: &PoolOptions) -> Tensor<4> {
    if has_kernels(&input.device(), input.dtype()) {
        run1(Pooling::Largest(*options), input)
    } else {
        composed::max_pool2d(input, options)
    }
}

/// The mean of every channel over all pixels.
///
/// # Shapes
/// `input`: `[batch, channels, height, width]`; result: `[batch, channels, 1, 1]`.
pub fn global_average_pool(input: Tensor<4>) -> Tensor<4> {
    if has_kernels(&input.device(), input.dtype()) {
        run1(Pooling::GlobalAverage, input)
    } else {
        composed::global_average_pool(input)
    }
}

/// The largest value of every channel; its gradient goes to the first pixel, row by row, that has it.
///
/// # Shapes
/// `input`: `[batch, channels, height, width]`; result: `[batch, channels, 1, 1]`.
pub fn global_max_pool(input: Tensor<4>) -> Tensor<4> {
    if has_kernels(&input.device(), input.dtype()) {
        run1(Pooling::GlobalLargest, input)
    } else {
        composed::global_max_pool(input)
    }
}

#[derive(Debug)]
enum Pooling {
    Average(PoolOptions),
    Largest(PoolOptions),
    GlobalAverage,
    GlobalLargest,
}

impl Operation<1> for Pooling {
    fn input_orders(&self) -> [Order; 1] {
        [Order::ChannelsLast]
    }

    fn output_shape(&self, [input]: [&[usize]; 1]) -> Vec<usize> {
        let [height, width] = match self {
            Self::Average(options) | Self::Largest(options) => {
                pool_shape(options, input).output_size()
            }
            Self::GlobalAverage | Self::GlobalLargest => [1, 1],
        };
        vec![input[0], input[1], height, width]
    }

    fn forward(&self, [input]: &[Values; 1], output: &mut [f32]) {
        let best = Instructions::best();
        let Values { shape, values } = *input;
        match self {
            Self::Average(options) => {
                average_pool(best, &pool_shape(options, shape), values, output);
            }
            Self::Largest(options) => max_pool(best, &pool_shape(options, shape), values, output),
            Self::GlobalAverage => global_average(best, pixels(shape), values, output),
            Self::GlobalLargest => global_max(best, pixels(shape), values, output),
        }
    }

    fn backward(
        &self,
        [input]: &[Values; 1],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        [gradient]: [Option<&mut [f32]>; 1],
    ) {
        let Some(gradient) = gradient else { return };
        let best = Instructions::best();
        let Values { shape, values } = *input;
        match self {
            Self::Average(options) => {
                let shape = pool_shape(options, shape);
                average_pool_backward(best, &shape, output_gradient, gradient);
            }
            Self::Largest(options) => {
                let shape = pool_shape(options, shape);
                max_pool_backward(best, &shape, values, output_gradient, gradient);
            }
            Self::GlobalAverage => {
                global_average_backward(best, pixels(shape), output_gradient, gradient);
            }
            Self::GlobalLargest => {
                global_max_backward(best, pixels(shape), values, output_gradient, gradient);
            }
        }
    }
}

fn pool_shape(options: &PoolOptions, input: &[usize]) -> PoolShape {
    let PoolOptions { window, stride, padding, ceil_mode } = *options;
    PoolShape {
        batch: input[0],
        height: input[2],
        width: input[3],
        channels: input[1],
        window,
        stride,
        padding,
        ceil_mode,
    }
}

/// `[batch, pixels, channels]`.
fn pixels(input: &[usize]) -> [usize; 3] {
    [input[0], input[2] * input[3], input[1]]
}
