//! `tapetum train`: weights from a recipe and data.

use std::process::ExitCode;

use tapetum::to_safetensors;

use crate::{
    args::TrainArguments,
    failure::{Failure, Kind},
    output::{Replace, write_whole},
};

pub(crate) fn run(arguments: &TrainArguments) -> Result<ExitCode, Failure> {
    let TrainArguments { recipe, data, output, note } = arguments;
    let outcome = tapetum::train::train(recipe, data, output, note)
        .map_err(|error| Failure::new(Kind::File, error.to_string()))?;
    for score in &outcome.scores {
        eprintln!("{}: PSNR {:.2} dB over {} pairs", score.set, score.psnr_db, score.n_pairs);
    }
    let path = output.join("weights.safetensors");
    write_whole(&path, &to_safetensors(&outcome.weights), Replace::Yes)
        .map_err(|error| Failure::io(Kind::File, &path, &error))?;
    eprintln!("{}: trained in {:.0} s", path.display(), outcome.elapsed.as_secs_f64());
    Ok(ExitCode::SUCCESS)
}
