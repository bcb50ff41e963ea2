//! Checks and chores of the Tapetum workspace.

mod check;
mod docs;
mod markdown;
mod process;
mod tally;
mod tidy;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  check   everything that must hold before a change lands: format, clippy, tidy, tests, docs, licences
  tidy    what a program can check of docs/architecture.md and STYLE.md
  docs    write the generated pages again: docs/methods.md and docs/cli.md";

fn main() -> ExitCode {
    let outcome = match std::env::args().skip(1).collect::<Vec<_>>().join(" ").as_str() {
        "check" => check::run(),
        "tidy" => tidy::run(),
        "docs" => docs::write(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
