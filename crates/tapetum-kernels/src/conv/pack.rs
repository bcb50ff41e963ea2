//! Weights in the order in which register tiles read them.

use super::{
    Compute, Precision,
    taps::{Tap, Taps},
    window::channels_of_words,
};
use crate::{
    buffer::Buffer,
    instructions::{Instructions, Kernel},
    lanes::{Lanes, bf16_bits},
};

/// Output channels that one pass computes: one or two registers of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panel {
    pub(crate) first_out: usize,
    /// Channels that exist; the others are zeros.
    pub(crate) n_out: usize,
    pub(crate) n_registers: usize,
    /// Where its weights start.
    pub(crate) start: usize,
}

/// For each panel, tap and word of a pixel, one word for each of the panel's channels.
#[derive(Debug, Clone)]
pub(crate) struct PackedWeights {
    pub(crate) panels: Vec<Panel>,
    pub(crate) words: Buffer,
}

/// Lanes of a register.
pub(crate) fn n_lanes(instructions: Instructions) -> usize {
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

/// What one word of a window is multiplied with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WeightWord {
    pub(crate) kernel_idx: usize,
    /// The input channel, and with pairs that of the upper half.
    pub(crate) channels: [Option<usize>; 2],
}

/// The words of each tap after another.
pub(super) fn words_of_taps(
    taps: &Taps,
    n_in: impl Iterator<Item = usize>,
    precision: Precision,
) -> Vec<WeightWord> {
    let channels = channels_of_words(n_in, precision);
    let words = |tap: &Tap| {
        let kernel_idx = tap.kernel_idx;
        let words = channels.iter().map(move |&channels| WeightWord { kernel_idx, channels });
        words.collect::<Vec<_>>()
    };
    taps.list.iter().flat_map(words).collect()
}

/// Packs the weights of `value(kernel position, input channel, output channel)`.
pub(crate) fn pack(
    compute: Compute,
    words: &[WeightWord],
    n_out: usize,
    value: impl Fn(usize, usize, usize) -> f32,
) -> PackedWeights {
    let lanes = n_lanes(compute.instructions);
    let panels = panels(compute.instructions, n_out, words.len());
    let len = panels.last().map_or(0, |last| last.start + words.len() * last.n_registers * lanes);
    let mut packed = Buffer::zeros(len);
    for panel in &panels {
        let width = panel.n_registers * lanes;
        let rows = packed.values_mut()[panel.start..].chunks_exact_mut(width);
        for (word, row) in words.iter().zip(rows) {
            for (out, packed) in row[..panel.n_out].iter_mut().enumerate() {
                let of = |channel: Option<usize>| match channel {
                    Some(channel) => value(word.kernel_idx, channel, panel.first_out + out),
                    None => 0.0,
                };
                let [lower, upper] = word.channels;
                *packed = match compute.precision {
                    Precision::F32 => of(lower),
                    Precision::Bf16 => pair(of(lower), of(upper)),
                };
            }
        }
    }
    PackedWeights { panels, words: packed }
}

fn pair(lower: f32, upper: f32) -> f32 {
    let [lower, upper] = [lower, upper].map(|value| u32::from(bf16_bits(value)));
    f32::from_bits(lower | upper << 16)
}
