//! Running statistics of batch normalisations: what a trained network normalises by.

use std::collections::BTreeMap;

use tapetum_nn::{
    Weights,
    ops::BatchMoments,
    weights::{TensorValues, WeightReader},
};

use super::layer::LayerPlan;

/// Statistics by the name of the normalisation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RunningStatistics {
    by_norm: BTreeMap<String, Running>,
}

#[derive(Debug, Clone, PartialEq)]
struct Running {
    mean: Vec<f32>,
    variance: Vec<f32>,
    n_batches: f32,
}

impl RunningStatistics {
    /// Reads those of the layer, if it has a normalisation.
    pub(super) fn read(&mut self, reader: &mut WeightReader, plan: &LayerPlan) {
        let Some(norm) = &plan.norm else { return };
        let shape = [plan.weight_shape[0]];
        let mean = reader.take(&format!("{norm}.running_mean"), &shape);
        let variance = reader.take(&format!("{norm}.running_var"), &shape);
        // Older programs did not write it.
        let n_batches = reader.take_if_there(&format!("{norm}.num_batches_tracked"), &[]);
        let n_batches = n_batches.map_or(0.0, |count| count[0]);
        let running = Running { mean, variance, n_batches };
        self.by_norm.insert(norm.clone(), running);
    }

    pub(super) fn write(&self, weights: &mut Weights) {
        for (norm, running) in &self.by_norm {
            let Running { mean, variance, n_batches, .. } = running;
            let parts = [("running_mean", mean), ("running_var", variance)];
            for (part, values) in parts {
                let values = TensorValues { shape: vec![values.len()], values: values.clone() };
                weights.insert(format!("{norm}.{part}"), values);
            }
            let count = TensorValues { shape: vec![], values: vec![*n_batches] };
            weights.insert(format!("{norm}.num_batches_tracked"), count);
        }
    }

    /// Moves every statistic towards that of the batch by the `rate` of its normalisation, 0..1; the variance
    /// counts as that of a sample, divided by one value less ([Ioffe 2015] Alg. 2).
    ///
    /// # Panics
    /// When there is no such normalisation.
    pub(super) fn update(
        &mut self,
        moments: &BTreeMap<String, BatchMoments>,
        rate: impl Fn(&str) -> f32,
    ) {
        for (norm, moments) in moments {
            let running = self.by_norm.get_mut(norm).expect("every layer's statistics were read");
            let n_values = moments.n_values as f32;
            // A single value has no variance.
            let unbiased = n_values / (n_values - 1.0).max(1.0);
            let rate = rate(norm);
            let towards = |running: &mut [f32], batch: Vec<f32>, factor: f32| {
                for (running, batch) in running.iter_mut().zip(batch) {
                    *running += rate * (factor * batch - *running);
                }
            };
            let values = |moment| TensorValues::of::<1>(moment).values;
            towards(&mut running.mean, values(moments.mean.clone()), 1.0);
            towards(&mut running.variance, values(moments.variance.clone()), unbiased);
            running.n_batches += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use tapetum_nn::{
        ops::{self, BatchNormOptions},
        prelude::*,
    };

    use super::*;
    use crate::segmentation::layer::Rectifier;

    fn read(weights: &Weights) -> RunningStatistics {
        let names = ["conv".to_owned(), "norm".to_owned()];
        let plan = LayerPlan::normalized(names, [2, 3, 1, 1], Rectifier::Relu);
        let mut running = RunningStatistics::default();
        running.read(&mut WeightReader::new(weights), &plan);
        running
    }

    #[test]
    fn a_batch_moves_the_statistics_by_the_rate_and_unbiased() {
        let mut weights = Weights::default();
        let mut insert = |part: &str, shape: Vec<usize>, values: Vec<f32>| {
            weights.insert(format!("norm.{part}"), TensorValues { shape, values });
        };
        insert("running_mean", vec![2], vec![10.0, 0.0]);
        insert("running_var", vec![2], vec![1.0, 2.0]);
        insert("num_batches_tracked", vec![], vec![7.0]);
        let mut running = read(&weights);
        // Values 1, 2, 3, 6 (mean 3, sum of squares 14) and 0, 0, 0, 8 (mean 2, 48).
        let values = TensorData::new(vec![1.0f32, 2.0, 0.0, 0.0, 3.0, 6.0, 0.0, 8.0], [2, 2, 1, 2]);
        let input = Tensor::<4>::from_data(values, &Device::flex());
        let ones = Tensor::ones([2], &Device::flex());
        let options = BatchNormOptions { epsilon: 0.0, limits: Rectifier::Linear.limits() };
        let (_, moments) = ops::batch_norm(input, ones.clone(), ones, &options);
        let rate = |norm: &str| if norm == "norm" { 0.1 } else { f32::NAN };
        running.update(&BTreeMap::from([("norm".to_owned(), moments)]), rate);

        let mut found = Weights::default();
        running.write(&mut found);
        let values = |part: &str| found.tensors[&format!("norm.{part}")].values.clone();
        let expected = [
            ("running_mean", vec![0.9 * 10.0 + 0.1 * 3.0, 0.1 * 2.0]),
            ("running_var", vec![0.9 + 0.1 * 14.0 / 3.0, 0.9 * 2.0 + 0.1 * 48.0 / 3.0]),
            ("num_batches_tracked", vec![8.0]),
        ];
        for (part, expected) in expected {
            for (found, expected) in values(part).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{part}: {found} for {expected}");
            }
        }
        assert_eq!(read(&found), running);
    }
}
