//! From the inputs on the command line to the files to read and to write.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use tapetum::Format;
use walkdir::WalkDir;

use crate::failure::{Failure, Kind};

/// Bytes of a file that tell its format.
const N_HEAD_BYTES: u64 = 32;
/// Most files of one command.
const N_FILES_MAX: usize = 1_000_000;

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
}

/// Finds all inputs and names all outputs. Files that collide, would replace an input or are no
/// images are refused one by one; the others stay.
///
/// # Errors
/// The inputs and the output do not go together.
pub(crate) fn plan(options: PlanOptions) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let found = find(options, &mut plan)?;
    let target = Target::decide(options, &found)?;
    if let Target::Folder(folder) = &target {
        plan.folder = Some(folder.clone());
    }
    for found in found {
        match job(&found, &target, options.format) {
            Ok(Some(job)) => plan.jobs.push(job),
            Ok(None) => plan.n_ignored += 1,
            Err(failure) => plan.refusals.push(Refusal { input: found.input.name(), failure }),
        }
    }
    refuse_collisions(&mut plan);
    refuse_inputs_as_outputs(&mut plan);
    if plan.jobs.is_empty() && plan.refusals.is_empty() {
        let message = format!("no image among {} files", plan.n_ignored);
        return Err(Failure::new(Kind::Usage, message).with_hint("name a folder of photographs"));
    }
    Ok(plan)
}

/// An input, and how deep it lay in a searched folder.
#[derive(Debug)]
struct Found {
    input: Place,
    /// The searched folder, and the path below it.
    below: Option<(PathBuf, PathBuf)>,
}

fn find(options: PlanOptions, plan: &mut Plan) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for input in options.inputs {
        if input == Path::new(PIPE) {
            found.push(Found { input: Place::Pipe, below: None });
        } else if input.is_dir() {
            find_in_folder(input, options.output, &mut found, plan);
        } else if !input.exists() && is_pattern(input) {
            find_by_pattern(input, &mut found)?;
        } else {
            found.push(Found { input: Place::File(input.clone()), below: None });
        }
        if found.len() > N_FILES_MAX {
            let message = format!("more than {N_FILES_MAX} files");
            return Err(Failure::new(Kind::Usage, message).with_hint("enhance folder by folder"));
        }
    }
    Ok(found)
}

fn find_in_folder(folder: &Path, output: Option<&Path>, found: &mut Vec<Found>, plan: &mut Plan) {
    let output = output.and_then(identity);
    let is_output = |path: &Path| output.is_some() && path.is_dir() && identity(path) == output;
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_output(entry.path())) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let path = entry.into_path();
                let below = path.strip_prefix(folder).expect("it was found there").to_owned();
                found.push(Found {
                    input: Place::File(path),
                    below: Some((folder.to_owned(), below)),
                });
            }
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                let error = io::Error::from(error);
                let failure = Failure::io(Kind::File, &path, &error);
                plan.refusals.push(Refusal { input: path.display().to_string(), failure });
            }
        }
    }
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

fn find_by_pattern(pattern: &Path, found: &mut Vec<Found>) -> Result<(), Failure> {
    let text = pattern.to_string_lossy();
    let bad = |detail: String| Failure::new(Kind::Usage, format!("{text}: {detail}"));
    let paths = glob::glob(&text).map_err(|error| bad(error.to_string()))?;
    let before = found.len();
    for path in paths.filter_map(Result::ok).filter(|path| path.is_file()) {
        found.push(Found { input: Place::File(path), below: None });
    }
    if found.len() == before {
        return Err(bad("the pattern matches no file".to_owned()).with_hint("check the pattern"));
    }
    Ok(())
}

/// Where outputs go.
#[derive(Debug)]
enum Target {
    /// `photo-bright.jpg` beside `photo.jpg`.
    Beside,
    File(PathBuf),
    Folder(PathBuf),
    Pipe,
}

impl Target {
    fn decide(options: PlanOptions, found: &[Found]) -> Result<Self, Failure> {
        let folders = options.inputs.iter().filter(|input| input.is_dir());
        let folders: Vec<&PathBuf> = folders.collect();
        let is_single = options.inputs.len() == 1 && found.len() == 1 && folders.is_empty();
        match options.output {
            Some(output) if output == Path::new(PIPE) && is_single => Ok(Self::Pipe),
            Some(output) if output == Path::new(PIPE) => {
                Err(Failure::new(Kind::Usage, "standard output takes one photograph")
                    .with_hint("name a folder with -o"))
            }
            Some(output) if output.is_dir() => Ok(Self::Folder(output.to_owned())),
            Some(output) if is_single && is_file_name(output) => Ok(Self::File(output.to_owned())),
            Some(output) if output.exists() => {
                let message = format!("{}: expected a folder, found a file", output.display());
                Err(Failure::new(Kind::Usage, message).with_hint("several inputs need a folder"))
            }
            Some(output) => Ok(Self::Folder(output.to_owned())),
            None if is_single && found[0].input == Place::Pipe => Ok(Self::Pipe),
            None if folders.is_empty() => Ok(Self::Beside),
            None if options.inputs.len() == 1 => Ok(Self::Folder(beside_folder(folders[0]))),
            None => Err(Failure::new(Kind::Usage, "several inputs with a folder among them")
                .with_hint("name an output folder with -o")),
        }
    }
}

/// Whether a path that does not exist is meant as a file: it ends like an image.
fn is_file_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    path.is_file() || extension.is_some_and(|extension| Format::from_extension(extension).is_some())
}

fn beside_folder(folder: &Path) -> PathBuf {
    let named = folder.file_name().map(|_| folder.to_owned());
    let folder = named.or_else(|| folder.canonicalize().ok()).unwrap_or_else(|| folder.to_owned());
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push("-bright");
    folder.with_file_name(name)
}

/// The job of one input; `None` for a file of a searched folder that is no image.
fn job(found: &Found, target: &Target, format: Option<Format>) -> Result<Option<Job>, Failure> {
    let detected = match &found.input {
        Place::File(path) => match detect(path)? {
            Some(detected) => Some(detected),
            None if found.below.is_some() && !is_file_like_image(path) => return Ok(None),
            // The decoder says best what is wrong with it.
            None => None,
        },
        Place::Pipe => None,
    };
    let named = match target {
        Target::File(path) => named_format(path)?,
        _ => None,
    };
    let own = detected.map(tapetum::writable);
    let format = format.or(named).or(own);
    let output = match (target, &found.input) {
        (Target::Pipe, _) => Place::Pipe,
        (Target::File(path), _) => Place::File(path.clone()),
        (Target::Beside, Place::File(path)) => Place::File(renamed(&bright_name(path), format)),
        (Target::Folder(folder), Place::File(path)) => {
            let name = found.below.as_ref().map(|(_, below)| below.clone());
            let name = name.unwrap_or_else(|| path.file_name().unwrap_or_default().into());
            Place::File(renamed(&folder.join(name), format))
        }
        (Target::Beside | Target::Folder(_), Place::Pipe) => {
            return Err(Failure::new(Kind::Usage, "standard input has no name for its output")
                .with_hint("name an output file with -o"));
        }
    };
    Ok(Some(Job { input: found.input.clone(), output, format }))
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

fn is_file_like_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| Format::from_extension(extension).is_some())
}

/// The format that the ending of an output file asks for.
fn named_format(path: &Path) -> Result<Option<Format>, Failure> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.and_then(Format::from_extension) {
        Some(format) if !format.can_write() => {
            let message = format!("{}: {} is only read", path.display(), format.name());
            Err(Failure::new(Kind::Usage, message).with_hint("choose .jpg, .png, .tif or .webp"))
        }
        format => Ok(format),
    }
}

fn bright_name(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-bright");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The path with an ending that is true for `format`.
fn renamed(path: &Path, format: Option<Format>) -> PathBuf {
    let Some(format) = format else { return path.to_owned() };
    let extension = path.extension().and_then(|extension| extension.to_str());
    if extension.and_then(Format::from_extension) == Some(format) {
        return path.to_owned();
    }
    path.with_extension(format.extensions()[0])
}

fn refuse_collisions(plan: &mut Plan) {
    let mut inputs_by_output: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for job in plan.jobs.iter().filter(|job| job.output != Place::Pipe) {
        inputs_by_output.entry(job.output.name()).or_default().push(job.input.name());
    }
    inputs_by_output.retain(|_, inputs| inputs.len() > 1);
    let collides = |job: &Job| inputs_by_output.contains_key(&job.output.name());
    let (refused, jobs): (Vec<Job>, Vec<Job>) = plan.jobs.drain(..).partition(collides);
    plan.jobs = jobs;
    plan.refusals.extend(refused.iter().map(|job| {
        let (input, output) = (job.input.name(), job.output.name());
        let others = &inputs_by_output[&output];
        let other = others.iter().find(|other| **other != input).unwrap_or(&input);
        let message = format!("{input}: its output {output} is also that of {other}");
        let failure = Failure::new(Kind::File, message)
            .with_hint("rename one, or enhance them into different folders");
        Refusal { input, failure }
    }));
}

/// By identity, so that links and other spellings of a path are found too.
fn refuse_inputs_as_outputs(plan: &mut Plan) {
    let identity = |place: &Place| match place {
        Place::File(path) => identity(path),
        Place::Pipe => None,
    };
    let inputs: BTreeSet<_> = plan.jobs.iter().filter_map(|job| identity(&job.input)).collect();
    let replaces_input =
        |job: &Job| identity(&job.output).is_some_and(|output| inputs.contains(&output));
    let (refused, jobs): (Vec<Job>, Vec<Job>) = plan.jobs.drain(..).partition(replaces_input);
    plan.jobs = jobs;
    plan.refusals.extend(refused.iter().map(|job| {
        let (input, output) = (job.input.name(), job.output.name());
        let message = format!("{input}: its output {output} is an input");
        let failure = Failure::new(Kind::File, message)
            .with_hint("inputs are never replaced; choose another output with -o");
        Refusal { input, failure }
    }));
}

/// What two paths to one existing file share: device and inode.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// What two paths to one existing file share: the resolved path.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}
