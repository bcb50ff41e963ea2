//! Convolutions and their gradients against plain loops in f64.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_kernels::{
    Activation, Compute, ConvShape, Instructions, OutputGradient, PaddingMode, Precision, conv2d,
    conv2d_input_gradient, conv2d_of_doubled, conv2d_weight_gradient,
};

/// Calls `visit(input, weight, output)` with the positions of every product.
fn each_product(shape: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let [out_height, out_width] = shape.output_size();
    let (group_in, group_out) = (shape.n_in / shape.groups, shape.n_out / shape.groups);
    let source = |axis: usize, out: usize, tap: usize| {
        let size = shape.size[axis] as isize;
        let at = (out * shape.stride[axis] + tap * shape.dilation[axis]) as isize
            - shape.padding[axis] as isize;
        match shape.padding_mode {
            _ if (0..size).contains(&at) => Some(at as usize),
            PaddingMode::Zeros => None,
            PaddingMode::Reflect if at < 0 => Some(-at as usize),
            PaddingMode::Reflect => Some((2 * (size - 1) - at) as usize),
        }
    };
    for image in 0..shape.batch {
        for (y, x) in (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x))) {
            for (ky, kx) in
                (0..shape.kernel[0]).flat_map(|ky| (0..shape.kernel[1]).map(move |kx| (ky, kx)))
            {
                let (Some(iy), Some(ix)) = (source(0, y, ky), source(1, x, kx)) else { continue };
                for out in 0..shape.n_out {
                    let group = out / group_out;
                    for channel in 0..group_in {
                        let pixel = (image * shape.size[0] + iy) * shape.size[1] + ix;
                        let weight = (out * group_in + channel) * shape.kernel[0] + ky;
                        let output = (image * out_height + y) * out_width + x;
                        visit(
                            pixel * shape.n_in + group * group_in + channel,
                            weight * shape.kernel[1] + kx,
                            output * shape.n_out + out,
                        );
                    }
                }
            }
        }
    }
}

fn activated(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => {
            if x > 0.0 {
                x
            } else {
                f64::from(slope) * x
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu | Activation::GeluTanh => {
            unreachable!("the series is tested beside its function")
        }
    }
}

fn slope_from_output(activation: Activation, y: f64) -> f64 {
    match activation {
        Activation::Relu => f64::from(u8::from(y > 0.0)),
        Activation::LeakyRelu(slope) => {
            if y > 0.0 {
                1.0
            } else {
                f64::from(slope)
            }
        }
        Activation::Tanh => 1.0 - y * y,
        Activation::Sigmoid => y * (1.0 - y),
        _ => 1.0,
    }
}

/// Uniform values, one place into their buffer, so that they are not aligned.
struct Values(Vec<f32>);

impl Values {
    fn random(n: usize, scale: f32, random: &mut ChaCha8Rng) -> Self {
        Self((0..=n).map(|_| scale * (2.0 * random.random::<f32>() - 1.0)).collect())
    }

    fn get(&self) -> &[f32] {
        &self.0[1..]
    }
}

fn check_close(found: &[f32], expected: &[f64], precision: Precision, what: &str) {
    let scale = expected.iter().fold(1e-3, |scale: f64, value| scale.max(value.abs()));
    // In f32, sums of up to some thousand products of one scale; in bf16 each operand is off by up to
    // 2^-9 of its value, mostly in both directions.
    let allowed = scale * if precision == Precision::F32 { 3e-6 } else { 8e-3 };
    for (idx, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= allowed, "{what} [{idx}]: {found} for {expected}");
    }
}

fn check(shape: &ConvShape, split: Option<usize>, activation: Activation, random: &mut ChaCha8Rng) {
    let n_pixels = shape.batch * shape.size[0] * shape.size[1];
    let [out_height, out_width] = shape.output_size();
    let n_output = shape.batch * out_height * out_width * shape.n_out;
    let n_weights = shape.n_out * shape.n_in / shape.groups * shape.kernel[0] * shape.kernel[1];
    let input = Values::random(n_pixels * shape.n_in, 1.0, random);
    let weight = Values::random(n_weights, 0.3, random);
    let bias = Values::random(shape.n_out, 0.5, random);
    let gradient = Values::random(n_output, 1.0, random);

    let mut expected: Vec<f64> =
        (0..n_output).map(|idx| f64::from(bias.get()[idx % shape.n_out])).collect();
    each_product(shape, |i, w, o| {
        expected[o] += f64::from(input.get()[i]) * f64::from(weight.get()[w]);
    });
    expected.iter_mut().for_each(|value| *value = activated(activation, *value));
    let output: Vec<f32> = expected.iter().map(|value| *value as f32).collect();
    let inner: Vec<f64> = gradient
        .get()
        .iter()
        .zip(&expected)
        .map(|(g, y)| f64::from(*g) * slope_from_output(activation, *y))
        .collect();
    let mut input_gradient = vec![0.0; input.get().len()];
    let mut weight_gradient = vec![0.0; n_weights];
    each_product(shape, |i, w, o| {
        input_gradient[i] += f64::from(weight.get()[w]) * inner[o];
        weight_gradient[w] += f64::from(input.get()[i]) * inner[o];
    });
    let mut bias_gradient = vec![0.0; shape.n_out];
    inner.iter().enumerate().for_each(|(idx, g)| bias_gradient[idx % shape.n_out] += g);

    let parts = split.map(|first| {
        let part = |channels: std::ops::Range<usize>| -> Vec<f32> {
            let pixels = input.get().chunks_exact(shape.n_in);
            pixels.flat_map(|pixel| pixel[channels.clone()].to_vec()).collect()
        };
        [part(0..first), part(first..shape.n_in)]
    });
    let sources: Vec<&[f32]> = match &parts {
        Some([first, second]) => vec![first, second],
        None => vec![input.get()],
    };
    for instructions in Instructions::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            let compute = Compute { instructions, precision };
            let what = |part: &str| format!("{part}, {compute:?}, {shape:?}, {activation:?}");
            let mut found = vec![f32::NAN; n_output];
            let parameters = (weight.get(), Some(bias.get()));
            conv2d(compute, shape, &sources, parameters, activation, &mut found);
            check_close(&found, &expected, precision, &what("output"));
            if !activation.has_gradient_from_output() {
                continue;
            }
            let gradients = OutputGradient {
                gradient: gradient.get(),
                activation: (activation != Activation::Identity).then_some((activation, &output)),
            };
            let mut found = vec![f32::NAN; n_weights];
            let mut biases = vec![f32::NAN; shape.n_out];
            conv2d_weight_gradient(
                compute,
                shape,
                &sources,
                &gradients,
                &mut found,
                Some(&mut biases),
            );
            check_close(&found, &weight_gradient, precision, &what("weight gradient"));
            check_close(&biases, &bias_gradient, Precision::F32, &what("bias gradient"));

            let ends = split.into_iter().chain([shape.n_in]);
            let starts = std::iter::once(0).chain(split);
            for channels in starts.zip(ends).map(|(start, end)| start..end) {
                let pixels = input_gradient.chunks_exact(shape.n_in);
                let expected: Vec<f64> =
                    pixels.flat_map(|pixel| pixel[channels.clone()].to_vec()).collect();
                let mut found = vec![f32::NAN; expected.len()];
                conv2d_input_gradient(
                    compute,
                    shape,
                    weight.get(),
                    &gradients,
                    channels,
                    &mut found,
                );
                check_close(&found, &expected, precision, &what("input gradient"));
            }
        }
    }
}

/// Shapes that each stand for one thing a convolution can be.
fn named_shapes() -> Vec<ConvShape> {
    let same = ConvShape::same;
    vec![
        same(1, [1, 1], 1, 1, 3),
        same(2, [1, 17], 3, 32, 3),
        same(1, [19, 1], 32, 3, 3),
        same(1, [5, 99], 16, 33, 3),
        same(2, [6, 13], 64, 24, 1),
        same(1, [9, 7], 5, 8, 5),
        ConvShape { stride: [2, 2], ..same(1, [8, 9], 4, 40, 3) },
        // A discriminator's and an attention's.
        ConvShape { kernel: [4, 4], stride: [2, 2], ..same(1, [9, 8], 6, 10, 3) },
        ConvShape { kernel: [3, 3], stride: [3, 3], padding: [0, 0], ..same(1, [10, 11], 7, 9, 3) },
        ConvShape { kernel: [4, 4], padding: [2, 2], ..same(1, [5, 6], 3, 5, 3) },
        ConvShape { stride: [2, 3], padding: [0, 0], ..same(2, [7, 8], 5, 6, 1) },
        ConvShape { groups: 4, ..same(1, [6, 14], 8, 12, 5) },
        ConvShape { dilation: [2, 3], padding: [2, 3], ..same(1, [8, 9], 3, 7, 3) },
        ConvShape { padding_mode: PaddingMode::Reflect, ..same(2, [4, 15], 5, 9, 3) },
        ConvShape {
            padding_mode: PaddingMode::Reflect,
            stride: [2, 2],
            groups: 2,
            ..same(1, [6, 7], 4, 6, 5)
        },
        ConvShape { kernel: [1, 7], padding: [0, 3], ..same(1, [3, 20], 2, 4, 1) },
    ]
}

#[test]
fn every_kind_of_convolution_and_its_gradients_equal_plain_loops() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for shape in named_shapes() {
        check(&shape, None, Activation::Identity, &mut random);
    }
}

#[test]
fn few_outputs_equal_plain_loops_in_rows_of_every_length() {
    let mut random = ChaCha8Rng::seed_from_u64(17);
    for n_out in [1, 2, 3, 5, 8] {
        for width in [16, 24, 4, 7, 1] {
            let shape = ConvShape::same(1, [3, width], 5, n_out, 3);
            check(&shape, None, Activation::LeakyRelu(0.2), &mut random);
            let mode = PaddingMode::Reflect;
            let padding = [1.min(shape.size[0] - 1), 1.min(width - 1)];
            let shape =
                ConvShape { padding_mode: mode, padding, kernel: [3, 1 + 2 * padding[1]], ..shape };
            check(&shape, None, Activation::Identity, &mut random);
        }
    }
}

#[test]
fn small_groups_equal_plain_loops() {
    let mut random = ChaCha8Rng::seed_from_u64(18);
    for (groups, group_in, group_out) in [(4, 8, 8), (4, 3, 5), (6, 2, 4), (8, 2, 1), (3, 4, 2)] {
        let (n_in, n_out) = (groups * group_in, groups * group_out);
        let shape = ConvShape { groups, ..ConvShape::same(2, [4, 13], n_in, n_out, 3) };
        check(&shape, None, Activation::LeakyRelu(0.2), &mut random);
    }
}

#[test]
fn a_doubled_image_that_is_never_made_gives_the_same() {
    let mut random = ChaCha8Rng::seed_from_u64(19);
    for ([batch, height, width], n_in, n_out) in
        [([1, 1, 1], 1, 1), ([2, 5, 13], 7, 9), ([1, 3, 40], 32, 33), ([1, 6, 8], 4, 3)]
    {
        let shape = ConvShape::same(batch, [2 * height, 2 * width], n_in, n_out, 3);
        let source = Values::random(batch * height * width * n_in, 1.0, &mut random);
        let weight = Values::random(n_out * n_in * 9, 0.3, &mut random);
        let bias = Values::random(n_out, 0.5, &mut random);
        let n_output = 4 * batch * height * width * n_out;
        let mut expected: Vec<f64> =
            (0..n_output).map(|idx| f64::from(bias.get()[idx % n_out])).collect();
        each_product(&shape, |i, w, o| {
            let (pixel, channel) = (i / n_in, i % n_in);
            let (row, x) = (pixel / (2 * width), pixel % (2 * width) / 2);
            let (image, y) = (row / (2 * height), row % (2 * height) / 2);
            let from = ((image * height + y) * width + x) * n_in + channel;
            expected[o] += f64::from(source.get()[from]) * f64::from(weight.get()[w]);
        });
        let activation = Activation::LeakyRelu(0.2);
        expected.iter_mut().for_each(|value| *value = activated(activation, *value));
        for instructions in Instructions::available() {
            for precision in [Precision::F32, Precision::Bf16] {
                let compute = Compute { instructions, precision };
                let mut found = vec![f32::NAN; n_output];
                let (size, parameters) = ([batch, height, width], (weight.get(), bias.get()));
                let source = source.get();
                conv2d_of_doubled(compute, size, source, parameters, activation, &mut found);
                check_close(&found, &expected, precision, &format!("{compute:?}, {shape:?}"));
            }
        }
    }
}

#[test]
fn random_shapes_equal_plain_loops() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    for _ in 0..12 {
        let groups = random.random_range(1..=2);
        let mut any = |from: usize, to: usize| random.random_range(from..=to);
        let shape = ConvShape {
            batch: any(1, 2),
            size: [any(3, 9), any(3, 30)],
            n_in: groups * any(1, 20),
            n_out: groups * any(1, 36),
            kernel: [any(1, 3), any(1, 3)],
            stride: [any(1, 2), any(1, 2)],
            padding: [any(0, 2), any(0, 2)],
            dilation: [1, 1],
            groups,
            padding_mode: if any(0, 1) == 0 { PaddingMode::Zeros } else { PaddingMode::Reflect },
        };
        check(&shape, None, Activation::Identity, &mut random);
    }
}

#[test]
fn activations_act_forward_and_backward() {
    let mut random = ChaCha8Rng::seed_from_u64(13);
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.2),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Silu,
    ] {
        check(&ConvShape::same(1, [4, 14], 6, 35, 3), None, activation, &mut random);
    }
}

#[test]
fn two_sources_equal_their_concatenation() {
    let mut random = ChaCha8Rng::seed_from_u64(14);
    for (n_in, first) in [(64, 32), (35, 3), (9, 8)] {
        let shape = ConvShape::same(1, [5, 21], n_in, 32, 3);
        check(&shape, Some(first), Activation::Relu, &mut random);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut random = ChaCha8Rng::seed_from_u64(15);
    let shape = ConvShape::same(3, [33, 40], 8, 16, 3);
    let input = Values::random(3 * 33 * 40 * 8, 1.0, &mut random);
    let gradient = Values::random(3 * 33 * 40 * 16, 1.0, &mut random);
    let compute = Compute { instructions: Instructions::best(), precision: Precision::F32 };
    let gradients = OutputGradient { gradient: gradient.get(), activation: None };
    let weight_gradient = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let mut found = vec![0.0; 16 * 8 * 9];
        pool.install(|| {
            conv2d_weight_gradient(compute, &shape, &[input.get()], &gradients, &mut found, None);
        });
        found
    };
    assert_eq!(weight_gradient(1), weight_gradient(3));
}
