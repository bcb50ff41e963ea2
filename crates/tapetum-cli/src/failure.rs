//! What ends a command, or one file of it, as people read it.

use std::{io, path::Path, process::ExitCode};

use tapetum::ImageError;

use crate::report::tell;

/// Who must act, as the exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file failed: exit code 1.
    File,
    /// The command was not meant so: exit code 2.
    Usage,
    /// The machine lacks something: exit code 3.
    Environment,
}

/// A message in one line, and the next step.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: one_line(&message.into()), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(one_line(&hint.into()));
        self
    }

    /// A failed access to `path`.
    pub(crate) fn io(kind: Kind, path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(kind, format!("{}: {error}", path.display()));
        match hint_for(error) {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }

    /// What the library refused about `path`.
    pub(crate) fn library(kind: Kind, path: &Path, error: &tapetum::Error) -> Self {
        let failure = Self::new(kind, format!("{}: {error}", path.display()));
        match limit_hint(error).or_else(|| error.hint()) {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }

    pub(crate) fn print(&self) {
        tell(self);
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::File => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
            Kind::Environment => ExitCode::from(3),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

fn hint_for(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
        io::ErrorKind::ReadOnlyFilesystem => "write elsewhere with -o",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and run it again; --resume continues an output folder"
        }
        io::ErrorKind::IsADirectory => "name a file here, not a folder",
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a folder",
        _ => return None,
    })
}

/// The library names its own limits; only one of them has an option here.
fn limit_hint(error: &tapetum::Error) -> Option<String> {
    let tapetum::Error::Image(ImageError::Limit { name, .. }) = error else { return None };
    let hint = match *name {
        "n_pixels_max" => "raise --max-megapixels if the file is to be trusted",
        _ => "no photograph should be so large; if it is one, reduce it with another program",
    };
    Some(hint.to_owned())
}

/// Joins lines; within a line all stays as it is, so that file names do.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
