//! Convolutions of every channel with its own kernel.

use std::ops::Range;

use rayon::prelude::*;

use crate::{
    activation::{Activation, activation_gradient_in_place},
    channels::{load, store},
    conv::PaddingMode,
    depthwise_gradient::{WeightGradient, bands},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
    taps::Taps,
};

/// A depthwise convolution with stride 1 that keeps the size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthwiseShape {
    /// Images.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Rows and columns of the kernels; odd.
    pub kernel: usize,
    /// Distance between neighbouring taps.
    pub dilation: usize,
    /// What lies around the image.
    pub padding: PaddingMode,
    /// Applied to the result.
    pub activation: Activation,
}

/// What a depthwise convolution reads.
#[derive(Debug, Clone, Copy)]
pub struct DepthwiseInputs<'a> {
    /// `[batch, height, width, channels]`.
    pub input: &'a [f32],
    /// `[channels, kernel, kernel]`.
    pub weight: &'a [f32],
    /// `[channels]`.
    pub bias: Option<&'a [f32]>,
}

/// Gradients of what a depthwise convolution reads, in the same shapes.
#[derive(Debug)]
pub struct DepthwiseGradients<'a> {
    /// Of the input.
    pub input: &'a mut [f32],
    /// Of the weight.
    pub weight: &'a mut [f32],
    /// Of the bias, if there is one.
    pub bias: Option<&'a mut [f32]>,
}

/// `output[y, x, c] = activation(bias[c] + Σ weight[c, i, j] input[y + (i - r) d, x + (j - r) d, c])`
/// with the dilation `d` and half of the kernel, rounded down, `r`.
///
/// # Shapes
/// `output`: `[batch, height, width, channels]`.
///
/// # Panics
/// When the lengths do not fit, the kernel is even, the dilation 0, a reflected image not larger than
/// its padding, or the instruction set is missing.
pub fn depthwise_conv(
    instructions: Instructions,
    shape: &DepthwiseShape,
    inputs: &DepthwiseInputs,
    output: &mut [f32],
) {
    shape.check(inputs);
    let weights = PackedWeights::new(shape, inputs);
    let (rows, columns) = (shape.taps(shape.height), shape.taps(shape.width));
    let pass = Pass { shape: *shape, rows, columns, weights };
    pass.run(instructions, inputs.input, output);
}

/// The gradients of [`depthwise_conv`]'s inputs. With an activation, the value before it is computed
/// again into a buffer as large as the output.
///
/// # Shapes
/// `output_gradient`: `[batch, height, width, channels]`.
///
/// # Panics
/// As [`depthwise_conv`].
pub fn depthwise_conv_backward(
    instructions: Instructions,
    shape: &DepthwiseShape,
    inputs: &DepthwiseInputs,
    output_gradient: &[f32],
    gradients: DepthwiseGradients,
) {
    shape.check(inputs);
    assert_eq!(output_gradient.len(), inputs.input.len(), "a gradient of the output's size");
    let linear = DepthwiseShape { activation: Activation::Identity, ..*shape };
    let mut before = Vec::new();
    let gradient = if shape.activation == Activation::Identity {
        output_gradient
    } else {
        before.resize(output_gradient.len(), 0.0);
        depthwise_conv(instructions, &linear, inputs, &mut before);
        let activation = shape.activation;
        activation_gradient_in_place(instructions, activation, &mut before, output_gradient);
        &before
    };
    input_gradient(instructions, &linear, inputs.weight, gradient, gradients.input);
    weight_gradient(instructions, shape, inputs.input, gradient, gradients.weight, gradients.bias);
}

/// The convolution the other way: every input pixel sums up the output pixels it is a tap of.
fn input_gradient(
    instructions: Instructions,
    linear: &DepthwiseShape,
    weight: &[f32],
    gradient: &[f32],
    input_gradient: &mut [f32],
) {
    // The taps of a pixel inside then ascend like those of a convolution.
    let flipped: Vec<f32> = weight
        .chunks_exact(linear.kernel * linear.kernel)
        .flat_map(|kernel| kernel.iter().rev().copied())
        .collect();
    let inputs = DepthwiseInputs { input: gradient, weight: &flipped, bias: None };
    let pass = Pass {
        shape: *linear,
        rows: linear.transposed_taps(linear.height),
        columns: linear.transposed_taps(linear.width),
        weights: PackedWeights::new(linear, &inputs),
    };
    pass.run(instructions, gradient, input_gradient);
}

fn weight_gradient(
    instructions: Instructions,
    shape: &DepthwiseShape,
    input: &[f32],
    gradient: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: Option<&mut [f32]>,
) {
    let DepthwiseShape { height, width, channels, .. } = *shape;
    let n_taps = shape.kernel * shape.kernel;
    assert_eq!(weight_gradient.len(), n_taps * channels, "a gradient of the weight's size");
    let (rows, columns) = (shape.taps(height), shape.taps(width));
    let regular = shape.regular(&columns);
    let sums = |(image, band): (usize, Range<usize>)| {
        let mut sums = vec![0.0; (n_taps + 1) * channels];
        let image = image * height * width * channels..(image + 1) * height * width * channels;
        instructions.run(WeightGradient {
            shape,
            band,
            rows: &rows,
            columns: &columns,
            regular: regular.clone(),
            input: &input[image.clone()],
            gradient: &gradient[image],
            sums: &mut sums,
        });
        sums
    };
    let sums: Vec<Vec<f32>> = bands(shape).into_par_iter().map(sums).collect();
    let total = |idx: usize| sums.iter().map(|sums| sums[idx]).sum();
    for (channel, kernel) in weight_gradient.chunks_exact_mut(n_taps).enumerate() {
        for (tap, value) in kernel.iter_mut().enumerate() {
            *value = total(tap * channels + channel);
        }
    }
    if let Some(gradient) = bias_gradient {
        assert_eq!(gradient.len(), channels, "a gradient of the bias' size");
        for (channel, value) in gradient.iter_mut().enumerate() {
            *value = total(n_taps * channels + channel);
        }
    }
}

impl DepthwiseShape {
    fn check(&self, inputs: &DepthwiseInputs) {
        assert!(self.kernel % 2 == 1 && self.dilation > 0, "an odd kernel, got {self:?}");
        let n_input = self.batch * self.height * self.width * self.channels;
        assert_eq!(inputs.input.len(), n_input, "an input of {self:?}");
        let n_weight = self.channels * self.kernel * self.kernel;
        assert_eq!(inputs.weight.len(), n_weight, "a weight of {self:?}");
        assert!(inputs.bias.is_none_or(|bias| bias.len() == self.channels), "a bias of {self:?}");
        let fits = self.height.min(self.width) > self.reach();
        assert!(
            self.padding == PaddingMode::Zeros || fits,
            "reflected images exceed their padding"
        );
    }

    /// How far a tap lies from its pixel at most.
    fn reach(&self) -> usize {
        self.kernel / 2 * self.dilation
    }

    /// For each place along an axis of `n`, its sources with the taps' rows (or columns).
    fn taps(&self, n: usize) -> Taps<usize> {
        let Self { kernel, dilation, padding, .. } = *self;
        let (n, reach) = (n as isize, self.reach() as isize);
        Taps::new(n as usize, |place| {
            (0..kernel).filter_map(move |tap| {
                let source = place as isize + (tap * dilation) as isize - reach;
                match padding {
                    PaddingMode::Zeros if source < 0 || source >= n => None,
                    PaddingMode::Zeros => Some((source as usize, tap)),
                    PaddingMode::Reflect => {
                        let source = source.abs();
                        Some((source.min(2 * (n - 1) - source) as usize, tap))
                    }
                }
            })
        })
    }

    /// For each place of the input, the outputs it is a tap of, with rows (or columns) of the flipped
    /// kernel.
    fn transposed_taps(&self, n: usize) -> Taps<usize> {
        let taps = self.taps(n).transposed(n);
        let last = self.kernel - 1;
        Taps::new(n, |place| taps.at(place).iter().map(move |(source, tap)| (*source, last - tap)))
    }

    /// The places whose taps all lie inside, one dilation apart.
    fn regular(&self, taps: &Taps<usize>) -> Range<usize> {
        let is_regular = |place: &usize| {
            let expected = (0..self.kernel)
                .map(|tap| ((place + tap * self.dilation).checked_sub(self.reach()), tap));
            taps.at(*place).iter().map(|(source, tap)| (Some(*source), *tap)).eq(expected)
        };
        let start = (0..taps.len()).find(is_regular).unwrap_or(0);
        start..start + (start..taps.len()).take_while(is_regular).count()
    }
}

/// Weights by tap, then channel; one more tap is the bias.
struct PackedWeights(Vec<f32>);

impl PackedWeights {
    fn new(shape: &DepthwiseShape, inputs: &DepthwiseInputs) -> Self {
        let n_taps = shape.kernel * shape.kernel;
        let taps =
            (0..n_taps).flat_map(|tap| inputs.weight.iter().skip(tap).step_by(n_taps).copied());
        let zeros = vec![0.0; shape.channels];
        Self(taps.chain(inputs.bias.unwrap_or(&zeros).iter().copied()).collect())
    }
}

/// A convolution with its taps.
struct Pass {
    shape: DepthwiseShape,
    rows: Taps<usize>,
    columns: Taps<usize>,
    weights: PackedWeights,
}

impl Pass {
    fn run(&self, instructions: Instructions, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), output.len(), "an output as large as the input");
        if output.is_empty() {
            return;
        }
        let DepthwiseShape { height, width, channels, .. } = self.shape;
        let regular = self.shape.regular(&self.columns);
        output.par_chunks_mut(width * channels).enumerate().for_each(|(row, output)| {
            instructions.run(Row {
                pass: self,
                rows: self.rows.at(row % height),
                regular: regular.clone(),
                input: &input[row / height * height * width * channels..],
                output,
            });
        });
    }
}

/// Pixels that are finished together, while they are in the first-level cache.
const N_SEGMENT: usize = 32;

/// One row of the output.
struct Row<'a> {
    pass: &'a Pass,
    rows: &'a [(usize, usize)],
    /// Columns whose taps are all there.
    regular: Range<usize>,
    /// The image and those after it.
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let DepthwiseShape { width, channels, activation, .. } = self.pass.shape;
        let row = self.output.as_mut_ptr();
        for start in (0..width).step_by(N_SEGMENT) {
            let end = (start + N_SEGMENT).min(width);
            let regular = self.regular.start.clamp(start, end)..self.regular.end.clamp(start, end);
            // SAFETY: the taps lie inside the image, the segment inside the row.
            unsafe {
                self.irregular::<V>(start..regular.start, row);
                let rest = self.regular_pixels::<V>(regular, row);
                self.irregular::<V>(rest..end, row);
                let segment = row.add(start * channels);
                let n_values = (end - start) * channels;
                activation.apply_in_place::<V>(std::slice::from_raw_parts_mut(segment, n_values));
            }
        }
    }
}

impl Row<'_> {
    /// Computes as many of the columns as make up whole tiles; returns the first one that is left.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set; the columns are regular; `row` is the output's first
    /// pixel.
    #[inline(always)]
    unsafe fn regular_pixels<V: Lanes>(&self, columns: Range<usize>, row: *mut f32) -> usize {
        /// Pixels that share what they load.
        const PIXELS: usize = 4;
        let DepthwiseShape { channels, kernel, dilation, .. } = self.pass.shape;
        let mut x = columns.start;
        // SAFETY: whole tiles lie within the columns.
        unsafe {
            while x + PIXELS <= columns.end {
                let output = row.add(x * channels);
                match (kernel, dilation) {
                    (3, 1) => self.tile::<V, Neighbours<3>, PIXELS>(x, output),
                    (5, 1) => self.tile::<V, Neighbours<5>, PIXELS>(x, output),
                    _ => self.tile::<V, Scattered, PIXELS>(x, output),
                }
                x += PIXELS;
            }
        }
        x
    }

    /// A few pixels next to each other, all channels.
    ///
    /// # Safety
    /// As [`Self::regular_pixels`].
    #[inline(always)]
    unsafe fn tile<V: Lanes, T: TileRow, const PIXELS: usize>(&self, x: usize, output: *mut f32) {
        let n_channels = self.pass.shape.channels;
        let n_whole = n_channels / V::N * V::N;
        // SAFETY: the caller's promise; runs of channels end with the last one.
        unsafe {
            for channel in (0..n_whole).step_by(V::N) {
                self.tile_run::<V, T, PIXELS, true>(x, channel, output.add(channel));
            }
            if n_whole < n_channels {
                self.tile_run::<V, T, PIXELS, false>(x, n_whole, output.add(n_whole));
            }
        }
    }

    /// # Safety
    /// As [`Self::regular_pixels`]; `output` is the first pixel's `channel`.
    #[inline(always)]
    unsafe fn tile_run<V: Lanes, T: TileRow, const PIXELS: usize, const IS_WHOLE: bool>(
        &self,
        x: usize,
        channel: usize,
        output: *mut f32,
    ) {
        let DepthwiseShape { width, channels, kernel, dilation, .. } = self.pass.shape;
        let count = channels - channel;
        let weights = self.pass.weights.0.as_ptr();
        let first_column = x - self.pass.shape.reach();
        // SAFETY: the rows' and columns' taps lie inside the image; weights hold all taps.
        unsafe {
            let bias = weights.add(kernel * kernel * channels + channel);
            let mut sums = [load::<V, IS_WHOLE>(bias, count); PIXELS];
            for (y, tap_row) in self.rows {
                let input = self.input.as_ptr().add((y * width + first_column) * channels);
                let row = TileRowInput {
                    input: input.add(channel),
                    weights: weights.add(tap_row * kernel * channels + channel),
                    channels,
                    kernel,
                    dilation,
                    count,
                };
                T::add::<V, PIXELS, IS_WHOLE>(&row, &mut sums);
            }
            for (pixel, sum) in sums.into_iter().enumerate() {
                store::<V, IS_WHOLE>(sum, output.add(pixel * channels), count);
            }
        }
    }

    /// Pixels some of whose taps are missing or mirrored.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set; `row` is the output's first pixel.
    #[inline(always)]
    unsafe fn irregular<V: Lanes>(&self, columns: Range<usize>, row: *mut f32) {
        let n_channels = self.pass.shape.channels;
        let n_whole = n_channels / V::N * V::N;
        for x in columns {
            // SAFETY: the caller's promise; runs of channels end with the last one.
            unsafe {
                let output = row.add(x * n_channels);
                for channel in (0..n_whole).step_by(V::N) {
                    self.irregular_run::<V, true>(x, channel, output.add(channel));
                }
                if n_whole < n_channels {
                    self.irregular_run::<V, false>(x, n_whole, output.add(n_whole));
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::irregular`]; `output` is the pixel's `channel`.
    #[inline(always)]
    unsafe fn irregular_run<V: Lanes, const IS_WHOLE: bool>(
        &self,
        x: usize,
        channel: usize,
        output: *mut f32,
    ) {
        let DepthwiseShape { width, channels, kernel, .. } = self.pass.shape;
        let count = channels - channel;
        let weights = self.pass.weights.0.as_ptr();
        // SAFETY: the taps lie inside the image; weights hold all taps.
        unsafe {
            let bias = weights.add(kernel * kernel * channels + channel);
            let mut sum = load::<V, IS_WHOLE>(bias, count);
            for (y, tap_row) in self.rows {
                for (x, tap_column) in self.pass.columns.at(x) {
                    let input = self.input.as_ptr().add((y * width + x) * channels + channel);
                    let weight = weights.add((tap_row * kernel + tap_column) * channels + channel);
                    let input = load::<V, IS_WHOLE>(input, count);
                    sum = sum.add_product(input, load::<V, IS_WHOLE>(weight, count));
                }
            }
            store::<V, IS_WHOLE>(sum, output, count);
        }
    }
}

/// One row of the kernel over one row of the input.
struct TileRowInput {
    /// The first tap of the first pixel.
    input: *const f32,
    weights: *const f32,
    channels: usize,
    kernel: usize,
    dilation: usize,
    count: usize,
}

/// How a row of taps is added to the sums of a tile.
trait TileRow {
    /// # Safety
    /// The machine has the lanes' instruction set, and the taps of all pixels can be read.
    unsafe fn add<V: Lanes, const PIXELS: usize, const IS_WHOLE: bool>(
        row: &TileRowInput,
        sums: &mut [V; PIXELS],
    );
}

/// A known number of taps next to each other: pixels share their inputs.
struct Neighbours<const KERNEL: usize>;

impl<const KERNEL: usize> TileRow for Neighbours<KERNEL> {
    #[inline(always)]
    unsafe fn add<V: Lanes, const PIXELS: usize, const IS_WHOLE: bool>(
        row: &TileRowInput,
        sums: &mut [V; PIXELS],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let at = |from: *const f32, place: usize| {
                load::<V, IS_WHOLE>(from.add(place * row.channels), row.count)
            };
            let weights: [V; KERNEL] = std::array::from_fn(|tap| at(row.weights, tap));
            for place in 0..KERNEL + PIXELS - 1 {
                let input = at(row.input, place);
                for (tap, weight) in weights.into_iter().enumerate() {
                    if let Some(sum) = place.checked_sub(tap).and_then(|idx| sums.get_mut(idx)) {
                        *sum = sum.add_product(input, weight);
                    }
                }
            }
        }
    }
}

/// Any number of taps, any distance apart.
struct Scattered;

impl TileRow for Scattered {
    #[inline(always)]
    unsafe fn add<V: Lanes, const PIXELS: usize, const IS_WHOLE: bool>(
        row: &TileRowInput,
        sums: &mut [V; PIXELS],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            for tap in 0..row.kernel {
                let weight = load::<V, IS_WHOLE>(row.weights.add(tap * row.channels), row.count);
                let input = row.input.add(tap * row.dilation * row.channels);
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    let input = load::<V, IS_WHOLE>(input.add(pixel * row.channels), row.count);
                    *sum = sum.add_product(input, weight);
                }
            }
        }
    }
}
