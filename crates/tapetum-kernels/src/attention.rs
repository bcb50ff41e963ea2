//! Attention to channels and to places, beside a residual connection: what it looks at, and what it does.

use rayon::prelude::*;

use crate::instructions::{Instructions, Kernel};
use crate::lanes::Lanes;

/// Pixels of one parallel piece; sums over pixels are the same for any number of threads.
const N_PIXELS: usize = 512;
/// Channels that are summed side by side.
const N_LANES: usize = 16;

/// Features whose channels are weighted for each image.
#[derive(Debug, Clone, Copy)]
pub struct WeightedChannels<'a> {
    /// Images, pixels of each, and channels.
    pub shape: [usize; 3],
    /// `[batch, pixels, channels]`.
    pub features: &'a [f32],
    /// `[batch, channels]`.
    pub channels: &'a [f32],
}

/// An image, and weighted features that are added to it.
#[derive(Debug, Clone, Copy)]
pub struct Attend<'a> {
    /// `[batch, pixels, channels]`.
    pub image: &'a [f32],
    /// As many.
    pub weighted: WeightedChannels<'a>,
    /// `[batch, pixels]`.
    pub places: &'a [f32],
}

/// Room for the gradients that are wanted, with the inputs' shapes.
#[derive(Debug, Default)]
pub struct AttendGradients<'a> {
    /// Of the image.
    pub image: Option<&'a mut [f32]>,
    /// Of the features.
    pub features: &'a mut [f32],
    /// Of the weights of channels.
    pub channels: &'a mut [f32],
    /// Of the weights of places.
    pub places: &'a mut [f32],
}

/// Mean and maximum of `features · channels` over the channels of every pixel, `[batch, pixels, 2]`.
///
/// # Panics
/// When lengths do not fit the shape, or the instruction set is missing.
pub fn channel_statistics(
    instructions: Instructions,
    inputs: &WeightedChannels,
    output: &mut [f32],
) {
    inputs.check();
    let [batch, n_pixels, n_channels] = inputs.shape;
    assert_eq!(output.len(), batch * n_pixels * 2, "two results for every pixel");
    for image in 0..batch {
        let (features, channels) = inputs.of(image);
        let output = &mut output[image * n_pixels * 2..][..n_pixels * 2];
        let pieces = output.par_chunks_mut(N_PIXELS * 2);
        pieces.zip(features.par_chunks(N_PIXELS * n_channels)).for_each(|(output, features)| {
            instructions.run(Statistics { features, channels, output });
        });
    }
}

/// The gradients of [`channel_statistics`]'s features and weights. That of a maximum goes to the first channel
/// that has it.
///
/// # Panics
/// As [`channel_statistics`].
pub fn channel_statistics_backward(
    instructions: Instructions,
    inputs: &WeightedChannels,
    output_gradient: &[f32],
    [features_gradient, channels_gradient]: [&mut [f32]; 2],
) {
    inputs.check();
    let [batch, n_pixels, n_channels] = inputs.shape;
    assert_eq!(output_gradient.len(), batch * n_pixels * 2, "two gradients for every pixel");
    assert_eq!(features_gradient.len(), inputs.features.len(), "a gradient for every feature");
    for image in 0..batch {
        let (features, channels) = inputs.of(image);
        let n = n_pixels * n_channels;
        let sums: Vec<Vec<f32>> = features_gradient[image * n..][..n]
            .par_chunks_mut(N_PIXELS * n_channels)
            .zip(features.par_chunks(N_PIXELS * n_channels))
            .zip(output_gradient[image * n_pixels * 2..][..n_pixels * 2].par_chunks(N_PIXELS * 2))
            .map(|((features_gradient, features), gradient)| {
                let mut sums = vec![0.0; n_channels];
                let sums_of = &mut sums;
                instructions.run(StatisticsBackward {
                    features,
                    channels,
                    gradient,
                    features_gradient,
                    sums: sums_of,
                });
                sums
            })
            .collect();
        add_up(&sums, &mut channels_gradient[image * n_channels..][..n_channels]);
    }
}

/// `image + features · channels · places`.
///
/// # Panics
/// When lengths do not fit the shape, or the instruction set is missing.
pub fn attend(instructions: Instructions, inputs: &Attend, output: &mut [f32]) {
    inputs.check();
    assert_eq!(output.len(), inputs.image.len(), "a result for every value");
    let [batch, n_pixels, n_channels] = inputs.weighted.shape;
    for image in 0..batch {
        let (features, channels) = inputs.weighted.of(image);
        let n = n_pixels * n_channels;
        output[image * n..][..n]
            .par_chunks_mut(N_PIXELS * n_channels)
            .zip(inputs.image[image * n..][..n].par_chunks(N_PIXELS * n_channels))
            .zip(features.par_chunks(N_PIXELS * n_channels))
            .zip(inputs.places[image * n_pixels..][..n_pixels].par_chunks(N_PIXELS))
            .for_each(|(((output, image), features), places)| {
                instructions.run(Forward { image, features, channels, places, output });
            });
    }
}

/// The gradients of [`attend`]'s inputs.
///
/// # Panics
/// As [`attend`].
pub fn attend_backward(
    instructions: Instructions,
    inputs: &Attend,
    output_gradient: &[f32],
    gradients: AttendGradients,
) {
    inputs.check();
    assert_eq!(output_gradient.len(), inputs.image.len(), "a gradient for every result");
    let [batch, n_pixels, n_channels] = inputs.weighted.shape;
    if let Some(image) = gradients.image {
        image.copy_from_slice(output_gradient);
    }
    for image in 0..batch {
        let (features, channels) = inputs.weighted.of(image);
        let n = n_pixels * n_channels;
        let sums: Vec<Vec<f32>> = gradients.features[image * n..][..n]
            .par_chunks_mut(N_PIXELS * n_channels)
            .zip(gradients.places[image * n_pixels..][..n_pixels].par_chunks_mut(N_PIXELS))
            .zip(features.par_chunks(N_PIXELS * n_channels))
            .zip(inputs.places[image * n_pixels..][..n_pixels].par_chunks(N_PIXELS))
            .zip(output_gradient[image * n..][..n].par_chunks(N_PIXELS * n_channels))
            .map(|((((features_gradient, places_gradient), features), places), gradient)| {
                let mut sums = vec![0.0; n_channels];
                instructions.run(Backward {
                    features,
                    channels,
                    places,
                    gradient,
                    features_gradient,
                    places_gradient,
                    sums: &mut sums,
                });
                sums
            })
            .collect();
        add_up(&sums, &mut gradients.channels[image * n_channels..][..n_channels]);
    }
}

impl<'a> WeightedChannels<'a> {
    fn check(&self) {
        let [batch, n_pixels, n_channels] = self.shape;
        assert_eq!(
            self.features.len(),
            batch * n_pixels * n_channels,
            "features of {:?}",
            self.shape
        );
        assert_eq!(
            self.channels.len(),
            batch * n_channels,
            "a weight for every channel of an image"
        );
    }

    /// Features and weights of one image.
    fn of(&self, image: usize) -> (&'a [f32], &'a [f32]) {
        let [_, n_pixels, n_channels] = self.shape;
        let n = n_pixels * n_channels;
        (&self.features[image * n..][..n], &self.channels[image * n_channels..][..n_channels])
    }
}

impl Attend<'_> {
    fn check(&self) {
        self.weighted.check();
        let [batch, n_pixels, _] = self.weighted.shape;
        assert_eq!(self.image.len(), self.weighted.features.len(), "an image as its features");
        assert_eq!(self.places.len(), batch * n_pixels, "a weight for every pixel");
    }
}

/// The sum of all pieces.
fn add_up(pieces: &[Vec<f32>], sums: &mut [f32]) {
    sums.fill(0.0);
    for piece in pieces {
        sums.iter_mut().zip(piece).for_each(|(sum, value)| *sum += value);
    }
}

/// Sum and maximum of the products of two rows.
#[inline(always)]
fn sum_and_maximum(a: &[f32], b: &[f32]) -> (f32, f32) {
    let (mut sums, mut maxima) = ([0.0f32; N_LANES], [f32::NEG_INFINITY; N_LANES]);
    let (a_rows, b_rows) = (a.chunks_exact(N_LANES), b.chunks_exact(N_LANES));
    let rest = a_rows.remainder().iter().zip(b_rows.remainder());
    for (a, b) in a_rows.zip(b_rows) {
        for lane in 0..N_LANES {
            let value = a[lane] * b[lane];
            sums[lane] += value;
            maxima[lane] = if value > maxima[lane] { value } else { maxima[lane] };
        }
    }
    for (lane, (a, b)) in rest.enumerate() {
        sums[lane] += a * b;
        maxima[lane] = maxima[lane].max(a * b);
    }
    (sums.iter().sum(), maxima.iter().fold(f32::NEG_INFINITY, |largest, value| largest.max(*value)))
}

struct Statistics<'a> {
    features: &'a [f32],
    channels: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Statistics<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n_channels = self.channels.len();
        let pixels = self.features.chunks_exact(n_channels);
        for (output, pixel) in self.output.chunks_exact_mut(2).zip(pixels) {
            let (sum, maximum) = sum_and_maximum(pixel, self.channels);
            output[0] = sum / n_channels as f32;
            output[1] = maximum;
        }
    }
}

struct StatisticsBackward<'a> {
    features: &'a [f32],
    channels: &'a [f32],
    gradient: &'a [f32],
    features_gradient: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for StatisticsBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { features, channels, gradient, features_gradient, sums } = self;
        let n_channels = channels.len();
        let pixels = features.chunks_exact(n_channels).zip(gradient.chunks_exact(2));
        let gradients = features_gradient.chunks_exact_mut(n_channels);
        for ((pixel, gradient), features_gradient) in pixels.zip(gradients) {
            let of_mean = gradient[0] / n_channels as f32;
            let rows = features_gradient.iter_mut().zip(sums.iter_mut());
            for ((out, sum), (value, weight)) in rows.zip(pixel.iter().zip(channels)) {
                *out = weight * of_mean;
                *sum += value * of_mean;
            }
            let (_, maximum) = sum_and_maximum(pixel, channels);
            let mut products = pixel.iter().zip(channels).map(|(value, weight)| value * weight);
            // None has it where all are no numbers.
            if let Some(first) = products.position(|product| product == maximum) {
                features_gradient[first] += channels[first] * gradient[1];
                sums[first] += pixel[first] * gradient[1];
            }
        }
    }
}

struct Forward<'a> {
    image: &'a [f32],
    features: &'a [f32],
    channels: &'a [f32],
    places: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { image, features, channels, places, output } = self;
        let n_channels = channels.len();
        let pixels = image.chunks_exact(n_channels).zip(features.chunks_exact(n_channels));
        let outputs = output.chunks_exact_mut(n_channels).zip(places);
        for ((output, place), (image, features)) in outputs.zip(pixels) {
            let values = image.iter().zip(features.iter().zip(channels));
            for (output, (image, (value, weight))) in output.iter_mut().zip(values) {
                *output = image + value * weight * place;
            }
        }
    }
}

struct Backward<'a> {
    features: &'a [f32],
    channels: &'a [f32],
    places: &'a [f32],
    gradient: &'a [f32],
    features_gradient: &'a mut [f32],
    places_gradient: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n_channels = self.channels.len();
        let pixels =
            self.features.chunks_exact(n_channels).zip(self.gradient.chunks_exact(n_channels));
        let places = self.places.iter().zip(self.places_gradient);
        let outputs = self.features_gradient.chunks_exact_mut(n_channels).zip(places);
        for ((outputs, (place, place_gradient)), (features, gradient)) in outputs.zip(pixels) {
            // Each channel's product is needed twice: for its own weight and, weighted, for the place's.
            let rows = outputs.iter_mut().zip(self.sums.iter_mut()).zip(self.channels);
            for (((output, sum), weight), (value, gradient)) in
                rows.zip(features.iter().zip(gradient))
            {
                *output = gradient * weight * place;
                *sum += gradient * value * place;
            }
            *place_gradient = products_of_three(features, gradient, self.channels);
        }
    }
}

/// `Σ a b c`.
#[inline(always)]
fn products_of_three(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut sums = [0.0f32; N_LANES];
    let rows = a.chunks(N_LANES).zip(b.chunks(N_LANES)).zip(c.chunks(N_LANES));
    for ((a, b), c) in rows {
        for (sum, ((a, b), c)) in sums.iter_mut().zip(a.iter().zip(b).zip(c)) {
            *sum += a * b * c;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [[usize; 3]; 4] = [[1, 5, 3], [2, 700, 21], [3, 1, 64], [1, 600, 32]];

    fn wave(n: usize, phase: f32) -> Vec<f32> {
        (0..n)
            .map(|idx| (idx as f32 * 0.37 + 0.001 * (idx * idx % 911) as f32 + phase).sin())
            .collect()
    }

    #[test]
    fn every_instruction_set_gives_mean_and_maximum_and_their_gradients() {
        for instructions in Instructions::available() {
            for shape in SHAPES {
                let [batch, n_pixels, n_channels] = shape;
                let (features, channels) =
                    (wave(batch * n_pixels * n_channels, 0.0), wave(batch * n_channels, 2.0));
                let inputs = WeightedChannels { shape, features: &features, channels: &channels };
                let gradient = wave(batch * n_pixels * 2, 3.0);
                let mut output = vec![0.0; batch * n_pixels * 2];
                channel_statistics(instructions, &inputs, &mut output);
                let mut found = [vec![0.0; features.len()], vec![0.0; channels.len()]];
                let room = found.each_mut().map(Vec::as_mut_slice);
                channel_statistics_backward(instructions, &inputs, &gradient, room);

                let mut expected = [vec![0.0f64; features.len()], vec![0.0; channels.len()]];
                for pixel in 0..batch * n_pixels {
                    let first = pixel * n_channels;
                    let weights = &channels[pixel / n_pixels * n_channels..][..n_channels];
                    let products: Vec<f32> =
                        (0..n_channels).map(|c| features[first + c] * weights[c]).collect();
                    let mean = products.iter().sum::<f32>() / n_channels as f32;
                    let largest = products.iter().copied().fold(f32::MIN, f32::max);
                    assert!((output[2 * pixel] - mean).abs() < 1e-6);
                    assert_eq!(output[2 * pixel + 1], largest);
                    let first_largest = products.iter().position(|p| *p == largest).unwrap();
                    for c in 0..n_channels {
                        let of_maximum =
                            if c == first_largest { gradient[2 * pixel + 1] } else { 0.0 };
                        let slope = f64::from(gradient[2 * pixel] / n_channels as f32 + of_maximum);
                        expected[0][first + c] = slope * f64::from(weights[c]);
                        expected[1][pixel / n_pixels * n_channels + c] +=
                            slope * f64::from(features[first + c]);
                    }
                }
                assert_near(&found[0], &expected[0], 1e-6);
                assert_near(&found[1], &expected[1], 1e-4);
            }
        }
    }

    #[test]
    fn every_instruction_set_adds_what_is_attended_to_and_its_gradients() {
        for instructions in Instructions::available() {
            for shape in SHAPES {
                let [batch, n_pixels, n_channels] = shape;
                let n = batch * n_pixels * n_channels;
                let (image, features) = (wave(n, 1.0), wave(n, 0.0));
                let (channels, places) =
                    (wave(batch * n_channels, 2.0), wave(batch * n_pixels, 4.0));
                let weighted = WeightedChannels { shape, features: &features, channels: &channels };
                let inputs = Attend { image: &image, weighted, places: &places };
                let gradient = wave(n, 3.0);
                let mut output = vec![0.0; n];
                attend(instructions, &inputs, &mut output);
                let [mut of_image, mut of_features] = [vec![0.0; n], vec![0.0; n]];
                let (mut of_channels, mut of_places) =
                    (vec![0.0; channels.len()], vec![0.0; places.len()]);
                let gradients = AttendGradients {
                    image: Some(&mut of_image),
                    features: &mut of_features,
                    channels: &mut of_channels,
                    places: &mut of_places,
                };
                attend_backward(instructions, &inputs, &gradient, gradients);

                assert_eq!(of_image, gradient);
                let (mut c_sums, mut p_sums) =
                    (vec![0.0f64; channels.len()], vec![0.0f64; places.len()]);
                for idx in 0..n {
                    let pixel = idx / n_channels;
                    let channel = pixel / n_pixels * n_channels + idx % n_channels;
                    let (weight, place) = (channels[channel], places[pixel]);
                    let expected = image[idx] + features[idx] * weight * place;
                    assert!((output[idx] - expected).abs() < 1e-6);
                    assert!((of_features[idx] - gradient[idx] * weight * place).abs() < 1e-6);
                    c_sums[channel] += f64::from(gradient[idx] * features[idx] * place);
                    p_sums[pixel] += f64::from(gradient[idx] * features[idx] * weight);
                }
                assert_near(&of_channels, &c_sums, 1e-4);
                assert_near(&of_places, &p_sums, 1e-5);
            }
        }
    }

    fn assert_near(found: &[f32], expected: &[f64], bound: f64) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < bound, "{found} for {expected}");
        }
    }
}
