//! All float tensors of a module by their paths in it: out of it, and back into one of the same
//! structure.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};

use crate::weights::{TensorValues, WeightReader, Weights, WeightsError};

/// Parameters and buffers, bit for bit, named by their paths, such as `layers.0.weight`.
pub(crate) fn read<M: Module>(module: &M) -> Weights {
    let mut collect = Collect::default();
    // A copy outside the graph, whose running statistics are up to date.
    module.valid().visit(&mut collect);
    collect.weights
}

/// Values for every float tensor of a module.
pub(crate) struct Fitting(BTreeMap<String, Vec<f32>>);

/// The values that [`read`] gave, checked to be exactly those that the module needs.
///
/// # Errors
/// A tensor is missing, left over or of another shape; `name` says in the error of what.
pub(crate) fn fitting<M: Module>(
    module: &M,
    weights: &Weights,
    name: &str,
) -> Result<Fitting, WeightsError> {
    let mut reader = WeightReader::new(weights);
    let own = read(module).tensors.into_iter();
    let values = own.map(|(path, own)| {
        let values = reader.take(&path, &own.shape);
        (path, values)
    });
    let values = values.collect();
    reader.finish(name)?;
    Ok(Fitting(values))
}

impl Fitting {
    /// The module with these values.
    pub(crate) fn write_to<M: Module>(self, module: M) -> M {
        module.map(&mut Replace { values: self.0, path: Path::default() })
    }
}

/// Where a visitor stands.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn joined(&self) -> String {
        self.0.join(".")
    }
}

#[derive(Default)]
struct Collect {
    weights: Weights,
    path: Path,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.weights.insert(self.path.joined(), TensorValues::of(param.base()));
    }
}

struct Replace {
    values: BTreeMap<String, Vec<f32>>,
    path: Path,
}

impl ModuleMapper for Replace {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let values = self.values.remove(&self.path.joined()).expect("one value list for each path");
        param.map(|old| {
            let data = TensorData::new(values, old.dims());
            Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad())
        })
    }
}
