//! AdamP against the numbers of tools/golden/adam_p.py.

use tapetum_nn::{
    prelude::*,
    training::{Learner, LearnerConfig},
    weights::TensorValues,
};

use super::{device, settings};

const SETTINGS: &str = "
learning_rate = 0.05
optimizer = { kind = 'adam-p', weight_decay = 0.2 }
";

/// Peak and RMS error allowed: five steps of 0.05 in `f32`.
const PEAK: f64 = 2e-6;
const RMSE: f64 = 1e-6;

/// `sin(speed (idx + 1) + phase)`.
fn waves<const D: usize>(shape: [usize; D], phase: f64, speed: f64) -> Tensor<D> {
    let values = (0..shape.iter().product()).map(|idx: usize| {
        let angle = speed * (idx as f64 + 1.0) + phase;
        angle.sin() as f32
    });
    Tensor::from_data(TensorData::new(values.collect::<Vec<_>>(), shape), &device())
}

/// Trains one parameter for five steps along the gradient of `sum(towards * weight)`, the weight
/// scaled to length 1 over `axes` first.
fn check<const D: usize>(shape: [usize; D], phase: f64, axes: &[usize], expected: &[f64]) {
    let config: LearnerConfig = settings(SETTINGS);
    let mut learner = Learner::new(Param::from_tensor(waves(shape, phase, 1.3)), config, 5);
    for t in 1..=5 {
        let weight = learner.module().val();
        let towards = waves(shape, phase, 0.9 + 0.3 * f64::from(t));
        let squares = |sum: Tensor<D>, &axis: &usize| sum.sum_dim(axis);
        let scaled = match axes {
            [] => weight,
            _ => weight.clone() / axes.iter().fold(weight.square(), squares).sqrt(),
        };
        learner.accumulate((scaled * towards).sum(), 1.0);
        learner.update().unwrap();
    }
    let found = TensorValues::of(learner.module().val()).values;
    assert_eq!(found.len(), expected.len());
    let errors: Vec<f64> = found.iter().zip(expected).map(|(f, e)| f64::from(*f) - e).collect();
    let peak = errors.iter().fold(0.0_f64, |peak, error| peak.max(error.abs()));
    let rmse = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    assert!(peak <= PEAK && rmse <= RMSE, "peak {peak}, RMSE {rmse}, found {found:?}");
}

#[test]
fn a_vector_is_never_projected() {
    check([3], 0.1, &[], &[0.6944746, 0.3772510, -0.5279376]);
}

#[test]
fn a_kernel_with_a_radial_gradient_is_not_projected() {
    let expected = [
        0.7053137, 0.1843823, -0.6959504, -0.5562423, 0.4368786, 0.7947410, -0.1090202, -0.8317427,
    ];
    check([2, 1, 2, 2], 0.4, &[], &expected);
}

#[test]
fn a_kernel_whose_channels_have_no_length_is_projected_by_channel() {
    let expected = [
        0.7067021, -0.0749391, -1.0258299, -0.4206054, 0.9105587, 0.8278383, -0.3917159,
        -0.8987501, -0.1037971, 0.9891353, 0.5797213, -0.6418425,
    ];
    check([2, 3, 1, 2], 0.7, &[1, 2, 3], &expected);
}

#[test]
fn a_matrix_without_a_length_is_projected_as_a_whole() {
    let expected = [-0.5316488, -0.7834740, 0.2470338, 1.0660966, 0.2140831, -1.0227004];
    check([2, 3], 2.7, &[0, 1], &expected);
}

#[test]
fn a_weight_of_zeros_stays_finite() {
    let zeros = Param::from_tensor(Tensor::<2>::zeros([2, 3], &device()));
    let mut learner = Learner::new(zeros, settings(SETTINGS), 1);
    let loss = learner.module().val().sum();
    learner.accumulate(loss, 1.0);
    learner.update().unwrap();
    let values = TensorValues::of(learner.module().val()).values;
    assert!(values.iter().all(|value| (value + 0.05).abs() < 1e-6), "{values:?}");
}
