//! Writing files whole or not at all, also when the program is told to stop.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write},
    path::Path,
    sync::{PoisonError, RwLock},
};

use walkdir::WalkDir;

use crate::report::tell;

/// Start and end of the names of files that are being written.
const TEMPORARY_PREFIX: &str = ".tapetum-";
const TEMPORARY_SUFFIX: &str = ".part";

/// Held for reading while a temporary file exists; whoever ends the program takes it for writing.
static UNFINISHED: RwLock<()> = RwLock::new(());

/// Writes to a temporary file beside `path` and renames it into place.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], replace: Replace) -> io::Result<()> {
    let folder = folder_of(path);
    let _unfinished = UNFINISHED.read().unwrap_or_else(PoisonError::into_inner);
    make_folder(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .suffix(TEMPORARY_SUFFIX)
        .permissions(permissions())
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.flush()?;
    match replace {
        Replace::Yes => file.persist(path),
        Replace::No => file.persist_noclobber(path),
    }
    .map(drop)
    .map_err(|error| error.error)
}

/// A file in the way is not taken for the output itself.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
        _ => error,
    })
}

/// Whether an existing file may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    Yes,
    No,
}

/// On Ctrl-C and termination, ends the program at a moment when no temporary file exists; `advice`
/// ends the message.
pub(crate) fn finish_files_when_interrupted(advice: &'static str) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        let _finished = UNFINISHED.write();
        tell(format_args!("interrupted: finished files are whole{advice}"));
        std::process::exit(130);
    })
}

/// Removes what a killed run left below `folder`.
pub(crate) fn remove_unfinished(folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in WalkDir::new(folder).into_iter().filter_map(Result::ok) {
        if is_unfinished(entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file is one that was being written.
pub(crate) fn is_unfinished(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX)
}

/// The folder that holds `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What new files usually get; temporary files are private otherwise.
#[cfg(unix)]
fn permissions() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666)
}

#[cfg(not(unix))]
fn permissions() -> fs::Permissions {
    // Only the read-only flag exists there, and a file that is being written must not have it.
    let mut permissions = fs::metadata(".").expect("the current folder exists").permissions();
    permissions.set_readonly(false);
    permissions
}
