//! Sums of an image and a doubled one, each weighted channel by channel, without making the doubled one.

use rayon::prelude::*;

use crate::{
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// An image, another of half the size, and the weights of their channels.
#[derive(Debug, Clone, Copy)]
pub struct DoubledSum<'a> {
    /// Images, and height and width of the smaller ones.
    pub shape: [usize; 3],
    /// `[batch, 2 height, 2 width, channels]`.
    pub image: &'a [f32],
    /// `[batch, height, width, channels]`.
    pub half: &'a [f32],
    /// Of both, each `[batch, channels]`.
    pub weights: [&'a [f32]; 2],
}

/// `output = weights₀ · image + weights₁ · half`, where `half` is interpolated to twice its size: pixels are areas, and the
/// border goes on.
///
/// # Panics
/// When lengths do not fit the shape, or the instruction set is missing.
pub fn weighted_sum_of_doubled(instructions: Instructions, sum: &DoubledSum, output: &mut [f32]) {
    let [batch, height, width] = sum.shape;
    let n_channels = sum.weights[0].len() / batch.max(1);
    assert_eq!(sum.half.len(), batch * height * width * n_channels, "pixels of {:?}", sum.shape);
    assert_eq!([sum.image.len(), output.len()], [4 * sum.half.len(); 2], "four times as many");
    assert!(sum.weights.iter().all(|weights| weights.len() == batch * n_channels), "weights");
    let row = 2 * width * n_channels;
    if row == 0 {
        return;
    }
    output.par_chunks_mut(row).enumerate().for_each(|(idx, output)| {
        let (image, y) = (idx / (2 * height), idx % (2 * height));
        let half_row = |y: usize| part(sum.half, image * height + y, row / 2);
        let [near, far] = neighbours(y, height);
        instructions.run(Row {
            image: part(sum.image, idx, row),
            halves: [half_row(near), half_row(far)],
            weights: sum.weights.map(|weights| part(weights, image, n_channels)),
            output,
        });
    });
}

/// The pixel that lies under an output pixel, and the one beside it that has a quarter.
#[inline(always)]
fn neighbours(at: usize, size: usize) -> [usize; 2] {
    let near = at / 2;
    let far = if at.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(size - 1) };
    [near, far]
}

fn part(values: &[f32], idx: usize, n: usize) -> &[f32] {
    &values[idx * n..(idx + 1) * n]
}

struct Row<'a> {
    image: &'a [f32],
    /// The one that has three quarters first.
    halves: [&'a [f32]; 2],
    weights: [&'a [f32]; 2],
    output: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { image, halves, weights: [of_image, of_half], output } = self;
        let n_channels = of_image.len();
        let n_half = halves[0].len() / n_channels;
        let pixels = output.chunks_exact_mut(n_channels).zip(image.chunks_exact(n_channels));
        for (x, (output, image)) in pixels.enumerate() {
            let columns = neighbours(x, n_half).map(|x| x * n_channels);
            for at in (0..n_channels).step_by(V::N) {
                let n = (n_channels - at).min(V::N);
                // SAFETY: the caller's promise; `n` values from `at` on lie in every pixel, and so in the rows.
                unsafe {
                    let [upper, lower] = [halves[0].as_ptr(), halves[1].as_ptr()];
                    let [near, far] = [columns[0] + at, columns[1] + at];
                    let near: V = mix(load(upper.add(near), n), load(lower.add(near), n));
                    let far = mix(load(upper.add(far), n), load(lower.add(far), n));
                    let of_half = load(of_half.as_ptr().add(at), n);
                    let doubled = mix(near, far).mul(of_half);
                    let image = load(image.as_ptr().add(at), n);
                    let of_image = load(of_image.as_ptr().add(at), n);
                    let sum = doubled.add_product(image, of_image);
                    let to = output.as_mut_ptr().add(at);
                    if n == V::N { sum.store(to) } else { sum.store_first(to, n) }
                }
            }
        }
    }
}

/// # Safety
/// The machine has the lanes' instruction set; `n` values are there, at most a register.
#[inline(always)]
unsafe fn load<V: Lanes>(from: *const f32, n: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if n == V::N { V::load(from) } else { V::load_first(from, n) } }
}

/// Three quarters of one and a quarter of the other.
///
/// # Safety
/// The machine has the lanes' instruction set.
#[inline(always)]
unsafe fn mix<V: Lanes>(near: V, far: V) -> V {
    // SAFETY: the caller's promise.
    unsafe { near.add_product(far.sub(near), V::splat(0.25)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interpolation, ResizeShape, WeightedSum, resize, weighted_sum};

    fn wave(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|idx| (idx as f32 * 0.37 + phase).sin()).collect()
    }

    #[test]
    fn every_instruction_set_gives_the_sum_with_the_doubled_image() {
        for instructions in Instructions::available() {
            for ([batch, height, width], n_channels) in
                [([1, 1, 1], 3), ([2, 3, 5], 21), ([1, 4, 7], 32), ([2, 1, 6], 16)]
            {
                let n = batch * height * width * n_channels;
                let (image, half) = (wave(4 * n, 0.0), wave(n, 1.0));
                let weights = [wave(batch * n_channels, 2.0), wave(batch * n_channels, 3.0)];
                let weights = weights.each_ref().map(Vec::as_slice);
                let sum = DoubledSum {
                    shape: [batch, height, width],
                    image: &image,
                    half: &half,
                    weights,
                };
                let mut found = vec![f32::NAN; 4 * n];
                weighted_sum_of_doubled(instructions, &sum, &mut found);

                let mut doubled = vec![0.0; 4 * n];
                let shape = ResizeShape {
                    batch,
                    height,
                    width,
                    channels: n_channels,
                    output_height: 2 * height,
                    output_width: 2 * width,
                };
                resize(instructions, Interpolation::Bilinear, &shape, &half, &mut doubled);
                let shape = [batch, 4 * height * width, n_channels];
                let inputs = WeightedSum { shape, images: [&image, &doubled], weights };
                let mut expected = vec![0.0; 4 * n];
                weighted_sum(instructions, &inputs, &mut expected);
                for (found, expected) in found.iter().zip(&expected) {
                    let error = (found - expected).abs();
                    assert!(error < 1e-6, "{instructions:?}: {found} for {expected}");
                }
            }
        }
    }
}
