//! Where outputs go and what they are called.

use std::path::{Path, PathBuf};

use tapetum::Format;

use super::{PIPE, Place, PlanOptions, find::Found};
use crate::failure::{Failure, Kind};

/// Where outputs go.
#[derive(Debug)]
pub(super) enum Target {
    /// `photo-bright.jpg` beside `photo.jpg`.
    Beside,
    /// One file, in the format that its name or the command line asks for.
    File(PathBuf, Option<Format>),
    Folder(PathBuf),
    Pipe,
}

impl Target {
    pub(super) fn decide(options: PlanOptions, found: &[Found]) -> Result<Self, Failure> {
        let usage =
            |message: String, hint: &str| Err(Failure::new(Kind::Usage, message).with_hint(hint));
        let folders = options.inputs.iter().filter(|input| input.is_dir());
        let folders: Vec<&PathBuf> = folders.collect();
        let is_single = options.inputs.len() == 1 && found.len() <= 1 && folders.is_empty();
        match options.output {
            Some(output) if output == Path::new(PIPE) && is_single => Ok(Self::Pipe),
            Some(output) if output == Path::new(PIPE) => {
                usage("standard output takes one photograph".to_owned(), "name a folder with -o")
            }
            Some(output) if output.is_dir() => Ok(Self::Folder(output.to_owned())),
            Some(output) if is_single && is_file_name(output) => {
                Ok(Self::File(output.to_owned(), file_format(output, options.format)?))
            }
            Some(output) if is_file_name(output) => usage(
                format!("{}: expected a folder, found the name of a file", output.display()),
                "a folder or several inputs go to a folder; name one with -o",
            ),
            Some(output) => Ok(Self::Folder(output.to_owned())),
            None if options.inputs == [Path::new(PIPE)] => Ok(Self::Pipe),
            None if folders.is_empty() => Ok(Self::Beside),
            None if options.inputs.len() == 1 => Ok(Self::Folder(beside_folder(folders[0]))),
            None => usage(
                "several inputs with a folder among them".to_owned(),
                "name an output folder with -o",
            ),
        }
    }

    /// The output of one input.
    pub(super) fn place(&self, found: &Found, format: Option<Format>) -> Result<Place, Failure> {
        match (self, &found.input) {
            (Self::Pipe, _) => Ok(Place::Pipe),
            (Self::File(path, _), _) => Ok(Place::File(path.clone())),
            (Self::Beside, Place::File(path)) => {
                Ok(Place::File(renamed(&with_ending(path, "-bright"), format)))
            }
            (Self::Folder(folder), Place::File(path)) => {
                let name = || PathBuf::from(path.file_name().unwrap_or_default());
                let below = found.below.clone().unwrap_or_else(name);
                Ok(Place::File(renamed(&folder.join(below), format)))
            }
            (Self::Beside | Self::Folder(_), Place::Pipe) => {
                Err(Failure::new(Kind::File, "standard input has no name for its output")
                    .with_hint("enhance it alone, and name an output file with -o"))
            }
        }
    }
}

/// Whether a path is meant as a file: it is there and no folder, or it ends like an image.
fn is_file_name(path: &Path) -> bool {
    path.exists() || format_of_name(path).is_some()
}

/// The format that the ending of a path promises.
pub(super) fn format_of_name(path: &Path) -> Option<Format> {
    path.extension().and_then(|extension| extension.to_str()).and_then(Format::from_extension)
}

/// The format that the name of an output file and `--format` ask for together.
fn file_format(path: &Path, asked: Option<Format>) -> Result<Option<Format>, Failure> {
    let usage = |message: String, hint: &str| {
        let message = format!("{}: {message}", path.display());
        Err(Failure::new(Kind::Usage, message).with_hint(hint))
    };
    match (format_of_name(path), asked) {
        (Some(named), _) if !named.can_write() => usage(
            format!("{} is only read", named.name()),
            "choose a name in .jpg, .png, .tif or .webp",
        ),
        (Some(named), Some(asked)) if named != asked => usage(
            format!("the name promises {}, --format asks for {}", named.name(), asked.name()),
            "leave --format out, or choose another name",
        ),
        (named, asked) => Ok(named.or(asked)),
    }
}

fn beside_folder(folder: &Path) -> PathBuf {
    let named = folder.file_name().map(|_| folder.to_owned());
    let folder = named.or_else(|| folder.canonicalize().ok()).unwrap_or_else(|| folder.to_owned());
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push("-bright");
    folder.with_file_name(name)
}

/// The path with more at the end of its name, before the extension.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(ending);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The path with an ending that is true for `format`.
fn renamed(path: &Path, format: Option<Format>) -> PathBuf {
    match format {
        Some(format) if format_of_name(path) != Some(format) => {
            path.with_extension(format.extensions()[0])
        }
        _ => path.to_owned(),
    }
}
