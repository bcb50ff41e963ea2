//! `tapetum models`: weights, where they come from and whether they are whole.

mod import;
mod spectral_norm;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;
use tapetum::{
    EnhanceOptions, Enhancer, Model, Settings, Strength, Weights, built_in_models, example_png,
    to_safetensors,
};

use super::generate::print;
use crate::{
    args::ModelsCommand,
    failure::{Failure, Kind},
    model_store,
    model_store::{CONTENT_HASH, header},
    output::{Replace, write_whole},
    report::tell,
};

pub(crate) fn run(command: &ModelsCommand) -> Result<ExitCode, Failure> {
    match command {
        ModelsCommand::List { json } => list(*json),
        ModelsCommand::Show { model, json } => show(model, *json),
        ModelsCommand::Import(arguments) => import::run(arguments),
        ModelsCommand::Export { model, output } => export(model, output),
        ModelsCommand::Verify { models } => verify_all(models),
    }
}

fn list(json: bool) -> Result<ExitCode, Failure> {
    let mut entries = Vec::new();
    let built_in = built_in_models().map(|name| (name.to_owned(), "built in"));
    let imported = model_store::imported()?.into_iter().map(|name| (name, "imported"));
    for (name, place) in built_in.chain(imported) {
        let entry = match model_store::load(Path::new(&name), None) {
            Ok(model) => {
                let note = header(&model.weights, "status").unwrap_or("-").to_owned();
                (name, place, model.method.name, model.weights.n_values(), note)
            }
            Err(failure) => (name, place, "?", 0, format!("unusable: {}", failure.message)),
        };
        entries.push(entry);
    }
    if json {
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, place, method, n_values, status)| {
                json!({ "name": name, "place": place, "method": method, "n_values": n_values,
                        "status": status })
            })
            .collect();
        return print(format!("{:#}\n", json!(entries)).as_bytes());
    }
    let line = |(name, place, method, n_values, status): &(String, _, _, _, String)| {
        format!("{name:<20} {method:<10} {n_values:>9} values  {place}  {status}\n")
    };
    print(entries.iter().map(line).collect::<String>().as_bytes())
}

fn show(model: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    let model = model_store::load(model, None)?;
    let hash = model.weights.content_hash();
    if as_json {
        let tensors: Vec<_> = model
            .weights
            .tensors
            .iter()
            .map(|(name, tensor)| json!({ "name": name, "shape": tensor.shape }))
            .collect();
        let value = json!({ "name": model.name, "method": model.method.name,
            "n_values": model.weights.n_values(), "content_sha256": hash,
            "header": model.weights.header, "tensors": tensors });
        return print(format!("{value:#}\n").as_bytes());
    }
    let mut text = format!(
        "{}\nmethod: {}\nvalues: {}\ncontent sha256: {hash}\n",
        model.name,
        model.method.title,
        model.weights.n_values()
    );
    for (key, value) in model.weights.header.iter().filter(|(key, _)| *key != CONTENT_HASH) {
        let value = value.trim_end().replace('\n', "\n  ");
        let gap = if value.contains('\n') { "\n  " } else { " " };
        text.push_str(&format!("{key}:{gap}{value}\n"));
    }
    for (name, tensor) in &model.weights.tensors {
        text.push_str(&format!("  {name} {:?}\n", tensor.shape));
    }
    print(text.as_bytes())
}

fn export(model: &Path, output: &Path) -> Result<ExitCode, Failure> {
    let model = model_store::load(model, None)?;
    write(model.weights, output)?;
    tell(format_args!("{}: {} weights", output.display(), model.method.title));
    Ok(ExitCode::SUCCESS)
}

fn write(mut weights: Weights, path: &Path) -> Result<(), Failure> {
    weights.header.insert(CONTENT_HASH.to_owned(), weights.content_hash());
    write_whole(path, &to_safetensors(&weights), Replace::No).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Kind::Usage, format!("{}: the file exists", path.display()))
                .with_hint("choose another name, or remove it first")
        }
        _ => Failure::io(Kind::Usage, path, &error),
    })
}

fn verify_all(models: &[PathBuf]) -> Result<ExitCode, Failure> {
    let mut models = models.to_vec();
    if models.is_empty() {
        models.extend(built_in_models().map(PathBuf::from));
        models.extend(model_store::imported()?.into_iter().map(PathBuf::from));
    }
    let mut n_failed = 0;
    for name in &models {
        match model_store::load(name, None).and_then(|model| verify(name, &model)) {
            Ok(facts) => {
                print(format!("{}: ok, {facts}\n", name.display()).as_bytes())?;
            }
            Err(failure) => {
                n_failed += 1;
                failure.print();
            }
        }
    }
    Ok(if n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What loading does not look at: the values, the fit and what comes out.
fn verify(name: &Path, model: &Model) -> Result<String, Failure> {
    let library = |error| Failure::library(Kind::File, name, &error);
    let non_finite = model.weights.non_finite();
    if !non_finite.is_empty() {
        let message = format!("{}: non-finite values in {}", name.display(), non_finite.join(", "));
        return Err(
            Failure::new(Kind::File, message).with_hint("fetch or import the weights again")
        );
    }
    let is_hashed = header(&model.weights, CONTENT_HASH).is_some();
    let hash_note = if is_hashed { "content as stated" } else { "no content hash stated" };
    let enhancer = Enhancer::new(model).map_err(library)?;
    let enhance = EnhanceOptions { strength: Strength::Fixed(1.0), ..EnhanceOptions::default() };
    let settings = Settings { enhance, ..Settings::default() };
    let enhanced = enhancer.enhance_bytes(&example_png(), &settings).map_err(library)?;
    let (before, after) = (enhanced.report.mean_before, enhanced.report.mean_after);
    Ok(format!("{hash_note}, fits {}, test picture {before:.3} → {after:.3}", model.method.title))
}
