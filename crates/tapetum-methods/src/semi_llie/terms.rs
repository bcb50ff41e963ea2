//! One batch through student and teacher: the terms of the loss with their weights, and what the teacher
//! said.

use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    enhance::from_tensor,
    prelude::*,
    recipe::{Batch, RecipeError, TermValue},
    training::Term,
};

use super::{
    config::{Reliability, SemanticGradient, TrainingConfig},
    helpers::Helpers,
    losses,
    network::MambaLowlight,
};
use crate::tagging::Semantics;

/// The two networks, and what decides a step.
pub(super) struct Step<'a> {
    pub(super) config: &'a TrainingConfig,
    pub(super) helpers: &'a Helpers,
    pub(super) student: &'a MambaLowlight,
    /// Without gradients.
    pub(super) teacher: &'a MambaLowlight,
    /// `κ`.
    pub(super) ramp: f64,
    /// Decides which branches of the student are dropped.
    pub(super) random: &'a mut ChaCha8Rng,
}

impl Step<'_> {
    /// All terms, and statistics of what the teacher said.
    pub(super) fn terms(
        &mut self,
        mut batch: Batch,
    ) -> Result<(Vec<Term>, Vec<TermValue>), RecipeError> {
        let (low, reference) = batch
            .pairs("paired")
            .ok_or_else(|| RecipeError::Data("expected pairs, found none".to_owned()))?;
        if low.dims() != reference.dims() {
            let [found, expected] = [&reference, &low].map(|image| format!("{:?}", image.dims()));
            let detail = format!(
                "expected references as large as the photographs, {expected}, found {found}"
            );
            return Err(RecipeError::Data(detail));
        }
        let mut terms = self.paired_terms(low, reference);
        let mut statistics = Vec::new();
        let unpaired = batch.views("unpaired");
        if let Some((weak, strong)) = unpaired.filter(|_| self.config.weight_unpaired != 0.0) {
            let (unpaired, found) = self.unpaired_terms(weak, strong)?;
            terms.extend(unpaired);
            statistics = found;
        }
        Ok((terms, statistics))
    }

    /// `L_sup`.
    fn paired_terms(&mut self, low: Tensor<4>, reference: Tensor<4>) -> Vec<Term> {
        let config = self.config;
        let enhanced = self.student.forward_training(low, self.random);
        let structure = losses::structure(enhanced.clone(), reference.clone());
        let gradient = losses::gradient(enhanced.clone(), reference.clone());
        let mut terms = vec![
            Term { name: "structure", weight: config.weight_structure, loss: structure },
            Term { name: "gradient", weight: config.weight_gradient, loss: gradient },
        ];
        if let Some(encoder) =
            self.helpers.encoder.as_ref().filter(|_| config.weight_perceptual != 0.0)
        {
            let enhanced = encoder.pyramid(self.seen_by_encoder(enhanced));
            let reference = encoder.pyramid(reference.inner());
            let reference: Vec<_> = reference.into_iter().map(Tensor::autodiff).collect();
            let loss = losses::perceptual(&enhanced, &reference);
            terms.push(Term { name: "perceptual", weight: config.weight_perceptual, loss });
        }
        terms
    }

    /// `κ L_uns`.
    fn unpaired_terms(
        &mut self,
        weak: Tensor<4>,
        strong: Tensor<4>,
    ) -> Result<(Vec<Term>, Vec<TermValue>), RecipeError> {
        let config = self.config;
        let target = self.teacher.forward(weak.inner());
        let student = self.student.forward_training(strong.clone(), self.random);
        let kept = self.kept(&target, &student)?;
        let statistics = statistics(&target, &kept);
        let kept = Tensor::<1>::from_floats(kept.as_slice(), &student.device());
        let followed = target.clone().autodiff();
        let mut terms = vec![Term {
            name: "consistency",
            weight: self.ramp * config.weight_consistency,
            loss: losses::consistency(student.clone(), followed, kept.clone()),
        }];
        if let Some(encoder) =
            self.helpers.encoder.as_ref().filter(|_| config.weight_contrast != 0.0)
        {
            let anchor = encoder.encode(self.seen_by_encoder(student));
            let [positive, negative] =
                [target, strong.inner()].map(|image| tracked(encoder.encode(image)));
            terms.push(Term {
                name: "contrast",
                weight: self.ramp * config.weight_contrast,
                loss: losses::semantic_contrast(&anchor, &positive, &negative, kept),
            });
        }
        Ok((terms, statistics))
    }

    fn seen_by_encoder(&self, enhanced: Tensor<4>) -> Tensor<4> {
        match self.config.semantic_gradient {
            SemanticGradient::Flows => enhanced,
            SemanticGradient::Cut => enhanced.detach(),
        }
    }

    /// 1 for each image of the teacher that is followed, 0 for the others.
    fn kept(&self, target: &Tensor<4>, student: &Tensor<4>) -> Result<Vec<f32>, RecipeError> {
        let n_batch = target.dims()[0];
        let judge = self.helpers.judge.as_ref();
        let Some(judge) = judge.filter(|_| self.config.reliability == Reliability::Judged) else {
            return Ok(vec![1.0; n_batch]);
        };
        let student = student.clone().inner();
        let score = |images: &Tensor<4>, idx: usize| {
            let image = from_tensor(images.clone().narrow(0, idx, 1).clamp(0.0, 1.0));
            judge(&image).map_err(|error| RecipeError::Data(format!("the judge: {error}")))
        };
        let kept = |idx| Ok(if score(target, idx)? > score(&student, idx)? { 1.0 } else { 0.0 });
        (0..n_batch).map(kept).collect()
    }
}

/// The same on the device of the gradients, to be compared with what has some.
fn tracked(Semantics { tokens, logits, pyramid }: Semantics) -> Semantics {
    let pyramid = pyramid.into_iter().map(Tensor::autodiff).collect();
    Semantics { tokens: tokens.autodiff(), logits: logits.autodiff(), pyramid }
}

/// What the teacher's images are like: their mean, how much of them lies outside of 0..1, and how many are
/// followed.
fn statistics(target: &Tensor<4>, kept: &[f32]) -> Vec<TermValue> {
    let share_kept = f64::from(kept.iter().sum::<f32>()) / kept.len() as f64;
    let mean = f64::from(target.clone().mean().into_scalar::<f32>());
    let clamped = target.clone().clamp(0.0, 1.0);
    let outside = clamped.not_equal(target.clone()).float().mean().into_scalar::<f32>();
    let value = |name, value| TermValue { name, value };
    vec![
        value("teacher_mean", mean),
        value("teacher_out_of_range", f64::from(outside)),
        value("teacher_kept", share_kept),
    ]
}
