//! The `tapetum` command: makes dark photographs bright.

mod args;
mod commands;
mod device;
mod existing;
mod failure;
mod manifest;
mod model_store;
mod output;
mod plan;
mod report;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use crate::{
    args::{Arguments, Command},
    failure::Failure,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(with_default_command(std::env::args_os().collect()));
    match run(arguments) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let verbosity = arguments.verbosity();
    match arguments.command {
        Command::Enhance(options) => commands::enhance::run(&options, verbosity),
        Command::Methods(options) => commands::methods::run(&options),
        Command::Models(command) => commands::models::run(&command),
        Command::Train(options) => commands::train::run(&options, verbosity),
        Command::Evaluate(options) => commands::evaluate::run(&options, verbosity),
        Command::Leaderboard(options) => commands::leaderboard::run(&options, verbosity),
        Command::Metrics(command) => commands::metrics::run(&command),
        Command::Data(command) => commands::data::run(&command),
        Command::Synthesize(options) => commands::synthesize::run(&options),
        Command::Cost { model } => commands::leaderboard::cost(&model),
        Command::Bench(options) => commands::bench::run(&options, verbosity),
        Command::Completions { shell } => commands::generate::completions(shell),
        Command::Man => commands::generate::man(),
        Command::HelpMarkdown => commands::generate::markdown(),
    }
}

/// `tapetum photo.jpg` means `tapetum enhance photo.jpg`: `enhance` is put before the first argument
/// that is neither a switch of the whole program nor the name of a command.
fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_switch = |argument: &OsString| {
        matches!(argument.to_str(), Some("-q" | "--quiet" | "-v" | "--verbose"))
    };
    let at = 1 + arguments.iter().skip(1).take_while(|argument| is_switch(argument)).count();
    let is_known = |argument: &OsString| {
        argument.to_str().is_some_and(|text| args::FIRST_WORDS.contains(&text))
    };
    if arguments.get(at).is_some_and(|argument| !is_known(argument)) {
        arguments.insert(at, "enhance".into());
    }
    arguments
}
