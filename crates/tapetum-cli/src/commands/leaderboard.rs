//! `tapetum leaderboard`: one request, one page that anybody can make again.

use std::{
    io,
    path::Path,
    process::{Command, ExitCode},
};

use serde_json::{Value, json};
use tapetum::{
    Enhancer, FoundDevice, Model,
    bench::{Machine, Precision, n_threads_default},
    evaluate::{html, markdown, measure_cost},
    find_method,
};

use super::{
    evaluate::{jury::Jury, outcome, request::Request, watched},
    generate::print,
};
use crate::{
    args::{LeaderboardArguments, Verbosity},
    failure::{Failure, Kind},
    model_store,
    output::{Replace, write_whole},
    report::tell,
};

pub(crate) fn run(
    arguments: &LeaderboardArguments,
    verbosity: Verbosity,
) -> Result<ExitCode, Failure> {
    let LeaderboardArguments { request, data, output, date, .. } = arguments;
    let asked = Request::read(request, data)?;
    let introduction = asked.introduction.clone();
    let jury = Jury::open(asked, &arguments.running)?;
    let mut contest = jury.contest(date.as_deref())?;
    if !arguments.no_cost {
        // Before the evaluation, which keeps all threads busy.
        for (contestant, model) in contest.contestants.iter_mut().zip(jury.model_names()) {
            (contestant.note.milliseconds, contestant.note.memory_peak_bytes) = cost_of(model)?;
        }
    }
    let mut evaluated = watched(&contest, None, verbosity)?;
    let notes = &mut evaluated.report.notes;
    notes.insert(0, introduction);
    if !arguments.no_cost {
        notes.push(cost_note());
    }
    let file = request.file_name().unwrap_or_default().to_string_lossy();
    notes.push(format!("This page is written by 'tapetum leaderboard' from {file}."));
    notes.retain(|note| !note.is_empty());
    let report = &evaluated.report;
    write(output, &markdown(report))?;
    if let Some(path) = &arguments.html {
        write(path, &html(report, &evaluated.showcases))?;
    }
    tell(format_args!("{}: written", output.display()));
    Ok(outcome(&evaluated))
}

/// Runs in a process of its own, so that what others have used does not count.
fn cost_of(model: &Path) -> Result<(Option<f64>, Option<u64>), Failure> {
    let environment = |error: io::Error| Failure::new(Kind::Environment, error.to_string());
    let program = std::env::current_exe().map_err(environment)?;
    let output = Command::new(program).arg("cost").arg(model).output().map_err(environment)?;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok((found["milliseconds"].as_f64(), found["memory_peak_bytes"].as_u64()))
}

/// `tapetum cost`: what one model costs, measured alone.
pub(crate) fn cost(model: &Path) -> Result<ExitCode, Failure> {
    let loaded = match model.to_str().and_then(find_method).map(Model::default_of) {
        Some(Ok(model)) => model,
        _ => model_store::load(model, None)?,
    };
    let enhancer =
        Enhancer::new(&loaded).map_err(|error| Failure::library(Kind::Usage, model, &error))?;
    let (milliseconds, memory_peak_bytes) = measure_cost(&enhancer);
    let found = json!({ "milliseconds": milliseconds, "memory_peak_bytes": memory_peak_bytes });
    print(format!("{found}\n").as_bytes())
}

fn cost_note() -> String {
    let machine = Machine::measure(FoundDevice::cpu(), n_threads_default(), Precision::F32);
    let cpu = machine.cpu.as_deref().unwrap_or("unknown CPU");
    format!(
        "Cost: one 600x400 image in memory, median of seven runs after one, on {cpu}, {} threads, {}; \
         memory of the whole process at its peak.",
        machine.n_threads,
        machine.instructions.name(),
    )
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    write_whole(path, text.as_bytes(), Replace::Yes)
        .map_err(|error| Failure::io(Kind::File, path, &error))
}
