//! AdamP [Heo 2021]: Adam for weights whose length does not matter, such as those before a
//! normalisation.

use burn::{
    optim::{AdaptiveMomentumState as State, Optimizer},
    tensor::{Device, Tensor},
};

use super::optimizer::AdamPOptions;

/// Adam that projects a step onto the plane at right angles to the weight where the gradient
/// stands at right angles to it already, and decays such weights less.
#[derive(Debug, Clone)]
pub struct AdamP {
    options: AdamPOptions,
}

impl AdamP {
    /// AdamP for parameters whose first dimension is that of the output channels.
    pub fn new(options: AdamPOptions) -> Self {
        Self { options }
    }

    /// `t + 1`, `m = β₁ m + (1-β₁) g` and `v = β₂ v + (1-β₂) g²`.
    fn remember<const D: usize>(&self, grad: &Tensor<D>, state: Option<State<D>>) -> State<D> {
        let zeros = || State::new(0, grad.zeros_like(), grad.zeros_like());
        let State { time, moment_1: mean, moment_2: mean_square, .. } = state.unwrap_or_else(zeros);
        let AdamPOptions { beta_1, beta_2, .. } = self.options;
        let mean = mean * beta_1 + grad.clone() * (1.0 - beta_1);
        let mean_square = mean_square * beta_2 + grad.clone().square() * (1.0 - beta_2);
        State::new(time + 1, mean, mean_square)
    }

    /// The step without its radial part and the factor on the weight decay: by output channel, else
    /// over the whole tensor, else the step as it is.
    fn project<const D: usize>(
        &self,
        weight: &Tensor<D>,
        grad: &Tensor<D>,
        step: Tensor<D>,
    ) -> (Tensor<D>, f64) {
        let shape = weight.dims();
        let n_values: usize = shape.iter().product();
        if D < 2 || n_values == 0 {
            return (step, 1.0);
        }
        for n_rows in [shape[0], 1] {
            let view = [n_rows, n_values / n_rows];
            let [weight, grad] = [weight, grad].map(|tensor| tensor.clone().reshape(view));
            if self.is_tangential(&weight, grad) {
                let step = self.tangential(weight, step.reshape(view)).reshape(shape);
                return (step, self.options.weight_decay_ratio);
            }
        }
        (step, 1.0)
    }

    /// Whether every row of the gradient stands at right angles to that of the weight, or nearly.
    fn is_tangential(&self, weight: &Tensor<2>, grad: Tensor<2>) -> bool {
        let AdamPOptions { delta, epsilon, .. } = self.options;
        let lengths = length(weight).clamp_min(epsilon) * length(&grad).clamp_min(epsilon);
        let cosines = (weight.clone() * grad).sum_dim(1) / lengths;
        let largest = f64::from(cosines.abs().max().into_scalar::<f32>());
        largest < delta / (weight.dims()[1] as f64).sqrt()
    }

    /// `p - ŵ ⟨ŵ, p⟩` of every row.
    fn tangential(&self, weight: Tensor<2>, step: Tensor<2>) -> Tensor<2> {
        let lengths = length(&weight) + self.options.epsilon;
        let direction = weight / lengths;
        let radial = (direction.clone() * step.clone()).sum_dim(1);
        step - direction * radial
    }
}

/// L2 norms of the rows, `[rows, 1]`.
fn length(rows: &Tensor<2>) -> Tensor<2> {
    rows.clone().square().sum_dim(1).sqrt()
}

impl Optimizer for AdamP {
    type State<const D: usize> = State<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: f64,
        weight: Tensor<D>,
        grad: Tensor<D>,
        state: Option<State<D>>,
    ) -> (Tensor<D>, Option<State<D>>) {
        let AdamPOptions { beta_1, beta_2, epsilon, weight_decay, .. } = self.options;
        let state = self.remember(&grad, state);
        let correction = |beta: f64| 1.0 - beta.powf(state.time as f64);
        let root = state.moment_2.clone().sqrt() / correction(beta_2).sqrt();
        let step = state.moment_1.clone() / (root + epsilon);
        let (step, decay_ratio) = self.project(&weight, &grad, step);
        let kept = 1.0 - learning_rate * weight_decay * decay_ratio;
        let weight = weight * kept - step * (learning_rate / correction(beta_1));
        (weight, Some(state))
    }

    fn to_device<const D: usize>(state: State<D>, device: &Device) -> State<D> {
        state.to_device(device)
    }
}
