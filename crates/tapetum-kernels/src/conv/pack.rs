//! Weights in the order in which register tiles read them.

use super::{Compute, Precision, taps::Taps, window::channels_of_words};
use crate::{
    buffer::Buffer,
    instructions::{Instructions, Kernel},
    lanes::{Lanes, bf16_bits},
};

/// Output channels that one pass computes: one or two registers of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panel {
    pub(super) first_out: usize,
    /// Channels that exist; the others are zeros.
    pub(super) n_out: usize,
    pub(super) n_registers: usize,
    /// Where its weights start.
    pub(super) start: usize,
}

/// For each panel, tap and word of a pixel, one word for each of the panel's channels.
#[derive(Debug, Clone)]
pub(super) struct PackedWeights {
    pub(super) panels: Vec<Panel>,
    pub(super) words: Buffer,
}

/// Lanes of a register.
pub(super) fn n_lanes(instructions: Instructions) -> usize {
    struct Count;
    impl Kernel for Count {
        type Output = usize;

        #[inline(always)]
        unsafe fn run<V: Lanes>(self) -> usize {
            V::N
        }
    }
    instructions.run(Count)
}

/// `n_out` channels in panels of two registers and, where that suffices, a last one of one register;
/// `depth` words for each channel.
pub(super) fn panels(instructions: Instructions, n_out: usize, depth: usize) -> Vec<Panel> {
    let lanes = n_lanes(instructions);
    let mut start = 0;
    let first_outs = (0..n_out).step_by(2 * lanes);
    first_outs
        .map(|first_out| {
            let left = n_out - first_out;
            let n_registers = if left <= lanes { 1 } else { 2 };
            let panel = Panel { first_out, n_out: left.min(2 * lanes), n_registers, start };
            start += depth * n_registers * lanes;
            panel
        })
        .collect()
}

/// Packs the weights of `value(kernel position, input channel, output channel)`.
pub(super) fn pack(
    compute: Compute,
    taps: &Taps,
    n_in: &[usize],
    n_out: usize,
    value: impl Fn(usize, usize, usize) -> f32,
) -> PackedWeights {
    let channels = channels_of_words(n_in.iter().copied(), compute.precision);
    let lanes = n_lanes(compute.instructions);
    let panels = panels(compute.instructions, n_out, taps.list.len() * channels.len());
    let len = panels
        .last()
        .map_or(0, |last| last.start + taps.list.len() * channels.len() * last.n_registers * lanes);
    let mut words = Buffer::zeros(len);
    for panel in &panels {
        let width = panel.n_registers * lanes;
        let mut at = panel.start;
        for tap in &taps.list {
            for [lower, upper] in &channels {
                for out in 0..panel.n_out {
                    let of = |channel: &Option<usize>| match channel {
                        Some(channel) => value(tap.kernel_idx, *channel, panel.first_out + out),
                        None => 0.0,
                    };
                    words.values_mut()[at + out] = match compute.precision {
                        Precision::F32 => of(lower),
                        Precision::Bf16 => {
                            let bits =
                                [of(lower), of(upper)].map(|value| u32::from(bf16_bits(value)));
                            f32::from_bits(bits[0] | bits[1] << 16)
                        }
                    };
                }
                at += width;
            }
        }
    }
    PackedWeights { panels, words }
}
