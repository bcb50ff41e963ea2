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
        for (_, output) in job.files() {
            inputs_by_output.entry(resolved_path(&output)).or_default().push(job.input.clone());
        }
    }
    refuse(plan, "rename one, or enhance them into different folders", |job, output| {
        let inputs = &inputs_by_output[&resolved_path(output)];
        let other = inputs.iter().find(|other| **other != job.input)?;
        Some(format!("also that of {}", other.name()))
    });
}

/// By identity, so that links and other spellings of a path are found too.
pub(super) fn refuse_inputs_as_outputs(plan: &mut Plan, found: &[Found]) {
    let inputs: BTreeSet<_> = found.iter().filter_map(|found| identity_of(&found.input)).collect();
    refuse(plan, "inputs are never replaced; choose another output with -o", |_, output| {
        inputs.contains(&identity(output)?).then(|| "an input".to_owned())
    });
}

/// Refuses the jobs of which a file is what `conflict` says.
fn refuse(plan: &mut Plan, hint: &str, conflict: impl Fn(&Job, &Path) -> Option<String>) {
    for job in std::mem::take(&mut plan.jobs) {
        let conflicts = job.files().into_iter().filter_map(|(_, output)| {
            let conflict = conflict(&job, &output)?;
            Some(format!("its output {} is {conflict}", output.display()))
        });
        let Some(conflict) = { conflicts }.next() else {
            plan.jobs.push(job);
            continue;
        };
        let message = format!("{}: {conflict}", job.input.name());
        plan.refuse(&job.input, Failure::new(Kind::File, message).with_hint(hint));
    }
}

/// As [`resolved_path`]; `None` for a pipe.
fn resolved(place: &Place) -> Option<PathBuf> {
    let Place::File(path) = place else { return None };
    Some(resolved_path(path))
}

/// One spelling for all paths to a name, which need not exist.
fn resolved_path(path: &Path) -> PathBuf {
    match (folder_of(path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
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

#[cfg(test)]
mod tests {
    use std::fs;

    use tapetum::Draws;

    use crate::plan::{Further, PlanOptions, plan};

    const DRAWS: Draws = Draws { n_samples: 3, seed: 0 };
    const VARIATIONS: Further = Further { draws: DRAWS, has_variations: true, has_map: false };
    const MAP: Further = Further { draws: DRAWS, has_variations: false, has_map: true };

    /// Plans inputs of these names, and expects each to be refused with the words, or none. Without
    /// anything beside the results nothing is refused.
    fn check(inputs: &[&str], output: Option<&str>, further: Further, expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = inputs.iter().map(|name| folder.path().join(name)).collect();
        for path in &paths {
            fs::write(path, b"no image, as its decoder will say").unwrap();
        }
        let output = output.map(|name| folder.path().join(name));
        let refused = |further| {
            let (inputs, output) = (&paths[..], output.as_deref());
            let plan = plan(PlanOptions { inputs, output, format: None, further }).unwrap();
            plan.refusals.into_iter().map(|refusal| refusal.failure.message).collect::<Vec<_>>()
        };
        assert_eq!(refused(None), Vec::<String>::new());
        let found = refused(Some(further));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "expected {expected:?} in {found}");
        }
    }

    #[test]
    fn a_variation_that_would_be_another_result_is_refused_with_it() {
        let expected = ["a-sample-2.png is also that of", "a-sample-2.png is also that of"];
        check(&["a.png", "a-sample-2.png"], Some("out"), VARIATIONS, &expected);
        check(&["a.png", "a-sample-4.png"], Some("out"), VARIATIONS, &[]);
        check(&["a.png", "a-sample-2.png"], Some("out"), MAP, &[]);
    }

    #[test]
    fn two_maps_of_one_name_are_refused() {
        let expected = ["a-uncertainty.png is also that of"; 2];
        check(&["a.png", "a.tif"], Some("out"), MAP, &expected);
        check(&["a.png", "a.tif"], Some("out"), VARIATIONS, &[]);
    }

    #[test]
    fn an_input_is_no_variation_and_no_map() {
        let expected = ["a-bright-sample-3.png is an input"];
        check(&["a.png", "a-bright-sample-3.png"], None, VARIATIONS, &expected);
        let expected = ["a-bright-uncertainty.png is an input"];
        check(&["a.png", "a-bright-uncertainty.png"], None, MAP, &expected);
    }
}
