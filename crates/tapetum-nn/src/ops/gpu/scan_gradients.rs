//! The gradients of the selective scan, in parallel over the same pieces as the scan.
//!
//! With `g_l = ∂L/∂h_l = C_l dy_l + a_{l+1} g_{l+1}`, what a chunk hands to the one before it is
//! `a_first g_first = P G + r`, where `G` is what it is handed itself, `P` the product of its decays
//! again, and `r = Σ_l (Π_{j ≤ l} a_j) C_l dy_l`. So states and gradients are chained alike, in opposite
//! directions. Within a chunk, states are computed once more and kept, one of them at a time.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{
    CUBE_UNITS, channels_first, channels_last, cubes_for, empty, empty_like,
    scan::{Inputs, Path, Source, softplus},
};

/// Positions of a chunk: the six numbers that a unit keeps of each fit the registers of a current NVIDIA
/// card, but for some of one (compiled for compute capability 9.0: all 255, and 336 bytes beside them).
const CHUNK: usize = 32;
/// Channels of a cube, a unit for each.
const BLOCK: usize = CUBE_UNITS as usize;
// Each unit adds up one row of what the channels of a block give to `B` and `C`.
const _: () = assert!(BLOCK == 2 * CHUNK, "as many units as rows");
/// Values between rows of shared memory: one more than a row has, so that a column's lie in different banks.
const PITCH: usize = BLOCK + 1;

/// Gradients, some of them in parts that are still to be added up.
#[derive(Debug, Clone)]
pub(super) struct Gradients<T> {
    /// `[batch, channels, height, width]`.
    pub(super) x: T,
    /// Of the step before its bias and softplus: `[batch, channels, height, width]`.
    pub(super) step: T,
    /// `[parts, states, channels]`.
    pub(super) decay: T,
    /// Of `B`, then of `C`: `[batch, parts, height · width, 2 · states]`.
    pub(super) mixed: T,
}

/// Parts of `decay`, and of `mixed`, for an image of so many positions and channels.
pub(super) fn n_parts(n_positions: usize, n_channels: usize) -> [usize; 2] {
    [n_positions.div_ceil(CHUNK), n_channels.div_ceil(BLOCK)]
}

pub(super) fn scan_backward(
    inputs: Inputs<CubeTensor>,
    gradient: CubeTensor,
    path: Path,
) -> Gradients<CubeTensor> {
    let (inputs, gradient) = (inputs.dense(), channels_last(gradient));
    let [batch, n_positions, n_channels, n_states] = inputs.sizes();
    let [n_chunks, n_blocks] = n_parts(n_positions, n_channels);
    let carry = empty(&inputs.x, [3, batch, n_chunks, n_states, n_channels]);
    let [to_x, to_step] = [&inputs.x, &inputs.x].map(empty_like);
    let to_decay = empty(&inputs.x, [batch * n_chunks, n_states, n_channels]);
    let to_mixed = empty(&inputs.x, [batch, n_blocks, n_positions, 2 * n_states]);
    let client = inputs.x.client.clone();
    let source = || inputs.to_source(path, CHUNK);
    let [gradient_arg, carry_arg] = [&gradient, &carry].map(|t| t.clone().into_tensor_arg());
    let (count, dim) = cubes_for(&carry, batch * n_chunks * n_channels);
    summaries_kernel::launch(&client, count, dim, source(), gradient_arg, carry_arg);
    let (count, dim) = cubes_for(&carry, batch * n_states * n_channels);
    chain_kernel::launch(&client, count, dim, carry.clone().into_tensor_arg());
    let (count, dim) = cubes_for(&carry, batch * n_chunks * n_blocks * BLOCK);
    gradients_kernel::launch(
        &client,
        count,
        dim,
        source(),
        gradient.into_tensor_arg(),
        carry.into_tensor_arg(),
        to_x.clone().into_tensor_arg(),
        to_step.clone().into_tensor_arg(),
        to_decay.clone().into_tensor_arg(),
        to_mixed.clone().into_tensor_arg(),
    );
    let [x, step] = [to_x, to_step].map(channels_first);
    Gradients { x, step, decay: to_decay, mixed: to_mixed }
}

/// For each batch, chunk and channel: `carry[0]` becomes what the chunk leaves of states that start from
/// 0, `carry[1]` the product of its decays, `carry[2]` what it hands back of gradients that start from 0.
#[cube(launch)]
fn summaries_kernel(source: &Source, gradient: &Tensor<f32>, carry: &mut Tensor<f32>) {
    let n_states = comptime!(source.n_states);
    let n_channels = source.x.shape(3);
    let n_chunks = carry.shape(2);
    if ABSOLUTE_POS < carry.shape(1) * n_chunks * n_channels {
        let channel = ABSOLUTE_POS % n_channels;
        let chunk = source.chunk(ABSOLUTE_POS / n_channels, n_chunks);
        let bias = source.step_bias[channel];
        let mut rates = Array::<f32>::new(n_states);
        let mut states = Array::<f32>::new(n_states);
        let mut products = Array::<f32>::new(n_states);
        let mut handed = Array::<f32>::new(n_states);
        #[unroll]
        for n in 0..n_states {
            rates[n] = source.decay[channel * n_states + n];
            states[n] = 0.0f32;
            products[n] = 1.0f32;
            handed[n] = 0.0f32;
        }
        for offset in 0..CHUNK {
            let position = chunk.first_position + offset;
            if position < source.n_positions() {
                let pixel = source.pixel(&chunk, position);
                let place = pixel * n_channels + channel;
                let delta = softplus(source.step[place] + bias);
                let entering = delta * source.x[place];
                let slope = gradient[place];
                #[unroll]
                for n in 0..n_states {
                    let kept = (delta * rates[n]).exp();
                    states[n] = kept * states[n] + entering * source.input[pixel * n_states + n];
                    products[n] *= kept;
                    handed[n] += products[n] * source.output[pixel * n_states + n] * slope;
                }
            }
        }
        let third = carry.len() / 3;
        #[unroll]
        for n in 0..n_states {
            let place = (chunk.idx * n_states + n) * n_channels + channel;
            carry[place] = states[n];
            carry[third + place] = products[n];
            carry[2 * third + place] = handed[n];
        }
    }
}

/// For each batch, state and channel: `carry[0]` becomes the state that each chunk starts from,
/// `carry[2]` the gradient that it is handed.
#[cube(launch)]
fn chain_kernel(carry: &mut Tensor<f32>) {
    let (n_chunks, n_states, n_channels) = (carry.shape(2), carry.shape(3), carry.shape(4));
    let chunk_size = n_states * n_channels;
    let idx = ABSOLUTE_POS;
    if idx < carry.shape(1) * chunk_size {
        let third = carry.len() / 3;
        let first = idx / chunk_size * n_chunks * chunk_size + idx % chunk_size;
        let mut state = 0.0f32;
        let mut gradient = 0.0f32;
        for chunk in 0..n_chunks {
            let place = first + chunk * chunk_size;
            let left = carry[place];
            carry[place] = state;
            state = carry[third + place] * state + left;
            let place = first + (n_chunks - 1 - chunk) * chunk_size;
            let handed = carry[2 * third + place];
            carry[2 * third + place] = gradient;
            gradient = carry[third + place] * gradient + handed;
        }
    }
}

/// A cube for each batch, chunk and block of channels.
#[cube(launch)]
fn gradients_kernel(
    source: &Source,
    gradient: &Tensor<f32>,
    carry: &Tensor<f32>,
    to_x: &mut Tensor<f32>,
    to_step: &mut Tensor<f32>,
    to_decay: &mut Tensor<f32>,
    to_mixed: &mut Tensor<f32>,
) {
    let n_states = comptime!(source.n_states);
    let n_channels = source.x.shape(3);
    let n_chunks = carry.shape(2);
    let n_blocks = to_mixed.shape(1);
    let (cube, unit) = (CUBE_POS, UNIT_POS as usize);
    // Rows of what goes to `B`, then of what goes to `C`, a column for each channel of the block.
    let mut shared = Shared::<[f32]>::new_slice(2 * CHUNK * PITCH);
    let block = cube % n_blocks;
    let chunk = source.chunk(cube / n_blocks, n_chunks);
    if chunk.idx < carry.shape(1) * n_chunks {
        let channel = block * BLOCK + unit;
        let is_channel = channel < n_channels;

        // Positions and channels beyond the end have a step of 0 and no gradient, and add nothing.
        let mut deltas = Array::<f32>::new(CHUNK);
        let mut values = Array::<f32>::new(CHUNK);
        let mut slopes = Array::<f32>::new(CHUNK);
        let mut to_deltas = Array::<f32>::new(CHUNK);
        let mut to_values = Array::<f32>::new(CHUNK);
        let mut states = Array::<f32>::new(CHUNK);
        for offset in 0..CHUNK {
            deltas[offset] = 0.0f32;
            values[offset] = 0.0f32;
            slopes[offset] = 0.0f32;
            to_deltas[offset] = 0.0f32;
            to_values[offset] = 0.0f32;
            let position = chunk.first_position + offset;
            if is_channel && position < source.n_positions() {
                let place = source.pixel(&chunk, position) * n_channels + channel;
                deltas[offset] = softplus(source.step[place] + source.step_bias[channel]);
                values[offset] = source.x[place];
                slopes[offset] = gradient[place];
            }
        }

        let third = carry.len() / 3;
        for n in 0..n_states {
            let carried = (chunk.idx * n_states + n) * n_channels + channel;
            let mut rate = 0.0f32;
            let mut state = 0.0f32;
            let mut handed = 0.0f32;
            if is_channel {
                rate = source.decay[channel * n_states + n];
                state = carry[carried];
                handed = carry[2 * third + carried];
            }
            for offset in 0..CHUNK {
                let position = chunk.first_position + offset;
                states[offset] = state;
                if position < source.n_positions() {
                    let enters = source.input[source.pixel(&chunk, position) * n_states + n];
                    let kept = (deltas[offset] * rate).exp();
                    state = kept * state + deltas[offset] * values[offset] * enters;
                }
            }
            let mut to_rate = 0.0f32;
            for back in 0..CHUNK {
                let offset = CHUNK - 1 - back;
                let position = chunk.first_position + offset;
                let mut to_input = 0.0f32;
                let mut to_output = 0.0f32;
                if position < source.n_positions() {
                    let pixel = source.pixel(&chunk, position);
                    let (delta, value) = (deltas[offset], values[offset]);
                    let (before, enters) = (states[offset], source.input[pixel * n_states + n]);
                    let kept = (delta * rate).exp();
                    let to_state = source.output[pixel * n_states + n] * slopes[offset] + handed;
                    let to_exponent = to_state * kept * before;
                    to_rate += to_exponent * delta;
                    to_deltas[offset] += to_exponent * rate + to_state * value * enters;
                    to_values[offset] += to_state * delta * enters;
                    to_input = to_state * delta * value;
                    to_output = slopes[offset] * state;
                    handed = kept * to_state;
                    state = before;
                }
                shared[offset * PITCH + unit] = to_input;
                shared[(CHUNK + offset) * PITCH + unit] = to_output;
            }
            if is_channel {
                to_decay[carried] = to_rate;
            }
            sync_cube();
            // A unit for each row.
            let offset = unit % CHUNK;
            let position = chunk.first_position + offset;
            if position < source.n_positions() {
                let mut sum = 0.0f32;
                for column in 0..BLOCK {
                    sum += shared[unit * PITCH + column];
                }
                // Rows of an image, once for each block.
                let first_row = chunk.first_pixel * n_blocks + block * source.n_positions();
                let pixel = source.pixel(&chunk, position) - chunk.first_pixel;
                let row = (first_row + pixel) * 2 * n_states;
                to_mixed[row + unit / CHUNK * n_states + n] = sum;
            }
            sync_cube();
        }

        for offset in 0..CHUNK {
            let position = chunk.first_position + offset;
            if is_channel && position < source.n_positions() {
                let place = source.pixel(&chunk, position) * n_channels + channel;
                to_x[place] = to_values[offset];
                // The derivative of softplus is the sigmoid.
                let raw = source.step[place] + source.step_bias[channel];
                to_step[place] = to_deltas[offset] / (1.0f32 + (-raw).exp());
            }
        }
    }
}
