//! Which crate may import which: `cargo metadata` against the table in docs/architecture.md.
//!
//! The table has the columns `crate`, `may import` (crates of ours; nothing else of ours is
//! allowed) and `must not import` (crates of others; `burn*` means every name so beginning).
//! Names stand in code spans; words around them are for the reader. Tests may reach further down
//! than their crate, to what its imports may import, but never up.

use std::collections::BTreeSet;

use crate::{
    markdown::{Cell, Table, tables},
    tidy::Texts,
    workspace::{Dependency, Package, Workspace},
};

const PAGE: &str = "docs/architecture.md";

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    name: String,
    may: Vec<String>,
    must_not: Vec<String>,
}

/// One crate of ours and all it depends on.
struct Imports<'a> {
    name: &'a str,
    /// By the crate itself and its build script.
    imports: Vec<&'a str>,
    /// By its tests alone.
    test_imports: Vec<&'a str>,
}

pub(super) fn problems(workspace: &Workspace, texts: &Texts) -> Vec<String> {
    let own: Vec<Imports> = workspace.packages.iter().map(imports).collect();
    match texts.get(PAGE).map(|page| rules(page)) {
        None => vec![format!("{PAGE}: expected the page with the table of arrows, got no file")],
        Some(Err(problem)) => vec![format!("{PAGE}: {problem}")],
        Some(Ok(rules)) => table_problems(&rules, &own)
            .into_iter()
            .chain(own.iter().flat_map(|imports| arrow_problems(&rules, imports, &own)))
            .collect(),
    }
}

fn imports(package: &Package) -> Imports<'_> {
    let (tests, code): (Vec<&Dependency>, Vec<&Dependency>) =
        package.dependencies.iter().partition(|d| d.kind.as_deref() == Some("dev"));
    Imports { name: &package.name, imports: names(&code), test_imports: names(&tests) }
}

fn names<'a>(dependencies: &[&'a Dependency]) -> Vec<&'a str> {
    dependencies.iter().map(|dependency| dependency.name.as_str()).collect()
}

/// Reads the one table that has the three columns.
fn rules(page: &str) -> Result<Vec<Rule>, String> {
    let found = tables(page);
    let with_columns: Vec<(&Table, [usize; 3])> = found
        .iter()
        .filter_map(|table| {
            let column = |name| table.column(name);
            Some((table, [column("crate")?, column("may import")?, column("must not import")?]))
        })
        .collect();
    let [(table, columns)] = with_columns.as_slice() else {
        return Err(format!(
            "expected one table with the columns crate, may import and must not import, got {}",
            with_columns.len()
        ));
    };
    table.rows.iter().map(|row| rule(row, *columns)).collect()
}

fn rule(row: &[Cell], [name, may, must_not]: [usize; 3]) -> Result<Rule, String> {
    let [crate_name] = row[name].codes.as_slice() else {
        return Err(format!("expected one crate name in code, got \"{}\"", row[name].text));
    };
    Ok(Rule {
        name: crate_name.clone(),
        may: row[may].codes.clone(),
        must_not: row[must_not].codes.clone(),
    })
}

/// Crates without a row, and names in the table that are no crate of ours.
fn table_problems(rules: &[Rule], own: &[Imports]) -> Vec<String> {
    let has_row = |name: &str| rules.iter().any(|rule| rule.name == name);
    let exists = |name: &str| own.iter().any(|imports| imports.name == name);
    let without_row = own.iter().map(|imports| imports.name).filter(|name| !has_row(name));
    let named = rules.iter().flat_map(|rule| rule.may.iter().chain([&rule.name]));
    let unknown = named.filter(|name| !exists(name));
    without_row
        .map(|name| format!("{PAGE}: the crate {name} has no row in the table of arrows"))
        .chain(unknown.map(|name| {
            format!("{PAGE}: the table of arrows names {name}, which is no crate of this workspace")
        }))
        .collect()
}

fn arrow_problems(rules: &[Rule], crate_: &Imports, own: &[Imports]) -> Vec<String> {
    let Some(rule) = rules.iter().find(|rule| rule.name == crate_.name) else {
        return Vec::new();
    };
    let below = reachable(rules, rule);
    let is_own = |name: &str| own.iter().any(|imports| imports.name == name);
    let forbidden = |name: &str| rule.must_not.iter().any(|pattern| matches(pattern, name));
    let may = |name: &str| rule.may.iter().any(|may| may == name);
    let broken = crate_
        .imports
        .iter()
        .filter(|name| if is_own(name) { !may(name) } else { forbidden(name) });
    let broken_in_tests = crate_
        .test_imports
        .iter()
        .filter(|name| if is_own(name) { !below.contains(**name) } else { forbidden(name) });
    broken
        .chain(broken_in_tests)
        .map(|name| format!("{} depends on {name}, which {PAGE} does not allow", crate_.name))
        .collect()
}

/// Every crate that `rule`'s crate may import, directly or through others, and itself.
fn reachable<'a>(rules: &'a [Rule], rule: &'a Rule) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![rule.name.as_str()];
    while let Some(name) = open.pop() {
        if found.insert(name) {
            let rule = rules.iter().find(|rule| rule.name == name);
            open.extend(rule.iter().flat_map(|rule| &rule.may).map(String::as_str));
        }
    }
    found
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
| crate | purpose | may import | must not import |
| --- | --- | --- | --- |
| `image` | pixels | nothing of ours | `burn*`, `clap` |
| `nn` | networks | `image` | `clap` |
| `cli` | program | `nn` | `burn*` |
";

    /// Problems of a workspace whose crates have these dependencies, and these in tests, under the
    /// table `page`.
    fn check(page: &str, crates: &[(&str, &[&str], &[&str])], expected: &[&str]) {
        let rules = rules(page).unwrap();
        let own: Vec<Imports> = crates
            .iter()
            .map(|(name, imports, test_imports)| Imports {
                name,
                imports: imports.to_vec(),
                test_imports: test_imports.to_vec(),
            })
            .collect();
        let mut found = table_problems(&rules, &own);
        found.extend(own.iter().flat_map(|imports| arrow_problems(&rules, imports, &own)));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (problem, part) in found.iter().zip(expected) {
            assert!(problem.contains(part), "expected {part}, got {problem}");
        }
    }

    #[test]
    fn arrows_that_the_table_allows_are_no_problem() {
        check(
            GOOD,
            &[
                ("image", &["png", "serde"], &[]),
                ("nn", &["image", "burn", "burn-flex"], &["image"]),
                ("cli", &["nn", "clap"], &["image", "nn"]),
            ],
            &[],
        );
    }

    #[test]
    fn an_arrow_against_the_table_is_named() {
        check(
            GOOD,
            &[
                ("image", &["nn", "burn-flex", "clapper"], &[]),
                ("nn", &["clap"], &[]),
                ("cli", &["image"], &[]),
            ],
            &[
                "image depends on nn",
                "image depends on burn-flex",
                "nn depends on clap",
                "cli depends on image",
            ],
        );
    }

    #[test]
    fn tests_reach_down_and_not_up() {
        check(
            GOOD,
            &[("image", &[], &["cli", "burn"]), ("nn", &[], &["cli", "clap"]), ("cli", &[], &[])],
            &[
                "image depends on cli",
                "image depends on burn",
                "nn depends on cli",
                "nn depends on clap",
            ],
        );
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_named() {
        check(
            GOOD,
            &[("image", &[], &[]), ("cli", &[], &[]), ("train", &["image"], &[])],
            &["train has no row", "names nn, which is no crate", "names nn, which is no crate"],
        );
    }

    #[test]
    fn a_page_without_exactly_one_readable_table_is_refused() {
        let twice = format!("{GOOD}\n\n{GOOD}");
        let cases = [
            ("# Nothing here\n", "got 0"),
            ("| crate | may import |\n| --- | --- |\n| `a` | |\n", "got 0"),
            (&twice, "got 2"),
            (
                "| crate | may import | must not import |\n| --- | --- | --- |\n| image | | |\n",
                "got \"image\"",
            ),
        ];
        for (page, part) in cases {
            let problem = rules(page).unwrap_err();
            assert!(problem.contains(part), "expected {part}, got {problem}");
        }
    }
}
