//! Models: weights with a name and a method, inside the program or from a file, or a method that needs
//! none.

use tapetum_methods::{all, find};
use tapetum_nn::{MethodCard, Weights};

use crate::error::Error;

/// Names and files of the weights inside the program.
const BUILT_IN: [(&str, &[u8]); 3] = [
    ("scl-lle", include_bytes!("../../../models/scl-lle.safetensors")),
    ("lacr-vae", include_bytes!("../../../models/lacr-vae.safetensors")),
    ("semi-llie", include_bytes!("../../../models/semi-llie.safetensors")),
];

/// Weights together with the method they belong to.
#[derive(Debug, Clone)]
pub struct Model {
    /// What users call it.
    pub name: String,
    /// The method whose network the weights fit.
    pub method: &'static MethodCard,
    /// Tensors and provenance; empty for a method without weights.
    pub weights: Weights,
}

/// Names of the models inside the program.
pub fn built_in_models() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

impl Model {
    /// What is used of a method where nobody names weights: its own inside the program, or the method
    /// alone where it has none.
    ///
    /// # Errors
    /// Its weights are not inside the program.
    pub fn default_of(method: &'static MethodCard) -> Result<Self, Error> {
        match method.default_weights {
            Some(weights) => Self::built_in(weights),
            None => Ok(Self { name: method.name.to_owned(), method, weights: Weights::default() }),
        }
    }

    /// A model inside the program.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn built_in(name: &str) -> Result<Self, Error> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (_, bytes) = found.ok_or_else(|| Error::UnknownModel {
            name: name.to_owned(),
            known: built_in_models().collect::<Vec<_>>().join(", "),
        })?;
        Self::from_bytes(name, bytes, None)
    }

    /// A model from a weight file: safetensors or a PyTorch checkpoint. `method` is asked for where
    /// the file does not say; the only method, or SCL-LLE, is assumed where nobody does.
    ///
    /// # Errors
    /// The file cannot be read, says that it belongs to another method, or to one without weights.
    pub fn from_bytes(name: &str, bytes: &[u8], method: Option<&str>) -> Result<Self, Error> {
        let weights = Weights::from_bytes(bytes)?;
        let stated = weights.header.get("method").map(String::as_str);
        if let (Some(stated), Some(method)) = (stated, method)
            && stated != method
        {
            let (expected, found) = (method.to_owned(), stated.to_owned());
            return Err(Error::OtherMethod { expected, found });
        }
        let method = stated.or(method).unwrap_or(all()[0].name);
        let card = find(method).ok_or_else(|| Error::UnknownMethod {
            name: method.to_owned(),
            known: all().map(|card| card.name).join(", "),
        })?;
        if card.default_weights.is_none() {
            return Err(Error::NoWeights { method: card.name });
        }
        Ok(Self { name: name.to_owned(), method: card, weights })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use tapetum_nn::{prelude::Device, weights::to_safetensors};

    use super::*;
    use crate::enhancer::Enhancer;

    #[test]
    fn every_method_has_a_default_that_loads() {
        for card in all() {
            let model = Model::default_of(card).unwrap();
            assert_eq!(model.method, card);
            let network = tapetum_methods::load(card, &model.weights, &Device::flex()).unwrap();
            assert_eq!(network.n_parameters(), card.n_parameters, "{}", card.name);
            assert_eq!(Enhancer::new(&model).unwrap().method(), card);
        }
    }

    #[test]
    fn weights_for_a_method_without_weights_are_refused() {
        let mut weights = Model::built_in("scl-lle").unwrap().weights;
        weights.header.clear();
        let error = Model::from_bytes("a", &to_safetensors(&weights), Some("lime")).unwrap_err();
        assert!(matches!(error, Error::NoWeights { method: "lime" }), "{error}");
        assert_eq!(error.to_string(), "the method lime has no weights");
    }
}
