//! The discriminators' side of a step, and what the generator learns of it ([Gao 2024] §3, in the form of the
//! method's figure).
//!
//! The game has two levels: generator `ς` and weights `ϱ` minimise `F(ς, ϱ, ω̂(ς))`, where the discriminators
//! `ω̂(ς) = argmin_ω f(ω, ς)` have answered. With the outer product of its gradient in place of the Hessian of `f`, the
//! gradient of the best response is first order: `∇_ς F - κ ∇_ς f`, `κ = ⟨∇_ω F, ∇_ω f⟩ / (‖∇_ω f‖² + ε)`.
//!
//! `F` and `f` meet the generator in the made image alone. So both are differentiated down to that image, where they are
//! mixed; the mixture goes on through the generator together with all other terms.

use burn::optim::GradientsParams;
use tapetum_nn::{gradients::inner_product, prelude::*, training::Learner};

use super::{config::Implicit, discriminators::Discriminators, losses::judged};

/// Added to the denominator of `κ` for every tensor, as the authors do.
const EPSILON: f64 = 1e-10;

/// A part of an image for the patch discriminator, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Square {
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: usize,
    /// How high it is.
    pub height: usize,
    /// How wide it is; as high, in training.
    pub width: usize,
}

/// What the discriminators say about made images.
pub struct Answer {
    /// `L_adv`: how far the made images are from being taken for photographs.
    pub adversarial: f64,
    /// `f`, the discriminators' own loss.
    pub judgement: f64,
    /// `κ`; 0 where it is not computed.
    pub kappa: f64,
    /// Means of the global discriminator's logits of photographs and of made images.
    pub logits: [f64; 2],
    /// `∂(factor L_adv - κ f) / ∂ made`, without `f` unless it is attached.
    pub to_made: Tensor<4>,
}

/// Lets the discriminators judge, and collects the gradient of `share` times their loss.
///
/// `factor` is that of `L_adv` within `F`. The patch discriminator judges the mean over `squares`.
///
/// # Shapes
/// `made` and `reference`: `[batch, 3, height, width]`, outside the graph of gradients.
pub fn play(
    learner: &mut Learner<Discriminators>,
    made: &Tensor<4>,
    reference: &Tensor<4>,
    squares: &[Square],
    (implicit, factor): (Implicit, f64),
    share: f64,
) -> Answer {
    let leaf = || made.clone().autodiff().require_grad();
    let discriminators = learner.module().clone();

    let image = leaf();
    let fooled = fooled(&discriminators, image.clone(), squares);
    let adversarial = value(&fooled);
    let mut of_fooled = fooled.backward();
    let to_made = image.grad(&of_fooled).expect("the made image is judged") * factor;

    let image = leaf();
    let (judgement, logits) =
        judgement(&discriminators, image.clone(), reference.clone().autodiff(), squares);
    let judgement_value = value(&judgement);
    let mut of_judgement = judgement.backward();
    let response = image.grad(&of_judgement).expect("the made image is judged");

    let of_fooled = GradientsParams::from_module(&mut of_fooled, &discriminators);
    let inner = GradientsParams::from_module(&mut of_judgement, &discriminators);
    let kappa = match implicit {
        Implicit::Off => 0.0,
        Implicit::Attached | Implicit::Detached => {
            factor * kappa(&discriminators, &of_fooled, &inner, discriminators.n_learned_tensors())
        }
    };
    learner.collect_params(inner, share);
    let to_made = match implicit {
        Implicit::Attached => to_made - response * kappa,
        Implicit::Detached | Implicit::Off => to_made,
    };
    Answer { adversarial, judgement: judgement_value, kappa, logits, to_made }
}

/// Collects the gradient of `share` times the discriminators' loss alone; its value and the logits' means.
pub fn judge(
    learner: &mut Learner<Discriminators>,
    made: &Tensor<4>,
    reference: &Tensor<4>,
    squares: &[Square],
    share: f64,
) -> (f64, [f64; 2]) {
    let [made, reference] = [made, reference].map(|image| image.clone().autodiff());
    let (judgement, logits) = judgement(learner.module(), made, reference, squares);
    let found = value(&judgement);
    learner.accumulate(judgement, share);
    (found, logits)
}

/// `⟨∇_ω F, ∇_ω f⟩ / (‖∇_ω f‖² + ε)` over all parameters of a module, which are in so many tensors.
pub fn kappa<M: Module>(
    module: &M,
    outer: &GradientsParams,
    inner: &GradientsParams,
    n_tensors: usize,
) -> f64 {
    let epsilon = EPSILON * n_tensors as f64;
    inner_product(outer, inner, module) / (inner_product(inner, inner, module) + epsilon)
}

/// `L_adv`: `BCE(D(y), 1)` of each discriminator.
fn fooled(discriminators: &Discriminators, made: Tensor<4>, squares: &[Square]) -> Tensor<1> {
    let whole = judged(discriminators.judge(made.clone()), true);
    match &discriminators.patch {
        None => whole,
        Some(patch) => {
            whole + mean(squares.iter().map(|s| judged(patch.forward(s.of(&made)), true)))
        }
    }
}

/// `f = BCE(D(G), 1) + BCE(D(y), 0)`, half of that for the patch discriminator; with the means of the logits.
fn judgement(
    discriminators: &Discriminators,
    made: Tensor<4>,
    reference: Tensor<4>,
    squares: &[Square],
) -> (Tensor<1>, [f64; 2]) {
    let [real, fake] = [&reference, &made].map(|image| discriminators.judge(image.clone()));
    let logits = [&real, &fake].map(|logits| f64::from(logits.clone().mean().into_scalar::<f32>()));
    let whole = judged(real, true) + judged(fake, false);
    let Some(patch) = &discriminators.patch else { return (whole, logits) };
    let of_square = |square: &Square| {
        let [real, fake] = [&reference, &made].map(|image| patch.forward(square.of(image)));
        (judged(real, true) + judged(fake, false)) * 0.5
    };
    (whole + mean(squares.iter().map(of_square)), logits)
}

fn mean(losses: impl ExactSizeIterator<Item = Tensor<1>>) -> Tensor<1> {
    let n = losses.len() as f64;
    losses.reduce(|sum, loss| sum + loss).expect("a square at least") / n
}

fn value(loss: &Tensor<1>) -> f64 {
    f64::from(loss.clone().into_scalar::<f32>())
}

impl Square {
    fn of(&self, image: &Tensor<4>) -> Tensor<4> {
        image.clone().narrow(2, self.y, self.height).narrow(3, self.x, self.width)
    }
}
