//! CollaBA's loss terms and their gradients against `tools/golden/collaba_losses.py`.

use tapetum_methods::collaba::losses::{
    absolute, illumination_prior, judged, missing_light, sharpened, smoothness, weighed,
};
use tapetum_nn::{prelude::*, weights::TensorValues};

#[test]
fn sharpened_images_equal_the_independent_transcription_down_to_one_pixel() {
    for ([height, width], of_image, of_pixels) in [
        (
            [60, 64],
            [80.9399651010, 0.3324047481, 0.9935406776],
            [0.1647829211, 0.0065880785, -0.0000434028],
        ),
        (
            [20, 34],
            [33.9152175105, 0.6294154371, 0.9799719426],
            [0.1645387791, 0.0156556073, 0.0002450980],
        ),
        (
            [2, 7],
            [5.4078740244, 0.5412623433, 0.1360508525],
            [0.1647361692, 0.1091089451, -0.0119047619],
        ),
        (
            [1, 1],
            [2.0374405638, 0.8785200351, 0.7701852722],
            [0.0922723947, 0.4082482905, -0.1666666667],
        ),
    ] {
        let image = photograph(0.0, 2, [height, width]);
        let values = TensorValues::of(sharpened(image.clone())).values;
        let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let middle = at_middle(&values, [2, 3, height, width]);
        near("sharpened", [norm, middle, f64::from(values[values.len() - 1])], of_image);
        let made = waves(0.4, [2, 3, height, width]) * 0.9 + 0.02;
        let loss = |made| absolute(made, sharpened(image.clone().autodiff()));
        check("pixels", made, loss, of_pixels);
    }
}

#[test]
fn the_terms_of_the_map_equal_the_independent_transcription() {
    let size = [9, 12];
    let (normal, low) = (waves(1.0, [2, 3, 9, 12]), waves(0.0, [2, 3, 9, 12]) * 0.2);
    let target = missing_light(normal, low);
    let values = TensorValues::of(target.clone()).values;
    let mean = values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64;
    near(
        "target",
        [mean, f64::from(values[size[0] * size[1] + 4 * 12 + 6])],
        [0.7061810088, 0.8372318761],
    );
    let map = || waves(0.3, [2, 1, 9, 12]);
    let prior = |map| illumination_prior(map, target.clone().autodiff());
    check("prior", map(), prior, [0.2218147224, 0.0640911854, -0.0061531733]);
    check("smoothness", map(), smoothness, [0.0213246863, 0.0167004051, -0.0008727320]);
}

#[test]
fn judgements_and_their_gradients_equal_the_independent_transcription_however_far() {
    let logits = |scale: f64| (waves(0.7, [2, 1, 9, 12]) - 0.5) * (3.0 * scale);
    for (name, is_real, scale, expected) in [
        ("real", true, 1.0, [1.0000215863, 0.0424666300, -0.0035356175]),
        ("made", false, 1.0, [0.5589689299, 0.0293991841, 0.0010940122]),
        ("real, far", true, 200.0, [120.5471453200, 0.0581935958, -0.0046296296]),
        ("made, far", false, 200.0, [32.3366140395, 0.0352475973, 0.0]),
    ] {
        check(name, logits(scale), |logits| judged(logits, is_real), expected);
    }
}

#[test]
fn the_learned_weights_and_what_they_weigh_get_the_gradients_of_the_formula() {
    let found = |weights: [f32; 5]| {
        let device = Device::flex().autodiff();
        let of = |values: &[f32]| Tensor::<1>::from_floats(values, &device).require_grad();
        let (losses, weights) = (of(&[0.1, 0.2, 0.3, 0.4, 0.5]), of(&weights));
        let one = |values: &Tensor<1>, idx| values.clone().narrow(0, idx, 1);
        let terms = (0..5).map(|idx| weighed(one(&losses, idx), one(&weights, idx)));
        let total = terms.reduce(|sum, term| sum + term).unwrap();
        let gradients = total.backward();
        let gradient = |of: &Tensor<1>| {
            let values = TensorValues::of(of.grad(&gradients).unwrap()).values;
            values.into_iter().map(f64::from).collect::<Vec<_>>()
        };
        (f64::from(total.into_scalar::<f32>()), gradient(&weights), gradient(&losses))
    };
    let near_all = |found: &[f64], expected: &[f64]| {
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 2e-5 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
    };
    let (total, of_weights, of_losses) = found([1.0; 5]);
    near("total", [total], [4.2157359028]);
    near_all(&of_weights, &[0.9, 0.8, 0.7, 0.6, 0.5]);
    near_all(&of_losses, &[0.5; 5]);
    let (total, of_weights, of_losses) = found([0.473, 2.177, 0.181, -0.901, 0.195]);
    near("total", [total], [14.2573093725]);
    let expected = [-0.1719198858, 0.7392407632, -50.2419121888, -0.4477185531, -67.0563066004];
    near_all(&of_weights, &expected);
    let expected = [2.2348466225, 0.1055001668, 15.2620493880, 0.6159144914, 13.1492439185];
    near_all(&of_losses, &expected);
}

#[test]
fn a_map_of_one_row_or_column_is_as_smooth_as_its_other_side() {
    let row = waves(0.3, [1, 1, 1, 8]);
    let value = |map: Tensor<4>| f64::from(smoothness(map).into_scalar::<f32>());
    near("a row", [value(row.clone())], [value(row.swap_dims(2, 3))]);
    assert_eq!(value(Tensor::ones([1, 1, 1, 1], &Device::flex())), 0.0);
}

/// `0.5 + 0.4 sin(0.3 (i + 1) + 0.2 (j + 1) + 0.5 c + 0.9 b + phase)`.
pub(crate) fn waves(phase: f64, shape: [usize; 4]) -> Tensor<4> {
    formula(shape, |b, c, i, j| wave(phase, b, c, i, j))
}

/// Waves and a grain, ever stronger to the right.
pub(crate) fn photograph(phase: f64, n_batch: usize, [height, width]: [usize; 2]) -> Tensor<4> {
    formula([n_batch, 3, height, width], |b, c, i, j| {
        let grain = (2.1 * i as f64 + 0.2 * (j * j) as f64).sin();
        let change = wave(phase, b, c, i, j) + 0.15 * wave(phase + 2.0, b, c, i, j) * grain - 0.5;
        0.5 + ((j + 1) as f64 / width as f64).powi(2) * change
    })
}

fn wave(phase: f64, b: usize, c: usize, i: usize, j: usize) -> f64 {
    let place = 0.3 * (i + 1) as f64 + 0.2 * (j + 1) as f64;
    0.5 + 0.4 * (place + 0.5 * c as f64 + 0.9 * b as f64 + phase).sin()
}

fn formula(shape: [usize; 4], value: impl Fn(usize, usize, usize, usize) -> f64) -> Tensor<4> {
    let [n_batch, n, height, width] = shape;
    let value = |idx: usize| {
        let (j, i) = (idx % width, idx / width % height);
        let (c, b) = (idx / (width * height) % n, idx / (width * height * n));
        value(b, c, i, j) as f32
    };
    let values: Vec<f32> = (0..n_batch * n * height * width).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn at_middle(values: &[f32], shape: [usize; 4]) -> f64 {
    let idx = shape.iter().fold(0, |idx, side| idx * side + side / 2);
    f64::from(values[idx])
}

/// Value, norm of the gradient, and its value in the middle.
fn check(name: &str, input: Tensor<4>, loss: impl Fn(Tensor<4>) -> Tensor<1>, expected: [f64; 3]) {
    let shape = input.dims();
    let input = input.autodiff().require_grad();
    let loss = loss(input.clone());
    let gradient = TensorValues::of(input.grad(&loss.backward()).unwrap()).values;
    let norm = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let value = f64::from(loss.into_scalar::<f32>());
    near(name, [value, norm, at_middle(&gradient, shape)], expected);
}

fn near<const N: usize>(name: &str, found: [f64; N], expected: [f64; N]) {
    let scale = expected.iter().fold(0.0, |scale: f64, value| scale.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let bound = 5e-5 * expected.abs() + 2e-7 * scale.max(1.0);
        assert!((found - expected).abs() < bound, "{name}: {found} for {expected}");
    }
}
