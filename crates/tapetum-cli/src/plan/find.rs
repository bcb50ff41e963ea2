//! Finding the inputs: files, folders in depth, patterns and standard input.

use std::{
    io,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use super::{PIPE, Place, Plan, PlanOptions, conflicts::identity, product::n_files};
use crate::{
    failure::{Failure, Kind},
    output,
};

/// Most files of one command, and most that it writes.
const N_FILES_MAX: usize = 1_000_000;

/// An input, and how deep it lay in a searched folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) input: Place,
    /// The path below the searched folder.
    pub(super) below: Option<PathBuf>,
}

/// All inputs in the order of the command line. What cannot be found or searched is refused in
/// `plan`; what is in a folder and surely no photograph is counted there.
pub(super) fn find(options: PlanOptions, plan: &mut Plan) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for input in options.inputs {
        if input == Path::new(PIPE) {
            found.push(Found { input: Place::Pipe, below: None });
        } else if input.is_dir() {
            find_in_folder(input, options, &mut found, plan)?;
        } else if !input.exists() && is_pattern(input) {
            find_by_pattern(input, &mut found, plan);
        } else {
            found.push(Found { input: Place::File(input.clone()), below: None });
        }
        check_count(&found, options)?;
    }
    Ok(found)
}

fn find_in_folder(
    folder: &Path,
    options: PlanOptions,
    found: &mut Vec<Found>,
    plan: &mut Plan,
) -> Result<(), Failure> {
    let output = options.output.and_then(identity);
    let is_output = |path: &Path| output.is_some() && path.is_dir() && identity(path) == output;
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_output(entry.path())) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry)
                if !entry.file_type().is_file() || output::is_unfinished(entry.file_name()) =>
            {
                plan.n_ignored += 1;
            }
            Ok(entry) => {
                let path = entry.into_path();
                let below = path.strip_prefix(folder).expect("it was found there").to_owned();
                found.push(Found { input: Place::File(path), below: Some(below) });
                check_count(found, options)?;
            }
            Err(error) => refuse_entry(plan, folder, error),
        }
    }
    Ok(())
}

fn refuse_entry(plan: &mut Plan, folder: &Path, error: walkdir::Error) {
    let path = error.path().unwrap_or(folder).to_owned();
    if let Some(ancestor) = error.loop_ancestor() {
        let message = format!("{}: leads back to {}", path.display(), ancestor.display());
        let failure = Failure::new(Kind::File, message).with_hint("remove the link");
        plan.refuse(&Place::File(path), failure);
    } else {
        let unknown = || io::Error::other("the folder cannot be searched");
        plan.refuse_unreadable(&path, &error.into_io_error().unwrap_or_else(unknown));
    }
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

fn find_by_pattern(pattern: &Path, found: &mut Vec<Found>, plan: &mut Plan) {
    let text = pattern.to_string_lossy();
    let n_before = (found.len(), plan.refusals.len());
    match glob::glob(&text) {
        Ok(paths) => {
            for path in paths {
                match path {
                    Ok(path) if path.is_file() => {
                        found.push(Found { input: Place::File(path), below: None });
                    }
                    Ok(_) => {}
                    Err(error) => plan.refuse_unreadable(error.path(), error.error()),
                }
            }
        }
        Err(error) => {
            let failure = Failure::new(Kind::File, format!("{text}: {error}"))
                .with_hint("such a name is taken as a pattern when there is no file of it");
            plan.refuse(&Place::File(pattern.to_owned()), failure);
        }
    }
    if (found.len(), plan.refusals.len()) == n_before {
        let failure = Failure::new(Kind::File, format!("{text}: the pattern matches no file"))
            .with_hint("check the pattern");
        plan.refuse(&Place::File(pattern.to_owned()), failure);
    }
}

fn check_count(found: &[Found], options: PlanOptions) -> Result<(), Failure> {
    if found.len() <= N_FILES_MAX / n_files(options.further) {
        return Ok(());
    }
    let message = format!("more than {N_FILES_MAX} files");
    Err(Failure::new(Kind::Usage, message).with_hint("enhance folder by folder"))
}

#[cfg(test)]
mod tests {
    use tapetum::Draws;

    use super::*;
    use crate::plan::Further;

    #[test]
    fn all_files_that_are_written_count_against_the_limit() {
        let (has_variations, has_map) = (true, true);
        let draws = Draws { n_samples: 62, seed: 0 };
        let further = Some(Further { draws, has_variations, has_map });
        let options = PlanOptions { inputs: &[], output: None, format: None, further };
        // 64 files of each.
        let found = |n_inputs| -> Vec<_> {
            (0..n_inputs).map(|_| Found { input: Place::Pipe, below: None }).collect()
        };
        assert!(check_count(&found(15_625), options).is_ok());
        assert_eq!(check_count(&found(15_626), options).unwrap_err().kind, Kind::Usage);
        assert!(check_count(&found(15_626), PlanOptions { further: None, ..options }).is_ok());
    }
}
