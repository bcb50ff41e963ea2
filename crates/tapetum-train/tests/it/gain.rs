//! A recipe of one number: a gain that follows what it sees.

use tapetum_nn::{
    MethodCard, Network, SizeRule, Tiling, Weights,
    prelude::*,
    recipe::{Batch, Form, Need, Part, Recipe, RecipeError, TermValue, Trained},
    weights::TensorValues,
};

static CARD: MethodCard = MethodCard {
    name: "gain",
    title: "Gain",
    citation: "none",
    purpose: "tests",
    n_parameters: 1,
    macs_per_pixel: Some(3),
    size_rule: SizeRule::Any,
    tiling: Tiling::Exact { receptive_field_px: 0 },
    working_bytes_per_pixel: 24,
    default_weights: None,
    weights_by_scale: &[],
};

/// What is seen of each batch, and how the gain moves.
pub(crate) struct Gain {
    pub(crate) gain: f32,
    pub(crate) needs: &'static [Need],
    /// Mean of every part of every batch so far.
    pub(crate) seen: Vec<Vec<f32>>,
    /// The step that breaks.
    pub(crate) breaks_at: Option<usize>,
    /// The step after which something is noticed.
    pub(crate) warns_at: Option<usize>,
}

pub(crate) const LOW: &[Need] = &[Need { name: "low", form: Form::Images, is_required: true }];

impl Gain {
    pub(crate) fn new(needs: &'static [Need]) -> Self {
        Self { gain: 1.0, needs, seen: Vec::new(), breaks_at: None, warns_at: None }
    }
}

impl Recipe for Gain {
    fn needs(&self) -> &'static [Need] {
        self.needs
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<Vec<TermValue>, RecipeError> {
        if self.breaks_at == Some(self.seen.len()) {
            return Err(RecipeError::NonFinite { term: "distance", value: f64::NAN });
        }
        let mut means = Vec::new();
        for batch in batches {
            for part in batch.parts.into_values() {
                let tensors = match part {
                    Part::Images(images) => vec![images],
                    Part::Pairs { low, reference } => vec![low, reference],
                    Part::Views { weak, strong } => vec![weak, strong],
                    Part::Labelled { images, labels } => {
                        vec![images, labels.float().unsqueeze_dim::<4>(1)]
                    }
                };
                means.extend(tensors.into_iter().map(|t| t.mean().into_scalar::<f32>()));
            }
        }
        let mean = means.iter().sum::<f32>() / means.len() as f32;
        self.gain += 0.1 * (0.8 / mean.max(0.01) - self.gain);
        self.seen.push(means);
        let value = |name, value: f32| TermValue { name, value: f64::from(value) };
        Ok(vec![value("mean", mean), value("gain", self.gain)])
    }

    fn warning(&self) -> Option<String> {
        let n_done = self.seen.len();
        (self.warns_at == Some(n_done)).then(|| format!("the gain is {n_done} steps old"))
    }

    fn trained(&self) -> Trained {
        Trained::Enhancer(Box::new(Brightener(self.gain)))
    }

    fn weights(&self) -> Weights {
        let gain = TensorValues { shape: vec![1], values: vec![self.gain] };
        Weights { tensors: [("gain".to_owned(), gain)].into(), ..Weights::default() }
    }

    fn checkpoint(&self) -> Vec<u8> {
        self.gain.to_le_bytes().to_vec()
    }

    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), RecipeError> {
        let bytes = checkpoint.try_into();
        let bytes = bytes.map_err(|_| RecipeError::Checkpoint("not four bytes".to_owned()))?;
        self.gain = f32::from_le_bytes(bytes);
        Ok(())
    }
}

struct Brightener(f32);

impl Network for Brightener {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        (low * self.0).clamp(0.0, 1.0)
    }

    fn n_parameters(&self) -> usize {
        1
    }
}
