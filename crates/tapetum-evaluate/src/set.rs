//! Sets of images: found on disk, whole and of fitting sizes before anything is scored.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use sha2::{Digest, Sha256};
use tapetum_data::{
    DataError, Pair, Synthesis, apply, images, labelled, pairs, pairs_between, random_stream,
};
use tapetum_image::{ColorConversion, Image, Limits, Photo, Raster, Samples, Srgb, decode};
use tapetum_metrics::Picture;

use crate::{error::EvaluateError, protocol::Protocol};

/// How many times larger references may be on each side.
const SCALES: [u32; 3] = [1, 2, 4];

/// Images that belong together, with what there is to compare them with.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// What tables call it.
    pub name: String,
    /// What there is to compare with.
    pub kind: Kind,
    /// The images, at least one.
    pub scenes: Vec<Scene>,
    /// Light that is left, 0..1: each photograph is darkened by it in linear light, and rounded to 8 bits,
    /// before methods see it.
    pub exposure: Option<f32>,
}

/// What there is to compare results with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// References.
    Paired,
    /// Nothing.
    Unpaired,
    /// The class of each pixel.
    Labelled,
}

/// One image of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// Unique in its set.
    pub name: String,
    /// The dark image; none where only results and references are at hand.
    pub low: Option<PathBuf>,
    /// The well-lit one.
    pub reference: Option<PathBuf>,
    /// Its classes.
    pub labels: Option<PathBuf>,
}

/// Hashes of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Over all scenes, in hexadecimal digits.
    pub sha256: String,
    /// Over names and contents of each scene's files.
    pub scenes: Vec<[u8; 32]>,
    /// How many times larger the references are on each side than the dark images.
    pub scale: u32,
}

impl Kind {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paired => "paired",
            Self::Unpaired => "unpaired",
            Self::Labelled => "labelled",
        }
    }
}

impl Set {
    /// A folder as it is laid out: `low/` and `high/` (and the like, `NASA/` and `NASA-high/`) are pairs,
    /// `image/` and `label/` are labelled, images alone are unpaired.
    ///
    /// # Errors
    /// The folder cannot be read, or its files do not fit together.
    pub fn open(folder: &Path) -> Result<Self, EvaluateError> {
        let name = name_of(folder);
        let set = |kind, scenes| Self { name, kind, scenes, exposure: None };
        match pairs(folder) {
            Err(DataError::Layout { .. }) => {}
            pairs => return Ok(set(Kind::Paired, pairs?.into_iter().map(paired_scene).collect())),
        }
        match labelled(folder) {
            Err(DataError::Layout { .. }) => {}
            pairs => {
                return Ok(set(Kind::Labelled, pairs?.into_iter().map(labelled_scene).collect()));
            }
        }
        let scene = |path: PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Scene { name, low: Some(path), reference: None, labels: None }
        };
        let images = images(folder).map_err(|error| match error {
            DataError::NoImages { path } => DataError::Layout {
                path,
                expected: "images, or low/ and high/, or image/ and label/".to_owned(),
            },
            error => error,
        });
        Ok(set(Kind::Unpaired, images?.into_iter().map(scene).collect()))
    }

    /// References, with the dark images they belong to where those are at hand.
    ///
    /// # Errors
    /// A folder cannot be read, or the files do not fit together.
    pub fn of_references(references: &Path, lows: Option<&Path>) -> Result<Self, EvaluateError> {
        let scenes = match lows {
            Some(lows) => pairs_between(lows, references)?.into_iter().map(paired_scene).collect(),
            None => images(references)?.into_iter().map(reference_scene).collect(),
        };
        Ok(Self { name: name_of(references), kind: Kind::Paired, scenes, exposure: None })
    }

    /// For each image, its file among the results in `folder`.
    ///
    /// # Errors
    /// The folder cannot be read, or an image or a file in it has no partner.
    pub fn results_in(&self, folder: &Path) -> Result<Vec<PathBuf>, EvaluateError> {
        let Some(first) = self.scenes.first() else { return Ok(Vec::new()) };
        let of_scene = |scene: &Scene| scene.low.clone().or_else(|| scene.reference.clone());
        let inputs = of_scene(first).and_then(|path| path.parent().map(Path::to_owned));
        let pairs = pairs_between(&inputs.unwrap_or_default(), folder)?;
        let result = |scene: &Scene| {
            let input = of_scene(scene)?;
            pairs.iter().find(|pair| pair.first == input).map(|pair| pair.second.clone())
        };
        Ok(self.scenes.iter().filter_map(result).collect())
    }

    /// Reads every file: SHA-256 over their names and contents, and whether their sizes fit: references are as
    /// large as their dark images, or all of them twice or four times as large. All that do not fit are
    /// listed.
    ///
    /// # Errors
    /// A file cannot be read, or sizes differ.
    pub fn check(&self, limits: &Limits, n_threads: usize) -> Result<Manifest, EvaluateError> {
        let results = in_parallel(&self.scenes, n_threads, |scene| scene.check(limits));
        let mut hasher = Sha256::new();
        let (mut scenes, mut misfits, mut set_scale) = (Vec::new(), Vec::new(), None);
        for result in results {
            let (digest, sizes) = result?;
            hasher.update(digest);
            scenes.push(digest);
            match sizes.scale() {
                Some(scale) if *set_scale.get_or_insert(scale) == scale => {}
                _ => misfits.push(sizes.text()),
            }
        }
        let scale = set_scale.unwrap_or(1);
        match misfits.is_empty() {
            true => Ok(Manifest { sha256: hex(&hasher.finalize()), scenes, scale }),
            false => Err(EvaluateError::Sizes { misfits }),
        }
    }
}

impl Scene {
    /// Hash of its names and contents, and the sizes that have to fit.
    fn check(&self, limits: &Limits) -> Result<([u8; 32], Sizes), EvaluateError> {
        let mut hasher = Sha256::new();
        let mut sizes = Vec::new();
        for path in [&self.low, &self.reference, &self.labels].into_iter().flatten() {
            let bytes = read(path, limits)?;
            hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
            // A set of single images has nothing to fit: its files are decoded once, later.
            if self.reference.is_some() && self.low.is_some() || self.labels.is_some() {
                let raster = decoded(path, &bytes, limits)?.raster;
                sizes.push((path.clone(), [raster.width(), raster.height()]));
            }
        }
        let has_reference = self.reference.is_some();
        Ok((hasher.finalize().into(), Sizes { sizes, has_reference }))
    }
}

/// Files that belong together, the dark image first.
struct Sizes {
    sizes: Vec<(PathBuf, [u32; 2])>,
    /// Whether the second is a reference, which may be larger.
    has_reference: bool,
}

impl Sizes {
    /// How many times larger all others are on each side than the first.
    fn scale(&self) -> Option<u32> {
        let scales: &[u32] = if self.has_reference { &SCALES } else { &SCALES[..1] };
        let Some((_, first)) = self.sizes.first() else { return Some(1) };
        let is_scale = |scale: &u32| {
            let expected = first.map(|side| u64::from(side) * u64::from(*scale));
            self.sizes[1..].iter().all(|(_, size)| size.map(u64::from) == expected)
        };
        scales.iter().copied().find(is_scale)
    }

    fn text(&self) -> String {
        let size = |(path, [w, h]): &(PathBuf, [u32; 2])| format!("{} is {w}x{h}", path.display());
        self.sizes.iter().map(size).collect::<Vec<_>>().join(" but ")
    }
}

/// Runs `work` on every item on a few threads; results come in the order of the items.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    n_threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let idx = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(idx) else { return done };
            done.push((idx, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..n_threads.clamp(1, items.len().max(1))).map(|_| scope.spawn(run)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().flat_map(join).collect()
    });
    results.sort_by_key(|(idx, _)| *idx);
    results.into_iter().map(|(_, result)| result).collect()
}

/// A photograph in sRGB, 0..1, at the precision of its file.
pub(crate) fn read_image(path: &Path, limits: &Limits) -> Result<Image<Srgb>, EvaluateError> {
    let photo = decoded(path, &read(path, limits)?, limits)?;
    let image = |source| EvaluateError::Image { path: path.to_owned(), source };
    let (conversion, _) = ColorConversion::for_photo(&photo).map_err(image)?;
    Ok(conversion.to_srgb(&photo.raster.read_rgb(photo.raster.rect())))
}

/// A photograph as metrics see its 8-bit file: sRGB, whole numbers of 0..255.
///
/// # Errors
/// The file cannot be read or is no image.
pub fn read_picture(path: &Path, limits: &Limits) -> Result<Picture, EvaluateError> {
    let saved = &Protocol::built_in()[0];
    Ok(saved.file(&read_image(path, limits)?))
}

/// The classes of an 8-bit grey image, as they stand in the file.
pub(crate) fn read_labels(path: &Path, limits: &Limits) -> Result<Vec<u8>, EvaluateError> {
    let raster = decoded(path, &read(path, limits)?, limits)?.raster;
    let n_channels = raster.channels().n_samples();
    match raster.into_samples() {
        Samples::U8(values) => Ok(values.into_iter().step_by(n_channels).collect()),
        other => {
            Err(EvaluateError::Labels { path: path.to_owned(), depth_bits: other.depth_bits() })
        }
    }
}

/// Less light: linear values times `exposure`, in 256 levels as a dark file would be, and without noise.
pub(crate) fn darkened(image: &Image<Srgb>, exposure: f32) -> Image<Srgb> {
    let synthesis =
        Synthesis { shrink: 1, exposure, gamma: 1.0, cast: [1.0; 3], iso: 0, jpeg_quality: None };
    let dark = apply(&synthesis, image, &mut random_stream(0, "no noise"));
    dark.expect("an exposure of 0 to 1 that was checked, and a whole image")
}

/// A raster of floats, so that nothing is rounded before a protocol says how.
pub(crate) fn raster(image: &Image<Srgb>) -> Raster {
    let samples = Samples::F32(image.pixels.clone());
    Raster::new(image.width(), image.height(), tapetum_image::Channels::Rgb, samples)
        .expect("an image has three values a pixel")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, EvaluateError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limits.file_bytes_max + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| EvaluateError::Io { path: path.to_owned(), source })
}

fn decoded(path: &Path, bytes: &[u8], limits: &Limits) -> Result<Photo, EvaluateError> {
    decode(bytes, limits).map_err(|source| EvaluateError::Image { path: path.to_owned(), source })
}

fn name_of(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn paired_scene(pair: Pair) -> Scene {
    Scene { name: pair.name, low: Some(pair.first), reference: Some(pair.second), labels: None }
}

fn labelled_scene(pair: Pair) -> Scene {
    Scene { name: pair.name, low: Some(pair.first), reference: None, labels: Some(pair.second) }
}

fn reference_scene(path: PathBuf) -> Scene {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Scene { name, low: None, reference: Some(path), labels: None }
}
