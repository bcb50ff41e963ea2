//! The selective scan, in parallel over pieces of the sequence.
//!
//! A linear recurrence `h_l = a_l h_{l-1} + b_l` over a chunk of positions is `h_out = P h_in + s`, with
//! the product `P` of its `a` and what the chunk leaves when it starts from 0. So all chunks are
//! summarised at once, the summaries are chained, and all chunks are computed at once from the states
//! that the chain gives them: twice the work of one pass, by as many units as there are channels and
//! chunks ([Martin 2018] §2.1; [Dao 2024] §6 has the same in blocks of matrices).

use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;
use tapetum_kernels::ScanDirection;

use super::{channels_first, channels_last, cubes_for, empty, empty_like};

/// Positions of a chunk: many enough that chaining them is short, few enough that there are many.
const CHUNK: usize = 64;

/// What is scanned, as [`crate::ops::ScanInputs`] but for the image that passes by.
#[derive(Debug, Clone)]
pub(super) struct Inputs<T> {
    pub(super) x: T,
    pub(super) step: T,
    pub(super) step_bias: T,
    pub(super) decay: T,
    pub(super) input: T,
    pub(super) output: T,
}

impl Inputs<CubeTensor> {
    /// All of it dense, images with their channels last.
    pub(super) fn dense(self) -> Self {
        Self {
            x: channels_last(self.x),
            step: channels_last(self.step),
            step_bias: into_contiguous(self.step_bias),
            decay: into_contiguous(self.decay),
            input: channels_last(self.input),
            output: channels_last(self.output),
        }
    }

    /// `[batch, positions, channels, states]` of dense inputs.
    pub(super) fn sizes(&self) -> [usize; 4] {
        let (x, decay) = (self.x.meta.shape(), self.decay.meta.shape());
        [x[0], x[1] * x[2], x[3], decay[1]]
    }

    /// Dense inputs as an argument of kernels.
    pub(super) fn to_source(&self, path: Path, chunk_len: usize) -> SourceLaunch {
        let [_, _, _, n_states] = self.sizes();
        SourceLaunch::new(
            self.x.clone().into_tensor_arg(),
            self.step.clone().into_tensor_arg(),
            self.step_bias.clone().into_tensor_arg(),
            self.decay.clone().into_tensor_arg(),
            self.input.clone().into_tensor_arg(),
            self.output.clone().into_tensor_arg(),
            path,
            n_states,
            chunk_len,
        )
    }
}

/// The order of positions, as the kernels are told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Path {
    is_column_major: bool,
    is_reversed: bool,
}

impl From<ScanDirection> for Path {
    fn from(direction: ScanDirection) -> Self {
        use ScanDirection::{ColumnMajor, ColumnMajorReversed, RowMajorReversed};
        Self {
            is_column_major: matches!(direction, ColumnMajor | ColumnMajorReversed),
            is_reversed: matches!(direction, RowMajorReversed | ColumnMajorReversed),
        }
    }
}

/// [`Inputs`] in a kernel, and in what order and pieces they are scanned.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Source {
    pub(super) x: OwnedTensor<f32>,
    pub(super) step: OwnedTensor<f32>,
    pub(super) step_bias: OwnedTensor<f32>,
    pub(super) decay: OwnedTensor<f32>,
    pub(super) input: OwnedTensor<f32>,
    pub(super) output: OwnedTensor<f32>,
    #[cube(comptime)]
    path: Path,
    #[cube(comptime)]
    pub(super) n_states: usize,
    #[cube(comptime)]
    chunk_len: usize,
}

/// A chunk of a sequence.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Chunk {
    /// Among those of all images.
    pub(super) idx: usize,
    pub(super) first_position: usize,
    /// Of the image that it lies in.
    pub(super) first_pixel: usize,
}

#[cube]
impl Source {
    pub(super) fn n_positions(&self) -> usize {
        self.x.shape(1) * self.x.shape(2)
    }

    /// Chunk `idx` of all images, each of which has `n_chunks`.
    pub(super) fn chunk(&self, idx: usize, n_chunks: usize) -> Chunk {
        Chunk {
            idx,
            first_position: idx % n_chunks * comptime!(self.chunk_len),
            first_pixel: idx / n_chunks * self.n_positions(),
        }
    }

    /// The pixel at a position of the sequence.
    pub(super) fn pixel(&self, chunk: &Chunk, position: usize) -> usize {
        let (height, width) = (self.x.shape(1), self.x.shape(2));
        let mut along = position;
        if comptime!(self.path.is_reversed) {
            along = height * width - 1 - position;
        }
        let mut pixel = along;
        if comptime!(self.path.is_column_major) {
            pixel = along % height * width + along / height;
        }
        chunk.first_pixel + pixel
    }
}

/// `y_l = Σ_n C_{l,n} h_n`.
pub(super) fn scan(inputs: Inputs<CubeTensor>, path: Path) -> CubeTensor {
    let inputs = inputs.dense();
    let [batch, n_positions, n_channels, n_states] = inputs.sizes();
    let n_chunks = n_positions.div_ceil(CHUNK);
    let carry = empty(&inputs.x, [2, batch, n_chunks, n_states, n_channels]);
    let y = empty_like(&inputs.x);
    let client = inputs.x.client.clone();
    let (count, dim) = cubes_for(&y, batch * n_chunks * n_channels);
    let source = || inputs.to_source(path, CHUNK);
    let carry_arg = carry.clone().into_tensor_arg();
    summaries_kernel::launch(&client, count.clone(), dim, source(), carry_arg);
    let (chain_count, chain_dim) = cubes_for(&y, batch * n_states * n_channels);
    chain_kernel::launch(&client, chain_count, chain_dim, carry.clone().into_tensor_arg());
    let (carry, output) = (carry.into_tensor_arg(), y.clone().into_tensor_arg());
    outputs_kernel::launch(&client, count, dim, source(), carry, output);
    channels_first(y)
}

/// For each batch, chunk and channel: `carry[0]` becomes what the chunk leaves of states that start from
/// 0, `carry[1]` the product of its decays.
#[cube(launch)]
fn summaries_kernel(source: &Source, carry: &mut Tensor<f32>) {
    let n_states = comptime!(source.n_states);
    let n_channels = source.x.shape(3);
    let n_chunks = carry.shape(2);
    if ABSOLUTE_POS < carry.shape(1) * n_chunks * n_channels {
        let channel = ABSOLUTE_POS % n_channels;
        let chunk = source.chunk(ABSOLUTE_POS / n_channels, n_chunks);
        let bias = source.step_bias[channel];
        let mut rates = Array::<f32>::new(n_states);
        let mut states = Array::<f32>::new(n_states);
        #[unroll]
        for n in 0..n_states {
            rates[n] = source.decay[channel * n_states + n];
            states[n] = 0.0f32;
        }
        let mut steps = 0.0f32;
        for offset in 0..comptime!(source.chunk_len) {
            let position = chunk.first_position + offset;
            if position < source.n_positions() {
                let pixel = source.pixel(&chunk, position);
                let delta = softplus(source.step[pixel * n_channels + channel] + bias);
                let entering = delta * source.x[pixel * n_channels + channel];
                steps += delta;
                #[unroll]
                for n in 0..n_states {
                    let kept = (delta * rates[n]).exp();
                    states[n] = kept * states[n] + entering * source.input[pixel * n_states + n];
                }
            }
        }
        let products = carry.len() / 2;
        #[unroll]
        for n in 0..n_states {
            let place = (chunk.idx * n_states + n) * n_channels + channel;
            carry[place] = states[n];
            // The product of exponentials is that of the sum.
            carry[products + place] = (steps * rates[n]).exp();
        }
    }
}

/// For each batch, state and channel: `carry[0]` becomes the state that each chunk starts from.
#[cube(launch)]
fn chain_kernel(carry: &mut Tensor<f32>) {
    let (n_chunks, n_states, n_channels) = (carry.shape(2), carry.shape(3), carry.shape(4));
    let chunk_size = n_states * n_channels;
    let idx = ABSOLUTE_POS;
    if idx < carry.shape(1) * chunk_size {
        let products = carry.len() / 2;
        let first = idx / chunk_size * n_chunks * chunk_size + idx % chunk_size;
        let mut state = 0.0f32;
        for chunk in 0..n_chunks {
            let place = first + chunk * chunk_size;
            let left = carry[place];
            carry[place] = state;
            state = carry[products + place] * state + left;
        }
    }
}

/// For each batch, chunk and channel: the results, from the states that the chunk starts from.
#[cube(launch)]
fn outputs_kernel(source: &Source, carry: &Tensor<f32>, y: &mut Tensor<f32>) {
    let n_states = comptime!(source.n_states);
    let n_channels = source.x.shape(3);
    let n_chunks = carry.shape(2);
    if ABSOLUTE_POS < carry.shape(1) * n_chunks * n_channels {
        let channel = ABSOLUTE_POS % n_channels;
        let chunk = source.chunk(ABSOLUTE_POS / n_channels, n_chunks);
        let bias = source.step_bias[channel];
        let mut rates = Array::<f32>::new(n_states);
        let mut states = Array::<f32>::new(n_states);
        #[unroll]
        for n in 0..n_states {
            rates[n] = source.decay[channel * n_states + n];
            states[n] = carry[(chunk.idx * n_states + n) * n_channels + channel];
        }
        for offset in 0..comptime!(source.chunk_len) {
            let position = chunk.first_position + offset;
            if position < source.n_positions() {
                let pixel = source.pixel(&chunk, position);
                let delta = softplus(source.step[pixel * n_channels + channel] + bias);
                let entering = delta * source.x[pixel * n_channels + channel];
                let mut sum = 0.0f32;
                #[unroll]
                for n in 0..n_states {
                    let kept = (delta * rates[n]).exp();
                    states[n] = kept * states[n] + entering * source.input[pixel * n_states + n];
                    sum += states[n] * source.output[pixel * n_states + n];
                }
                y[pixel * n_channels + channel] = sum;
            }
        }
    }
}

/// `ln(1 + e^x)`, safe from overflow and exact to the last digits where it is small: with `t = e^-|x|`,
/// `ln(1 + t) = 2 artanh(t / (2 + t))`, whose series ends here at the 15th power.
#[cube]
pub(super) fn softplus(x: f32) -> f32 {
    let t = (-x.abs()).exp();
    let s = t / (2.0f32 + t);
    let square = s * s;
    let mut sum = square * (2.0f32 / 15.0f32) + 2.0f32 / 13.0f32;
    sum = sum * square + 2.0f32 / 11.0f32;
    sum = sum * square + 2.0f32 / 9.0f32;
    sum = sum * square + 2.0f32 / 7.0f32;
    sum = sum * square + 2.0f32 / 5.0f32;
    sum = sum * square + 2.0f32 / 3.0f32;
    sum = sum * square + 2.0f32;
    max(x, 0.0f32) + s * sum
}
