//! Every dependency comes from the default registry under a licence that deny.toml allows.
//!
//! The same list that cargo-deny reads, checked without cargo-deny.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

use crate::{
    process::{capture, cargo},
    tidy::Texts,
    workspace::Workspace,
};

#[derive(Deserialize)]
struct DenyFile {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

/// One package that is compiled into something of ours.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
    /// Where it comes from when that is not the default registry.
    origin: Option<String>,
}

pub(super) fn problems(workspace: &Workspace, texts: &Texts) -> Result<Vec<String>> {
    let text = texts.get("deny.toml").context("expected deny.toml at the root, got no file")?;
    let allowed = allow_list(text)?;
    let is_own = |name: &str| workspace.packages.iter().any(|package| package.name == name);
    let packages = compiled_packages(workspace)?;
    let foreign = packages.iter().filter(|package| !is_own(&package.name));
    Ok(foreign.flat_map(|package| package_problems(package, &allowed)).collect())
}

/// All that cargo compiles for any target and feature; `cargo metadata` would also list what
/// optional dependencies that nobody turns on could bring.
fn compiled_packages(workspace: &Workspace) -> Result<BTreeSet<Package>> {
    let scope = ["tree", "--workspace", "--all-features", "--target", "all"];
    // A package that was listed with what is below it is marked where it stands again.
    let shape = ["--prefix", "none", "--format", "{p}\t{l}"];
    let tree = capture(cargo(&workspace.root).args(scope).args(shape))?;
    let lines = tree.lines().filter(|line| !line.is_empty());
    let packages = lines.map(|line| package(line.trim_end_matches(" (*)")));
    // What lies in this repository came with it.
    let is_foreign = |package: &Package| {
        let origin = package.origin.as_deref().unwrap_or_default();
        !Path::new(origin).starts_with(&workspace.root)
    };
    packages.filter(|package| package.as_ref().map_or(true, is_foreign)).collect()
}

/// Reads `name v1.2.3 (proc-macro) (somewhere else)<tab>licence`.
fn package(line: &str) -> Result<Package> {
    let unreadable = || format!("expected name, version and licence from cargo tree, got {line}");
    let (package, licence) = line.split_once('\t').with_context(unreadable)?;
    let mut words = package.splitn(3, ' ');
    let (name, version) = words.next().zip(words.next()).with_context(unreadable)?;
    let origin = words.next().unwrap_or_default().replace("(proc-macro)", "");
    let origin = origin.trim().trim_matches(['(', ')']);
    Ok(Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.to_owned(),
        origin: (!origin.is_empty()).then(|| origin.to_owned()),
    })
}

fn allow_list(deny_toml: &str) -> Result<Vec<Licensee>> {
    let file: DenyFile = toml::from_str(deny_toml).context("deny.toml")?;
    let parse = |name: &String| {
        Licensee::parse(name).with_context(|| format!("deny.toml: unknown licence {name}"))
    };
    file.licenses.allow.iter().map(parse).collect()
}

fn package_problems(package: &Package, allowed: &[Licensee]) -> Vec<String> {
    let licence_problem = (!is_allowed(&package.licence, allowed))
        .then(|| format!("expected a licence that deny.toml allows, got \"{}\"", package.licence));
    let origin_problem = package.origin.as_ref().map(|origin| {
        format!("expected a dependency from the default registry, got one from {origin}")
    });
    licence_problem
        .into_iter()
        .chain(origin_problem)
        .map(|what| format!("{} {}: {what}", package.name, package.version))
        .collect()
}

fn is_allowed(licence: &str, allowed: &[Licensee]) -> bool {
    Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|expression| {
        expression.evaluate(|required| allowed.iter().any(|licence| licence.satisfies(required)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str =
        "[licenses]\nallow = [\"MIT\", \"Zlib\", \"Apache-2.0 WITH LLVM-exception\"]\n";

    #[test]
    fn a_licence_is_allowed_when_a_way_through_its_expression_is() {
        let allowed = allow_list(DENY).unwrap();
        let cases = [
            ("MIT", true),
            ("MIT OR GPL-3.0-only", true),
            ("GPL-3.0-only/MIT", true),
            ("(MIT OR GPL-3.0-only) AND Zlib", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("MIT AND GPL-3.0-only", false),
            ("GPL-3.0-only", false),
            ("no licence at all", false),
        ];
        for (licence, expected) in cases {
            assert_eq!(is_allowed(licence, &allowed), expected, "{licence}");
        }
    }

    #[test]
    fn a_package_without_licence_or_from_elsewhere_is_named() {
        let allowed = allow_list(DENY).unwrap();
        let cases = [
            ("codec v1.2.3\tMIT", None),
            ("codec v1.2.3 (proc-macro)\tMIT", None),
            ("codec v1.2.3\t", Some("codec v1.2.3: expected a licence that deny.toml allows")),
            ("codec v1.2.3 (https://example.org/codec#1)\tMIT", Some("from https://example.org")),
            ("codec v1.2.3 (proc-macro) (../codec)\tMIT", Some("from ../codec")),
        ];
        for (line, expected) in cases {
            let problems = package_problems(&package(line).unwrap(), &allowed).join("; ");
            assert!(problems.contains(expected.unwrap_or_default()), "{problems}");
            assert_eq!(problems.is_empty(), expected.is_none(), "{problems}");
        }
        assert!(package("codec").is_err());
    }

    #[test]
    fn an_unknown_name_in_the_allow_list_is_an_error() {
        assert!(allow_list("[licenses]\nallow = [\"Freeware\"]\n").is_err());
        assert!(allow_list("[bans]\n").is_err());
    }
}
