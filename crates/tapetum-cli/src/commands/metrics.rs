//! `tapetum metrics`: what can be measured, and parameters of one's own.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;
use tapetum::evaluate::{
    Better, MetricCard, MetricFile, Needs, Provenance, SET_METRICS, fit_niqe_to, metrics,
};

use super::{evaluate::request::failure, generate::print};
use crate::{
    args::MetricsCommand,
    failure::{Failure, Kind},
    output::{Replace, write_whole},
    report::tell,
};

pub(crate) fn run(command: &MetricsCommand) -> Result<ExitCode, Failure> {
    match command {
        MetricsCommand::List { json } => list(*json),
        MetricsCommand::FitNiqe { folders, output, data, commit } => {
            let name = "niqe-tapetum".to_owned();
            let provenance = Provenance { name, data: data.clone(), commit: commit.clone() };
            fit(folders, output, provenance)
        }
    }
}

fn list(json: bool) -> Result<ExitCode, Failure> {
    if json {
        let cards: Vec<_> = metrics().chain(SET_METRICS).map(as_json).collect();
        return print(format!("{:#}\n", json!(cards)).as_bytes());
    }
    let lines: String = metrics().chain(SET_METRICS).map(as_lines).collect();
    print(lines.as_bytes())
}

fn as_lines(card: &MetricCard) -> String {
    let better = match card.better {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
        Better::Neither => "describes",
    };
    let MetricCard { name, description, .. } = card;
    let files = card.files.iter().map(|file| {
        let MetricFile { name, what, source, licence } = file;
        format!("{:22} asks for {what}, such as {name}; it comes from {source} ({licence})\n", "")
    });
    let needs = needs(card);
    format!("{name:<22} {description} ({better}; {needs})\n{}", files.collect::<String>())
}

fn needs(card: &MetricCard) -> &'static str {
    match card.needs {
        Needs::Reference => "against the reference",
        Needs::Low => "against the dark image",
        Needs::Nothing => "of the result alone",
    }
}

fn as_json(card: &MetricCard) -> serde_json::Value {
    let files: Vec<_> =
        card.files.iter().map(|file| json!({ "name": file.name, "what": file.what, "source": file.source, "licence": file.licence })).collect();
    json!({
        "name": card.name,
        "title": card.title,
        "description": card.description,
        "citation": card.citation,
        "needs": needs(card),
        "better": card.better,
        "unit": card.unit,
        "is_harm": card.is_harm,
        "files": files,
    })
}

fn fit(folders: &[PathBuf], output: &Path, provenance: Provenance) -> Result<ExitCode, Failure> {
    let (model, n_photographs) =
        fit_niqe_to(folders, provenance).map_err(|error| failure(&error))?;
    write_whole(output, model.to_json().as_bytes(), Replace::Yes)
        .map_err(|error| Failure::io(Kind::File, output, &error))?;
    tell(format_args!("{}: fitted to {n_photographs} photographs", output.display()));
    Ok(ExitCode::SUCCESS)
}
