//! A panel of neighbouring channels, and the chunk of positions that is worked on.

use std::{array, ops::Range};

use super::{ScanDirection, ScanInputs, ScanShape};
use crate::{buffer::Buffer, instructions::Kernel, lanes::Lanes, math};

/// Positions of a chunk: enough that its states are worth keeping, few enough that the states of all
/// its positions fit the second-level cache.
pub(super) const CHUNK: usize = 32;

/// The number of lanes of an instruction set.
pub(super) struct LaneCount;

impl Kernel for LaneCount {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) -> usize {
        V::N
    }
}

/// An image of which every task writes pixels or channels of its own.
#[derive(Clone, Copy)]
pub(super) struct SharedImage(*mut f32);

// SAFETY: tasks write and read different values; a caller's promise at every use.
unsafe impl Send for SharedImage {}
// SAFETY: as above.
unsafe impl Sync for SharedImage {}

impl SharedImage {
    pub(super) fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// From the value `idx` on.
    pub(super) fn from(self, idx: usize) -> Self {
        Self(self.0.wrapping_add(idx))
    }

    pub(super) fn as_ptr(self) -> *mut f32 {
        self.0
    }
}

/// What is scanned, of lengths that fit.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a> {
    pub(super) shape: &'a ScanShape,
    pub(super) direction: ScanDirection,
    pub(super) inputs: &'a ScanInputs<'a>,
}

impl<'a> Scan<'a> {
    /// # Panics
    /// When lengths do not fit the shape.
    pub(super) fn new(
        shape: &'a ScanShape,
        direction: ScanDirection,
        inputs: &'a ScanInputs<'a>,
    ) -> Self {
        let ScanInputs { x, step, step_bias, decay, input, output, skip } = inputs;
        let lengths = [x, step, step_bias, decay, input, output, skip].map(|slice| slice.len());
        assert_eq!(lengths, shape.input_lengths(), "inputs of the lengths of {shape:?}");
        Self { shape, direction, inputs }
    }

    /// Chunks of positions, in the order of the scan.
    pub(super) fn chunks(
        &self,
    ) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator + use<> {
        let length = self.shape.length();
        (0..length.div_ceil(CHUNK)).map(move |idx| idx * CHUNK..((idx + 1) * CHUNK).min(length))
    }

    /// The pixels visited at `positions` of an image, counted through the batch.
    pub(super) fn pixels(&self, image: usize, positions: Range<usize>) -> [usize; CHUNK] {
        let mut pixels = [0; CHUNK];
        for (pixel, position) in pixels.iter_mut().zip(positions) {
            *pixel = image * self.shape.length() + self.direction.pixel(self.shape, position);
        }
        pixels
    }
}

/// The channels of a panel: a whole number of registers, the last of which may be empty in part.
#[derive(Clone, Copy)]
pub(super) struct Channels {
    /// Channels of the image.
    pub(super) total: usize,
    /// First channel of the panel.
    pub(super) first: usize,
    /// Lanes of the panel.
    pub(super) n_lanes: usize,
}

impl Channels {
    pub(super) fn end(self) -> usize {
        (self.first + self.n_lanes).min(self.total)
    }

    /// Reads the panel of a pixel; lanes beyond the last channel are 0.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set; `pixels` points to images of `total` channels that
    /// have this pixel. So for [`Self::store`].
    #[inline(always)]
    pub(super) unsafe fn load<V: Lanes, const BLOCKS: usize>(
        self,
        pixels: *const f32,
        pixel: usize,
    ) -> [V; BLOCKS] {
        // SAFETY: the machine has the instruction set.
        let mut registers = [unsafe { V::splat(0.0) }; BLOCKS];
        for (block, register) in registers.iter_mut().enumerate() {
            let channel = self.first + block * V::N;
            let from = pixels.wrapping_add(pixel * self.total + channel);
            // SAFETY: only channels below `total` are read.
            *register = unsafe {
                if channel + V::N <= self.total {
                    V::load(from)
                } else {
                    V::load_first(from, self.total.saturating_sub(channel))
                }
            };
        }
        registers
    }

    /// Writes the panel of a pixel.
    ///
    /// # Safety
    /// As [`Self::load`].
    #[inline(always)]
    pub(super) unsafe fn store<V: Lanes, const BLOCKS: usize>(
        self,
        registers: [V; BLOCKS],
        pixels: *mut f32,
        pixel: usize,
    ) {
        for (block, register) in registers.into_iter().enumerate() {
            let channel = self.first + block * V::N;
            let to = pixels.wrapping_add(pixel * self.total + channel);
            // SAFETY: only channels below `total` are written.
            unsafe {
                if channel + V::N <= self.total {
                    register.store(to);
                } else {
                    register.store_first(to, self.total.saturating_sub(channel));
                }
            }
        }
    }
}

/// The panel's parameters and states, and a chunk of its inputs in the order of the scan.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// `A log₂ e`: `[states, lanes]`.
    pub(super) decay: Buffer,
    /// `h`: `[states, lanes]`.
    pub(super) states: Buffer,
    /// `x`: `[CHUNK, lanes]`.
    pub(super) x: Buffer,
    /// `Δ`: `[CHUNK, lanes]`.
    pub(super) step: Buffer,
    /// `Δ x`: `[CHUNK, lanes]`.
    pub(super) drive: Buffer,
    /// `B`: `[CHUNK, states]`.
    pub(super) input: Buffer,
    /// `C`: `[CHUNK, states]`.
    pub(super) output: Buffer,
}

impl Chunk {
    /// Makes room, takes over the panel's parameters and forgets all states.
    pub(super) fn start(&mut self, scan: &Scan, channels: Channels) {
        let (n_states, n_lanes) = (scan.shape.states, channels.n_lanes);
        self.states.resized(n_states * n_lanes).fill(0.0);
        let decay = self.decay.resized(n_states * n_lanes);
        decay.fill(0.0);
        for channel in channels.first..channels.end() {
            for state in 0..n_states {
                decay[state * n_lanes + channel - channels.first] =
                    scan.inputs.decay[channel * n_states + state] * std::f32::consts::LOG2_E;
            }
        }
        for buffer in [&mut self.x, &mut self.step, &mut self.drive] {
            buffer.resized(CHUNK * n_lanes);
        }
        for buffer in [&mut self.input, &mut self.output] {
            buffer.resized(CHUNK * n_states);
        }
    }

    /// Reads the inputs of some pixels. All are read here, at once, because the scan itself would wait
    /// for each that is not in the cache.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set; the pixels exist, at most [`CHUNK`], and the chunk
    /// was started for a panel of `BLOCKS` registers.
    #[inline(always)]
    pub(super) unsafe fn read<V: Lanes, const BLOCKS: usize>(
        &mut self,
        scan: &Scan,
        channels: Channels,
        pixels: &[usize],
    ) {
        let (inputs, n_states) = (scan.inputs, scan.shape.states);
        let x_chunk = self.x.values_mut().as_mut_ptr();
        let step_chunk = self.step.values_mut().as_mut_ptr();
        let drive_chunk = self.drive.values_mut().as_mut_ptr();
        let input_chunk = self.input.values_mut().as_mut_ptr();
        let output_chunk = self.output.values_mut().as_mut_ptr();
        // SAFETY: buffers were made for `CHUNK` pixels of the panel's lanes.
        unsafe {
            let bias: [V; BLOCKS] = channels.load(inputs.step_bias.as_ptr(), 0);
            for (position, &pixel) in pixels.iter().enumerate() {
                let x: [V; BLOCKS] = channels.load(inputs.x.as_ptr(), pixel);
                let step: [V; BLOCKS] = channels.load(inputs.step.as_ptr(), pixel);
                for block in 0..BLOCKS {
                    let at = (position * BLOCKS + block) * V::N;
                    let step = math::softplus(step[block].add(bias[block]));
                    x[block].store(x_chunk.add(at));
                    step.store(step_chunk.add(at));
                    step.mul(x[block]).store(drive_chunk.add(at));
                }
                let (from, to) = (pixel * n_states, position * n_states);
                copy::<V>(inputs.input.as_ptr().add(from), input_chunk.add(to), n_states);
                copy::<V>(inputs.output.as_ptr().add(from), output_chunk.add(to), n_states);
            }
        }
    }
}

/// Reads `BLOCKS` registers from a chunk's buffer.
///
/// # Safety
/// The machine has the lanes' instruction set, and as many values can be read.
#[inline(always)]
pub(super) unsafe fn load_blocks<V: Lanes, const BLOCKS: usize>(from: *const f32) -> [V; BLOCKS] {
    // SAFETY: the caller's promise.
    array::from_fn(|block| unsafe { V::load(from.add(block * V::N)) })
}

/// `exp(Δ A)` of one state.
///
/// # Safety
/// The machine has the lanes' instruction set, and `decays` points to the state's `A log₂ e`.
#[inline(always)]
pub(super) unsafe fn decays_of<V: Lanes, const BLOCKS: usize>(
    step: [V; BLOCKS],
    decays: *const f32,
) -> [V; BLOCKS] {
    let mut exponents = step;
    // SAFETY: the caller's promise.
    unsafe {
        for (block, exponent) in exponents.iter_mut().enumerate() {
            *exponent = exponent.mul(V::load(decays.add(block * V::N)));
        }
        math::exp2_of_negative(exponents)
    }
}

/// Copies a few values, register by register: a call would cost more than the copy.
///
/// # Safety
/// The machine has the lanes' instruction set; `count` values can be read and written.
#[inline(always)]
unsafe fn copy<V: Lanes>(from: *const f32, to: *mut f32, count: usize) {
    let mut at = 0;
    // SAFETY: no more than `count` values.
    unsafe {
        while at + V::N <= count {
            V::load(from.add(at)).store(to.add(at));
            at += V::N;
        }
        V::load_first(from.add(at), count - at).store_first(to.add(at), count - at);
    }
}
