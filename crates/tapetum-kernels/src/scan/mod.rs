//! Selective scan of an image (Mamba, Semi-LLIE's SS2D): a linear recurrence along rows or columns
//! whose rates depend on the pixel.
//!
//! Nothing is transposed or reversed: all images stay in image order, and a direction only says in
//! which order their pixels are visited. What a direction visits far apart is copied to a small
//! buffer, a chunk of positions at a time, for a panel of neighbouring channels.

mod backward;
mod forward;
mod panel;

use rayon::prelude::*;

use self::{
    backward::{BACKWARD_BLOCKS, BackwardPanel},
    forward::{FORWARD_BLOCKS, ForwardPanel},
    panel::{Channels, LaneCount, Scan, SharedImage},
};
use crate::instructions::Instructions;

/// Size of what is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanShape {
    /// Images.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels `D`, each scanned on its own.
    pub channels: usize,
    /// States `N` of every channel.
    pub states: usize,
}

impl ScanShape {
    /// Positions of one sequence, `L`.
    fn length(&self) -> usize {
        self.height * self.width
    }

    /// Lengths of the inputs, in the order of their fields.
    fn input_lengths(&self) -> [usize; 7] {
        let n_pixels = self.batch * self.length();
        let (n_values, n_mixed) = (n_pixels * self.channels, n_pixels * self.states);
        let n_decays = self.channels * self.states;
        [n_values, n_values, self.channels, n_decays, n_mixed, n_mixed, self.channels]
    }
}

/// In which order the pixels of an image are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanDirection {
    /// Row after row, from the left: the paper's `k = 0`.
    RowMajor,
    /// Column after column, from the top: `k = 1`.
    ColumnMajor,
    /// From the last pixel back, row after row: `k = 2`.
    RowMajorReversed,
    /// From the last pixel back, column after column: `k = 3`.
    ColumnMajorReversed,
}

impl ScanDirection {
    /// All of them, in the paper's order.
    pub const ALL: [Self; 4] =
        [Self::RowMajor, Self::ColumnMajor, Self::RowMajorReversed, Self::ColumnMajorReversed];

    /// The pixel, counted row by row, that is visited at `position`.
    fn pixel(self, shape: &ScanShape, position: usize) -> usize {
        let column_major =
            |position| position % shape.height * shape.width + position / shape.height;
        match self {
            Self::RowMajor => position,
            Self::ColumnMajor => column_major(position),
            Self::RowMajorReversed => shape.length() - 1 - position,
            Self::ColumnMajorReversed => column_major(shape.length() - 1 - position),
        }
    }
}

/// What is scanned; all images in image order, whatever the direction.
#[derive(Debug, Clone, Copy)]
pub struct ScanInputs<'a> {
    /// The image `x`: `[batch, height, width, channels]`.
    pub x: &'a [f32],
    /// The step `dt` before its bias and softplus: `[batch, height, width, channels]`.
    pub step: &'a [f32],
    /// Added to every step: `[channels]`.
    pub step_bias: &'a [f32],
    /// The decay `A`, not positive: `[channels, states]`.
    pub decay: &'a [f32],
    /// How the image enters the states, `B`: `[batch, height, width, states]`.
    pub input: &'a [f32],
    /// How the states leave, `C`: `[batch, height, width, states]`.
    pub output: &'a [f32],
    /// How the image passes by, `D`: `[channels]`.
    pub skip: &'a [f32],
}

/// Gradients of every input, with the inputs' shapes.
#[derive(Debug)]
pub struct ScanGradients<'a> {
    /// Of the image, `x`.
    pub x: &'a mut [f32],
    /// Of the step before its bias and softplus, `dt`.
    pub step: &'a mut [f32],
    /// Of the step's bias.
    pub step_bias: &'a mut [f32],
    /// Of the decay, `A`.
    pub decay: &'a mut [f32],
    /// Of the states' input, `B`.
    pub input: &'a mut [f32],
    /// Of the states' output, `C`.
    pub output: &'a mut [f32],
    /// Of the way past the states, `D`.
    pub skip: &'a mut [f32],
}

/// Scans an image in one direction and writes the result to `y`.
///
/// At each position `l` in the order of `direction`, for each channel and its states `n`:
/// `Δ = softplus(dt_l + bias)`, `h_n ← exp(Δ A_n) h_n + Δ x_l B_{l,n}`, starting from 0, and
/// `y_l = Σ_n C_{l,n} h_n + D x_l`. States are `f32`.
///
/// # Shapes
/// `y`: `[batch, height, width, channels]`, in image order.
///
/// # Panics
/// When lengths do not fit the shape, or the instruction set is missing.
pub fn selective_scan(
    instructions: Instructions,
    shape: &ScanShape,
    direction: ScanDirection,
    inputs: &ScanInputs,
    y: &mut [f32],
) {
    scan_panels::<false>(instructions, &Scan::new(shape, direction, inputs), y);
}

/// As [`selective_scan`], but adds the result to `y`, so that several directions can be summed.
///
/// # Panics
/// As [`selective_scan`].
pub fn selective_scan_into(
    instructions: Instructions,
    shape: &ScanShape,
    direction: ScanDirection,
    inputs: &ScanInputs,
    y: &mut [f32],
) {
    scan_panels::<true>(instructions, &Scan::new(shape, direction, inputs), y);
}

/// Writes the gradients of [`selective_scan`]'s inputs, given that of its result.
///
/// States are computed again from a few that are kept, one in every chunk of positions, so that memory
/// grows with the length, but not with the length times the states.
///
/// # Shapes
/// `y_gradient`: `[batch, height, width, channels]`, in image order; `gradients` as the inputs.
///
/// # Panics
/// When lengths do not fit the shape, or the instruction set is missing.
pub fn selective_scan_backward(
    instructions: Instructions,
    shape: &ScanShape,
    direction: ScanDirection,
    inputs: &ScanInputs,
    y_gradient: &[f32],
    gradients: &mut ScanGradients,
) {
    let scan = Scan::new(shape, direction, inputs);
    assert_eq!(y_gradient.len(), inputs.x.len(), "a gradient for every value of y");
    assert_eq!(gradients.lengths(), shape.input_lengths(), "gradients of the inputs' lengths");
    let panels = panels(instructions, shape, BACKWARD_BLOCKS);
    // Panels share the gradients of B and C, and images those of the parameters: each task writes its
    // own part, and parts are added in their order.
    let n_mixed = inputs.input.len();
    let mut mixed_parts = [vec![0.0; panels.len() * n_mixed], vec![0.0; panels.len() * n_mixed]];
    let [input, output] = mixed_parts.each_mut().map(|parts| SharedImage::new(parts));
    let (x, step) = (SharedImage::new(gradients.x), SharedImage::new(gradients.step));
    let task = |scratch: &mut _, task: usize| {
        let (image, panel) = (task / panels.len(), task % panels.len());
        instructions.run(BackwardPanel {
            scan: &scan,
            image,
            channels: panels[panel],
            y_gradient,
            scratch,
            x,
            step,
            input: input.from(panel * n_mixed),
            output: output.from(panel * n_mixed),
        })
    };
    let mut parameter_parts = Vec::new();
    let tasks = (0..shape.batch * panels.len()).into_par_iter();
    tasks.map_init(Default::default, task).collect_into_vec(&mut parameter_parts);

    add_parts(&mixed_parts[0], gradients.input);
    add_parts(&mixed_parts[1], gradients.output);
    gradients.add_parameters(shape, &panels, &parameter_parts);
}

/// Scans all panels of all images, and writes or adds to `y`.
fn scan_panels<const IS_ADDED: bool>(instructions: Instructions, scan: &Scan, y: &mut [f32]) {
    assert_eq!(y.len(), scan.inputs.x.len(), "a result for every value of x");
    let panels = panels(instructions, scan.shape, FORWARD_BLOCKS);
    let y = SharedImage::new(y);
    let tasks = (0..scan.shape.batch * panels.len()).into_par_iter();
    tasks.for_each_init(Default::default, |scratch, task| {
        let (image, panel) = (task / panels.len(), task % panels.len());
        let channels = panels[panel];
        instructions.run(ForwardPanel::<IS_ADDED> { scan, image, channels, scratch, y });
    });
}

/// All channels, as panels of `n_blocks` registers.
fn panels(instructions: Instructions, shape: &ScanShape, n_blocks: usize) -> Vec<Channels> {
    let n_lanes = n_blocks * instructions.run(LaneCount);
    let firsts = (0..shape.channels).step_by(n_lanes);
    firsts.map(|first| Channels { total: shape.channels, first, n_lanes }).collect()
}

/// Writes the sum of parts as long as `sum`, added in their order.
fn add_parts(parts: &[f32], sum: &mut [f32]) {
    const N_CHUNK: usize = 1 << 14;
    let length = sum.len();
    sum.par_chunks_mut(N_CHUNK).enumerate().for_each(|(idx, sum)| {
        sum.fill(0.0);
        for part in parts.chunks_exact(length) {
            for (sum, value) in sum.iter_mut().zip(&part[idx * N_CHUNK..]) {
                *sum += value;
            }
        }
    });
}

impl ScanGradients<'_> {
    /// In the order of the fields.
    fn lengths(&self) -> [usize; 7] {
        let Self { x, step, step_bias, decay, input, output, skip } = self;
        [x, step, step_bias, decay, input, output, skip].map(|slice| slice.len())
    }

    /// Writes the sums of the parameters' gradients, of which every task gave those of its panel:
    /// `[states + 2, lanes]`, those of `decay`, then of `step_bias` and `skip`.
    fn add_parameters(&mut self, shape: &ScanShape, panels: &[Channels], parts: &[Vec<f32>]) {
        for target in [&mut *self.decay, self.step_bias, self.skip] {
            target.fill(0.0);
        }
        for (part, channels) in parts.iter().zip(panels.iter().cycle()) {
            for channel in channels.first..channels.end() {
                let value = |row| part[row * channels.n_lanes + channel - channels.first];
                for state in 0..shape.states {
                    self.decay[channel * shape.states + state] += value(state);
                }
                self.step_bias[channel] += value(shape.states);
                self.skip[channel] += value(shape.states + 1);
            }
        }
    }
}
