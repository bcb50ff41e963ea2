//! Every source file says what lives in it, and no file carries left-overs.

use crate::tidy::Texts;

/// Written in two halves, so that this file does not find itself.
const LEFT_OVERS: [&str; 5] = [
    concat!("todo", "!("),
    concat!("dbg", "!("),
    concat!("unimplemented", "!("),
    concat!("FIX", "ME"),
    concat!("#[", "ignore"),
];

/// Where the machines of developers keep things: such a path means nothing to anybody else.
const MACHINE_FOLDERS: [&str; 3] =
    [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];

pub(super) fn problems(texts: &Texts) -> Vec<String> {
    texts
        .iter()
        .flat_map(|(file, text)| file_problems(file, text).map(move |what| format!("{file}{what}")))
        .collect()
}

/// What is wrong with one file, each beginning with `:line: ` or `: `.
fn file_problems(file: &str, text: &str) -> impl Iterator<Item = String> {
    let is_rust = file.ends_with(".rs");
    let headless = is_rust && !text.starts_with("//!");
    let head = headless.then(|| ": expected a first line with `//!`, got none".to_owned());
    let left_overs: &[&str] = if is_rust { &LEFT_OVERS } else { &[] };
    let lines = text.lines().enumerate().flat_map(move |(line_idx, line)| {
        let left = left_overs.iter().filter(|word| line.contains(**word));
        let paths = MACHINE_FOLDERS.iter().filter(|folder| has_path(line, folder));
        let left = left.map(|word| format!("left-over {word}"));
        let paths = paths.map(|folder| format!("a path of one machine, below {folder}"));
        left.chain(paths).map(|what| format!(":{}: {what}", line_idx + 1)).collect::<Vec<_>>()
    });
    head.into_iter().chain(lines)
}

/// Whether `folder` stands at the start of a path in `line`, not in the middle of a longer one.
fn has_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"._-~})".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, text: &str, expected: &[&str]) {
        let problems = problems(&Texts::from([(file.to_owned(), text.to_owned())]));
        assert_eq!(problems, expected);
    }

    #[test]
    fn a_source_file_says_what_lives_in_it() {
        check("a.rs", "//! Tiles.\nfn f() {}\n", &[]);
        check("a.rs", "fn f() {}\n", &["a.rs: expected a first line with `//!`, got none"]);
        check("a.rs", "", &["a.rs: expected a first line with `//!`, got none"]);
        check("a.md", "fn f() {}\n", &[]);
    }

    #[test]
    fn left_overs_are_found_in_sources_with_their_line() {
        for word in LEFT_OVERS {
            let expected = format!("a.rs:2: left-over {word}");
            check("a.rs", &format!("//! Tiles.\n    {word}"), &[&expected]);
            check("a.md", word, &[]);
        }
    }

    #[test]
    fn paths_of_one_machine_are_found_and_longer_paths_are_not() {
        for folder in MACHINE_FOLDERS {
            let expected = format!("a.txt:1: a path of one machine, below {folder}");
            for before in ["", "see ", "\"", "file://", "="] {
                check("a.txt", &format!("{before}{folder}photo.jpg"), &[&expected]);
            }
            for before in ["docs", "https://example.org", "~", "{root}", "$(pwd)"] {
                check("a.txt", &format!("{before}{folder}photo.jpg"), &[]);
            }
        }
    }
}
