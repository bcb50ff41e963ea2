//! What happens to an output that exists already: kept, found unchanged, or replaced.

use std::{fs, io, path::Path};

use crate::{
    failure::{Failure, Kind},
    manifest::{Facts, Manifest},
    output::{self, Replace, write_whole},
};

/// What the command line says about existing files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    pub(crate) overwrite: bool,
    pub(crate) resume: bool,
}

/// The rules for all outputs of a command. A file that neither `--overwrite` nor the manifest of a
/// resumed folder speaks for is nobody's to replace.
pub(crate) struct Existing {
    wishes: Wishes,
    manifest: Option<Manifest>,
}

impl Existing {
    /// `folder` is the output folder, where there is one.
    pub(crate) fn open(folder: Option<&Path>, wishes: Wishes) -> Result<Self, Failure> {
        let Some(folder) = folder else { return Ok(Self { wishes, manifest: None }) };
        let failure = |error| Failure::io(Kind::Environment, folder, &error);
        if wishes.resume {
            output::remove_unfinished(folder).map_err(failure)?;
        }
        let manifest = Manifest::open(folder, wishes.resume).map_err(failure)?;
        Ok(Self { wishes, manifest: Some(manifest) })
    }

    /// Fails early where the output may not be written, before any work.
    pub(crate) fn check(&self, output: &Path) -> Result<(), Failure> {
        let Ok(metadata) = output.metadata() else { return Ok(()) };
        if !metadata.is_file() {
            let kind = if metadata.is_dir() { "folder" } else { "device or pipe" };
            let message = format!("{}: expected a free name, found a {kind}", output.display());
            return Err(Failure::new(Kind::File, message)
                .with_hint("choose another name with -o, or - for standard output"));
        }
        if self.wishes.overwrite || self.wishes.resume { Ok(()) } else { Err(self.taken(output)) }
    }

    /// Whether a resumed folder holds the output of these facts, unchanged.
    pub(crate) fn is_done(&self, output: &Path, facts: &Facts) -> bool {
        let manifest = self.manifest.as_ref().filter(|_| self.wishes.resume);
        manifest.is_some_and(|manifest| manifest.is_done(output, facts))
    }

    /// Writes an output whole and notes what made it.
    pub(crate) fn save(&self, output: &Path, bytes: &[u8], facts: &Facts) -> Result<(), Failure> {
        let replace = if self.may_replace(output) { Replace::Yes } else { Replace::No };
        if let Err(error) = write_whole(output, bytes, replace) {
            match error.kind() {
                // A run that was killed between a file and its entry left exactly this file.
                io::ErrorKind::AlreadyExists if self.wishes.resume && holds(output, bytes) => {}
                io::ErrorKind::AlreadyExists => return Err(self.taken(output)),
                _ => return Err(Failure::io(Kind::File, output, &error)),
            }
        }
        let Some(manifest) = &self.manifest else { return Ok(()) };
        let added = manifest.add(output, bytes, facts);
        added.map_err(|error| Failure::io(Kind::File, manifest.path(), &error))
    }

    fn may_replace(&self, output: &Path) -> bool {
        let manifest = self.manifest.as_ref().filter(|_| self.wishes.resume);
        self.wishes.overwrite || manifest.is_some_and(|manifest| manifest.knows(output))
    }

    fn taken(&self, output: &Path) -> Failure {
        let failure = Failure::new(Kind::File, format!("{}: the file exists", output.display()));
        failure.with_hint(if self.wishes.resume {
            "no earlier run with these settings made it; --overwrite replaces it"
        } else {
            "--overwrite replaces it, --resume continues a folder, -o names another place"
        })
    }
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let is_as_long = path.metadata().is_ok_and(|metadata| metadata.len() == bytes.len() as u64);
    is_as_long && fs::read(path).is_ok_and(|found| found == bytes)
}
