//! The channels of a pixel in runs of registers.

use crate::lanes::Lanes;

/// Something done with a run of channels.
pub(crate) trait ChannelRun<V: Lanes> {
    /// Works on `BLOCKS` registers from `channel` on: whole ones, or one with its first `count` lanes
    /// only; to be marked `#[inline(always)]`.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set, and the run lies within the channels.
    unsafe fn run<const BLOCKS: usize, const IS_WHOLE: bool>(
        &mut self,
        channel: usize,
        count: usize,
    );
}

/// All channels in runs of four registers, two, one, and what is left.
///
/// # Safety
/// The machine has the lanes' instruction set.
#[inline(always)]
pub(crate) unsafe fn for_channel_runs<V: Lanes>(n_channels: usize, work: &mut impl ChannelRun<V>) {
    let mut channel = 0;
    // SAFETY: every run ends with the last channel at most.
    unsafe {
        while channel + 4 * V::N <= n_channels {
            work.run::<4, true>(channel, V::N);
            channel += 4 * V::N;
        }
        if channel + 2 * V::N <= n_channels {
            work.run::<2, true>(channel, V::N);
            channel += 2 * V::N;
        }
        if channel + V::N <= n_channels {
            work.run::<1, true>(channel, V::N);
            channel += V::N;
        }
        if channel < n_channels {
            work.run::<1, false>(channel, n_channels - channel);
        }
    }
}

/// Reads a whole register, or the first `count` lanes and zeros.
///
/// # Safety
/// As [`Lanes::load`] or [`Lanes::load_first`].
#[inline(always)]
pub(crate) unsafe fn load<V: Lanes, const IS_WHOLE: bool>(from: *const f32, count: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if IS_WHOLE { V::load(from) } else { V::load_first(from, count) } }
}

/// Writes a whole register, or the first `count` lanes.
///
/// # Safety
/// As [`Lanes::store`] or [`Lanes::store_first`].
#[inline(always)]
pub(crate) unsafe fn store<V: Lanes, const IS_WHOLE: bool>(value: V, to: *mut f32, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { if IS_WHOLE { value.store(to) } else { value.store_first(to, count) } }
}
