//! The seven terms of a training step, each of those that have a weight and their data.

use burn::tensor::Int;
use tapetum_nn::{
    backbones::{Vgg, VggStage},
    prelude::{Tensor, ops},
    recipe::{Batch, RecipeError},
    training::Term,
};

use super::{
    config::{ClassBrightness, SegmentationGradient, TrainingConfig},
    helpers::Helpers,
    losses,
    network::CurveNetwork,
};

/// Whose Gram matrices style contrast compares (`Myloss.py`).
const STYLE_STAGES: [VggStage; 2] = [VggStage::Relu1_2, VggStage::Relu2_2];
/// What feature preservation keeps (`Myloss.py`).
const CONTENT_STAGE: VggStage = VggStage::Relu4_3;

/// What a step looks at. Labelled photographs take part in every term; they stand first in `low`.
pub(super) struct Views {
    low: Tensor<4>,
    labels: Option<Tensor<3, Int>>,
    positive: Tensor<4>,
    negative: Tensor<4>,
}

impl Views {
    /// # Errors
    /// There is no dark photograph, or not as many positives and negatives as those.
    pub(super) fn of(mut batch: Batch) -> Result<Self, RecipeError> {
        let data = |message: String| RecipeError::Data(message);
        let joined = |parts: Vec<Tensor<4>>| {
            let is_any = !parts.is_empty();
            is_any.then(|| Tensor::cat(parts, 0))
        };
        let (images, labels) = batch.labelled("labelled").unzip();
        let low = joined(images.into_iter().chain(batch.images("low")).collect());
        let low = low.ok_or_else(|| data("expected [data.low] or [data.labelled]".to_owned()))?;
        let negatives = ["negative_under", "negative_over"];
        let negatives: Vec<_> = negatives.iter().filter_map(|name| batch.images(name)).collect();
        let images = [("positive", batch.images("positive")), ("negative", joined(negatives))];
        let [positive, negative] = images.map(|(name, images)| {
            let images = images.ok_or_else(|| data(format!("expected {name} photographs")))?;
            if images.dims() == low.dims() {
                return Ok(images);
            }
            let [found, expected] = [images.dims(), low.dims()]
                .map(|[n, _, height, width]| format!("{n} of {width}x{height}"));
            Err(data(format!(
                "expected as many {name} photographs as dark ones, {expected}, found {found}"
            )))
        });
        Ok(Self { positive: positive?, negative: negative?, low, labels })
    }
}

/// All terms. Those that need a helper are left out where their weight is 0, and those of labels where the
/// batch has none.
pub(super) fn terms(
    config: &TrainingConfig,
    helpers: &Helpers,
    network: &CurveNetwork,
    views: Views,
) -> Vec<Term> {
    let Views { low, labels, positive, negative } = views;
    let raw_curve_maps = network.raw_curve_maps(low.clone());
    let curve_maps = ops::activate(raw_curve_maps.clone(), ops::Activation::Tanh);
    let enhanced = ops::apply_curves(low.clone(), raw_curve_maps);
    let contrast = losses::brightness_contrast(
        enhanced.clone(),
        positive.clone(),
        negative.clone(),
        config.brightness_margin,
    );
    let term = |name, weight, loss| Term { name, weight, loss };
    let mut terms = vec![
        term("smoothness", config.weight_smoothness, losses::curve_smoothness(curve_maps)),
        term("color", config.weight_color, losses::color_constancy(enhanced.clone())),
        term("brightness", config.weight_brightness, contrast),
    ];
    if let Some(vgg) = &helpers.vgg {
        let others = Others { low, positive, negative };
        terms.extend(feature_terms(config, vgg, enhanced.clone(), others));
    }
    if let Some(labels) = labels {
        let enhanced = enhanced.narrow(0, 0, labels.dims()[0]);
        terms.extend(label_terms(config, helpers, enhanced, labels));
    }
    terms
}

/// What an enhanced image is compared with; none of them gets a gradient.
struct Others {
    low: Tensor<4>,
    positive: Tensor<4>,
    negative: Tensor<4>,
}

fn feature_terms(
    config: &TrainingConfig,
    vgg: &Vgg,
    enhanced: Tensor<4>,
    others: Others,
) -> Vec<Term> {
    let has_style = config.weight_style != 0.0;
    let has_content = config.weight_features != 0.0;
    let mut stages = if has_style { STYLE_STAGES.to_vec() } else { vec![] };
    stages.extend(has_content.then_some(CONTENT_STAGE));

    let mut enhanced = config.vgg_input.features(vgg, enhanced, &stages);
    let fixed = |image: Tensor<4>, stages: &[VggStage]| -> Vec<Tensor<4>> {
        let features = config.vgg_input.features(vgg, image.inner(), stages);
        features.into_iter().map(Tensor::autodiff).collect()
    };
    let mut terms = Vec::new();
    if has_content {
        let enhanced = enhanced.pop().expect("the deepest stage is the last");
        let low = fixed(others.low, &[CONTENT_STAGE]).remove(0);
        let loss = losses::feature_preservation(low, enhanced);
        terms.push(Term { name: "features", weight: config.weight_features, loss });
    }
    if has_style {
        let [positive, negative] =
            [others.positive, others.negative].map(|image| fixed(image, &STYLE_STAGES));
        let loss = losses::style_contrast(&enhanced, &positive, &negative, config.style_margin);
        terms.push(Term { name: "style", weight: config.weight_style, loss });
    }
    terms
}

/// `enhanced` are the labelled images alone.
fn label_terms(
    config: &TrainingConfig,
    helpers: &Helpers,
    enhanced: Tensor<4>,
    labels: Tensor<3, Int>,
) -> Vec<Term> {
    let class_brightness = match config.class_brightness {
        ClassBrightness::PerImage => losses::class_brightness,
        ClassBrightness::Released => losses::class_brightness_released,
    };
    let mut terms = vec![Term {
        name: "class_brightness",
        weight: config.weight_class_brightness,
        loss: class_brightness(enhanced.clone(), labels.clone(), config.n_classes),
    }];
    if let Some(segmenter) =
        helpers.segmenter.as_ref().filter(|_| config.weight_segmentation != 0.0)
    {
        let enhanced = match config.segmentation_gradient {
            SegmentationGradient::Flows => enhanced,
            SegmentationGradient::Cut => enhanced.detach(),
        };
        let loss = losses::segmentation(segmenter.logits(enhanced), labels, config.n_classes);
        terms.push(Term { name: "segmentation", weight: config.weight_segmentation, loss });
    }
    terms
}
