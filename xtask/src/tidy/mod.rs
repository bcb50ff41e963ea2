//! `cargo xtask tidy`: what a program can check without judgement, each check in its own file.

mod arrows;
mod decisions;
mod licences;
mod links;
mod methods;
mod sources;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::{docs, workspace::Workspace};

/// The text files of the workspace by path.
type Texts = BTreeMap<String, String>;

pub(crate) fn run() -> Result<()> {
    report(&problems(&Workspace::load()?)?)
}

/// Prints every problem; any problem at all is a failure.
pub(crate) fn report(problems: &[String]) -> Result<()> {
    for problem in problems {
        eprintln!("tidy: {problem}");
    }
    ensure!(problems.is_empty(), "tidy found {} problem(s), listed above", problems.len());
    println!("tidy: clean");
    Ok(())
}

pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let texts = read_texts(workspace)?;
    let mut problems = sources::problems(&texts);
    problems.extend(links::problems(&texts, &workspace.files));
    problems.extend(decisions::problems(&workspace.files));
    problems.extend(methods::problems(&texts));
    problems.extend(arrows::problems(workspace, &texts));
    problems.extend(licences::problems(workspace, &texts)?);
    problems.extend(docs::problems(&workspace.root));
    Ok(problems)
}

fn read_texts(workspace: &Workspace) -> Result<Texts> {
    let mut texts = Texts::new();
    for file in &workspace.files {
        if let Some(text) = workspace.text(file)? {
            texts.insert(file.clone(), text);
        }
    }
    Ok(texts)
}
