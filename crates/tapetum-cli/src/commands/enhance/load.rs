//! The model and the network that the command line asks for.

use std::path::Path;

use tapetum::{Enhancer, Error, MethodCard, Model, methods};

use crate::{
    args::{EnhanceArguments, Verbosity},
    device,
    failure::{Failure, Kind},
    model_store,
};

/// The weights that were asked for, or those of the method for the scale, or the method alone where it has
/// none; without a method, one that enlarges so much, where that is asked for.
pub(super) fn load_model(arguments: &EnhanceArguments) -> Result<Model, Failure> {
    let method = arguments.method.as_deref();
    let card = match method {
        None => methods()[0],
        Some(name) => model_store::find_card(name)?,
    };
    match (card.default_weights, &arguments.weights) {
        (Some(_), Some(weights)) => model_store::load(weights, method),
        (_, None) => model_of(card, arguments),
        (None, Some(_)) => {
            let message = format!("the method {} has no weights", card.name);
            Err(Failure::new(Kind::Usage, message).with_hint("leave --weights out"))
        }
    }
}

/// A model inside the program.
fn model_of(card: &'static MethodCard, arguments: &EnhanceArguments) -> Result<Model, Failure> {
    let is_free = arguments.method.is_none() && arguments.then.is_none();
    let model = match arguments.scale {
        Some(scale) if scale > 1 && is_free => Model::at_scale(scale),
        Some(scale) if arguments.then.is_none() => Model::of_method_at(card, scale),
        _ => Model::default_of(card),
    };
    let model = model.map_err(|error| usage(&error))?;
    model_store::check_content(&model, Path::new(&model.name))?;
    Ok(model)
}

/// The model that runs on the result of the first, where that is asked for.
pub(super) fn load_second(arguments: &EnhanceArguments) -> Result<Option<Model>, Failure> {
    arguments.then.as_deref().map(|weights| model_store::load(weights, None)).transpose()
}

/// The network of a model, and what enlarges its result; one that draws, where that is asked for.
pub(super) fn load_enhancer(
    model: &Model,
    second: Option<&Model>,
    arguments: &EnhanceArguments,
    verbosity: Verbosity,
) -> Result<Enhancer, Failure> {
    let weights = arguments.weights.as_deref().unwrap_or(Path::new(&model.name));
    let (device, when_it_fails) = device::choose(arguments.device, verbosity)?;
    let load = |model, weights| {
        Enhancer::on(model, &device, when_it_fails)
            .map_err(|error| Failure::library(Kind::Usage, weights, &error))
    };
    let enhancer = load(model, weights)?;
    let enhancer = match (second, arguments.scale) {
        (Some(second), scale) => enhancer.then(load(second, Path::new(&second.name))?, scale),
        (None, Some(scale)) => enhancer.at_scale(scale),
        (None, None) => Ok(enhancer),
    };
    let enhancer = enhancer.map_err(|error| usage(&error))?;
    if arguments.draws.further().is_some() && !enhancer.can_draw() {
        return Err(usage(&Error::CannotDraw { method: model.method.name }));
    }
    Ok(enhancer)
}

fn usage(error: &Error) -> Failure {
    let failure = Failure::new(Kind::Usage, error.to_string());
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
