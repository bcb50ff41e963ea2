//! The same convolution in a form that fills the registers: few output channels leave most lanes of a register empty.

use super::{ConvShape, pack::n_lanes};
use crate::instructions::Instructions;

/// A convolution that gives the same output, value by value.
pub(super) struct Rewritten {
    pub(super) shape: ConvShape,
    pub(super) weight: Vec<f32>,
    pub(super) bias: Option<Vec<f32>>,
}

/// One that takes fewer steps, if there is.
pub(super) fn rewritten(
    instructions: Instructions,
    shape: &ConvShape,
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Option<Rewritten> {
    let n_lanes = n_lanes(instructions);
    paired_groups(n_lanes, shape, weight, bias)
        .or_else(|| neighbouring_pixels(n_lanes, shape, weight, bias))
}

/// Two groups as one, where a register holds the outputs of both: they see each other's inputs through zeros.
fn paired_groups(
    n_lanes: usize,
    shape: &ConvShape,
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Option<Rewritten> {
    let (group_in, group_out) = (shape.n_in / shape.groups, shape.n_out / shape.groups);
    // As many products fill a register; with one input channel a group they are too many zeros.
    let is_fitting = shape.groups.is_multiple_of(2) && 2 * group_out <= n_lanes && group_in > 1;
    if !is_fitting {
        return None;
    }
    let area = shape.kernel[0] * shape.kernel[1];
    let row = group_in * area;
    let mut paired = vec![0.0; 2 * weight.len()];
    for (out, (paired, weight)) in
        paired.chunks_exact_mut(2 * row).zip(weight.chunks_exact(row)).enumerate()
    {
        let start = out / group_out % 2 * row;
        paired[start..start + row].copy_from_slice(weight);
    }
    let shape = ConvShape { groups: shape.groups / 2, ..*shape };
    Some(Rewritten { shape, weight: paired, bias: bias.map(<[f32]>::to_vec) })
}

/// Outputs of neighbouring pixels of a row as channels of one, by copies of the kernel that lie a pixel apart.
fn neighbouring_pixels(
    n_lanes: usize,
    shape: &ConvShape,
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Option<Rewritten> {
    let [height, width] = shape.kernel;
    let is_plain = shape.groups == 1 && shape.stride == [1, 1] && shape.dilation == [1, 1];
    if !is_plain || width == 1 || shape.n_out == 0 {
        return None;
    }
    let n_columns = shape.output_size()[1];
    let counts = (1..).map(|exponent| 1usize << exponent);
    let fitting = counts.take_while(|n| n * shape.n_out <= n_lanes);
    let n = fitting.filter(|n| n_columns.is_multiple_of(*n)).last()?;
    let (row, wide) = (width, width + n - 1);
    let n_planes = shape.n_in * height;
    let mut copies = vec![0.0; n * shape.n_out * n_planes * wide];
    for pixel in 0..n {
        for out in 0..shape.n_out {
            for plane in 0..n_planes {
                let from = (out * n_planes + plane) * row;
                let to = ((pixel * shape.n_out + out) * n_planes + plane) * wide + pixel;
                copies[to..to + row].copy_from_slice(&weight[from..from + row]);
            }
        }
    }
    let shape =
        ConvShape { kernel: [height, wide], stride: [1, n], n_out: n * shape.n_out, ..*shape };
    Some(Rewritten { shape, weight: copies, bias: bias.map(|bias| bias.repeat(n)) })
}

/// Which of three taps fall on the same pixel of an image before it was doubled, for the four taps of the gradient of a
/// strided convolution.
const TAPS: [[f32; 3]; 4] = [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]];

/// Kernels of 3x3 as kernels of 4x4, from a pixel to the pixels of twice the size.
pub(super) fn kernel_of_doubled(weight: &[f32]) -> Vec<f32> {
    let kernel = |weight: &[f32]| {
        let at = |y: usize, x: usize| {
            let taps = (0..9).map(|tap| TAPS[y][tap / 3] * TAPS[x][tap % 3] * weight[tap]);
            taps.sum::<f32>()
        };
        std::array::from_fn::<f32, 16, _>(|tap| at(tap / 4, tap % 4))
    };
    weight.chunks_exact(9).flat_map(kernel).collect()
}
