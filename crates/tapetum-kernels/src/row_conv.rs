//! One row of a 3x3 convolution with 32 output channels.

use crate::{
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Output channels of one pass; layers with fewer are padded with zero weights.
pub(crate) const N_OUT: usize = 32;

/// The three input rows around an output row, from one source. Each row holds `width + 2` pixels of
/// `n_channels`, the first and the last of which are the padding.
#[derive(Clone, Copy)]
pub(crate) struct SourceRows<'a> {
    pub(crate) rows: [&'a [f32]; 3],
    pub(crate) n_channels: usize,
}

/// Weights and bias, packed for the row kernel.
#[derive(Debug, Clone)]
pub(crate) struct PackedConv {
    /// For each source, row and column of the window and input channel: 32 output channels.
    weights: Vec<[f32; N_OUT]>,
    bias: [f32; N_OUT],
    is_relu: bool,
}

impl PackedConv {
    /// Packs a weight `[out, in, 3, 3]`; the input channels are those of the sources one after
    /// another.
    ///
    /// # Panics
    /// When the counts do not fit together, or there are more than 32 output channels.
    pub(crate) fn new(
        weight: &[f32],
        bias: &[f32],
        source_channels: &[usize],
        is_relu: bool,
    ) -> Self {
        let (n_out, n_in) = (bias.len(), source_channels.iter().sum::<usize>());
        assert!(n_out <= N_OUT, "at most {N_OUT} output channels, got {n_out}");
        assert_eq!(weight.len(), n_out * n_in * 9, "a weight of [{n_out}, {n_in}, 3, 3]");
        let mut weights = Vec::with_capacity(n_in * 9);
        let mut first = 0;
        for &n_channels in source_channels {
            for tap in 0..9 {
                for channel in first..first + n_channels {
                    let value = |out: usize| weight[(out * n_in + channel) * 9 + tap];
                    let padded = |out| if out < n_out { value(out) } else { 0.0 };
                    weights.push(std::array::from_fn(padded));
                }
            }
            first += n_channels;
        }
        let bias = std::array::from_fn(|out| bias.get(out).copied().unwrap_or(0.0));
        Self { weights, bias, is_relu }
    }

    /// Computes `width` pixels of 32 channels into `output`.
    ///
    /// # Panics
    /// When the instruction set is missing, or a slice is too short.
    pub(crate) fn row(
        &self,
        instructions: Instructions,
        sources: &[SourceRows],
        width: usize,
        output: &mut [f32],
    ) {
        let n_weights: usize = sources.iter().map(|source| 9 * source.n_channels).sum();
        assert_eq!(self.weights.len(), n_weights, "weights for these sources");
        for source in sources {
            let n_values = (width + 2) * source.n_channels;
            assert!(
                source.rows.iter().all(|row| row.len() >= n_values),
                "rows of {width} + 2 pixels"
            );
        }
        assert!(output.len() >= width * N_OUT, "room for {width} pixels");
        // SAFETY: the lengths were checked above.
        instructions.run(Row { conv: self, sources, width, output: output.as_mut_ptr() });
    }
}

struct Row<'a> {
    conv: &'a PackedConv,
    sources: &'a [SourceRows<'a>],
    width: usize,
    output: *mut f32,
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { conv, sources, width, output } = self;
        // SAFETY: the caller checked the lengths.
        unsafe {
            match V::N {
                16 => row::<V, 12, 2>(conv, sources, width, output),
                _ => row::<V, 2, 4>(conv, sources, width, output),
            }
        }
    }
}

/// A row in tiles of `PIXELS` pixels, whose 32 channels stay in `PIXELS x BLOCKS` registers while
/// all input channels pass; the last few pixels go one by one.
///
/// # Safety
/// The machine has the lanes' instruction set; rows hold `width + 2` pixels of their source's
/// channels, `output` has room for `width` pixels of 32; `BLOCKS * V::N` is 32.
#[inline(always)]
unsafe fn row<V: Lanes, const PIXELS: usize, const BLOCKS: usize>(
    conv: &PackedConv,
    sources: &[SourceRows],
    width: usize,
    output: *mut f32,
) {
    let mut x = 0;
    // SAFETY: `x + PIXELS <= width`, then `x < width`.
    unsafe {
        while x + PIXELS <= width {
            pixels::<V, PIXELS, BLOCKS>(conv, sources, x, output.add(x * N_OUT));
            x += PIXELS;
        }
        while x < width {
            pixels::<V, 1, BLOCKS>(conv, sources, x, output.add(x * N_OUT));
            x += 1;
        }
    }
}

/// `PIXELS` neighbouring pixels from column `x` on.
///
/// # Safety
/// As [`row`], with `x + PIXELS <= width`; `output` is the place of pixel `x`.
#[inline(always)]
unsafe fn pixels<V: Lanes, const PIXELS: usize, const BLOCKS: usize>(
    conv: &PackedConv,
    sources: &[SourceRows],
    x: usize,
    output: *mut f32,
) {
    debug_assert_eq!(BLOCKS * V::N, N_OUT);
    // SAFETY: the window of pixel `x + PIXELS - 1` ends with the row's last pixel at most, and the
    // packed weights hold one entry for each source, tap and channel, in this order.
    unsafe {
        let bias: [V; BLOCKS] =
            std::array::from_fn(|block| V::load(conv.bias.as_ptr().add(block * V::N)));
        let mut sums = [bias; PIXELS];
        let mut weights = conv.weights.as_ptr().cast::<f32>();
        for source in sources {
            let n_channels = source.n_channels;
            for row in source.rows {
                let mut input = row.as_ptr().add(x * n_channels);
                // The three columns of the window lie one after another.
                for _ in 0..3 * n_channels {
                    let weight: [V; BLOCKS] =
                        std::array::from_fn(|block| V::load(weights.add(block * V::N)));
                    for (pixel, sums) in sums.iter_mut().enumerate() {
                        let value = V::splat(*input.add(pixel * n_channels));
                        for (sum, weight) in sums.iter_mut().zip(weight) {
                            *sum = sum.add_product(value, weight);
                        }
                    }
                    weights = weights.add(N_OUT);
                    input = input.add(1);
                }
            }
        }
        let floor = V::splat(if conv.is_relu { 0.0 } else { f32::NEG_INFINITY });
        for (pixel, sums) in sums.into_iter().enumerate() {
            for (block, sum) in sums.into_iter().enumerate() {
                sum.max(floor).store(output.add(pixel * N_OUT + block * V::N));
            }
        }
    }
}
