//! One step of a learner from named terms: what every method with one network does with them.

use burn::{module::Module, tensor::Tensor};

use super::learner::Learner;
use crate::recipe::{RecipeError, TermValue};

/// One term of a loss.
pub struct Term {
    /// Name in the journal.
    pub name: &'static str,
    /// Weight in the loss.
    pub weight: f64,
    /// Before its weight: one value.
    pub loss: Tensor<1>,
}

/// The numbers of a step: means over its batches, in the order in which they came first.
pub struct StepValues {
    share: f64,
    values: Vec<TermValue>,
}

impl StepValues {
    /// Of a step of so many batches.
    pub fn of(n_batches: usize) -> Self {
        Self { share: 1.0 / n_batches.max(1) as f64, values: Vec::new() }
    }

    /// What each batch counts.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// All numbers.
    pub fn take(self) -> Vec<TermValue> {
        self.values
    }

    /// Adds a number of one batch.
    pub fn add(&mut self, name: &'static str, value: f64) {
        let value = value * self.share;
        match self.values.iter_mut().find(|known| known.name == name) {
            Some(known) => known.value += value,
            None => self.values.push(TermValue { name, value }),
        }
    }

    /// Adds a number of the whole step.
    pub fn set(&mut self, name: &'static str, value: f64) {
        self.values.push(TermValue { name, value });
    }
}

impl<M: Module> Learner<M> {
    /// Collects the gradients of one batch's loss, the weighted sum of its terms, and the terms' values.
    ///
    /// # Errors
    /// A term is not finite. What was collected before is dropped.
    ///
    /// # Panics
    /// When there is no term.
    pub fn learn(&mut self, terms: Vec<Term>, values: &mut StepValues) -> Result<(), RecipeError> {
        for Term { name, loss, .. } in &terms {
            let value = f64::from(loss.clone().into_scalar::<f32>());
            if !value.is_finite() {
                self.discard();
                return Err(RecipeError::NonFinite { term: name, value });
            }
            values.add(name, value);
        }
        let weighted = terms.into_iter().map(|term| term.loss * term.weight);
        let total = weighted.reduce(|sum, term| sum + term).expect("there is a term");
        self.accumulate(total, values.share);
        Ok(())
    }

    /// Applies what was collected; gives all numbers of the step, with those of the update.
    ///
    /// # Errors
    /// As [`Learner::update`].
    ///
    /// # Panics
    /// As [`Learner::update`].
    pub fn finish(&mut self, mut values: StepValues) -> Result<Vec<TermValue>, RecipeError> {
        let update = self.update()?;
        values.set("gradient_norm", update.gradient_norm);
        values.set("learning_rate", update.learning_rate);
        Ok(values.values)
    }
}
