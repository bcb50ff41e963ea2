//! The state of an optimiser as bytes, checked against the parameters that it belongs to: the engine
//! drops what it cannot place without a word.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::ModuleOptimizer,
    tensor::{Bytes, DType, Tensor},
};
use burn_pack::Reader;

use crate::recipe::RecipeError;

/// Name under which the engine keeps the rank of a parameter.
const RANK: &str = "__rank";

/// The optimiser with the state that its `into_bytes` gave for `module`.
///
/// # Errors
/// The bytes are damaged, or the state is not that of the module's parameters.
pub(crate) fn restore<M: Module>(
    optimizer: ModuleOptimizer,
    bytes: &[u8],
    module: &M,
) -> Result<ModuleOptimizer, RecipeError> {
    let n_tensors = check(bytes, &shapes(module))?;
    let restored = optimizer
        .from_bytes(Bytes::from_bytes_vec(bytes.to_vec()))
        .map_err(|e| bad(e.to_string()))?;
    match restored.to_record().len() {
        n_placed if n_placed == n_tensors => Ok(restored),
        n_placed => Err(bad(format!(
            "expected {n_tensors} tensors of optimiser state to fit the optimiser, found {n_placed}"
        ))),
    }
}

/// Checks every tensor and rank against the parameters; returns the number of tensors.
fn check(bytes: &[u8], shapes: &BTreeMap<u64, Vec<usize>>) -> Result<usize, RecipeError> {
    let reader = Reader::from_bytes(Bytes::from_bytes_vec(bytes.to_vec()))
        .map_err(|e| bad(e.to_string()))?;
    for (key, value) in reader.scalars() {
        let Some((id, RANK)) = key.split_once('.') else { continue };
        let expected = id.parse().ok().and_then(|id: u64| shapes.get(&id)).map(Vec::len);
        let found = usize::try_from(*value).ok();
        if expected.is_none() || expected != found {
            return Err(bad(format!("expected rank {expected:?} of {key}, found {found:?}")));
        }
    }
    let tensors = reader.into_tensors().map_err(|e| bad(e.to_string()))?;
    for tensor in &tensors {
        let id = tensor.name.split_once('.').and_then(|(id, _)| id.parse().ok());
        let expected = id.and_then(|id: u64| shapes.get(&id));
        let found = (tensor.shape.to_vec(), tensor.dtype);
        let fits = expected.is_some_and(|shape| found == (shape.clone(), DType::F32));
        if !fits || tensor.param_id != id {
            let name = &tensor.name;
            return Err(bad(format!(
                "expected f32 values {expected:?} in {name}, found {found:?}"
            )));
        }
    }
    Ok(tensors.len())
}

/// Shapes of a module's float parameters by identity.
fn shapes<M: Module>(module: &M) -> BTreeMap<u64, Vec<usize>> {
    let mut shapes = Shapes(BTreeMap::new());
    module.visit(&mut shapes);
    shapes.0
}

struct Shapes(BTreeMap<u64, Vec<usize>>);

impl ModuleVisitor for Shapes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id.val(), param.dims().to_vec());
    }
}

fn bad(detail: String) -> RecipeError {
    RecipeError::Checkpoint(detail)
}
