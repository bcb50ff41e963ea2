//! What cargo and git say about this workspace: its packages and its files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process::{capture, cargo};

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Our own packages.
    pub(crate) packages: Vec<Package>,
    /// Paths under the root, with `/`, of every file that is in git or about to be.
    pub(crate) files: BTreeSet<String>,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    /// The package's name, whatever it is renamed to.
    pub(crate) name: String,
    /// `dev`, `build`, or none for an ordinary dependency.
    pub(crate) kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let arguments = ["metadata", "--format-version", "1", "--no-deps"];
        let json = capture(cargo(Path::new(".")).args(arguments))?;
        let metadata: Metadata = serde_json::from_str(&json).context("output of cargo metadata")?;
        let files = list_files(&metadata.workspace_root)?;
        Ok(Self { root: metadata.workspace_root, packages: metadata.packages, files })
    }

    /// The text of a file of ours, or nothing when it is not UTF-8 text.
    pub(crate) fn text(&self, file: &str) -> Result<Option<String>> {
        let bytes =
            fs::read(self.root.join(file)).with_context(|| format!("cannot read {file}"))?;
        Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
    }
}

fn list_files(root: &Path) -> Result<BTreeSet<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = match capture(Command::new("git").current_dir(root).args(arguments)) {
        Ok(listed) => listed.split('\0').map(str::to_owned).collect(),
        Err(error) => {
            eprintln!("git cannot list the files, so every file here is read ({error:#})");
            let mut found = BTreeSet::new();
            walk(root, "", &mut found)?;
            found
        }
    };
    Ok(listed.into_iter().filter(|file| root.join(file).is_file()).collect())
}

/// Collects the files below `folder`, but for hidden and build folders at the top.
fn walk(root: &Path, folder: &str, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let is_build = folder.is_empty() && (name.starts_with("target") || name == ".git");
        if entry.file_type()?.is_dir() && !is_build {
            walk(root, &path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_the_walk_finds_sources_and_leaves_build_folders_out() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = BTreeSet::new();
        walk(root, "", &mut found).unwrap();
        assert!(found.contains("Cargo.toml"), "{found:?}");
        assert!(found.contains("src/workspace.rs"), "{found:?}");
        assert!(found.iter().all(|file| !file.starts_with("target/")), "{found:?}");
    }
}
