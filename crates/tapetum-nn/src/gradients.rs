//! Gradients of a whole module: their norm and inner products, clipping, and parameter identities
//! that outlive a process.

use std::collections::HashSet;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::Tensor,
};

/// Joint L2 norm of all gradients of a module.
pub fn norm<M: Module>(grads: &GradientsParams, module: &M) -> f64 {
    inner_product(grads, grads, module).sqrt()
}

/// Sum of the products of two gradients of the same module, over all parameters that have both.
pub fn inner_product<M: Module>(a: &GradientsParams, b: &GradientsParams, module: &M) -> f64 {
    let mut product = InnerProduct { a, b, seen: HashSet::new(), sum: 0.0 };
    module.visit(&mut product);
    product.sum
}

/// All gradients of a module times `factor`.
pub(crate) fn scale<M: Module>(grads: GradientsParams, module: &M, factor: f64) -> GradientsParams {
    let mut scale = Scale { grads, scaled: GradientsParams::new(), factor };
    module.visit(&mut scale);
    scale.scaled
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

struct InnerProduct<'a> {
    a: &'a GradientsParams,
    b: &'a GradientsParams,
    /// A parameter that a module uses twice has one gradient.
    seen: HashSet<ParamId>,
    sum: f64,
}

impl ModuleVisitor for InnerProduct<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let (Some(a), Some(b)) = (self.a.get::<D>(param.id), self.b.get::<D>(param.id)) {
            self.sum += f64::from((a * b).sum().into_scalar::<f32>());
        }
    }
}

struct Scale {
    grads: GradientsParams,
    scaled: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.scaled.register(param.id, grad * self.factor);
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
