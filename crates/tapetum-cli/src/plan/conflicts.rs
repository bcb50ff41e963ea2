//! Outputs that would replace an input or one another.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{Job, Place, Plan, find::Found};
use crate::{
    failure::{Failure, Kind},
    output::folder_of,
};

/// Two inputs of one output are both refused; an input that was named twice is done once.
pub(super) fn refuse_shared_outputs(plan: &mut Plan) {
    let mut seen = BTreeSet::new();
    plan.jobs.retain(|job| seen.insert((resolved(&job.input), resolved(&job.output))));
    let mut inputs_by_output: BTreeMap<PathBuf, Vec<Place>> = BTreeMap::new();
    for job in &plan.jobs {
        if let Some(output) = resolved(&job.output) {
            inputs_by_output.entry(output).or_default().push(job.input.clone());
        }
    }
    refuse(plan, "rename one, or enhance them into different folders", |job| {
        let inputs = &inputs_by_output[&resolved(&job.output)?];
        let other = inputs.iter().find(|other| **other != job.input)?;
        Some(format!("also that of {}", other.name()))
    });
}

/// By identity, so that links and other spellings of a path are found too.
pub(super) fn refuse_inputs_as_outputs(plan: &mut Plan, found: &[Found]) {
    let inputs: BTreeSet<_> = found.iter().filter_map(|found| identity_of(&found.input)).collect();
    refuse(plan, "inputs are never replaced; choose another output with -o", |job| {
        let Place::File(output) = &job.output else { return None };
        inputs.contains(&identity(output)?).then(|| "an input".to_owned())
    });
}

/// Refuses the jobs whose output is what `conflict` says.
fn refuse(plan: &mut Plan, hint: &str, conflict: impl Fn(&Job) -> Option<String>) {
    for job in std::mem::take(&mut plan.jobs) {
        let Some(conflict) = conflict(&job) else {
            plan.jobs.push(job);
            continue;
        };
        let message =
            format!("{}: its output {} is {conflict}", job.input.name(), job.output.name());
        plan.refuse(&job.input, Failure::new(Kind::File, message).with_hint(hint));
    }
}

/// One spelling for all paths to a name, which need not exist; `None` for a pipe.
fn resolved(place: &Place) -> Option<PathBuf> {
    let Place::File(path) = place else { return None };
    match (folder_of(path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => Some(folder.join(name)),
        _ => Some(path.clone()),
    }
}

fn identity_of(place: &Place) -> Option<Identity> {
    match place {
        Place::File(path) => identity(path),
        Place::Pipe => identity_of_standard_input(),
    }
}

/// What two paths to one existing file share: device and inode.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
pub(super) fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The file that the shell opened for `< FILE`.
#[cfg(unix)]
fn identity_of_standard_input() -> Option<Identity> {
    use std::os::{fd::AsFd, unix::fs::MetadataExt};
    let input = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
    let metadata = std::fs::File::from(input).metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// What two paths to one existing file share: the resolved path.
#[cfg(not(unix))]
type Identity = PathBuf;

#[cfg(not(unix))]
pub(super) fn identity(path: &Path) -> Option<Identity> {
    path.canonicalize().ok()
}

#[cfg(not(unix))]
fn identity_of_standard_input() -> Option<Identity> {
    None
}
