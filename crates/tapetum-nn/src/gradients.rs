//! Gradients of a whole module: their norm, clipping by it, and parameter identities that
//! outlive a process.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::Tensor,
};

/// Scales all gradients so that their joint L2 norm is at most `norm_max`; returns the norm before.
pub fn clip_norm<M: Module>(
    grads: GradientsParams,
    module: &M,
    norm_max: f64,
) -> (GradientsParams, f64) {
    let mut squares = SumOfSquares { grads: &grads, sum: 0.0 };
    module.visit(&mut squares);
    let norm = squares.sum.sqrt();
    if norm <= norm_max {
        return (grads, norm);
    }
    let mut scale = Scale { grads, factor: norm_max / norm };
    module.visit(&mut scale);
    (scale.grads, norm)
}

/// The identities of a module's float parameters, in visiting order. Optimiser state is keyed by
/// them, so a checkpoint stores them.
pub fn parameter_ids<M: Module>(module: &M) -> Vec<u64> {
    let mut ids = Ids(Vec::new());
    module.visit(&mut ids);
    ids.0
}

/// Gives a module the identities that [`parameter_ids`] listed.
///
/// # Panics
/// If there are fewer identities than parameters.
pub fn with_parameter_ids<M: Module>(module: M, ids: &[u64]) -> M {
    module.map(&mut SetIds(ids.iter()))
}

struct SumOfSquares<'a> {
    grads: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.sum += f64::from((grad.clone() * grad).sum().into_scalar::<f32>());
        }
    }
}

struct Scale {
    grads: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, grad * self.factor);
        }
    }
}

struct Ids(Vec<u64>);

impl ModuleVisitor for Ids {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.id.val());
    }
}

struct SetIds<'a>(std::slice::Iter<'a, u64>);

impl ModuleMapper for SetIds<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, value, mapper) = param.consume();
        let id = self.0.next().expect("one identity per parameter");
        Param::from_mapped_value(ParamId::from(*id), value, mapper)
    }
}
