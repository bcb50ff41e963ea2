//! Band plans against whole-image convolutions written as plain loops.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_kernels::{BandLayer, BandPlan, Compute, Instructions, Precision, apply_curves_to_row};

/// An image of `[height, width, channels]`.
struct Plane {
    height: usize,
    width: usize,
    n_channels: usize,
    values: Vec<f32>,
}

struct Layer {
    sources: Vec<usize>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    is_relu: bool,
}

fn random(n: usize, scale: f32, random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..n).map(|_| scale * (2.0 * random.random::<f32>() - 1.0)).collect()
}

fn convolve(sources: &[&Plane], layer: &Layer) -> Plane {
    let Plane { height, width, .. } = *sources[0];
    let n_out = layer.bias.len();
    let n_in: usize = sources.iter().map(|source| source.n_channels).sum();
    let mut values = Vec::with_capacity(height * width * n_out);
    for (y, x, out) in (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .flat_map(|(y, x)| (0..n_out).map(move |out| (y, x, out)))
    {
        let mut sum = f64::from(layer.bias[out]);
        let mut channel = 0;
        for source in sources {
            for c in 0..source.n_channels {
                for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                    let (Some(y), Some(x)) = ((y + ky).checked_sub(1), (x + kx).checked_sub(1))
                    else {
                        continue;
                    };
                    if y < height && x < width {
                        let value = source.values[(y * width + x) * source.n_channels + c];
                        let weight = layer.weight[(out * n_in + channel) * 9 + ky * 3 + kx];
                        sum += f64::from(value) * f64::from(weight);
                    }
                }
                channel += 1;
            }
        }
        values.push(if layer.is_relu { sum.max(0.0) as f32 } else { sum as f32 });
    }
    Plane { height, width, n_channels: n_out, values }
}

/// Layers with skips over one and over several others.
fn layers(random_numbers: &mut ChaCha8Rng) -> Vec<Layer> {
    let shapes: [(&[usize], usize, usize, bool); 5] = [
        (&[0], 3, 32, true),
        (&[1], 32, 32, true),
        (&[1, 2], 64, 32, false),
        (&[0, 3], 35, 32, true),
        (&[2, 4], 64, 24, false),
    ];
    let layer = |&(sources, n_in, n_out, is_relu): &(&[usize], usize, usize, bool)| Layer {
        sources: sources.to_vec(),
        weight: random(n_out * n_in * 9, 0.1, random_numbers),
        bias: random(n_out, 0.2, random_numbers),
        is_relu,
    };
    shapes.iter().map(layer).collect()
}

/// The first three channels of the last layer, where the plan's output can be read.
fn first_three(_image: &[f32], maps: &[f32], output: &mut [f32]) {
    for (output, maps) in output.chunks_exact_mut(3).zip(maps.chunks_exact(32)) {
        output.copy_from_slice(&maps[..3]);
    }
}

#[test]
fn a_plan_equals_whole_image_convolutions_on_every_instruction_set() {
    let mut numbers = ChaCha8Rng::seed_from_u64(3);
    // One pixel, single rows and columns, and sizes around those of blocks.
    let sizes =
        [(1, 1), (1, 40), (37, 1), (2, 2), (13, 12), (5, 205), (131, 4), (519, 3), (2, 781)];
    for (height, width) in sizes {
        let layers = layers(&mut numbers);
        let image = random(height * width * 3, 1.0, &mut numbers);
        let mut planes = vec![Plane { height, width, n_channels: 3, values: image.clone() }];
        for layer in &layers {
            let sources: Vec<&Plane> = layer.sources.iter().map(|&node| &planes[node]).collect();
            let plane = convolve(&sources, layer);
            planes.push(plane);
        }
        let expected = planes.last().unwrap().values.chunks_exact(24).flat_map(|maps| &maps[..3]);
        let expected: Vec<f32> = expected.copied().collect();

        let band_layers: Vec<BandLayer> = layers
            .iter()
            .map(|layer| BandLayer {
                sources: &layer.sources,
                weight: &layer.weight,
                bias: &layer.bias,
                is_relu: layer.is_relu,
            })
            .collect();
        for instructions in Instructions::available() {
            // Sums of at most 576 products of about 0.1, in f32 against f64; bf16 operands are off by up
            // to 2^-9 of values about 1, layer after layer.
            for (precision, allowed) in [(Precision::F32, 1e-5), (Precision::Bf16, 2e-2)] {
                let compute = Compute { instructions, precision };
                let plan = BandPlan::new(compute, 3, &band_layers);
                let mut output = vec![f32::NAN; image.len()];
                plan.run(&image, width, first_three, &mut output);
                let differences = output.iter().zip(&expected).map(|(a, b)| (a - b).abs());
                let peak = differences.fold(0.0, f32::max);
                assert!(peak < allowed, "{height}x{width} {compute:?}: {peak}");
            }
        }
    }
}

#[test]
fn curves_equal_the_formula_for_any_row_length() {
    let mut numbers = ChaCha8Rng::seed_from_u64(4);
    for width in [1, 2, 15, 16, 17, 50] {
        let image: Vec<f32> =
            random(width * 3, 1.0, &mut numbers).iter().map(|v| v.abs()).collect();
        let maps = random(width * 32, 2.0, &mut numbers);
        let mut output = vec![f32::NAN; width * 3];
        apply_curves_to_row(&image, &maps, &mut output);
        for (idx, found) in output.iter().enumerate() {
            let (pixel, channel) = (idx / 3, idx % 3);
            let value = (0..8).fold(f64::from(image[idx]), |value, step| {
                let rate = f64::from(maps[pixel * 32 + step * 3 + channel]).tanh();
                value + rate * (value * value - value)
            });
            assert!((f64::from(*found) - value).abs() < 2e-6, "{width}: {found} for {value}");
        }
    }
}
