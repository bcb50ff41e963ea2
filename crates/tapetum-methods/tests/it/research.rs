//! Finding research data that is not part of the project.

use std::path::{Path, PathBuf};

/// The file under `TAPETUM_RESEARCH_DATA`, or under a folder `shared` beside the project; prints why
/// a test is skipped where it is absent.
pub(crate) fn file(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("TAPETUM_RESEARCH_DATA").map_or(beside, PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        eprintln!(
            "skipped: {name} is not here; set TAPETUM_RESEARCH_DATA to the folder that holds it"
        );
        return None;
    }
    Some(path)
}
