//! Segmentation networks against golden values of an independent transcription.

use burn::tensor::TensorData;
use tapetum_image::{Image, Srgb};
use tapetum_methods::segmentation::{
    Segmenter,
    espnet::{DecoderInput, Espnet},
    labelled_data::{CAMVID, LabelledData},
    weights::{ESPNET_CAMVID, ESPNET_CITYSCAPES, Release, read_espnet},
};
use tapetum_nn::{Weights, prelude::*, weights::TensorValues};

use crate::research;

const GOLDEN: &[u8] = include_bytes!("../data/espnet.safetensors");
/// Name and shape of each tensor.
const TENSORS: &str = include_str!("../data/espnet_tensors.txt");

/// Normalised values are about 1, so that the image counts among the formula's weights.
static FORMULA: LabelledData = LabelledData {
    mean_bgr_255: [100.0, 110.0, 120.0],
    deviation_bgr_255: [0.25, 0.3, 0.2],
    ..CAMVID
};

#[test]
fn logits_and_image_gradients_equal_the_independent_transcription() {
    let golden = Weights::from_bytes(GOLDEN).unwrap();
    let cases = [
        ("", [43, 150], DecoderInput::WithImage),
        ("alone_", [21, 26], DecoderInput::FeaturesAlone),
        ("tiny_", [1, 1], DecoderInput::WithImage),
    ];
    for (name, size, decoder_input) in cases {
        let network = network(decoder_input);
        let image = picture(size).autodiff().require_grad();
        let logits = network.logits(image.clone());
        assert_eq!(logits.dims(), [1, 12, size[0], size[1]]);
        assert_close(
            name,
            logits.clone().inner(),
            &golden.tensors[&format!("{name}logits")],
            BOUNDS,
        );

        let n_values = logits.dims().iter().product();
        let weights: Vec<f32> =
            (0..n_values).map(|idx| (idx as f64 * 0.7 + 0.3).sin() as f32).collect();
        let weights = TensorData::new(weights, logits.dims());
        let weights = Tensor::<4>::from_data(weights, &Device::flex());
        let gradients = (logits * weights).sum().backward();
        let gradient = image.grad(&gradients).unwrap();
        assert_close(name, gradient, &golden.tensors[&format!("{name}gradient")], BOUNDS);
    }
}

#[test]
fn the_released_checkpoints_give_the_transcriptions_logits() {
    let cases = [
        (
            "camvid12",
            &ESPNET_CAMVID,
            [
                ([0, 0, 0], 1.881924),
                ([3, 17, 29], -6.024704),
                ([8, 36, 49], 1.866938),
                ([11, 20, 5], 3.171254),
            ],
        ),
        (
            "cityscapes20",
            &ESPNET_CITYSCAPES,
            [
                ([0, 0, 0], 2.05324),
                ([3, 17, 29], -3.7332),
                ([8, 36, 49], -0.120021),
                ([11, 20, 5], 1.418146),
            ],
        ),
    ];
    for (name, release, expected) in cases {
        let path = format!("weights/espnet/decoder_p2_q8_{name}.pth");
        let Some(path) = research::file(&path) else { return };
        let checkpoint = Weights::from_bytes(&std::fs::read(path).unwrap()).unwrap();
        let network = read_espnet(&checkpoint, release, &Device::flex()).unwrap();
        let logits = TensorValues::of(network.logits(picture([37, 50]))).values;
        for ([channel, y, x], expected) in expected {
            let found = logits[(channel * 37 + y) * 50 + x];
            let place = format!("{name}, [{channel}, {y}, {x}]");
            assert!((found - expected).abs() < 1e-4, "{place}: {found} for {expected}");
        }
    }
}

#[test]
fn the_class_of_a_pixel_is_that_of_its_largest_logit() {
    let network = network(DecoderInput::WithImage);
    let (height, width) = (21, 26);
    let tensor = picture([height, width]);
    let logits = TensorValues::of(network.logits(tensor.clone())).values;
    let pixels = TensorValues::of(tensor.permute([0, 2, 3, 1])).values;
    let classes = network.predict(&Image::<Srgb>::new(width as u32, height as u32, pixels));
    assert_eq!(classes.len(), height * width);
    for (pixel, class) in classes.iter().enumerate() {
        let logit = |class: usize| logits[class * height * width + pixel];
        let class = usize::from(*class);
        assert!((0..12).all(|other| logit(other) <= logit(class)), "pixel {pixel}");
    }
    assert!(classes.iter().any(|class| *class != classes[0]), "the picture is not of one class");
}

#[test]
fn images_of_a_batch_do_not_see_each_other() {
    let network = network(DecoderInput::WithImage);
    let image = picture([10, 13]);
    let other = image.clone() * 0.3 + 0.1;
    let together = network.logits(Tensor::cat(vec![other.clone(), image.clone()], 0));
    let apart = Tensor::cat(vec![network.logits(other), network.logits(image)], 0);
    assert_eq!(TensorValues::of(together), TensorValues::of(apart));
}

#[test]
fn checkpoints_of_several_cards_are_read_too() {
    let plain = filled(DecoderInput::WithImage);
    let mut prefixed = Weights::default();
    for (name, tensor) in &plain.tensors {
        prefixed.insert(format!("module.{name}"), tensor.clone());
    }
    let logits = |weights: &Weights| {
        let network = read_espnet(weights, &release(DecoderInput::WithImage), &Device::flex());
        TensorValues::of(network.unwrap().logits(picture([9, 11])))
    };
    assert_eq!(logits(&prefixed), logits(&plain));
}

#[test]
fn weights_that_do_not_fit_are_listed_on_both_sides() {
    let mut broken = filled(DecoderInput::FeaturesAlone);
    let slopes = broken.tensors.remove("encoder.level3.7.bn.act.weight").unwrap();
    broken.tensors.insert("encoder.level3.8.bn.act.weight".to_owned(), slopes);
    let release = release(DecoderInput::WithImage);
    let message = read_espnet(&broken, &release, &Device::flex()).unwrap_err().to_string();
    for part in [
        "do not fit ESPNet",
        "missing: encoder.level3.7.bn.act.weight",
        "unexpected: encoder.level3.8.bn.act.weight",
        "conv.conv.weight (expected [12, 31, 3, 3], found [12, 28, 3, 3])",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

fn release(decoder_input: DecoderInput) -> Release {
    Release { data: &FORMULA, decoder_input }
}

fn network(decoder_input: DecoderInput) -> Espnet {
    read_espnet(&filled(decoder_input), &release(decoder_input), &Device::flex()).unwrap()
}

/// The fill of `tools/golden/espnet.py`.
fn filled(decoder_input: DecoderInput) -> Weights {
    let mut weights = Weights::default();
    for line in TENSORS.lines() {
        let (name, shape) = line.split_once(' ').unwrap();
        let mut shape: Vec<usize> = shape.split(' ').map(|side| side.parse().unwrap()).collect();
        if name == "conv.conv.weight" && decoder_input == DecoderInput::FeaturesAlone {
            shape[1] = 28;
        }
        let (offset, scale) = match shape.len() {
            4 => (0.0, 1.5 / (shape[1..].iter().product::<usize>() as f64).sqrt()),
            _ if name.ends_with("running_var") => (0.6, 0.4),
            _ if name.ends_with("act.weight") => (0.25, 0.2),
            _ if name.ends_with("weight") => (1.0, 0.3),
            _ => (0.0, 0.2),
        };
        let seed = name.bytes().map(f64::from).sum::<f64>();
        let wave = |idx: usize| (2.4 * (idx as f64 + 1.0) + 0.01 * seed).sin();
        let n_values = shape.iter().product();
        let values = (0..n_values).map(|idx| (offset + scale * wave(idx)) as f32).collect();
        weights.insert(name.to_owned(), TensorValues { shape, values });
    }
    weights
}

/// The picture of `tools/golden/espnet.py`, `[1, 3, height, width]`.
pub(crate) fn picture([height, width]: [usize; 2]) -> Tensor<4> {
    let value = |flat: usize| {
        let (j, rest) = ((flat % width) as f64, flat / width);
        let (i, c) = ((rest % height) as f64, (rest / height) as f64);
        let wave = (0.3 * (i + 1.0) + 0.2 * (j + 1.0) + 0.5 * c).sin();
        (0.5 + 0.4 * wave * (0.05 * i - 0.9 * j).cos()) as f32
    };
    let values: Vec<f32> = (0..3 * height * width).map(value).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, height, width]), &Device::flex())
}

/// Peak and root mean square: some thirty layers of sums in `f32` against `f64`.
const BOUNDS: [f32; 2] = [1e-5, 2e-6];

/// Compares every third pixel of every third row, by peak and root mean square of the errors as parts of
/// the largest value.
pub(crate) fn assert_close(
    name: &str,
    found: Tensor<4>,
    expected: &TensorValues,
    [peak_max, rmse_max]: [f32; 2],
) {
    let [_, n_channels, height, width] = found.dims();
    let found = TensorValues::of(found).values;
    let rows = (0..n_channels * height).filter(|row| (row % height).is_multiple_of(3));
    let sampled = rows.flat_map(|row| (0..width).step_by(3).map(move |x| row * width + x));
    let sampled: Vec<f32> = sampled.map(|idx| found[idx]).collect();
    assert_eq!(sampled.len(), expected.values.len(), "{name}");
    let scale = expected.values.iter().fold(0.0, |scale: f32, value| scale.max(value.abs()));
    let errors = sampled.iter().zip(&expected.values).map(|(a, b)| (a - b).abs() / scale);
    let peak = errors.clone().fold(0.0, |peak: f32, e| if e <= peak { peak } else { e });
    let rmse = (errors.map(|e| e * e).sum::<f32>() / sampled.len() as f32).sqrt();
    assert!(peak < peak_max && rmse < rmse_max, "{name}: peak {peak}, rmse {rmse} of {scale}");
}
