//! `tapetum models import`: foreign weights, checked and added to the list.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use tapetum::{Enhancer, Model, Weights, built_in_models};

use super::{spectral_norm, write};
use crate::{
    args::ImportArguments,
    failure::{Failure, Kind},
    manifest::sha256,
    model_store,
    model_store::check_content,
    report::tell,
};

pub(super) fn run(arguments: &ImportArguments) -> Result<ExitCode, Failure> {
    let mut model = converted(arguments)?;
    spectral_norm::settle(&mut model, arguments)?;
    let name = arguments.name.as_ref().unwrap_or(&model.name).clone();
    let path = match &arguments.output {
        Some(output) => output.clone(),
        None => path_in_list(&name)?,
    };
    write(model.weights, &path)?;
    tell(format_args!("{}: {} weights, {name}", path.display(), model.method.title));
    Ok(ExitCode::SUCCESS)
}

/// Reads foreign weights, checks that they fit, and notes where they come from.
fn converted(arguments: &ImportArguments) -> Result<Model, Failure> {
    let file: &Path = &arguments.file;
    let bytes = model_store::read(file)?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let failure = |error| Failure::library(Kind::Usage, file, &error);
    let read = Weights::from_dict(&bytes, arguments.tensors.as_deref());
    let (weights, dict) = read.map_err(|error| failure(error.into()))?;
    let mut model =
        Model::of_weights(&name, weights, arguments.method.as_deref()).map_err(failure)?;
    check_content(&model, file)?;
    Enhancer::new(&model).map_err(failure)?;
    let source = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut note = |key: &str, value: String| {
        model.weights.header.entry(key.to_owned()).or_insert(value);
    };
    note("method", model.method.name.to_owned());
    note("licence", arguments.licence.clone());
    note("source_file", source);
    note("source_sha256", sha256(&bytes));
    note("converted_by", format!("tapetum {}", env!("CARGO_PKG_VERSION")));
    if let Some(dict) = dict {
        note("tensors", dict);
    }
    Ok(model)
}

/// Where weights called `name` are kept.
fn path_in_list(name: &str) -> Result<PathBuf, Failure> {
    let is_plain = !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !is_plain {
        let message = format!("'{name}' is no name for weights");
        return Err(Failure::new(Kind::Usage, message)
            .with_hint("use letters, digits, '-', '_' and '.' with --name"));
    }
    if built_in_models().any(|known| known == name) {
        let message = format!("'{name}' is the name of weights inside the program");
        return Err(Failure::new(Kind::Usage, message).with_hint("choose another with --name"));
    }
    Ok(model_store::folder()?.join(format!("{name}.safetensors")))
}
