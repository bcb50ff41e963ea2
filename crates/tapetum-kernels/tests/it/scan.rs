//! Selective scans against the recurrence written as plain loops in `f64`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::ThreadPoolBuilder;
use tapetum_kernels::{
    Instructions, ScanDirection, ScanGradients, ScanInputs, ScanShape, selective_scan,
    selective_scan_backward, selective_scan_into,
};

/// Names of the inputs, in the order of `ScanInputs`.
const NAMES: [&str; 7] = ["x", "step", "step_bias", "decay", "input", "output", "skip"];

/// One pixel, single rows and columns, lengths around those of a chunk, channels around those of a
/// register and of a panel, one and many states.
const SHAPES: [[usize; 5]; 10] = [
    [1, 1, 1, 1, 16],
    [2, 1, 1, 33, 4],
    [2, 1, 37, 3, 16],
    [1, 41, 1, 8, 5],
    [1, 4, 8, 16, 1],
    [1, 7, 19, 21, 16],
    [2, 5, 13, 32, 16],
    [1, 9, 11, 33, 3],
    [1, 5, 13, 64, 16],
    [1, 3, 5, 130, 17],
];

fn shape([batch, height, width, channels, states]: [usize; 5]) -> ScanShape {
    ScanShape { batch, height, width, channels, states }
}

fn n_pixels(shape: &ScanShape) -> usize {
    shape.batch * shape.height * shape.width
}

/// The seven inputs, each with a value before its first, so that none is aligned.
fn random_inputs(shape: &ScanShape, seed: u64) -> [Vec<f32>; 7] {
    let mut numbers = ChaCha8Rng::seed_from_u64(seed);
    let (n_values, n_mixed) = (n_pixels(shape) * shape.channels, n_pixels(shape) * shape.states);
    let n_decays = shape.channels * shape.states;
    // Steps of about 0.1 with decays of -16..0, so that some states live long and others do not.
    [
        (n_values, -1.0, 1.0),
        (n_values, -1.0, 1.0),
        (shape.channels, -4.0, -1.0),
        (n_decays, -16.0, 0.0),
        (n_mixed, -1.0, 1.0),
        (n_mixed, -1.0, 1.0),
        (shape.channels, -1.0, 1.0),
    ]
    .map(|(n, low, high)| (0..=n).map(|_| low + (high - low) * numbers.random::<f32>()).collect())
}

fn inputs(buffers: &[Vec<f32>; 7]) -> ScanInputs<'_> {
    let [x, step, step_bias, decay, input, output, skip] = buffers.each_ref().map(|b| &b[1..]);
    ScanInputs { x, step, step_bias, decay, input, output, skip }
}

fn scan_backward(
    instructions: Instructions,
    shape: &ScanShape,
    direction: ScanDirection,
    buffers: &[Vec<f32>; 7],
    y_gradient: &[f32],
) -> [Vec<f32>; 7] {
    let mut gradients = buffers.each_ref().map(|buffer| vec![f32::NAN; buffer.len()]);
    let [x, step, step_bias, decay, input, output, skip] =
        gradients.each_mut().map(|buffer| &mut buffer[1..]);
    let mut slices = ScanGradients { x, step, step_bias, decay, input, output, skip };
    selective_scan_backward(
        instructions,
        shape,
        direction,
        &inputs(buffers),
        y_gradient,
        &mut slices,
    );
    gradients.map(|buffer| buffer[1..].to_vec())
}

/// The plain scan in `f64`.
struct Reference {
    shape: ScanShape,
    /// Pixels of an image in the order they are visited.
    order: Vec<usize>,
    inputs: [Vec<f64>; 7],
}

impl Reference {
    fn new(shape: ScanShape, direction: ScanDirection, buffers: &[Vec<f32>; 7]) -> Self {
        let ScanShape { height, width, .. } = shape;
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| y * width + x));
        let columns = (0..width).flat_map(|x| (0..height).map(move |y| y * width + x));
        let order = match direction {
            ScanDirection::RowMajor => rows.collect(),
            ScanDirection::ColumnMajor => columns.collect(),
            ScanDirection::RowMajorReversed => rows.rev().collect(),
            ScanDirection::ColumnMajorReversed => columns.rev().collect(),
        };
        let inputs =
            buffers.each_ref().map(|buffer| buffer[1..].iter().map(|v| f64::from(*v)).collect());
        Self { shape, order, inputs }
    }

    /// Pixels of one image through the batch, in the order they are visited.
    fn pixels(&self, image: usize) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        self.order.iter().map(move |pixel| image * self.order.len() + pixel)
    }

    fn step(&self, pixel: usize, channel: usize) -> f64 {
        let [_, step, bias, ..] = &self.inputs;
        (step[pixel * self.shape.channels + channel] + bias[channel]).exp().ln_1p()
    }

    /// States of one channel before the first pixel and after each: `[length + 1, states]`.
    fn states(&self, image: usize, channel: usize) -> Vec<Vec<f64>> {
        let ScanShape { channels, states: n_states, .. } = self.shape;
        let [x, _, _, decay, input, ..] = &self.inputs;
        let mut states = vec![vec![0.0; n_states]];
        for pixel in self.pixels(image) {
            let step = self.step(pixel, channel);
            let before = &states[states.len() - 1];
            let after = (0..n_states).map(|n| {
                (step * decay[channel * n_states + n]).exp() * before[n]
                    + step * x[pixel * channels + channel] * input[pixel * n_states + n]
            });
            let after = after.collect();
            states.push(after);
        }
        states
    }

    fn forward(&self) -> Vec<f64> {
        let ScanShape { batch, channels, states: n_states, .. } = self.shape;
        let [x, _, _, _, _, output, skip] = &self.inputs;
        let mut y = vec![0.0; x.len()];
        for (image, channel) in (0..batch).flat_map(|b| (0..channels).map(move |c| (b, c))) {
            let states = self.states(image, channel);
            for (states, pixel) in states[1..].iter().zip(self.pixels(image)) {
                let at = pixel * channels + channel;
                let outputs = &output[pixel * n_states..];
                let sum: f64 = states.iter().zip(outputs).map(|(h, c)| h * c).sum();
                y[at] = sum + skip[channel] * x[at];
            }
        }
        y
    }

    fn backward(&self, y_gradient: &[f64]) -> [Vec<f64>; 7] {
        let ScanShape { batch, channels, states: n_states, .. } = self.shape;
        let [x, raw_step, bias, decay, input, output, skip] = &self.inputs;
        let mut gradients = self.inputs.each_ref().map(|values| vec![0.0; values.len()]);
        let [dx, draw, dbias, ddecay, dinput, doutput, dskip] = &mut gradients;
        for (image, channel) in (0..batch).flat_map(|b| (0..channels).map(move |c| (b, c))) {
            let states = self.states(image, channel);
            let mut later = vec![0.0; n_states];
            for (position, pixel) in self.pixels(image).enumerate().rev() {
                let at = pixel * channels + channel;
                let (step, g) = (self.step(pixel, channel), y_gradient[at]);
                let mut dstep = 0.0;
                dx[at] = skip[channel] * g;
                dskip[channel] += g * x[at];
                for n in 0..n_states {
                    let (mixed, own) = (pixel * n_states + n, channel * n_states + n);
                    let rate = (step * decay[own]).exp();
                    let dh = later[n] + g * output[mixed];
                    doutput[mixed] += g * states[position + 1][n];
                    dinput[mixed] += dh * step * x[at];
                    dx[at] += dh * step * input[mixed];
                    let dexponent = dh * rate * states[position][n];
                    ddecay[own] += dexponent * step;
                    dstep += dexponent * decay[own] + dh * x[at] * input[mixed];
                    later[n] = dh * rate;
                }
                draw[at] = dstep / (1.0 + (-raw_step[at] - bias[channel]).exp());
                dbias[channel] += draw[at];
            }
        }
        gradients
    }
}

/// Compares by the largest and the root mean square difference, as shares of the largest value.
fn check(found: &[f32], expected: &[f64], [peak_max, rmse_max]: [f64; 2], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3, |largest, value| value.abs().max(largest));
    let differences = found.iter().zip(expected).map(|(found, expected)| {
        let difference = (f64::from(*found) - expected).abs() / largest;
        if difference.is_nan() { f64::INFINITY } else { difference }
    });
    let (peak, squares) =
        differences.fold((0.0, 0.0), |(peak, squares): (f64, f64), difference| {
            (peak.max(difference), squares + difference * difference)
        });
    let rmse = (squares / found.len() as f64).sqrt();
    assert!(peak <= peak_max && rmse <= rmse_max, "{what}: peak {peak}, rmse {rmse}");
}

fn random_gradient(shape: &ScanShape, seed: u64) -> Vec<f32> {
    let mut numbers = ChaCha8Rng::seed_from_u64(seed);
    (0..n_pixels(shape) * shape.channels).map(|_| 2.0 * numbers.random::<f32>() - 1.0).collect()
}

#[test]
fn a_scan_equals_the_plain_recurrence() {
    for (seed, shape) in (0..).zip(SHAPES.map(shape)) {
        let buffers = random_inputs(&shape, seed);
        for direction in ScanDirection::ALL {
            let expected = Reference::new(shape, direction, &buffers).forward();
            for instructions in Instructions::available() {
                let what = format!("{shape:?} {direction:?} {}", instructions.name());
                let mut y = vec![f32::NAN; expected.len() + 1];
                selective_scan(instructions, &shape, direction, &inputs(&buffers), &mut y[1..]);
                // Roundings of 6e-8 in the step, the exponent, the state and up to 17 products, which
                // decay with the state: a few of them add up.
                check(&y[1..], &expected, [1e-6, 3e-7], &what);
            }
        }
    }
}

#[test]
fn gradients_equal_those_of_the_plain_recurrence() {
    for (seed, shape) in (100..).zip(SHAPES.map(shape)) {
        let buffers = random_inputs(&shape, seed);
        let y_gradient = random_gradient(&shape, seed + 1000);
        let exact_gradient: Vec<f64> = y_gradient.iter().map(|v| f64::from(*v)).collect();
        for direction in ScanDirection::ALL {
            let expected = Reference::new(shape, direction, &buffers).backward(&exact_gradient);
            for instructions in Instructions::available() {
                let found = scan_backward(instructions, &shape, direction, &buffers, &y_gradient);
                for ((name, found), expected) in NAMES.iter().zip(&found).zip(&expected) {
                    let set = instructions.name();
                    let what = format!("{name} {shape:?} {direction:?} {set}");
                    // As forward, and sums over all channels or positions, of both signs.
                    check(found, expected, [3e-6, 1e-6], &what);
                    let is_first_decay = *name == "decay" && shape.height * shape.width == 1;
                    assert!(is_first_decay || found.iter().any(|value| *value != 0.0), "{what}");
                }
            }
        }
    }
}

#[test]
fn plain_gradients_equal_finite_differences() {
    let shape = shape([2, 3, 4, 3, 2]);
    let buffers = random_inputs(&shape, 7);
    for direction in ScanDirection::ALL {
        let mut reference = Reference::new(shape, direction, &buffers);
        let y_gradient: Vec<f64> =
            random_gradient(&shape, 8).iter().map(|v| f64::from(*v)).collect();
        let loss = |reference: &Reference| -> f64 {
            reference.forward().iter().zip(&y_gradient).map(|(y, g)| y * g).sum()
        };
        let gradients = reference.backward(&y_gradient);
        for (which, gradients) in gradients.iter().enumerate() {
            for (idx, gradient) in gradients.iter().enumerate() {
                let value = reference.inputs[which][idx];
                let [above, below] = [1e-5, -1e-5].map(|change| {
                    reference.inputs[which][idx] = value + change;
                    loss(&reference)
                });
                reference.inputs[which][idx] = value;
                let difference = (above - below) / 2e-5;
                let name = NAMES[which];
                assert!((difference - gradient).abs() < 1e-8, "{name} {idx}: {difference}");
            }
        }
    }
}

#[test]
fn one_pixel_passes_its_states_once() {
    let shape = shape([1, 1, 1, 3, 2]);
    let (x, step) = ([1.0, -2.0, 0.5], [0.0, 1.0, -1.0]);
    let inputs = ScanInputs {
        x: &x,
        step: &step,
        step_bias: &[0.0; 3],
        decay: &[-1.0; 6],
        input: &[0.5, 2.0],
        output: &[3.0, -1.0],
        skip: &[1.0, 0.0, 4.0],
    };
    let mut y = [f32::NAN; 3];
    selective_scan(Instructions::best(), &shape, ScanDirection::ColumnMajor, &inputs, &mut y);
    for channel in 0..3 {
        // y = C · (Δ x B) + D x, with C · B = -0.5.
        let expected = -0.5 * step[channel].exp().ln_1p() * x[channel];
        let expected = expected + inputs.skip[channel] * x[channel];
        assert!((y[channel] - expected).abs() < 1e-6, "{y:?}");
    }
}

#[test]
fn scans_of_all_directions_add_up() {
    let shape = shape([1, 5, 13, 21, 16]);
    let buffers = random_inputs(&shape, 20);
    for instructions in Instructions::available() {
        let mut sum = vec![0.25; n_pixels(&shape) * shape.channels];
        let mut expected = vec![0.25; sum.len()];
        for direction in ScanDirection::ALL {
            selective_scan_into(instructions, &shape, direction, &inputs(&buffers), &mut sum);
            let y = Reference::new(shape, direction, &buffers).forward();
            expected.iter_mut().zip(y).for_each(|(sum, y)| *sum += y);
        }
        check(&sum, &expected, [1e-6, 3e-7], instructions.name());
    }
}

#[test]
fn turning_the_image_swaps_the_directions() {
    let shape = shape([1, 6, 7, 5, 3]);
    let buffers = random_inputs(&shape, 21);
    let turn = |values: &[f32], n: usize| -> Vec<f32> {
        values.chunks_exact(n).rev().flatten().copied().collect()
    };
    let straight = inputs(&buffers);
    let turned = [straight.x, straight.step].map(|values| turn(values, shape.channels));
    let mixed = [straight.input, straight.output].map(|values| turn(values, shape.states));
    let turned = ScanInputs {
        x: &turned[0],
        step: &turned[1],
        input: &mixed[0],
        output: &mixed[1],
        ..straight
    };
    let pairs = [
        (ScanDirection::RowMajor, ScanDirection::RowMajorReversed),
        (ScanDirection::ColumnMajor, ScanDirection::ColumnMajorReversed),
    ];
    for (direction, reversed) in pairs {
        let [mut y, mut turned_y] = [(); 2].map(|()| vec![f32::NAN; straight.x.len()]);
        selective_scan(Instructions::best(), &shape, direction, &straight, &mut y);
        selective_scan(Instructions::best(), &shape, reversed, &turned, &mut turned_y);
        assert_eq!(y, turn(&turned_y, shape.channels), "{direction:?}");
    }
}

#[test]
fn results_are_bit_equal_for_any_number_of_threads() {
    let shape = shape([2, 9, 17, 130, 4]);
    let buffers = random_inputs(&shape, 22);
    let y_gradient = random_gradient(&shape, 23);
    let run = |n_threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let (set, direction) = (Instructions::best(), ScanDirection::ColumnMajorReversed);
            let mut y = vec![f32::NAN; y_gradient.len()];
            selective_scan(set, &shape, direction, &inputs(&buffers), &mut y);
            (y, scan_backward(set, &shape, direction, &buffers, &y_gradient))
        })
    };
    let expected = run(1);
    for n_threads in [1, 2, 5] {
        assert!(run(n_threads) == expected, "{n_threads} threads");
    }
}
