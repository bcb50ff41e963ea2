//! Weights by name or file: those in the program, and those the user imported.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use etcetera::{BaseStrategy, choose_base_strategy};
use tapetum::{Model, built_in_models};

use crate::failure::{Failure, Kind};

/// Names another folder for imported weights.
const FOLDER_VARIABLE: &str = "TAPETUM_MODELS";
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

/// Loads weights by the name of the list, or from a file.
pub(crate) fn load(model: &Path, method: Option<&str>) -> Result<Model, Failure> {
    let name = model.to_string_lossy();
    if built_in_models().any(|known| known == name) {
        let model_error = |error| Failure::library(Kind::Usage, model, &error);
        let model = Model::built_in(&name).map_err(model_error)?;
        return check_method(model, method);
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
    Model::from_bytes(&name, &bytes, method)
        .map_err(|error| Failure::library(Kind::Usage, path, &error))
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
