//! Models: weights with a name and a method, inside the program or from a file, or a method that needs
//! none.

use tapetum_methods::{all, find};
use tapetum_nn::{MethodCard, Weights};

use crate::error::Error;

/// Names and files of the weights inside the program.
const BUILT_IN: [(&str, &[u8]); 5] = [
    ("scl-lle", include_bytes!("../../../models/scl-lle.safetensors")),
    ("lacr-vae", include_bytes!("../../../models/lacr-vae.safetensors")),
    ("collaba-s-x2", include_bytes!("../../../models/collaba-s-x2.safetensors")),
    ("collaba-s-x4", include_bytes!("../../../models/collaba-s-x4.safetensors")),
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

    /// What is used of a method that makes a photograph `scale` times as large on each side: its weights for
    /// that, or [`Model::default_of`] it where it has none.
    ///
    /// # Errors
    /// Its weights are not inside the program.
    pub fn of_method_at(method: &'static MethodCard, scale: u32) -> Result<Self, Error> {
        let weights = method.weights_by_scale.iter().find(|(known, _)| *known == scale);
        weights.map_or_else(|| Self::default_of(method), |(_, name)| Self::built_in(name))
    }

    /// What is used to make a photograph `scale` times as large on each side where nobody names a method.
    /// Such a method brightens as well.
    ///
    /// # Errors
    /// [`Error::NoScale`] where no method has weights for that.
    pub fn at_scale(scale: u32) -> Result<Self, Error> {
        let weights = weights_at(&all(), scale).ok_or(Error::NoScale { scale })?;
        Self::built_in(weights)
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
        Self::of_weights(name, Weights::from_bytes(bytes)?, method)
    }

    /// The same of weights that were read.
    ///
    /// # Errors
    /// They say that they belong to another method, or to one without weights.
    pub fn of_weights(name: &str, weights: Weights, method: Option<&str>) -> Result<Self, Error> {
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

/// The first weights of a method that are for a scale.
fn weights_at(cards: &[&MethodCard], scale: u32) -> Option<&'static str> {
    let all = cards.iter().flat_map(|card| card.weights_by_scale);
    all.copied().find_map(|(known, name)| (known == scale).then_some(name))
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
    fn weights_are_found_by_their_scale() {
        let plain = all()[0].clone();
        let enlarging =
            MethodCard { weights_by_scale: &[(1, "same"), (2, "double")], ..plain.clone() };
        let cards = [&plain, &enlarging];
        for (scale, expected) in [(1, Some("same")), (2, Some("double")), (4, None)] {
            assert_eq!(weights_at(&cards, scale), expected);
        }
        let error = Model::at_scale(3).unwrap_err();
        assert_eq!(error.to_string(), "no method inside the program enlarges 3 times");
        let model = Model::of_method_at(all()[0], 3).unwrap();
        assert_eq!(model.name, Model::default_of(all()[0]).unwrap().name);
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
