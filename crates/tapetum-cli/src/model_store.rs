//! Weights by name or file: those in the program, and those the user imported.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use etcetera::{BaseStrategy, choose_base_strategy};
use tapetum::{MethodCard, Model, Weights, built_in_models, find_method, methods};

use crate::failure::{Failure, Kind};

/// Names another folder for imported weights.
const FOLDER_VARIABLE: &str = "TAPETUM_MODELS";
/// Header entry that holds the hash of the tensors, so that a changed file is noticed.
pub(crate) const CONTENT_HASH: &str = "content_sha256";
/// Largest weight file that is read.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// Where imported weights lie.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    if let Some(folder) = env::var_os(FOLDER_VARIABLE) {
        return Ok(folder.into());
    }
    let strategy = choose_base_strategy().map_err(|error| {
        Failure::new(Kind::Environment, error.to_string())
            .with_hint(format!("set {FOLDER_VARIABLE} to a folder for weights"))
    })?;
    Ok(strategy.data_dir().join("tapetum").join("models"))
}

/// Names of the imported weights, in order.
pub(crate) fn imported() -> Result<Vec<String>, Failure> {
    let folder = folder()?;
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let weights = paths.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
    let mut names: Vec<String> = weights
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// The method of a name.
pub(crate) fn find_card(name: &str) -> Result<&'static MethodCard, Failure> {
    find_method(name).ok_or_else(|| {
        let known = methods().map(|card| card.name).join(", ");
        Failure::new(Kind::Usage, format!("no method is called '{name}'"))
            .with_hint(format!("methods are: {known}"))
    })
}

/// Loads weights by the name of the list, or from a file.
pub(crate) fn load(model: &Path, method: Option<&str>) -> Result<Model, Failure> {
    let name = model.to_string_lossy();
    if built_in_models().any(|known| known == name) {
        let failure = |error| Failure::library(Kind::Usage, model, &error);
        let built_in = Model::built_in(&name).map_err(failure)?;
        check_content(&built_in, model)?;
        return check_method(built_in, method);
    }
    let stored = folder()?.join(format!("{name}.safetensors"));
    let path = if model.components().count() == 1 && stored.is_file() { &stored } else { model };
    if !path.exists() {
        let mut known: Vec<String> = built_in_models().map(str::to_owned).collect();
        known.extend(imported()?);
        let message = format!("{name}: no such weights, neither a file nor a name");
        return Err(Failure::new(Kind::Usage, message)
            .with_hint(format!("names are: {}", known.join(", "))));
    }
    let bytes = read(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let model = Model::from_bytes(&name, &bytes, method)
        .map_err(|error| Failure::library(Kind::Usage, path, &error))?;
    check_content(&model, path)?;
    Ok(model)
}

/// Refuses tensors that are not those whose hash the header states.
pub(crate) fn check_content(model: &Model, path: &Path) -> Result<(), Failure> {
    let Some(stated) = header(&model.weights, CONTENT_HASH) else { return Ok(()) };
    let found = model.weights.content_hash();
    if found == stated {
        return Ok(());
    }
    let message = format!("{}: expected content {stated}, found {found}", path.display());
    Err(Failure::new(Kind::Usage, message)
        .with_hint("the weights were damaged or changed; fetch or import them again"))
}

pub(crate) fn header<'a>(weights: &'a Weights, key: &str) -> Option<&'a str> {
    weights.header.get(key).map(String::as_str)
}

/// Reads a weight file of bounded size.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failure = |error: std::io::Error| Failure::io(Kind::Usage, path, &error);
    let metadata = path.metadata().map_err(failure)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        let message = format!("{}: expected a weight file of at most 4 GiB", path.display());
        return Err(
            Failure::new(Kind::Usage, message).with_hint("name a .safetensors or .pth file")
        );
    }
    fs::read(path).map_err(failure)
}

fn check_method(model: Model, method: Option<&str>) -> Result<Model, Failure> {
    match method {
        Some(method) if method != model.method.name => {
            let message =
                format!("the weights {} belong to {}, not {method}", model.name, model.method.name);
            Err(Failure::new(Kind::Usage, message).with_hint("leave --method out"))
        }
        _ => Ok(model),
    }
}
