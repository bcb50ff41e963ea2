//! Decision pages are numbered from 0001 without gaps or doubles.

use std::collections::BTreeSet;

const FOLDER: &str = "docs/decisions/";

pub(super) fn problems(files: &BTreeSet<String>) -> Vec<String> {
    let pages = files.iter().filter_map(|file| file.strip_prefix(FOLDER));
    // The set is sorted, so the pages come in the order of their numbers.
    pages.enumerate().filter_map(|(page_idx, page)| problem(page, page_idx + 1)).collect()
}

fn problem(page: &str, expected: usize) -> Option<String> {
    let number = format!("{expected:04}-");
    let name = page.strip_suffix(".md")?;
    (!name.starts_with(&number) || name.len() == number.len())
        .then(|| format!("{FOLDER}{page}: expected a name that begins with {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pages: &[&str], expected: &[&str]) {
        let files = pages.iter().map(|page| format!("{FOLDER}{page}")).collect();
        let problems = problems(&files);
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.contains(part), "expected {part}, got {problem}");
        }
    }

    #[test]
    fn numbers_run_from_one_without_gaps_or_doubles() {
        check(&["0001-a.md", "0002-b.md"], &[]);
        check(&["0001-a.md", "0003-b.md"], &["0003-b.md: expected a name that begins with 0002-"]);
        check(&["0001-a.md", "0001-b.md"], &["0001-b.md: expected a name that begins with 0002-"]);
        check(&["0002-a.md"], &["0001-"]);
        check(&["notes.md"], &["0001-"]);
        check(&["0001-.md"], &["0001-"]);
    }
}
