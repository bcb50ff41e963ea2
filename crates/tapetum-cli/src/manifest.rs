//! What an output folder already holds: one line of JSON for each finished file, appended as it is
//! finished, so that a killed run can be continued.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Name of the file in the output folder.
pub(crate) const FILE_NAME: &str = ".tapetum-manifest.jsonl";
/// Largest manifest that is read.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// What made an output: if all of it is as before, the output need not be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Path below the output folder.
    pub(crate) output: String,
    /// SHA-256 of the input file.
    pub(crate) input_sha256: String,
    /// SHA-256 of everything on the command line that decides the output, and the program's version.
    pub(crate) settings_sha256: String,
    /// Hash of the weights' content.
    pub(crate) weights_sha256: String,
    /// SHA-256 of the output file.
    pub(crate) output_sha256: String,
}

/// The manifest of one output folder.
#[derive(Debug)]
pub(crate) struct Manifest {
    folder: PathBuf,
    known: BTreeMap<String, Entry>,
    file: Mutex<Option<File>>,
}

impl Manifest {
    /// Reads what `folder` holds, or starts anew.
    pub(crate) fn open(folder: &Path, resume: bool) -> io::Result<Self> {
        let path = folder.join(FILE_NAME);
        let mut known = BTreeMap::new();
        if resume && path.exists() {
            if path.metadata()?.len() > FILE_BYTES_MAX {
                return Err(io::Error::other("the manifest is larger than 1 GiB"));
            }
            // A line that was cut by a kill is no entry; its file is made again.
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            let entries = text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
            known.extend(entries.map(|entry| (entry.output.clone(), entry)));
        }
        Ok(Self { folder: folder.to_owned(), known, file: Mutex::new(None) })
    }

    /// The path of an output below the folder, as entries name it.
    pub(crate) fn name_of(&self, output: &Path) -> String {
        let below = output.strip_prefix(&self.folder).unwrap_or(output);
        below.to_string_lossy().replace('\\', "/")
    }

    /// Whether an entry with these facts exists and its output is still what was written.
    pub(crate) fn is_done(&self, name: &str, facts: &Facts, output: &Path) -> bool {
        let Some(entry) = self.known.get(name) else { return false };
        entry.input_sha256 == facts.input_sha256
            && entry.settings_sha256 == facts.settings_sha256
            && entry.weights_sha256 == facts.weights_sha256
            && fs::read(output).is_ok_and(|bytes| sha256(&bytes) == entry.output_sha256)
    }

    /// Appends an entry.
    pub(crate) fn add(&self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_string(entry).expect("text is JSON");
        line.push('\n');
        let mut file = self.file.lock().expect("no thread panics while it writes a line");
        if file.is_none() {
            let path = self.folder.join(FILE_NAME);
            let mut opened = OpenOptions::new().create(true).append(true).open(path)?;
            // Ends a line that a killed run may have left open.
            opened.write_all(b"\n")?;
            *file = Some(opened);
        }
        file.as_mut().expect("it was opened above").write_all(line.as_bytes())
    }
}

/// What decides an output, before it is made.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) input_sha256: String,
    pub(crate) settings_sha256: String,
    pub(crate) weights_sha256: String,
}

/// Lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
