//! `tapetum train`: weights from a recipe and data.

mod progress;
mod stop;
mod text;
mod view;

use std::process::ExitCode;

use tapetum::{
    to_safetensors,
    train::{RecipeFile, RecipeFileError, Training},
};

use self::{stop::stop_flag, view::View};
use super::generate::print;
use crate::{
    args::{TrainArguments, Verbosity},
    failure::{Failure, Kind},
    output::{Replace, write_whole},
    report::tell,
};

pub(crate) fn run(arguments: &TrainArguments, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    let TrainArguments { recipe, data, output, note, set, print_config } = arguments;
    let recipe = RecipeFile::read(recipe, set).map_err(|error| failure(&error))?;
    let Some(output) = output.as_ref().filter(|_| !print_config) else {
        return print(recipe.text().as_bytes());
    };
    let mut view = View::new(verbosity);
    let stop = stop_flag(view.speaker())?;
    let mut training =
        Training { data, run: output, notes: note, stop, watch: &mut |event| view.show(event) };
    let outcome = recipe.train(&mut training).map_err(|error| failure(&error))?;
    drop(view);
    if !outcome.is_complete {
        return Ok(ExitCode::from(130));
    }
    let path = output.join("weights.safetensors");
    write_whole(&path, &to_safetensors(&outcome.weights), Replace::Yes)
        .map_err(|error| Failure::io(Kind::File, &path, &error))?;
    let (n_steps, seconds) = (outcome.n_done, outcome.elapsed.as_secs_f64());
    tell(format_args!("{}: trained for {n_steps} steps in {seconds:.0} s", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn failure(error: &RecipeFileError) -> Failure {
    let failure = Failure::new(Kind::File, error.to_string());
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
