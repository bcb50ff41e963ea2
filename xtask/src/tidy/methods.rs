//! A method reads beside its paper: the files it must have and the front page in its `mod.rs`.
//!
//! Every folder of `tapetum-methods` with a `network.rs` is a method. In a folder without one, every file
//! with a `CARD` is a method, and the folder's front page names each of them in its table. A folder whose
//! front page declares a trait of [`HELPER_TRAITS`] holds networks that enhance nothing: it has the same
//! front page, but no card.

use std::collections::{BTreeMap, BTreeSet};

use crate::{markdown::tables, tidy::Texts};

const METHODS: &str = "crates/tapetum-methods/src/";

/// What marks a reference that a reader can look up.
const LOCATORS: [&str; 4] = ["arXiv", "doi", "DOI", "https://"];

const NO_TABLE: &str = "expected a table from equation or section to function";

/// What the networks of a helper's folder implement.
const HELPER_TRAITS: [&str; 1] = ["trait Segmenter"];

/// What a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Enhances images, and has a card.
    Method,
    /// Looks at images for a method or for a score.
    Helper,
}

pub(super) fn problems(texts: &Texts) -> Vec<String> {
    let folders = method_folders(texts);
    let helpers = helper_folders(texts).into_iter().map(|folder| (folder, Role::Helper));
    let of_folders = folders.iter().map(|&folder| (folder, Role::Method)).chain(helpers);
    let of_folders = of_folders.flat_map(|(folder, role)| folder_problems(folder, role, texts));
    let of_files =
        shared_folders(texts).into_iter().filter(|(folder, _)| !folders.contains(folder));
    of_folders
        .chain(of_files.flat_map(|(folder, methods)| shared_problems(folder, &methods, texts)))
        .collect()
}

/// Folders of files with a `CARD`, and the names of those files.
fn shared_folders(texts: &Texts) -> BTreeMap<&str, Vec<&str>> {
    let mut folders = BTreeMap::<&str, Vec<&str>>::new();
    for (file, text) in texts.iter().filter(|(file, _)| file.starts_with(METHODS)) {
        let name = file.strip_suffix(".rs").and_then(|path| path.rsplit_once('/'));
        let is_below = |folder: &str| folder.len() > METHODS.len();
        if let Some((folder, name)) = name
            && is_below(folder)
            && name != "mod"
            && code_lines(text).any(|line| line.contains("static CARD"))
        {
            folders.entry(folder).or_default().push(name);
        }
    }
    folders
}

/// What is wrong with the front page of a folder in which each of `methods` is a file.
fn shared_problems(folder: &str, methods: &[&str], texts: &Texts) -> Vec<String> {
    let Some(page) = texts.get(&format!("{folder}/mod.rs")) else {
        return vec![format!("{folder}: expected the file mod.rs, got none")];
    };
    let mut problems = docs_problems(&doc_text(page));
    match paper_table(&doc_text(page)) {
        None => problems.push(NO_TABLE.into()),
        Some(names) => {
            let missing = methods.iter().filter(|method| !names.iter().any(|name| name == *method));
            problems.extend(missing.map(|name| format!("the table lacks {name}")));
            let stale = names.iter().filter(|name| !methods.contains(&name.as_str()));
            problems
                .extend(stale.map(|name| format!("the table names {name}, which has no `CARD`")));
        }
    }
    problems.into_iter().map(|what| format!("{folder}/mod.rs: {what}")).collect()
}

fn helper_folders(texts: &Texts) -> BTreeSet<&str> {
    let is_helper = |text: &str| {
        code_lines(text).any(|line| HELPER_TRAITS.iter().any(|name| line.contains(name)))
    };
    texts
        .iter()
        .filter(|(file, text)| file.starts_with(METHODS) && is_helper(text))
        .filter_map(|(file, _)| file.strip_suffix("/mod.rs"))
        .collect()
}

fn method_folders(texts: &Texts) -> BTreeSet<&str> {
    texts
        .keys()
        .filter(|file| file.starts_with(METHODS))
        .filter_map(|file| file.strip_suffix("/network.rs"))
        .collect()
}

fn folder_problems(folder: &str, role: Role, texts: &Texts) -> Vec<String> {
    let text = |name: &str| texts.get(&format!("{folder}/{name}"));
    let missing = ["mod.rs", "weights.rs"].into_iter().filter(|name| text(name).is_none());
    let missing = missing.map(|name| format!("{folder}: expected the file {name}, got none"));
    let code: String = texts
        .iter()
        .filter(|(file, _)| file.starts_with(&format!("{folder}/")))
        .flat_map(|(_, text)| code_lines(text))
        .collect();
    let page =
        text("mod.rs").map(|page| front_page_problems(page, role, &code)).unwrap_or_default();
    missing.chain(page.into_iter().map(|what| format!("{folder}/mod.rs: {what}"))).collect()
}

/// What is wrong with a front page; `code` is all code of the folder, without comments.
fn front_page_problems(mod_rs: &str, role: Role, code: &str) -> Vec<String> {
    let docs = doc_text(mod_rs);
    let own_code: String = code_lines(mod_rs).collect();
    let mut problems = docs_problems(&docs);
    if role == Role::Method && words(&own_code).all(|word| word != "CARD") {
        problems.push("expected the method's `CARD`".into());
    }
    match paper_table(&docs) {
        None => problems.push(NO_TABLE.into()),
        Some(names) => {
            let known: BTreeSet<&str> = words(code).collect();
            let stale = names.iter().filter(|name| !known.contains(last_segment(name)));
            problems.extend(stale.map(|name| format!("the table names {name}, which is not here")));
        }
    }
    problems
}

/// What every front page has: a citation, and what differs from it.
fn docs_problems(docs: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !has_citation(docs) {
        problems.push("expected a citation with its year and an arXiv, DOI or https link".into());
    }
    if !docs.lines().any(|line| line.trim() == "# Deviations") {
        problems.push("expected a heading `# Deviations`".into());
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
        let problems = front_page_problems(page, Role::Method, CODE);
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
    fn a_helper_has_a_front_page_and_no_card() {
        let file = |name: &str, text: &str| (format!("{METHODS}{name}"), text.to_owned());
        let page = GOOD.replace("pub(crate) const CARD: Card = Card;", "pub trait Segmenter {}");
        let helper = |page: &str| {
            let files = [("mod.rs", page), ("curves.rs", CODE), ("weights.rs", "")];
            Texts::from(files.map(|(name, text)| file(&format!("segmentation/{name}"), text)))
        };
        assert_eq!(problems(&helper(&page)), [""; 0]);
        let found = problems(&helper(&page.replace("# Deviations", "")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("segmentation/mod.rs: expected a heading"), "{found:?}");
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

    #[test]
    fn a_folder_of_methods_in_files_names_each_in_its_table() {
        let check = |page: &str, expected: &[&str]| {
            let file = |name: &str, text: &str| (format!("{METHODS}{name}"), text.to_owned());
            let texts = Texts::from([
                file("classical/mod.rs", page),
                file("classical/blur.rs", "pub static CARD: Card = Card;\n"),
                file("classical/curve.rs", "pub static CARD: Card = Card;\n"),
                file("classical/taps.rs", "// No static CARD.\n"),
            ]);
            let problems = problems(&texts);
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            for (problem, part) in problems.iter().zip(expected) {
                assert!(problem.contains(part), "expected {part}, got {problem}");
            }
        };
        let page = "//! A. Author, 1999, doi 10.1.\n//!\n//! | paper | here |\n//! | --- | --- |\n\
                    //! | one | [`blur`] |\n//! | two | [`curve`] |\n//!\n//! # Deviations\n";
        check(page, &[]);
        check(&page.replace("1999", ""), &["citation"]);
        check(&page.replace("# Dev", "Dev"), &["Deviations"]);
        check(&page.replace("[`curve`]", ""), &["the table lacks curve"]);
        check(&page.replace("[`curve`]", "[`curve`], [`taps`]"), &["taps, which has no `CARD`"]);
        check("//! Nothing.\n", &["citation", "Deviations", "table"]);
    }
}
