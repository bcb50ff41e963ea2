//! Nearest and bilinear interpolation between any two sizes, with PyTorch's conventions.

use crate::{gather::Gather, instructions::Instructions, taps::Taps};

/// How values between pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel at `floor(i in / out)`.
    Nearest,
    /// Between the two pixels around `(i + ½) in / out - ½`, at least 0: pixels are areas (PyTorch's
    /// `align_corners=False`).
    Bilinear,
    /// Between the two pixels around `i (in - 1) / (out - 1)`: the corners' centres meet (PyTorch's
    /// `align_corners=True`).
    BilinearCorners,
}

/// Sizes before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResizeShape {
    /// Images.
    pub batch: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of both.
    pub channels: usize,
    /// Rows of the output.
    pub output_height: usize,
    /// Columns of the output.
    pub output_width: usize,
}

/// Images in another size.
///
/// # Shapes
/// `input`: `[batch, height, width, channels]`; `output`: `[batch, output_height, output_width,
/// channels]`.
///
/// # Panics
/// When the lengths do not fit, the input has no pixels, or the instruction set is missing.
pub fn resize(
    instructions: Instructions,
    interpolation: Interpolation,
    shape: &ResizeShape,
    input: &[f32],
    output: &mut [f32],
) {
    shape.check(input, output);
    let ResizeShape { height, width, channels, .. } = *shape;
    weights(interpolation, shape).run(instructions, [height, width, channels], input, output);
}

/// The gradient of the input of [`resize`].
///
/// # Shapes
/// `output_gradient` as its output, `input_gradient` as its input.
///
/// # Panics
/// As [`resize`].
pub fn resize_backward(
    instructions: Instructions,
    interpolation: Interpolation,
    shape: &ResizeShape,
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    shape.check(input_gradient, output_gradient);
    let ResizeShape { channels, output_height, output_width, .. } = *shape;
    let weights = weights(interpolation, shape).transposed([shape.height, shape.width]);
    let size = [output_height, output_width, channels];
    weights.run(instructions, size, output_gradient, input_gradient);
}

impl ResizeShape {
    fn check(&self, input: &[f32], output: &[f32]) {
        assert!(self.height > 0 && self.width > 0, "an input with pixels");
        let n_values = self.batch * self.channels;
        assert_eq!(input.len(), n_values * self.height * self.width, "an input of {self:?}");
        let n_output = n_values * self.output_height * self.output_width;
        assert_eq!(output.len(), n_output, "an output of {self:?}");
    }
}

fn weights(interpolation: Interpolation, shape: &ResizeShape) -> Gather {
    let taps =
        |n_in: usize, n_out| Taps::new(n_out, |idx| taps_at(interpolation, idx, n_in, n_out));
    Gather {
        rows: taps(shape.height, shape.output_height),
        columns: taps(shape.width, shape.output_width),
    }
}

/// The sources of one place and their weights, in PyTorch's single precision.
fn taps_at(
    interpolation: Interpolation,
    idx: usize,
    n_in: usize,
    n_out: usize,
) -> impl Iterator<Item = (usize, f32)> {
    let last = n_in - 1;
    let position = match interpolation {
        Interpolation::Nearest => (idx * n_in / n_out) as f32,
        Interpolation::Bilinear => {
            let scale = n_in as f32 / n_out as f32;
            ((idx as f32 + 0.5) * scale - 0.5).max(0.0)
        }
        Interpolation::BilinearCorners if n_out == 1 => 0.0,
        Interpolation::BilinearCorners => idx as f32 * (last as f32 / (n_out - 1) as f32),
    };
    let first = (position as usize).min(last);
    let second_weight = if first < last { position - first as f32 } else { 0.0 };
    let taps = [(first, 1.0 - second_weight), (first + 1, second_weight)];
    taps.into_iter().filter(|(_, weight)| *weight != 0.0)
}
