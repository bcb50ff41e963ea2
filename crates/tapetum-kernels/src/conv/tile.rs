//! Register tiles: a few neighbouring pixels times one or two registers of output channels.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
use super::{Precision, taps::Run};
use crate::{activation::Activation, instructions::Kernel, lanes::Lanes};

/// A row of pixels of one panel.
#[derive(Clone, Copy)]
pub(crate) struct TileRow<'a> {
    /// Where the runs start from.
    pub(crate) window: *const f32,
    pub(crate) runs: &'a [Run],
    /// One register list for each word of the runs.
    pub(crate) weights: *const f32,
    /// What the sums start from, a panel of values.
    pub(crate) bias: *const f32,
    pub(crate) n_pixels: usize,
    pub(crate) n_registers: usize,
    /// Channels of the panel that are written.
    pub(crate) n_out: usize,
    /// The first pixel's first channel of the panel.
    pub(crate) output: *mut f32,
    /// Whether the two registers of a pixel are written as one register of pairs.
    pub(crate) stores_pairs: bool,
    /// Values between pixels.
    pub(crate) output_stride: usize,
    /// Applied where it costs next to nothing: the identity and both ReLUs.
    pub(crate) activation: Activation,
    pub(crate) precision: Precision,
    /// Whether the matrix unit may be used.
    pub(crate) has_amx: bool,
}

/// Whether [`TileRow`] applies it.
pub(crate) fn is_applied_by_tiles(activation: Activation) -> bool {
    matches!(activation, Activation::Identity | Activation::Relu | Activation::LeakyRelu(_))
}

impl Kernel for TileRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            if self.has_amx && amx::fits(&self, V::N) {
                return amx::row::<V, amx::unit::Amx>(&self);
            }
            match (self.precision, self.n_registers) {
                (Precision::F32, 2) => row::<V, 2, false>(&self),
                (Precision::F32, _) => row::<V, 1, false>(&self),
                (Precision::Bf16, 2) => row::<V, 2, true>(&self),
                (Precision::Bf16, _) => row::<V, 1, true>(&self),
            }
        }
    }
}

/// The widest tiles that the registers hold; what is left is computed by the narrowest tile that covers
/// it, which begins with pixels that are done already.
///
/// # Safety
/// The machine has the lanes' instruction set; the window holds all runs of all pixels, the weights a
/// panel for each of their words, the output its pixels.
#[inline(always)]
unsafe fn row<V: Lanes, const REGISTERS: usize, const PAIRS: bool>(row: &TileRow) {
    // SAFETY: the caller's promise.
    unsafe {
        match V::N_ACCUMULATORS {
            24 => tiles::<V, 12, 8, 4, REGISTERS, PAIRS>(row),
            12 => tiles::<V, 6, 4, 2, REGISTERS, PAIRS>(row),
            _ => tiles::<V, 2, 2, 1, REGISTERS, PAIRS>(row),
        }
    }
}

/// # Safety
/// See [`row`].
#[inline(always)]
unsafe fn tiles<
    V: Lanes,
    const WIDE: usize,
    const MIDDLE: usize,
    const NARROW: usize,
    const REGISTERS: usize,
    const PAIRS: bool,
>(
    row: &TileRow,
) {
    let n_pixels = row.n_pixels;
    let n_whole = n_pixels / WIDE * WIDE;
    let n_left = n_pixels - n_whole;
    // SAFETY: no tile reaches beyond `n_pixels`.
    unsafe {
        for x in (0..n_whole).step_by(WIDE) {
            tile::<V, WIDE, REGISTERS, PAIRS>(row, x);
        }
        if n_left == 0 {
        } else if n_left <= NARROW && n_pixels >= NARROW {
            tile::<V, NARROW, REGISTERS, PAIRS>(row, n_pixels - NARROW);
        } else if n_left <= MIDDLE && n_pixels >= MIDDLE {
            tile::<V, MIDDLE, REGISTERS, PAIRS>(row, n_pixels - MIDDLE);
        } else if n_pixels >= WIDE {
            tile::<V, WIDE, REGISTERS, PAIRS>(row, n_pixels - WIDE);
        } else {
            for x in n_whole..n_pixels {
                tile::<V, 1, REGISTERS, PAIRS>(row, x);
            }
        }
    }
}

/// # Safety
/// See [`row`]; `x + PIXELS <= n_pixels`.
#[inline(always)]
unsafe fn tile<V: Lanes, const PIXELS: usize, const REGISTERS: usize, const PAIRS: bool>(
    row: &TileRow,
    x: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let bias: [V; REGISTERS] = std::array::from_fn(|idx| V::load(row.bias.add(idx * V::N)));
        let mut sums = [bias; PIXELS];
        let mut weights = row.weights;
        for run in row.runs {
            let stride = run.pixel_stride;
            let mut input = row.window.add(x * stride + run.start);
            for _ in 0..run.length {
                let weight: [V; REGISTERS] =
                    std::array::from_fn(|idx| V::load(weights.add(idx * V::N)));
                for (pixel, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*input.add(pixel * stride));
                    for (sum, weight) in sums.iter_mut().zip(weight) {
                        *sum = add_product::<V, PAIRS>(*sum, value, weight);
                    }
                }
                weights = weights.add(REGISTERS * V::N);
                input = input.add(1);
            }
        }
        for (pixel, sums) in sums.into_iter().enumerate() {
            finish::<V, REGISTERS>(row, x + pixel, |idx| sums[idx]);
        }
    }
}

/// Applies the activation to a pixel's sums and writes them.
///
/// # Safety
/// See [`row`]; `x` is a pixel of the row.
#[inline(always)]
pub(crate) unsafe fn finish<V: Lanes, const REGISTERS: usize>(
    row: &TileRow,
    x: usize,
    sum: impl Fn(usize) -> V,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let results: [V; REGISTERS] =
            std::array::from_fn(|idx| activated(row.activation, sum(idx)));
        store(row, results, row.output.add(x * row.output_stride));
    }
}

/// # Safety
/// The machine has the lanes' instruction set.
#[inline(always)]
unsafe fn activated<V: Lanes>(activation: Activation, sum: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        match activation {
            Activation::Relu => V::splat(0.0).max(sum),
            Activation::LeakyRelu(slope) => sum.if_positive(sum, sum.mul(V::splat(slope))),
            _ => sum,
        }
    }
}

/// # Safety
/// See [`row`]; `output` is a pixel's place.
#[inline(always)]
unsafe fn store<V: Lanes, const REGISTERS: usize>(
    row: &TileRow,
    results: [V; REGISTERS],
    output: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if row.stores_pairs {
            return V::pairs(results[0], results[REGISTERS - 1]).store(output);
        }
        for (idx, result) in results.into_iter().enumerate() {
            match row.n_out - idx * V::N {
                left if left < V::N => result.store_first(output.add(idx * V::N), left),
                _ => result.store(output.add(idx * V::N)),
            }
        }
    }
}

/// `sum + a b` of words that are numbers or pairs of numbers.
///
/// # Safety
/// The machine has the lanes' instruction set.
#[inline(always)]
pub(crate) unsafe fn add_product<V: Lanes, const PAIRS: bool>(sum: V, a: V, b: V) -> V {
    // SAFETY: the caller's promise.
    unsafe { if PAIRS { sum.add_pair_products(a, b) } else { sum.add_product(a, b) } }
}
