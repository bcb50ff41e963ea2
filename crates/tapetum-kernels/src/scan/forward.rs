//! The scan of a panel of channels.

use super::panel::{CHUNK, Channels, Chunk, Scan, SharedImage, decays_of, load_blocks};
use crate::{buffer::Buffer, instructions::Kernel, lanes::Lanes};

/// Registers of a panel: each `B` and `C` that is read serves all of them, and each one's exponential
/// fills the time that the others wait.
pub(super) const FORWARD_BLOCKS: usize = 4;

/// Buffers of a thread.
#[derive(Debug, Default)]
pub(super) struct ForwardScratch {
    chunk: Chunk,
    /// What `y` is without the states: `[CHUNK, lanes]`.
    rest: Buffer,
}

/// One panel of one image.
pub(super) struct ForwardPanel<'a, const IS_ADDED: bool> {
    pub(super) scan: &'a Scan<'a>,
    pub(super) image: usize,
    pub(super) channels: Channels,
    pub(super) scratch: &'a mut ForwardScratch,
    pub(super) y: SharedImage,
}

impl<const IS_ADDED: bool> Kernel for ForwardPanel<'_, IS_ADDED> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { scan, image, channels, scratch, y } = self;
        scratch.chunk.start(scan, channels);
        scratch.rest.resized(CHUNK * channels.n_lanes);
        for positions in scan.chunks() {
            let n_positions = positions.len();
            let pixels = &scan.pixels(image, positions)[..n_positions];
            // SAFETY: the lengths were checked, and only this task uses these channels of `y`.
            unsafe {
                scratch.chunk.read::<V, FORWARD_BLOCKS>(scan, channels, pixels);
                read_rest::<V, IS_ADDED>(scan, channels, scratch, pixels, y);
                advance::<V>(scan, channels, scratch, pixels, y);
            }
        }
    }
}

/// Prepares `D x`, to which `y` is added if wanted.
///
/// # Safety
/// The machine has the lanes' instruction set, the buffers are ready for the pixels, which exist, and
/// no other task uses the panel's channels of `y`. So for [`advance`].
#[inline(always)]
unsafe fn read_rest<V: Lanes, const IS_ADDED: bool>(
    scan: &Scan,
    channels: Channels,
    scratch: &mut ForwardScratch,
    pixels: &[usize],
    y: SharedImage,
) {
    let x = scratch.chunk.x.values().as_ptr();
    let rest = scratch.rest.values_mut().as_mut_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        let zeros = [V::splat(0.0); FORWARD_BLOCKS];
        let skip: [V; FORWARD_BLOCKS] = channels.load(scan.inputs.skip.as_ptr(), 0);
        for (position, &pixel) in pixels.iter().enumerate() {
            let before = if IS_ADDED { channels.load(y.as_ptr(), pixel) } else { zeros };
            for block in 0..FORWARD_BLOCKS {
                let at = (position * FORWARD_BLOCKS + block) * V::N;
                let x = V::load(x.add(at));
                before[block].add_product(skip[block], x).store(rest.add(at));
            }
        }
    }
}

/// Moves the states on through a chunk and writes `y`.
///
/// # Safety
/// As [`read_rest`].
#[inline(always)]
unsafe fn advance<V: Lanes>(
    scan: &Scan,
    channels: Channels,
    scratch: &mut ForwardScratch,
    pixels: &[usize],
    y: SharedImage,
) {
    const BLOCKS: usize = FORWARD_BLOCKS;
    let n_states = scan.shape.states;
    let ForwardScratch { chunk, rest } = scratch;
    let states = chunk.states.values_mut().as_mut_ptr();
    let decays = chunk.decay.values().as_ptr();
    let (inputs, outputs) = (chunk.input.values().as_ptr(), chunk.output.values().as_ptr());
    // SAFETY: the caller's promise.
    unsafe {
        for (position, &pixel) in pixels.iter().enumerate() {
            let at = position * BLOCKS * V::N;
            let step: [V; BLOCKS] = load_blocks(chunk.step.values().as_ptr().add(at));
            let drive: [V; BLOCKS] = load_blocks(chunk.drive.values().as_ptr().add(at));
            let mut sum: [V; BLOCKS] = load_blocks(rest.values().as_ptr().add(at));
            for state in 0..n_states {
                let input = V::splat(*inputs.add(position * n_states + state));
                let output = V::splat(*outputs.add(position * n_states + state));
                let decay = decays_of(step, decays.add(state * BLOCKS * V::N));
                for block in 0..BLOCKS {
                    let at = (state * BLOCKS + block) * V::N;
                    let carried = V::load(states.add(at)).mul(decay[block]);
                    let value = carried.add_product(drive[block], input);
                    value.store(states.add(at));
                    sum[block] = sum[block].add_product(value, output);
                }
            }
            channels.store(sum, y.as_ptr(), pixel);
        }
    }
}
