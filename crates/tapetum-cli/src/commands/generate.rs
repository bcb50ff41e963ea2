//! Completions, the manual page and the reference, from the definition of the arguments.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    args::Arguments,
    failure::{Failure, Kind},
};

pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tapetum", &mut text);
    print(&text)
}

pub(crate) fn man() -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Arguments::command())
        .render(&mut text)
        .expect("writing to memory does not fail");
    print(&text)
}

pub(crate) fn markdown() -> Result<ExitCode, Failure> {
    print(clap_markdown::help_markdown::<Arguments>().as_bytes())
}

/// A reader that has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &[u8]) -> Result<ExitCode, Failure> {
    let mut output = io::stdout().lock();
    // What stays in the buffer would be written at the end of the program, its errors unseen.
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io(Kind::Environment, Path::new("standard output"), &error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
