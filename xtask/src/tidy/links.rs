//! Relative links in Markdown files lead to a file or folder of the repository.

use std::collections::BTreeSet;

use crate::{markdown, tidy::Texts};

pub(super) fn problems(texts: &Texts, files: &BTreeSet<String>) -> Vec<String> {
    let pages = texts.iter().filter(|(file, _)| file.ends_with(".md"));
    pages.flat_map(|(file, text)| page_problems(file, text, files)).collect()
}

fn page_problems(page: &str, text: &str, files: &BTreeSet<String>) -> Vec<String> {
    let links = markdown::links(text).into_iter().filter(|link| is_relative(&link.target));
    links
        .filter(|link| resolve(page, &link.target).is_none_or(|path| !exists(&path, files)))
        .map(|link| format!("{page}:{}: the link to {} leads nowhere", link.line, link.target))
        .collect()
}

/// Not a link to elsewhere (`https:`, `mailto:`) nor within its own page.
fn is_relative(target: &str) -> bool {
    let before_path = target.split('/').next().unwrap_or_default();
    !before_path.contains(':') && !target.starts_with('#')
}

/// The path from the root that `target` means on `page`; none when it leaves the repository.
fn resolve(page: &str, target: &str) -> Option<String> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            // An empty part is a leading slash: the root of a site, not of the repository.
            "" => return None,
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn exists(path: &str, files: &BTreeSet<String>) -> bool {
    let folder = format!("{path}/");
    path.is_empty()
        || files.contains(path)
        || files.range(folder.clone()..).next().is_some_and(|file| file.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, target: &str, leads_somewhere: bool) {
        let files = ["README.md", "docs/a.md", "docs/decisions/0001-b.md", "docs-old.md"];
        let files: BTreeSet<String> = files.into_iter().map(str::to_owned).collect();
        let text = format!("first line\n[link]({target})\n");
        let expected = if leads_somewhere {
            vec![]
        } else {
            vec![format!("{page}:2: the link to {target} leads nowhere")]
        };
        assert_eq!(page_problems(page, &text, &files), expected, "{page} -> {target}");
    }

    #[test]
    fn links_to_files_folders_and_elsewhere_are_no_problem() {
        check("README.md", "docs/a.md", true);
        check("README.md", "docs/a.md#part", true);
        check("README.md", "docs/decisions/", true);
        check("README.md", "#part", true);
        check("README.md", "https://example.org/none.md", true);
        check("docs/a.md", "decisions/0001-b.md", true);
        check("docs/a.md", "../README.md", true);
        check("docs/a.md", "..", true);
    }

    #[test]
    fn links_that_lead_nowhere_are_named() {
        check("README.md", "a.md", false);
        check("README.md", "doc", false);
        check("README.md", "/docs/a.md", false);
        check("docs/a.md", "README.md", false);
        check("docs/a.md", "../../README.md", false);
    }
}
