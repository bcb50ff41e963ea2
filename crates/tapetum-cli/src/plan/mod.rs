//! From the inputs on the command line to the files to read and to write.

mod conflicts;
mod find;
mod product;
mod target;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use tapetum::Format;

pub(crate) use self::product::{Further, Product};
use self::{find::Found, target::Target};
use crate::failure::{Failure, Kind};

/// Bytes of a file that tell its format.
const N_HEAD_BYTES: u64 = 32;

/// The name of standard input and output.
pub(crate) const PIPE: &str = "-";

/// Where a photograph comes from, or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    Pipe,
}

impl Place {
    /// For people, and for the report.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Pipe => PIPE.to_owned(),
        }
    }
}

/// One photograph to enhance.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) input: Place,
    pub(crate) output: Place,
    /// What is written; `None` where only the content of a pipe can tell.
    pub(crate) format: Option<Format>,
    pub(crate) further: Option<Further>,
}

/// A file that cannot be enhanced, known before any work.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) input: String,
    pub(crate) failure: Failure,
}

/// Everything to do.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) jobs: Vec<Job>,
    pub(crate) refusals: Vec<Refusal>,
    /// Files in searched folders that are no images.
    pub(crate) n_ignored: usize,
    /// The folder whose tree mirrors the inputs', where there is one.
    pub(crate) folder: Option<PathBuf>,
}

/// What the command line says about names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanOptions<'a> {
    pub(crate) inputs: &'a [PathBuf],
    pub(crate) output: Option<&'a Path>,
    pub(crate) format: Option<Format>,
    pub(crate) further: Option<Further>,
}

impl Plan {
    fn refuse(&mut self, input: &Place, failure: Failure) {
        self.refusals.push(Refusal { input: input.name(), failure });
    }

    fn refuse_unreadable(&mut self, path: &Path, error: &io::Error) {
        self.refuse(&Place::File(path.to_owned()), Failure::io(Kind::File, path, error));
    }
}

/// Finds all inputs and names all outputs. Files that collide, would replace an input or are no
/// images are refused one by one; the others stay.
///
/// # Errors
/// The inputs and the output do not go together.
pub(crate) fn plan(options: PlanOptions) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let found = find::find(options, &mut plan)?;
    let target = Target::decide(options, &found)?;
    if let Target::Folder(folder) = &target {
        plan.folder = Some(folder.clone());
    }
    for found in &found {
        match job(found, &target, options) {
            Ok(Some(job)) => plan.jobs.push(job),
            Ok(None) => plan.n_ignored += 1,
            Err(failure) => plan.refuse(&found.input, failure),
        }
    }
    conflicts::refuse_shared_outputs(&mut plan);
    conflicts::refuse_inputs_as_outputs(&mut plan, &found);
    if plan.jobs.is_empty() && plan.refusals.is_empty() {
        let message = format!("no image among {} files", plan.n_ignored);
        return Err(Failure::new(Kind::Usage, message).with_hint("name a folder of photographs"));
    }
    Ok(plan)
}

/// The job of one input; `None` for a file of a searched folder that is no image.
fn job(found: &Found, target: &Target, options: PlanOptions) -> Result<Option<Job>, Failure> {
    let detected = match &found.input {
        Place::File(path) => match detect(path)? {
            None if found.below.is_some() && target::format_of_name(path).is_none() => {
                return Ok(None);
            }
            // Of a file that is called an image and is none, the decoder says best what is wrong.
            detected => detected,
        },
        Place::Pipe => None,
    };
    let named = match target {
        Target::File(_, format) => *format,
        _ => None,
    };
    let format = options.format.or(named).or(detected.map(tapetum::writable));
    let output = target.place(found, format)?;
    Ok(Some(Job { input: found.input.clone(), output, format, further: options.further }))
}

/// The format by the first bytes, without reading the rest.
fn detect(path: &Path) -> Result<Option<Format>, Failure> {
    let failure = |error: io::Error| Failure::io(Kind::File, path, &error);
    let metadata = path.metadata().map_err(failure)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "folder" } else { "device or pipe" };
        let message = format!("{}: expected a file, found a {kind}", path.display());
        return Err(Failure::new(Kind::File, message).with_hint("use - to read a pipe"));
    }
    let mut head = Vec::new();
    let file = File::open(path).map_err(failure)?;
    file.take(N_HEAD_BYTES).read_to_end(&mut head).map_err(failure)?;
    Ok(Format::detect(&head))
}
