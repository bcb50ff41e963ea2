//! `tapetum train`: weights from a recipe and data.

use std::process::ExitCode;

use tapetum::to_safetensors;

use crate::{
    args::TrainArguments,
    failure::{Failure, Kind},
    output::{Replace, write_whole},
    report::tell,
};

pub(crate) fn run(arguments: &TrainArguments) -> Result<ExitCode, Failure> {
    let TrainArguments { recipe, data, output, note } = arguments;
    let outcome = tapetum::train::train(recipe, data, output, note)
        .map_err(|error| Failure::new(Kind::File, error.to_string()))?;
    for score in &outcome.scores {
        let (set, psnr_db, n_pairs) = (&score.set, score.psnr_db, score.n_pairs);
        tell(format_args!("{set}: PSNR {psnr_db:.2} dB over {n_pairs} pairs"));
    }
    let path = output.join("weights.safetensors");
    write_whole(&path, &to_safetensors(&outcome.weights), Replace::Yes)
        .map_err(|error| Failure::io(Kind::File, &path, &error))?;
    let seconds = outcome.elapsed.as_secs_f64();
    tell(format_args!("{}: trained in {seconds:.0} s", path.display()));
    Ok(ExitCode::SUCCESS)
}
