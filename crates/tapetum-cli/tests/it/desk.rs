//! A folder to work in, and the program run there. After every run all inputs must be as they were
//! and no temporary file may be left.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tapetum::{Photo, decode};
use tempfile::TempDir;

/// A temporary folder with inputs, and another one for imported weights.
pub(crate) struct Desk {
    folder: TempDir,
    models: TempDir,
    inputs: BTreeMap<PathBuf, Vec<u8>>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = || tempfile::Builder::new().prefix("desk").tempdir().unwrap();
        Self { folder: folder(), models: folder(), inputs: BTreeMap::new() }
    }

    /// A desk with one input.
    pub(crate) fn with(name: &str, bytes: &[u8]) -> Self {
        let mut desk = Self::new();
        desk.add(name, bytes);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of imported weights.
    pub(crate) fn models(&self) -> &Path {
        self.models.path()
    }

    /// Puts an input there, which must stay as it is.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.put(name, bytes);
        self.inputs.insert(self.path(name), bytes.to_vec());
    }

    /// Puts a file there that may change.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn photo(&self, name: &str) -> Photo {
        decode(&self.read(name), &tapetum::Limits::default()).unwrap()
    }

    /// Paths of all files below a folder, in order.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let mut files = Vec::new();
        gather(&root, &root, &mut files);
        files.sort();
        files
    }

    /// The outputs in a folder by name, without the manifest.
    pub(crate) fn outputs(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let names = self.files(folder).into_iter().filter(|name| !name.starts_with(".tapetum-"));
        names.map(|name| (name.clone(), self.read(&format!("{folder}/{name}")))).collect()
    }

    /// The program in this folder, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapetum"));
        command.args(arguments).current_dir(self.folder.path());
        command.env("TAPETUM_MODELS", self.models.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.finish(self.command(arguments).output().unwrap())
    }

    /// Runs with bytes on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses its arguments reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input);
        self.finish(child.wait_with_output().unwrap())
    }

    fn finish(&self, output: Output) -> Ran {
        self.check();
        let Output { status, stdout, stderr } = output;
        let stderr = String::from_utf8(stderr).unwrap();
        Ran { code: status.code().unwrap_or(-1), stdout, stderr }
    }

    /// The promises of every run.
    pub(crate) fn check(&self) {
        for (path, bytes) in &self.inputs {
            let found =
                fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(found == *bytes, "the input {} has changed", path.display());
        }
        assert_eq!(self.unfinished(), Vec::<String>::new());
    }

    /// Files that were being written.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        self.files("").into_iter().filter(|name| name.ends_with(".part")).collect()
    }
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// -1 when a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    /// Asserts the exit code.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        self
    }

    /// Asserts that standard error says `part`.
    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "expected {part:?}, found {}", self.stderr);
        self
    }

    /// Asserts exactly one error of one line that says all `parts`, with a hint in the next line.
    pub(crate) fn fails_once(self, parts: &[&str]) -> Self {
        let errors = self.stderr.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{}", self.stderr);
        let mut lines = self.stderr.lines().skip_while(|line| !line.starts_with("error: "));
        let error = lines.next().unwrap();
        for part in parts {
            assert!(error.contains(part), "expected {part:?} in {error}");
        }
        let hint = lines.next().unwrap_or_default();
        assert!(hint.len() > "hint: ".len() && hint.starts_with("hint: "), "{}", self.stderr);
        self
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }
}

fn gather(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.is_symlink() {
            gather(root, &path, files);
        } else {
            files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}
