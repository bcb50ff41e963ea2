//! A convolution as a sum over taps: output pixel `g` of a grid reads input pixel `step * g + offset`
//! for every tap. Gradients of strided convolutions are several grids, one for each phase.

use super::ConvShape;

/// Where one weight matrix is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    /// Rows and columns from `step * g`.
    pub(super) offset: [isize; 2],
    /// Position in the kernel, row by row.
    pub(super) kernel_idx: usize,
}

/// The taps of one grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taps {
    /// By row, then by column.
    pub(super) list: Vec<Tap>,
    /// Input pixels from one grid pixel to the next.
    pub(super) input_step: [usize; 2],
    /// Output pixels from one grid pixel to the next.
    pub(super) output_step: [usize; 2],
    /// Output pixel of the first grid pixel.
    pub(super) output_offset: [usize; 2],
    /// Height and width of the grid.
    pub(super) grid: [usize; 2],
}

impl Taps {
    pub(super) fn forward(shape: &ConvShape) -> Self {
        let offset = |axis: usize, at: usize| {
            (at * shape.dilation[axis]) as isize - shape.padding[axis] as isize
        };
        let list = (0..shape.kernel[0] * shape.kernel[1]).map(|kernel_idx| {
            let (y, x) = (kernel_idx / shape.kernel[1], kernel_idx % shape.kernel[1]);
            Tap { offset: [offset(0, y), offset(1, x)], kernel_idx }
        });
        Self {
            list: list.collect(),
            input_step: shape.stride,
            output_step: [1, 1],
            output_offset: [0, 0],
            grid: shape.output_size(),
        }
    }

    /// The grids that together give the gradient of the input from that of the output: pixel `i` has a
    /// part in output `(i + padding - dilation * k) / stride` wherever that is whole.
    pub(super) fn backward(shape: &ConvShape) -> Vec<Self> {
        let phases = (0..shape.stride[0].min(shape.size[0]))
            .flat_map(|y| (0..shape.stride[1].min(shape.size[1])).map(move |x| [y, x]));
        phases.map(|phase| Self::backward_phase(shape, phase)).collect()
    }

    fn backward_phase(shape: &ConvShape, phase: [usize; 2]) -> Self {
        let offset = |axis: usize, at: usize| {
            let reach = (phase[axis] + shape.padding[axis]) as isize;
            let distance = reach - (at * shape.dilation[axis]) as isize;
            let stride = shape.stride[axis] as isize;
            (distance % stride == 0).then_some(distance / stride)
        };
        // Downwards, so that the offsets rise.
        let rows = (0..shape.kernel[0]).rev();
        let positions = rows.flat_map(|y| (0..shape.kernel[1]).rev().map(move |x| (y, x)));
        let list = positions.filter_map(|(y, x)| {
            let offset = [offset(0, y)?, offset(1, x)?];
            Some(Tap { offset, kernel_idx: y * shape.kernel[1] + x })
        });
        Self {
            list: list.collect(),
            input_step: [1, 1],
            output_step: shape.stride,
            output_offset: phase,
            grid: std::array::from_fn(|axis| {
                (shape.size[axis] - phase[axis]).div_ceil(shape.stride[axis])
            }),
        }
    }

    /// The smallest offset and the number of pixels from there to the largest.
    pub(super) fn span(&self, axis: usize) -> (isize, usize) {
        let offsets = || self.list.iter().map(|tap| tap.offset[axis]);
        let first = offsets().min().unwrap_or(0);
        (first, (offsets().max().unwrap_or(0) - first) as usize + 1)
    }

    /// Taps that lie side by side as one stretch of a window whose rows hold `row` words and whose
    /// pixels hold `pixel`, with `pixel_stride` words from one grid pixel to the next.
    pub(super) fn runs(&self, row: usize, pixel: usize) -> Vec<Run> {
        let ((first_row, _), (first_column, _)) = (self.span(0), self.span(1));
        let pixel_stride = self.input_step[1] * pixel;
        let mut runs: Vec<Run> = Vec::new();
        for tap in &self.list {
            let y = (tap.offset[0] - first_row) as usize;
            let x = (tap.offset[1] - first_column) as usize;
            let start = y * row + x * pixel;
            match runs.last_mut() {
                Some(run) if run.end() == start => run.length += pixel,
                _ => runs.push(Run { start, length: pixel, pixel_stride }),
            }
        }
        runs
    }
}

/// A stretch of words that the first pixel of a row reads; the others read on from theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) length: usize,
    /// Words from one pixel to the next.
    pub(crate) pixel_stride: usize,
}

impl Run {
    pub(crate) fn end(self) -> usize {
        self.start + self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_taps_become_one_run() {
        let shape = ConvShape::same(1, [9, 9], 4, 4, 3);
        let runs = |shape: &ConvShape| -> Vec<(usize, usize)> {
            let runs = Taps::forward(shape).runs(100, 4);
            runs.iter().map(|run| (run.start, run.length)).collect()
        };
        assert_eq!(runs(&shape), [(0, 12), (100, 12), (200, 12)]);
        let dilated = ConvShape { dilation: [1, 2], padding: [1, 2], ..shape };
        assert_eq!(runs(&dilated)[..4], [(0, 4), (8, 4), (16, 4), (100, 4)]);
    }

    #[test]
    fn phases_of_a_strided_gradient_share_the_taps_out() {
        let shape = ConvShape {
            kernel: [4, 4],
            stride: [2, 2],
            padding: [1, 1],
            ..ConvShape::same(1, [8, 7], 1, 1, 3)
        };
        let phases = Taps::backward(&shape);
        assert_eq!(phases.iter().map(|taps| taps.list.len()).sum::<usize>(), 16);
        assert_eq!(
            phases.iter().map(|taps| taps.grid).collect::<Vec<_>>(),
            [[4, 4], [4, 3], [4, 4], [4, 3]]
        );
    }
}
