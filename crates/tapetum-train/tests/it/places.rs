//! Folders of made-up photographs, and runs in them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use tapetum_image::{Channels, EncodeOptions, Format, Photo, Raster, Samples, encode};
use tapetum_nn::recipe::Recipe;
use tapetum_train::{Event, Outcome, Plan, Session, TrainError, run};

/// A folder of data and runs.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Eight dark photographs and their references, of 24x20 pixels.
    pub(crate) fn with_pairs() -> Self {
        let place = Self::new();
        for idx in 0..8 {
            place.picture(&format!("low/{idx}.png"), [24, 20], 10 + 3 * idx, Channels::Rgb);
            place.picture(&format!("high/{idx}.png"), [24, 20], 100 + 9 * idx, Channels::Rgb);
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A PNG around a level.
    pub(crate) fn picture(
        &self,
        name: &str,
        [width, height]: [u32; 2],
        level: u8,
        channels: Channels,
    ) {
        let n_samples = width as usize * height as usize * channels.n_samples();
        let noise = |idx: usize| (idx * 7919 % 11) as u8;
        let samples = (0..n_samples).map(|idx| level + noise(idx)).collect();
        self.pixels(name, [width, height], samples, channels);
    }

    pub(crate) fn pixels(&self, name: &str, size: [u32; 2], samples: Vec<u8>, channels: Channels) {
        let raster = Raster::new(size[0], size[1], channels, Samples::U8(samples)).unwrap();
        let photo = Photo::from_raster(raster, Format::Png);
        let bytes = encode(&photo, Format::Png, &EncodeOptions::default()).unwrap();
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Runs to the end, or until `n_steps_here` were made.
    pub(crate) fn run(
        &self,
        recipe: &mut dyn Recipe,
        plan: &Plan,
        name: &str,
        n_steps_here: Option<usize>,
    ) -> Result<Outcome, TrainError> {
        let (stop, mut n_made) = (AtomicBool::new(false), 0);
        let mut watch = |event: &Event| {
            if let Event::Step { .. } = event {
                n_made += 1;
                if Some(n_made) == n_steps_here {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        };
        self.session(recipe, plan, name, &stop, &mut watch)
    }

    /// Runs to the end; `watch` is told what happens.
    pub(crate) fn watch(
        &self,
        recipe: &mut dyn Recipe,
        plan: &Plan,
        name: &str,
        watch: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, TrainError> {
        self.session(recipe, plan, name, &AtomicBool::new(false), watch)
    }

    fn session(
        &self,
        recipe: &mut dyn Recipe,
        plan: &Plan,
        name: &str,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, TrainError> {
        let recipe_text = serde_json::to_string(plan).unwrap();
        let mut session = Session {
            data: self.folder.path(),
            run: &self.path(name),
            recipe: &recipe_text,
            header: &[("method".to_owned(), "gain".to_owned())],
            stop,
            watch,
        };
        run(recipe, plan, &mut session)
    }
}

/// A plan from JSON, with what is the same for all.
pub(crate) fn plan(n_steps: usize, data: &str) -> Plan {
    serde_json::from_str(&format!(
        r#"{{
            "run": {{ "seed": 3, "n_steps": {n_steps}, "journal_every": 2, "checkpoint_every": 5 }},
            "data": {data},
            "validation": {{ "every": 4, "pairs": ["."], "n_samples": 2 }}
        }}"#
    ))
    .unwrap()
}

/// What a run left that must be the same whenever it is made: everything but times.
pub(crate) fn left(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(run).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with("events.out") && name != "timing.json" {
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
