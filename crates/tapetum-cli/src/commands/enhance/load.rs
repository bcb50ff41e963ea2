//! The model and the network that the command line asks for.

use std::path::Path;

use tapetum::{Enhancer, Error, Model, methods};

use crate::{
    args::EnhanceArguments,
    failure::{Failure, Kind},
    model_store,
};

/// The weights that were asked for, or those of the method, or the method alone where it has none.
pub(super) fn load_model(arguments: &EnhanceArguments) -> Result<Model, Failure> {
    let method = arguments.method.as_deref();
    let card = match method {
        None => methods()[0],
        Some(name) => model_store::find_card(name)?,
    };
    match (card.default_weights, &arguments.weights) {
        (Some(default), weights) => {
            model_store::load(weights.as_deref().unwrap_or(Path::new(default)), method)
        }
        (None, None) => Model::default_of(card)
            .map_err(|error| Failure::library(Kind::Usage, Path::new(card.name), &error)),
        (None, Some(_)) => {
            let message = format!("the method {} has no weights", card.name);
            Err(Failure::new(Kind::Usage, message).with_hint("leave --weights out"))
        }
    }
}

/// The network of a model; one that draws, where that is asked for.
pub(super) fn load_enhancer(
    model: &Model,
    arguments: &EnhanceArguments,
) -> Result<Enhancer, Failure> {
    let weights = arguments.weights.as_deref().unwrap_or(Path::new(&model.name));
    let failure = |error| Failure::library(Kind::Usage, weights, &error);
    let enhancer = Enhancer::new(model).map_err(failure)?;
    if arguments.draws.further().is_some() && !enhancer.can_draw() {
        let error = Error::CannotDraw { method: model.method.name };
        let failure = Failure::new(Kind::Usage, error.to_string());
        return Err(failure.with_hint(error.hint().unwrap_or_default()));
    }
    Ok(enhancer)
}
