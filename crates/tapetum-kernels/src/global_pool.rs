//! Average and maximum of each channel over all pixels.

use rayon::prelude::*;

use crate::{
    channels::{ChannelRun, for_channel_runs, load, store},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Pixels of one parallel piece; fixed, so that sums do not depend on the number of threads.
const N_PIXELS: usize = 1024;

/// Mean of each channel.
///
/// # Shapes
/// `input`: `[batch, pixels, channels]`; `output`: `[batch, channels]`.
///
/// # Panics
/// When the lengths do not fit, there are no pixels, or the instruction set is missing.
pub fn global_average(
    instructions: Instructions,
    [batch, pixels, channels]: [usize; 3],
    input: &[f32],
    output: &mut [f32],
) {
    check([batch, pixels, channels], input, output);
    let images = input.chunks_exact(pixels * channels);
    for (image, output) in images.zip(output.chunks_exact_mut(channels)) {
        let pieces = image.par_chunks(N_PIXELS * channels).map(|pixels| {
            let mut output = vec![0.0; channels];
            instructions.run(Sums { pixels, output: &mut output });
            output
        });
        let pieces: Vec<Vec<f32>> = pieces.collect();
        for (channel, output) in output.iter_mut().enumerate() {
            let sum: f64 = pieces.iter().map(|sums| f64::from(sums[channel])).sum();
            *output = (sum / pixels as f64) as f32;
        }
    }
}

/// The gradient of the input of [`global_average`].
///
/// # Shapes
/// `output_gradient` as its output, `input_gradient` as its input.
///
/// # Panics
/// When the lengths do not fit or there are no pixels.
pub fn global_average_backward(
    _instructions: Instructions,
    [batch, pixels, channels]: [usize; 3],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    check([batch, pixels, channels], input_gradient, output_gradient);
    let images = input_gradient.chunks_exact_mut(pixels * channels);
    for (image, gradient) in images.zip(output_gradient.chunks_exact(channels)) {
        let share: Vec<f32> = gradient.iter().map(|value| value / pixels as f32).collect();
        image.par_chunks_mut(N_PIXELS * channels).for_each(|pixels| {
            for pixel in pixels.chunks_exact_mut(channels) {
                pixel.copy_from_slice(&share);
            }
        });
    }
}

/// The largest value of each channel; NaN counts as smaller than all.
///
/// # Shapes
/// As [`global_average`].
///
/// # Panics
/// As [`global_average`].
pub fn global_max(
    instructions: Instructions,
    [batch, pixels, channels]: [usize; 3],
    input: &[f32],
    output: &mut [f32],
) {
    check([batch, pixels, channels], input, output);
    let images = input.chunks_exact(pixels * channels);
    for (image, output) in images.zip(output.chunks_exact_mut(channels)) {
        let largest = largest_of(instructions, channels, image);
        for (output, (value, _)) in output.iter_mut().zip(largest) {
            *output = value;
        }
    }
}

/// The gradient of the input of [`global_max`]: it goes to each channel's first largest value.
///
/// # Shapes
/// `input` and `input_gradient` as its input, `output_gradient` as its output.
///
/// # Panics
/// As [`global_max`].
pub fn global_max_backward(
    instructions: Instructions,
    [batch, pixels, channels]: [usize; 3],
    input: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    assert_eq!(input.len(), input_gradient.len(), "a gradient of the input's size");
    check([batch, pixels, channels], input, output_gradient);
    let n_image = pixels * channels;
    let images = input.chunks_exact(n_image).zip(input_gradient.chunks_exact_mut(n_image));
    for ((image, gradient), output) in images.zip(output_gradient.chunks_exact(channels)) {
        gradient.par_chunks_mut(N_PIXELS * channels).for_each(|pixels| pixels.fill(0.0));
        let largest = largest_of(instructions, channels, image);
        for (channel, (_, pixel)) in largest.into_iter().enumerate() {
            gradient[pixel * channels + channel] = output[channel];
        }
    }
}

fn check([batch, pixels, channels]: [usize; 3], input: &[f32], output: &[f32]) {
    assert!(pixels > 0 && channels > 0, "images with pixels");
    assert_eq!(input.len(), batch * pixels * channels, "[{batch}, {pixels}, {channels}] values");
    assert_eq!(output.len(), batch * channels, "[{batch}, {channels}] values");
}

/// The largest value of each channel and its first pixel.
fn largest_of(instructions: Instructions, channels: usize, image: &[f32]) -> Vec<(f32, usize)> {
    let pieces = image.par_chunks(N_PIXELS * channels).enumerate().map(|(idx, pixels)| {
        let (mut values, mut places) = (vec![0.0; channels], vec![0.0; channels]);
        instructions.run(Largest { pixels, values: &mut values, places: &mut places });
        let places = places.into_iter().map(|place| idx * N_PIXELS + place as usize);
        values.into_iter().zip(places).collect()
    });
    let pieces: Vec<Vec<(f32, usize)>> = pieces.collect();
    let first_largest = |best: (f32, usize), next: (f32, usize)| {
        if next.0 > best.0 { next } else { best }
    };
    let start = (f32::NEG_INFINITY, 0);
    (0..channels)
        .map(|channel| pieces.iter().map(|piece| piece[channel]).fold(start, first_largest))
        .collect()
}

/// Sums of a piece's channels; as many as outputs.
struct Sums<'a> {
    pixels: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(mut self) {
        // SAFETY: the caller's promise; pixels are whole.
        unsafe { for_channel_runs::<V>(self.output.len(), &mut self) }
    }
}

impl<V: Lanes> ChannelRun<V> for Sums<'_> {
    #[inline(always)]
    unsafe fn run<const BLOCKS: usize, const IS_WHOLE: bool>(
        &mut self,
        channel: usize,
        count: usize,
    ) {
        /// Sums that wait for none of their neighbours.
        const N_SUMS: usize = 4;
        let n_channels = self.output.len();
        let n_pixels = self.pixels.len() / n_channels;
        // SAFETY: pixels are whole, the run lies inside the channels.
        unsafe {
            for channel in (channel..channel + BLOCKS * V::N).step_by(V::N) {
                let from = self.pixels.as_ptr().add(channel);
                let mut sums = [V::splat(0.0); N_SUMS];
                let n_whole = n_pixels / N_SUMS * N_SUMS;
                for pixel in (0..n_whole).step_by(N_SUMS) {
                    for (idx, sum) in sums.iter_mut().enumerate() {
                        let from = from.add((pixel + idx) * n_channels);
                        *sum = sum.add(load::<V, IS_WHOLE>(from, count));
                    }
                }
                for pixel in n_whole..n_pixels {
                    let from = from.add(pixel * n_channels);
                    sums[0] = sums[0].add(load::<V, IS_WHOLE>(from, count));
                }
                let sum = sums[0].add(sums[1]).add(sums[2].add(sums[3]));
                store::<V, IS_WHOLE>(sum, self.output.as_mut_ptr().add(channel), count);
            }
        }
    }
}

/// The largest of a piece's channels and their first places, as whole numbers.
struct Largest<'a> {
    pixels: &'a [f32],
    values: &'a mut [f32],
    places: &'a mut [f32],
}

impl Kernel for Largest<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(mut self) {
        // SAFETY: the caller's promise; pixels are whole.
        unsafe { for_channel_runs::<V>(self.values.len(), &mut self) }
    }
}

impl<V: Lanes> ChannelRun<V> for Largest<'_> {
    #[inline(always)]
    unsafe fn run<const BLOCKS: usize, const IS_WHOLE: bool>(
        &mut self,
        channel: usize,
        count: usize,
    ) {
        let n_channels = self.values.len();
        let n_pixels = self.pixels.len() / n_channels;
        // SAFETY: pixels are whole, the run lies inside the channels.
        unsafe {
            let mut largest = [V::splat(f32::NEG_INFINITY); BLOCKS];
            let mut places = [V::splat(0.0); BLOCKS];
            for pixel in 0..n_pixels {
                let from = self.pixels.as_ptr().add(pixel * n_channels + channel);
                for block in 0..BLOCKS {
                    let value = load::<V, IS_WHOLE>(from.add(block * V::N), count);
                    let difference = value.sub(largest[block]);
                    largest[block] = difference.if_positive(value, largest[block]);
                    places[block] = difference.if_positive(V::splat(pixel as f32), places[block]);
                }
            }
            for block in 0..BLOCKS {
                let at = channel + block * V::N;
                store::<V, IS_WHOLE>(largest[block], self.values.as_mut_ptr().add(at), count);
                store::<V, IS_WHOLE>(places[block], self.places.as_mut_ptr().add(at), count);
            }
        }
    }
}
