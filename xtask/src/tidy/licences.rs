//! Every dependency comes from crates.io under a licence that deny.toml allows.
//!
//! The same list that cargo-deny reads, checked without cargo-deny.

use anyhow::{Context, Result};
use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

use crate::{
    tidy::Texts,
    workspace::{Package, Workspace},
};

const CRATES_IO: &str = "crates.io-index";

#[derive(Deserialize)]
struct DenyFile {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

pub(super) fn problems(workspace: &Workspace, texts: &Texts) -> Result<Vec<String>> {
    let text = texts.get("deny.toml").context("expected deny.toml at the root, got no file")?;
    let allowed = allow_list(text)?;
    Ok(workspace.foreign().flat_map(|package| package_problems(package, &allowed)).collect())
}

fn allow_list(deny_toml: &str) -> Result<Vec<Licensee>> {
    let file: DenyFile = toml::from_str(deny_toml).context("deny.toml")?;
    let parse = |name: &String| {
        Licensee::parse(name).with_context(|| format!("deny.toml: unknown licence {name}"))
    };
    file.licenses.allow.iter().map(parse).collect()
}

fn package_problems(package: &Package, allowed: &[Licensee]) -> Vec<String> {
    let licence = package.license.as_deref().unwrap_or("none");
    let origin = package.source.as_deref().unwrap_or("a path on disk");
    let licence_problem = (!is_allowed(licence, allowed))
        .then(|| format!("expected a licence that deny.toml allows, got {licence}"));
    let origin_problem = (!origin.contains(CRATES_IO))
        .then(|| format!("expected a dependency from crates.io, got one from {origin}"));
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
        let package = |license: Option<&str>, source: Option<&str>| Package {
            id: "codec".into(),
            name: "codec".into(),
            version: "1.2.3".into(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
            dependencies: vec![],
        };
        let allowed = allow_list(DENY).unwrap();
        let from_index = Some("registry+https://example.org/crates.io-index");
        let cases = [
            (package(Some("MIT"), from_index), None),
            (package(None, from_index), Some("codec 1.2.3: expected a licence")),
            (package(Some("MIT"), Some("git+https://example.org/codec")), Some("from git+https")),
            (package(Some("MIT"), None), Some("from a path on disk")),
        ];
        for (package, expected) in cases {
            let problems = package_problems(&package, &allowed).join("; ");
            assert!(problems.contains(expected.unwrap_or_default()), "{problems}");
            assert_eq!(problems.is_empty(), expected.is_none(), "{problems}");
        }
    }

    #[test]
    fn an_unknown_name_in_the_allow_list_is_an_error() {
        assert!(allow_list("[licenses]\nallow = [\"Freeware\"]\n").is_err());
        assert!(allow_list("[bans]\n").is_err());
    }
}
