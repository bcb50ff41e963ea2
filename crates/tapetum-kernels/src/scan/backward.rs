//! The gradients of a panel of channels.

use super::panel::{CHUNK, Channels, Chunk, Scan, SharedImage, decays_of, load_blocks};
use crate::{buffer::Buffer, instructions::Kernel, lanes::Lanes, math};

/// Registers of a panel: the gradients of `B` and `C` are summed over a panel's registers before they
/// are summed over lanes, which is dear.
pub(super) const BACKWARD_BLOCKS: usize = 4;

/// Buffers of a thread.
#[derive(Debug, Default)]
pub(super) struct BackwardScratch {
    chunk: Chunk,
    /// `h` before every chunk: `[chunks, states, lanes]`.
    kept: Buffer,
    /// `exp(Δ A)` and its product with the state before: `[CHUNK, states, blocks, 2, N]`.
    record: Buffer,
    /// Gradient of `y`: `[CHUNK, lanes]`.
    y_gradient: Buffer,
    /// Derivative of the step by `dt`: `[CHUNK, lanes]`.
    slope: Buffer,
    /// Gradient of `h`, which comes from later positions: `[states, lanes]`.
    states: Buffer,
    /// Gradients of the panel's parameters that this chunk adds: `[states + 2, lanes]`.
    parameters: Buffer,
}

/// One panel of one image; gives the gradients of its parameters, `[states + 2, lanes]`: those of
/// `A`, of the bias, and of `D`.
pub(super) struct BackwardPanel<'a> {
    pub(super) scan: &'a Scan<'a>,
    pub(super) image: usize,
    pub(super) channels: Channels,
    pub(super) y_gradient: &'a [f32],
    pub(super) scratch: &'a mut BackwardScratch,
    pub(super) x: SharedImage,
    pub(super) step: SharedImage,
    pub(super) input: SharedImage,
    pub(super) output: SharedImage,
}

impl Kernel for BackwardPanel<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    unsafe fn run<V: Lanes>(mut self) -> Vec<f32> {
        self.start();
        // SAFETY: the lengths were checked, and only this task uses what it writes.
        unsafe {
            self.keep_states::<V>();
            self.sweep::<V>()
        }
    }
}

const BLOCKS: usize = BACKWARD_BLOCKS;

// SAFETY (all functions): the machine has the lanes' instruction set, and the buffers were started.
impl BackwardPanel<'_> {
    fn start(&mut self) {
        let (n_states, n_lanes) = (self.scan.shape.states, self.channels.n_lanes);
        let n_panel_states = n_states * n_lanes;
        let BackwardScratch { chunk, kept, record, y_gradient, slope, states, parameters } =
            &mut *self.scratch;
        chunk.start(self.scan, self.channels);
        kept.resized(self.scan.chunks().len() * n_panel_states);
        record.resized(CHUNK * 2 * n_panel_states);
        y_gradient.resized(CHUNK * n_lanes);
        slope.resized(CHUNK * n_lanes);
        states.resized(n_panel_states).fill(0.0);
        parameters.resized(n_panel_states + 2 * n_lanes);
    }

    /// Scans all but the last chunk and keeps the states before each.
    #[inline(always)]
    unsafe fn keep_states<V: Lanes>(&mut self) {
        let n_panel_states = self.scan.shape.states * self.channels.n_lanes;
        for (idx, positions) in self.scan.chunks().enumerate() {
            let at = idx * n_panel_states;
            let kept = &mut self.scratch.kept.values_mut()[at..at + n_panel_states];
            kept.copy_from_slice(self.scratch.chunk.states.values());
            let n_positions = positions.len();
            let pixels = &self.scan.pixels(self.image, positions)[..n_positions];
            unsafe {
                self.scratch.chunk.read::<V, BLOCKS>(self.scan, self.channels, pixels);
                advance::<V>(&mut self.scratch.chunk, self.scan.shape.states, n_positions);
            }
        }
    }

    /// Walks back chunk by chunk, and gives the parameters' gradients.
    #[inline(always)]
    unsafe fn sweep<V: Lanes>(&mut self) -> Vec<f32> {
        let n_panel_states = self.scan.shape.states * self.channels.n_lanes;
        let mut parameters = vec![0.0; n_panel_states + 2 * self.channels.n_lanes];
        for (idx, positions) in self.scan.chunks().enumerate().rev() {
            let scratch = &mut *self.scratch;
            let kept = &scratch.kept.values()[idx * n_panel_states..][..n_panel_states];
            scratch.chunk.states.values_mut().copy_from_slice(kept);
            scratch.parameters.values_mut().fill(0.0);
            let n_positions = positions.len();
            let pixels = &self.scan.pixels(self.image, positions)[..n_positions];
            unsafe {
                self.scratch.chunk.read::<V, BLOCKS>(self.scan, self.channels, pixels);
                self.read_gradients::<V>(pixels);
                self.record::<V>(n_positions);
                for (position, &pixel) in pixels.iter().enumerate().rev() {
                    self.step_back::<V>(position, pixel);
                }
            }
            // Sums of sums of a chunk lose less than one long sum.
            for (sum, value) in parameters.iter_mut().zip(self.scratch.parameters.values()) {
                *sum += value;
            }
        }
        parameters
    }

    /// Reads the result's gradient, and finds the slope of each step.
    #[inline(always)]
    unsafe fn read_gradients<V: Lanes>(&mut self, pixels: &[usize]) {
        let (inputs, channels) = (self.scan.inputs, self.channels);
        let gradients = self.scratch.y_gradient.values_mut().as_mut_ptr();
        let slopes = self.scratch.slope.values_mut().as_mut_ptr();
        unsafe {
            let bias: [V; BLOCKS] = channels.load(inputs.step_bias.as_ptr(), 0);
            for (position, &pixel) in pixels.iter().enumerate() {
                let gradient: [V; BLOCKS] = channels.load(self.y_gradient.as_ptr(), pixel);
                let step: [V; BLOCKS] = channels.load(inputs.step.as_ptr(), pixel);
                for block in 0..BLOCKS {
                    let at = (position * BLOCKS + block) * V::N;
                    gradient[block].store(gradients.add(at));
                    math::sigmoid(step[block].add(bias[block])).store(slopes.add(at));
                }
            }
        }
    }

    /// Scans the chunk again and records what the way back needs.
    #[inline(always)]
    unsafe fn record<V: Lanes>(&mut self, n_positions: usize) {
        let n_states = self.scan.shape.states;
        let BackwardScratch { chunk, record, .. } = &mut *self.scratch;
        let states = chunk.states.values_mut().as_mut_ptr();
        let decays = chunk.decay.values().as_ptr();
        let inputs = chunk.input.values().as_ptr();
        let mut record = record.values_mut().as_mut_ptr();
        unsafe {
            for position in 0..n_positions {
                let at = position * BLOCKS * V::N;
                let step: [V; BLOCKS] = load_blocks(chunk.step.values().as_ptr().add(at));
                let drive: [V; BLOCKS] = load_blocks(chunk.drive.values().as_ptr().add(at));
                for state in 0..n_states {
                    let input = V::splat(*inputs.add(position * n_states + state));
                    let decay = decays_of(step, decays.add(state * BLOCKS * V::N));
                    for block in 0..BLOCKS {
                        let at = (state * BLOCKS + block) * V::N;
                        let carried = V::load(states.add(at)).mul(decay[block]);
                        carried.add_product(drive[block], input).store(states.add(at));
                        decay[block].store(record);
                        carried.store(record.add(V::N));
                        record = record.add(2 * V::N);
                    }
                }
            }
        }
    }

    /// Takes one position back. With `g` the gradient of `y` and `w` the carried state,
    /// `dh ← dh' + C g`, `dB = Σ dh Δx`, `dC = Σ g h`, `d(ΔA) = dh w`, and `dh' ← exp(ΔA) dh`.
    #[inline(always)]
    unsafe fn step_back<V: Lanes>(&mut self, position: usize, pixel: usize) {
        let n_states = self.scan.shape.states;
        let n_lanes = BLOCKS * V::N;
        let BackwardScratch { chunk, record, y_gradient, slope, states, parameters, .. } =
            &mut *self.scratch;
        let record = record.values()[position * n_states * 2 * n_lanes..].as_ptr();
        let decays = chunk.decay.values().as_ptr();
        let inputs = chunk.input.values()[position * n_states..].as_ptr();
        let outputs = chunk.output.values()[position * n_states..].as_ptr();
        let states = states.values_mut().as_mut_ptr();
        let parameters = parameters.values_mut().as_mut_ptr();
        let [input_gradients, output_gradients] =
            [self.input, self.output].map(|part| part.from(pixel * n_states).as_ptr());
        let at = position * n_lanes;
        unsafe {
            let zeros = [V::splat(0.0); BLOCKS];
            let step: [V; BLOCKS] = load_blocks(chunk.step.values().as_ptr().add(at));
            let drive: [V; BLOCKS] = load_blocks(chunk.drive.values().as_ptr().add(at));
            let gradient: [V; BLOCKS] = load_blocks(y_gradient.values().as_ptr().add(at));
            let (mut drive_gradient, mut rate_gradient) = (zeros, zeros);
            for state in 0..n_states {
                let input = V::splat(*inputs.add(state));
                let output = V::splat(*outputs.add(state));
                let (mut input_gradient, mut output_gradient) = (zeros[0], zeros[0]);
                for block in 0..BLOCKS {
                    let at = (state * BLOCKS + block) * V::N;
                    let decay = V::load(record.add(2 * at));
                    let carried = V::load(record.add(2 * at + V::N));
                    let value = carried.add_product(drive[block], input);
                    let gradient_now = V::load(states.add(at)).add_product(gradient[block], output);
                    drive_gradient[block] = drive_gradient[block].add_product(gradient_now, input);
                    input_gradient = input_gradient.add_product(gradient_now, drive[block]);
                    output_gradient = output_gradient.add_product(gradient[block], value);
                    let exponent = gradient_now.mul(carried);
                    rate_gradient[block] =
                        rate_gradient[block].add_product(exponent, V::load(decays.add(at)));
                    let sum = V::load(parameters.add(at));
                    sum.add_product(exponent, step[block]).store(parameters.add(at));
                    gradient_now.mul(decay).store(states.add(at));
                }
                *input_gradients.add(state) = input_gradient.sum();
                *output_gradients.add(state) = output_gradient.sum();
            }

            let skip: [V; BLOCKS] = self.channels.load(self.scan.inputs.skip.as_ptr(), 0);
            let x: [V; BLOCKS] = load_blocks(chunk.x.values().as_ptr().add(at));
            let slope: [V; BLOCKS] = load_blocks(slope.values().as_ptr().add(at));
            let parameters = parameters.add(n_states * n_lanes);
            let (mut x_gradient, mut step_gradient) = (zeros, zeros);
            for block in 0..BLOCKS {
                x_gradient[block] = drive_gradient[block]
                    .mul(step[block])
                    .add_product(skip[block], gradient[block]);
                // The decays were multiplied by log₂ e.
                let rate = rate_gradient[block].mul(V::splat(std::f32::consts::LN_2));
                let rate = rate.add_product(drive_gradient[block], x[block]);
                step_gradient[block] = rate.mul(slope[block]);
                let bias_sum = parameters.add(block * V::N);
                V::load(bias_sum).add(step_gradient[block]).store(bias_sum);
                let skip_sum = bias_sum.add(n_lanes);
                V::load(skip_sum).add_product(gradient[block], x[block]).store(skip_sum);
            }
            self.channels.store(x_gradient, self.x.as_ptr(), pixel);
            self.channels.store(step_gradient, self.step.as_ptr(), pixel);
        }
    }
}

/// Moves the states on through a chunk.
///
/// # Safety
/// The machine has the lanes' instruction set; the chunk was read.
#[inline(always)]
unsafe fn advance<V: Lanes>(chunk: &mut Chunk, n_states: usize, n_positions: usize) {
    let states = chunk.states.values_mut().as_mut_ptr();
    let decays = chunk.decay.values().as_ptr();
    let inputs = chunk.input.values().as_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        for position in 0..n_positions {
            let at = position * BLOCKS * V::N;
            let step: [V; BLOCKS] = load_blocks(chunk.step.values().as_ptr().add(at));
            let drive: [V; BLOCKS] = load_blocks(chunk.drive.values().as_ptr().add(at));
            for state in 0..n_states {
                let input = V::splat(*inputs.add(position * n_states + state));
                let decay = decays_of(step, decays.add(state * BLOCKS * V::N));
                for block in 0..BLOCKS {
                    let at = (state * BLOCKS + block) * V::N;
                    let carried = V::load(states.add(at)).mul(decay[block]);
                    carried.add_product(drive[block], input).store(states.add(at));
                }
            }
        }
    }
}
