//! The gradients of a network's parameters by their names in weight files.

use std::collections::BTreeMap;

use burn::tensor::Gradients;
use tapetum_nn::{Weights, prelude::*, weights::TensorValues};

/// The names of a module's tensors in the order in which it is visited. `weights` are its own, all of different
/// values.
pub(crate) fn names(module: &impl Module, weights: &Weights) -> Vec<String> {
    let mut visitor = Names { weights, names: Vec::new() };
    module.visit(&mut visitor);
    visitor.names
}

/// Gradients of the parameters that have one.
pub(crate) fn of(
    module: &impl Module,
    names: &[String],
    gradients: &Gradients,
) -> BTreeMap<String, Vec<f32>> {
    let mut visitor = Collect { names: names.iter(), gradients, found: BTreeMap::new() };
    module.visit(&mut visitor);
    visitor.found
}

struct Names<'a> {
    weights: &'a Weights,
    names: Vec<String>,
}

impl ModuleVisitor for Names<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = TensorValues::of(param.val());
        let mut named = self.weights.tensors.iter().filter(|(_, tensor)| **tensor == values);
        let (Some((name, _)), None) = (named.next(), named.next()) else { panic!("one name") };
        self.names.push(name.clone());
    }
}

struct Collect<'a> {
    names: std::slice::Iter<'a, String>,
    gradients: &'a Gradients,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.names.next().expect("a name for every tensor");
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.found.insert(name.clone(), TensorValues::of(gradient).values);
        }
    }
}
