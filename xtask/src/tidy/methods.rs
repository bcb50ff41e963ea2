//! A method reads beside its paper: the files it must have and the front page in its `mod.rs`.
//!
//! Every folder of `tapetum-methods` with a `network.rs` is a method.

use std::collections::BTreeSet;

use crate::{markdown::tables, tidy::Texts};

const METHODS: &str = "crates/tapetum-methods/src/";

/// What marks a reference that a reader can look up.
const LOCATORS: [&str; 4] = ["arXiv", "doi", "DOI", "https://"];

pub(super) fn problems(texts: &Texts) -> Vec<String> {
    method_folders(texts).into_iter().flat_map(|folder| folder_problems(folder, texts)).collect()
}

fn method_folders(texts: &Texts) -> BTreeSet<&str> {
    texts
        .keys()
        .filter(|file| file.starts_with(METHODS))
        .filter_map(|file| file.strip_suffix("/network.rs"))
        .collect()
}

fn folder_problems(folder: &str, texts: &Texts) -> Vec<String> {
    let text = |name: &str| texts.get(&format!("{folder}/{name}"));
    let missing = ["mod.rs", "weights.rs"].into_iter().filter(|name| text(name).is_none());
    let missing = missing.map(|name| format!("{folder}: expected the file {name}, got none"));
    let code: String = texts
        .iter()
        .filter(|(file, _)| file.starts_with(&format!("{folder}/")))
        .flat_map(|(_, text)| code_lines(text))
        .collect();
    let page = text("mod.rs").map(|page| front_page_problems(page, &code)).unwrap_or_default();
    missing.chain(page.into_iter().map(|what| format!("{folder}/mod.rs: {what}"))).collect()
}

/// What is wrong with a front page; `code` is all code of the method, without comments.
fn front_page_problems(mod_rs: &str, code: &str) -> Vec<String> {
    let docs = doc_text(mod_rs);
    let own_code: String = code_lines(mod_rs).collect();
    let mut problems = Vec::new();
    if !has_citation(&docs) {
        problems.push("expected a citation with its year and an arXiv, DOI or https link".into());
    }
    if !docs.lines().any(|line| line.trim() == "# Deviations") {
        problems.push("expected a heading `# Deviations`".into());
    }
    if words(&own_code).all(|word| word != "CARD") {
        problems.push("expected the method's `CARD`".into());
    }
    match paper_table(&docs) {
        None => problems.push("expected a table from equation or section to function".into()),
        Some(names) => {
            let known: BTreeSet<&str> = words(code).collect();
            let stale = names.iter().filter(|name| !known.contains(last_segment(name)));
            problems.extend(stale.map(|name| format!("the table names {name}, which is not here")));
        }
    }
    problems
}

/// The text of the `//!` lines at the top.
fn doc_text(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

fn code_lines(source: &str) -> impl Iterator<Item = String> {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn has_citation(docs: &str) -> bool {
    let is_year = |word: &str| {
        word.len() == 4 && word.parse().is_ok_and(|year: u32| (1900..2100).contains(&year))
    };
    words(docs).any(is_year) && LOCATORS.iter().any(|locator| docs.contains(locator))
}

/// The function names in the last column of the table whose first column speaks of the paper.
fn paper_table(docs: &str) -> Option<Vec<String>> {
    let of_paper = |heading: &str| {
        ["equation", "section", "paper"].iter().any(|word| heading.to_lowercase().contains(word))
    };
    let of_code = |heading: &str| {
        ["function", "code", "here"].iter().any(|word| heading.to_lowercase().contains(word))
    };
    let table = tables(docs).into_iter().find(|table| {
        table.header.first().is_some_and(|cell| of_paper(&cell.text))
            && table.header.last().is_some_and(|cell| of_code(&cell.text))
    })?;
    let names: Vec<String> = table
        .rows
        .iter()
        .filter_map(|row| row.last())
        .flat_map(|cell| cell.codes.clone())
        .collect();
    (!names.is_empty()).then_some(names)
}

/// `exposure` of `losses::exposure()`.
fn last_segment(path: &str) -> &str {
    words(path.split('(').next().unwrap_or(path)).last().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
//! Curves: a method that does not exist.
//!
//! A. Author et al., \"Curves\", Conference 2024, arXiv 2401.00001.
//!
//! | equation | what | function |
//! | --- | --- | --- |
//! | Eq. 1 | the curve | `network::apply_curves` |
//! | §3.2 | exposure | [`losses::exposure()`](losses) |
//!
//! # Deviations
//! None.

mod network;
pub(crate) const CARD: Card = Card;
";
    const CODE: &str = "fn apply_curves() {}\nfn exposure() {}\n";

    fn check(page: &str, expected: &[&str]) {
        let problems = front_page_problems(page, CODE);
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.contains(part), "expected {part}, got {problem}");
        }
    }

    #[test]
    fn a_full_front_page_is_no_problem() {
        check(GOOD, &[]);
    }

    #[test]
    fn each_missing_part_of_a_front_page_is_named() {
        check(&GOOD.replace("2024", ""), &["citation"]);
        check(&GOOD.replace("arXiv", ""), &["citation"]);
        check(&GOOD.replace("# Deviations", "Deviations"), &["Deviations"]);
        check(&GOOD.replace("pub(crate) const CARD", "// CARD\nconst OTHER"), &["CARD"]);
        check(&GOOD.replace("| --- | --- | --- |", ""), &["table"]);
        check(&GOOD.replace("| equation |", "| thing |"), &["table"]);
        check("//! Nothing.\n", &["citation", "Deviations", "CARD", "table"]);
    }

    #[test]
    fn a_table_row_whose_function_is_gone_is_named() {
        let page = GOOD.replace("apply_curves", "apply_gamma");
        check(&page, &["network::apply_gamma"]);
    }

    #[test]
    fn only_folders_with_a_network_are_methods_and_lack_no_file() {
        let file = |name: &str, text: &str| (format!("{METHODS}{name}"), text.to_owned());
        let texts = Texts::from([
            file("curves/mod.rs", GOOD),
            file("curves/network.rs", CODE),
            file("classical/mod.rs", "//! No network.\n"),
        ]);
        let problems = problems(&texts);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("curves: expected the file weights.rs"), "{problems:?}");
    }
}
