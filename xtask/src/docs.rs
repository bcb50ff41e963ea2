//! The pages under docs/ that the program itself produces.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::{
    process::{capture, cargo},
    workspace::Workspace,
};

/// A page and the arguments with which `tapetum` prints it.
struct Page {
    path: &'static str,
    arguments: &'static [&'static str],
}

const PAGES: [Page; 2] = [
    Page { path: "docs/methods.md", arguments: &["methods", "--markdown"] },
    Page { path: "docs/cli.md", arguments: &["help-markdown"] },
];

/// `cargo xtask docs`: writes every generated page again.
pub(crate) fn write() -> Result<()> {
    let root = Workspace::load()?.root;
    for page in &PAGES {
        let text = produce(&root, page)?;
        fs::write(root.join(page.path), text)
            .with_context(|| format!("cannot write {}", page.path))?;
        println!("{}: written", page.path);
    }
    Ok(())
}

/// The generated pages that differ from what the program prints now.
pub(crate) fn problems(root: &Path) -> Vec<String> {
    println!("tidy: building the program to compare the pages it writes");
    PAGES.iter().filter_map(|page| problem(root, page)).collect()
}

fn problem(root: &Path, page: &Page) -> Option<String> {
    let expected = match produce(root, page) {
        Ok(text) => text,
        Err(error) => return Some(format!("{}: cannot be produced: {error:#}", page.path)),
    };
    let found = fs::read_to_string(root.join(page.path)).unwrap_or_default();
    difference(&expected, &found)
        .map(|what| format!("{}: stale, {what}; run `cargo xtask docs`", page.path))
}

fn produce(root: &Path, page: &Page) -> Result<String> {
    let run = ["run", "--quiet", "--package", "tapetum-cli", "--"];
    let text = capture(cargo(root).args(run).args(page.arguments).env("NO_COLOR", "1"))?;
    ensure!(
        !text.trim().is_empty(),
        "expected a page from `tapetum {}`, got nothing",
        page.arguments.join(" ")
    );
    Ok(text)
}

/// The first line in which `found` is not `expected`, in words.
fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let n_same = expected.lines().zip(found.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(n_same).unwrap_or("(end of file)").to_owned();
    Some(format!("line {}: expected \"{}\", got \"{}\"", n_same + 1, line(expected), line(found)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_differing_line_is_named() {
        let cases = [
            ("a\nb\n", "a\nb\n", None),
            ("a\nb\n", "a\nc\n", Some("line 2: expected \"b\", got \"c\"")),
            ("a\nb\n", "a\n", Some("line 2: expected \"b\", got \"(end of file)\"")),
            ("a\n", "", Some("line 1: expected \"a\", got \"(end of file)\"")),
        ];
        for (expected, found, difference) in cases {
            assert_eq!(super::difference(expected, found).as_deref(), difference);
        }
    }
}
