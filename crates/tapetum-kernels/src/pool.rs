//! Windows over images and their averages, with PyTorch's conventions.

use crate::{gather::Gather, instructions::Instructions, taps::Taps};

/// Windows over images; pairs are rows, then columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolShape {
    /// Images.
    pub batch: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Size of a window.
    pub window: [usize; 2],
    /// Distance between windows.
    pub stride: [usize; 2],
    /// How far windows may reach out at every side, at most half of the window; what is outside does
    /// not count (PyTorch's `count_include_pad=False`).
    pub padding: [usize; 2],
    /// Whether a window that reaches out at the end is kept, if it starts inside.
    pub ceil_mode: bool,
}

impl PoolShape {
    /// Rows and columns of the output.
    ///
    /// # Panics
    /// When a window is empty, its stride 0, its padding more than half of it, or it does not fit.
    pub fn output_size(&self) -> [usize; 2] {
        [(0, self.height), (1, self.width)].map(|(axis, n)| {
            let (window, stride, padding) =
                (self.window[axis], self.stride[axis], self.padding[axis]);
            assert!(window > 0 && stride > 0, "windows that are not empty and move, got {self:?}");
            assert!(2 * padding <= window, "padding of half a window at most, got {self:?}");
            let room = (n + 2 * padding).checked_sub(window).expect("a window that fits");
            let n_output = if self.ceil_mode { room.div_ceil(stride) } else { room / stride } + 1;
            if self.ceil_mode && (n_output - 1) * stride >= n + padding {
                n_output - 1
            } else {
                n_output
            }
        })
    }

    /// The part of each window of an axis that lies inside the image.
    pub(crate) fn windows(&self, axis: usize) -> impl Fn(usize) -> std::ops::Range<usize> {
        let n = [self.height, self.width][axis];
        let (window, stride, padding) = (self.window[axis], self.stride[axis], self.padding[axis]);
        move |idx| {
            let start = idx * stride;
            start.saturating_sub(padding)..(start + window).saturating_sub(padding).min(n)
        }
    }

    /// For every window along an axis, the positions inside it, each with what `value` makes of the
    /// position in the window and of the window's size.
    pub(crate) fn taps<T: Copy>(&self, axis: usize, value: fn(usize, usize) -> T) -> Taps<T> {
        let windows = self.windows(axis);
        Taps::new(self.output_size()[axis], |idx| {
            let window = windows(idx);
            let n = window.len();
            window.enumerate().map(move |(place, source)| (source, value(place, n)))
        })
    }

    fn averages(&self) -> Gather {
        let share = |_, n| 1.0 / n as f32;
        Gather { rows: self.taps(0, share), columns: self.taps(1, share) }
    }

    pub(crate) fn check(&self, input: &[f32], output: &[f32]) {
        let n_values = self.batch * self.channels;
        assert_eq!(input.len(), n_values * self.height * self.width, "an input of {self:?}");
        let [height, width] = self.output_size();
        assert_eq!(output.len(), n_values * height * width, "an output of {height}x{width}");
    }
}

/// Mean of each window.
///
/// # Shapes
/// `input`: `[batch, height, width, channels]`; `output`: the same with [`PoolShape::output_size`].
///
/// # Panics
/// When the lengths do not fit, a window is not one, or the instruction set is missing.
pub fn average_pool(
    instructions: Instructions,
    shape: &PoolShape,
    input: &[f32],
    output: &mut [f32],
) {
    shape.check(input, output);
    let size = [shape.height, shape.width, shape.channels];
    shape.averages().run(instructions, size, input, output);
}

/// The gradient of the input of [`average_pool`].
///
/// # Shapes
/// `output_gradient` as its output, `input_gradient` as its input.
///
/// # Panics
/// As [`average_pool`].
pub fn average_pool_backward(
    instructions: Instructions,
    shape: &PoolShape,
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    shape.check(input_gradient, output_gradient);
    let [height, width] = shape.output_size();
    let weights = shape.averages().transposed([shape.height, shape.width]);
    weights.run(instructions, [height, width, shape.channels], output_gradient, input_gradient);
}
