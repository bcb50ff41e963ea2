//! Running cargo: plainly, captured, or watched for test counts.

use std::{
    io::{BufRead, BufReader, Write, pipe, stdout},
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::tally::Tally;

/// The cargo that started us, to be run in `root`.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

pub(crate) fn has_subcommand(root: &Path, name: &str) -> bool {
    capture(cargo(root).args([name, "--version"])).is_ok()
}

/// Runs `command` with its output on ours.
pub(crate) fn run_plainly(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    expect_success(command, status)
}

/// Runs `command` and returns what it wrote to stdout; stderr is part of the error on failure.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {}", shown(command), output.status, stderr.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of {}", shown(command)))
}

/// Runs `command`, passes every line of its output on, and counts the tests it reports.
pub(crate) fn run_watched(command: &mut Command) -> Result<Tally> {
    let (reader, writer) = pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
    // The command holds our ends of the pipe: with them open the reader would never see its end.
    command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let tally = pass_on(BufReader::new(reader), stdout().lock())?;
    expect_success(command, child.wait()?)?;
    Ok(tally)
}

fn pass_on(mut from: impl BufRead, mut to: impl Write) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        tally = tally + Tally::of_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(tally)
}

fn expect_success(command: &Command, status: ExitStatus) -> Result<()> {
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_unchanged_and_counted_on_the_way() {
        let output = b"noise \xff\ntest result: ok. 2 passed; 0 failed\ntest result: ok. 1 passed";
        let mut echoed = Vec::new();
        let tally = pass_on(&output[..], &mut echoed).unwrap();
        assert_eq!(echoed, output);
        assert_eq!(tally.passed, 3);
    }
}
