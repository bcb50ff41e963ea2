//! RAM on a tiny configuration against golden values of an independent transcription.

use tapetum_methods::tagging::{
    EncoderOptions, RamConfig, SemanticEncoder, SwinConfig, read, read_ram,
};
use tapetum_nn::{Weights, prelude::*, weights::TensorValues};

use crate::{
    segmentation::picture,
    tagging::{assert_near, check_against, filled, summed},
};

const GOLDEN: &[u8] = include_bytes!("../data/tagging_ram.safetensors");
const TENSORS: &str = include_str!("../data/tagging_ram_tensors.txt");
/// The same with windows of 4x4 tokens, which are more than the last stage has of images of 64 px.
const GOLDEN_SMALL: &[u8] = include_bytes!("../data/tagging_ram_small.safetensors");
const TENSORS_SMALL: &str = include_str!("../data/tagging_ram_small_tensors.txt");

#[test]
fn results_and_image_gradients_equal_the_independent_transcription() {
    let encoder = tiny(&filled(TENSORS));
    check_against(&Weights::from_bytes(GOLDEN).unwrap(), encoder.as_ref());
    assert_eq!((encoder.name(), encoder.n_tags()), ("ram", 7));
}

#[test]
fn a_stage_of_less_than_a_window_equals_the_independent_transcription() {
    let options = EncoderOptions { side_px: Some(64), ..EncoderOptions::default() };
    let weights = filled(TENSORS_SMALL);
    let encoder = read_ram(&weights, &tiny_config(4), options, &Device::flex()).unwrap();
    check_against(&Weights::from_bytes(GOLDEN_SMALL).unwrap(), encoder.as_ref());
}

#[test]
fn the_pyramid_alone_is_that_of_the_whole() {
    let encoder = tiny(&filled(TENSORS));
    let values = |levels: Vec<Tensor<4>>| -> Vec<TensorValues> {
        levels.into_iter().map(TensorValues::of).collect()
    };
    let whole = values(encoder.encode(picture([20, 31])).pyramid);
    assert_eq!(values(encoder.pyramid(picture([20, 31]))), whole);
    let shapes: Vec<_> = whole.iter().map(|level| level.shape.clone()).collect();
    assert_eq!(shapes, [[1, 8, 24, 24], [1, 16, 12, 12], [1, 32, 6, 6]]);
}

#[test]
fn images_of_a_batch_do_not_see_each_other() {
    let encoder = tiny(&filled(TENSORS));
    let image = picture([20, 31]);
    let other = image.clone() * 0.3 + 0.1;
    let both = encoder.encode(Tensor::cat(vec![other, image.clone()], 0));
    let alone = encoder.encode(image);
    let second = TensorValues::of(both.tokens.narrow(0, 1, 1)).values;
    assert_near("tokens", &second, &TensorValues::of(alone.tokens).values, [1e-5, 1e-5]);
    let second = TensorValues::of(both.logits.narrow(0, 1, 1)).values;
    assert_near("logits", &second, &TensorValues::of(alone.logits).values, [1e-5, 1e-5]);
}

#[test]
fn the_image_gradient_is_the_slope_of_the_results() {
    let encoder = tiny(&filled(TENSORS));
    let image = picture([96, 96]);
    let tracked = image.clone().autodiff().require_grad();
    let gradients = summed(encoder.encode(tracked.clone())).backward();
    let gradient = tracked.grad(&gradients).unwrap();
    let steepness: f32 = gradient.clone().powi_scalar(2).sum().sqrt().into_scalar();
    // So short that curvature takes less than a thousandth away, so long that `f32` shows it.
    let distance = 0.003;
    let step = gradient * (distance / steepness);
    let [above, below]: [f32; 2] = [image.clone() + step.clone(), image - step]
        .map(|image| summed(encoder.encode(image.autodiff())).inner().into_scalar());
    let slope = (above - below) / (2.0 * distance);
    assert!(steepness > 0.1, "{steepness}");
    assert!((slope / steepness - 1.0).abs() < 3e-3, "{slope} for {steepness}");
}

/// Swin-L without its classifier: 196 735 516 parameters ([Liu 2021] Table 1: 197 M) less 1000 x 1537.
#[test]
fn the_released_configuration_has_the_published_number_of_parameters() {
    let tensors = RamConfig::swin_large().tensors();
    let n_values = |is_of_swin: bool| -> usize {
        let part = tensors.iter().filter(|(name, _)| name.starts_with("visual_") == is_of_swin);
        part.map(|(_, shape)| shape.iter().product::<usize>()).sum()
    };
    assert_eq!(n_values(true), 196_735_516 - 1000 * 1537);
    assert_eq!(n_values(false), 16_918_529);
}

#[test]
fn the_tensors_are_those_of_the_independent_transcription() {
    let mut found: Vec<String> = Vec::new();
    for (name, shape) in tiny_config(3).tensors() {
        let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
        found.push(format!("{name} {}", sides.join(" ")));
    }
    let mut expected: Vec<&str> = TENSORS.lines().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_checkpoint_may_hold_what_tagging_has_no_use_for_and_older_names() {
    let plain = filled(TENSORS);
    let mut whole = Weights::default();
    for (name, tensor) in &plain.tensors {
        whole.insert(name.replace("tagging_head.", "vision_multi."), tensor.clone());
    }
    for name in [
        "visual_encoder.layers.0.blocks.1.attn_mask",
        "visual_encoder.layers.0.blocks.0.attn.relative_position_index",
        "tag_encoder.encoder.layer.0.attention.self.query.weight",
        "text_decoder.cls.predictions.bias",
        "tagging_head.embeddings.position_ids",
        "vision_multi.encoder.layer.1.attention.output.dense.bias",
    ] {
        whole.insert(name.to_owned(), TensorValues { shape: vec![1], values: vec![3.0] });
    }
    let logits =
        |weights: &Weights| TensorValues::of(tiny(weights).encode(picture([9, 11])).logits);
    assert_eq!(logits(&whole), logits(&plain));
}

#[test]
fn what_is_not_ram_is_refused() {
    let refusal = |change: &dyn Fn(&mut Weights)| {
        let mut weights = filled(TENSORS);
        change(&mut weights);
        let options = EncoderOptions::default();
        let result = read_ram(&weights, &tiny_config(3), options, &Device::flex());
        result.unwrap_err().to_string()
    };
    let number = || TensorValues { shape: vec![1], values: vec![1.0] };
    let extra = refusal(&|weights| weights.insert("reweight_scale".to_owned(), number()));
    assert!(extra.contains("do not fit RAM: unexpected: reweight_scale"), "{extra}");
    let twice = refusal(&|weights| {
        let name = "vision_multi.encoder.layer.0.output.dense.bias".to_owned();
        weights.insert(name, number());
    });
    assert!(twice.contains("unexpected: vision_multi.encoder"), "{twice}");
    let several = refusal(&|weights| {
        let tensor = weights.tensors.get_mut("label_embed").unwrap();
        tensor.values = tensor.values.repeat(51);
        tensor.shape[0] *= 51;
    });
    let shapes = "label_embed (expected [7, 12], found [357, 12])";
    assert!(several.contains(shapes), "{several}");
}

#[test]
fn sides_that_windows_do_not_fill_are_refused_before_the_tensors_are_looked_at() {
    let options = EncoderOptions { side_px: Some(128), ..EncoderOptions::default() };
    let error = read("ram", &Weights::default(), options, &Device::flex()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("windows of 12 tokens fill, got 128 px"), "{error}");
}

fn tiny(weights: &Weights) -> Box<dyn SemanticEncoder> {
    let options = EncoderOptions::default();
    read_ram(weights, &tiny_config(3), options, &Device::flex()).unwrap()
}

fn tiny_config(window: usize) -> RamConfig {
    RamConfig {
        swin: SwinConfig {
            side_px: 96,
            n_channels: 8,
            depths: [2; 4],
            n_heads: [1, 2, 4, 8],
            window,
        },
        n_tags: 7,
        token_width: 12,
        query_width: 16,
        hidden_width: 24,
        n_query_layers: 2,
        n_query_heads: 4,
    }
}
