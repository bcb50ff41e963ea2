//! What an output folder already holds: one line of JSON for each finished file, appended as it is
//! finished, so that a killed run can be continued.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Name of the file in the output folder.
pub(crate) const FILE_NAME: &str = ".tapetum-manifest.jsonl";
/// Largest manifest that is read.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// One finished output and what made it.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// Path below the output folder.
    output: String,
    #[serde(flatten)]
    facts: Facts,
    /// SHA-256 of the output file.
    output_sha256: String,
}

/// What decides an output: if all of it is as before, the output need not be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// SHA-256 of the input file.
    pub(crate) input_sha256: String,
    /// SHA-256 of everything on the command line that decides the output, and the program's version.
    pub(crate) settings_sha256: String,
    /// Hash of the weights' content.
    pub(crate) weights_sha256: String,
}

/// The manifest of one output folder.
#[derive(Debug)]
pub(crate) struct Manifest {
    folder: PathBuf,
    path: PathBuf,
    known: BTreeMap<String, Entry>,
    file: Mutex<Option<File>>,
}

impl Manifest {
    /// Reads what `folder` holds, or starts anew.
    pub(crate) fn open(folder: &Path, resume: bool) -> io::Result<Self> {
        let path = folder.join(FILE_NAME);
        let known = if resume && path.exists() { read(&path)? } else { BTreeMap::new() };
        Ok(Self { folder: folder.to_owned(), path, known, file: Mutex::new(None) })
    }

    /// The file itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an earlier run made `output`, whatever became of it since.
    pub(crate) fn knows(&self, output: &Path) -> bool {
        self.known.contains_key(&self.name_of(output))
    }

    /// Whether an entry with these facts exists and its output is still what was written.
    pub(crate) fn is_done(&self, output: &Path, facts: &Facts) -> bool {
        let entry = self.known.get(&self.name_of(output)).filter(|entry| entry.facts == *facts);
        entry.is_some_and(|entry| sha256_of_file(output).is_ok_and(|h| h == entry.output_sha256))
    }

    /// Appends the entry of `output`, which holds `bytes`.
    pub(crate) fn add(&self, output: &Path, bytes: &[u8], facts: &Facts) -> io::Result<()> {
        let (output, facts) = (self.name_of(output), facts.clone());
        let entry = Entry { output, facts, output_sha256: sha256(bytes) };
        let mut line = serde_json::to_string(&entry).expect("text is JSON");
        line.push('\n');
        let mut file = self.file.lock().expect("no thread panics while it writes a line");
        if file.is_none() {
            let mut opened = OpenOptions::new().create(true).append(true).open(&self.path)?;
            // Ends a line that a killed run may have left open.
            opened.write_all(b"\n")?;
            *file = Some(opened);
        }
        file.as_mut().expect("it was opened above").write_all(line.as_bytes())
    }

    /// The path of an output below the folder, as entries name it.
    fn name_of(&self, output: &Path) -> String {
        let below = output.strip_prefix(&self.folder).unwrap_or(output);
        below.to_string_lossy().replace('\\', "/")
    }
}

/// The entries by output; a line that was cut by a kill is none, and its file is made again.
fn read(path: &Path) -> io::Result<BTreeMap<String, Entry>> {
    if path.metadata()?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("the manifest is larger than 1 GiB"));
    }
    let text = fs::read(path)?;
    let lines = text.split(|&byte| byte == b'\n');
    let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
    Ok(entries.map(|entry| (entry.output.clone(), entry)).collect())
}

/// Lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            n_bytes => hasher.update(&chunk[..n_bytes]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
