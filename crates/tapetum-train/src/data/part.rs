//! One part of a batch: its files, and what one of them contributes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};
use tapetum_data::{
    Classes, DataSet, Entries, Pair, Part, Split, apply, detect, draw, images, random_stream,
};
use tapetum_metrics::cityscapes_class;
use tapetum_nn::recipe::Form;

use super::{
    Example, Partner, Photograph,
    cache::{Cache, Content},
};
use crate::{
    augment::{LabelMap, Place, scaled},
    config::PartConfig,
    error::TrainError,
};

/// How much of a file the fingerprint of a data set takes in.
const HASHED_BYTES: u64 = 1 << 16;

/// Photographs of one kind.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) config: PartConfig,
    pub(crate) items: Vec<Item>,
    /// The order of the photographs in the passes through them that are under way.
    orders: Mutex<BTreeMap<u64, Arc<[usize]>>>,
}

/// A photograph and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    photograph: PathBuf,
    /// Its reference or its labels.
    partner: Option<PathBuf>,
    /// How many times larger the reference is on each side.
    scale: u32,
    /// What the numbers in its labels mean.
    classes: Classes,
}

/// The kind of what a part's folders hold.
pub(crate) fn form(config: &PartConfig) -> Form {
    match config {
        config if !config.labelled.is_empty() => Form::Labelled,
        config if config.strong.is_some() => Form::Views,
        config if !config.images.is_empty() => Form::Images,
        _ => Form::Pairs,
    }
}

pub(crate) fn form_name(form: Form) -> &'static str {
    match form {
        Form::Images => "photographs alone",
        Form::Pairs => "pairs",
        Form::Views => "photographs in two views",
        Form::Labelled => "labelled photographs",
    }
}

/// The keys that name folders of a form.
pub(crate) fn keys(form: Form) -> &'static str {
    match form {
        Form::Images => "images",
        Form::Views => "images and strong",
        Form::Pairs => "pairs or references",
        Form::Labelled => "labelled",
    }
}

impl Source {
    /// The files that a part names below `root`.
    pub(crate) fn find(name: &str, config: &PartConfig, root: &Path) -> Result<Self, TrainError> {
        let mut items = Vec::new();
        for folder in config.images.iter().chain(&config.references) {
            let photographs = images(&root.join(folder))?;
            items.extend(photographs.into_iter().map(Item::alone));
        }
        for folder in config.pairs.iter().chain(&config.labelled) {
            let folder = root.join(folder);
            let found = items_of(detect(&folder)?, form(config), config.scale);
            if found.is_empty() {
                let expected = form_name(form(config));
                let detail = format!("expected {expected} to learn from, found none");
                return Err(TrainError::data(&folder, detail));
            }
            items.extend(found);
        }
        check_scales(name, &items)?;
        let key = format!("data.{name}.except");
        for except in &config.except {
            if !items.iter().any(|item| item.is_called(except)) {
                return Err(TrainError::config(key, "a name to leave out", format!("'{except}'")));
            }
        }
        items.retain(|item| !config.except.iter().any(|name| item.is_called(name)));
        if items.is_empty() {
            return Err(TrainError::config(key, "not to leave out all photographs", "all"));
        }
        let (name, config) = (name.to_owned(), config.clone());
        Ok(Self { name, config, items, orders: Mutex::default() })
    }

    pub(crate) fn form(&self) -> Form {
        form(&self.config)
    }

    /// What is drawn at a position of the endless sequence of photographs, and its file. Each pass through
    /// them has all of them once, in an order of its own.
    pub(crate) fn draw(
        &self,
        seed: u64,
        position: u64,
        cache: &Cache,
    ) -> Result<(Example, String), TrainError> {
        let n_items = self.items.len() as u64;
        let order = self.order(seed, position / n_items);
        let item = &self.items[order[(position % n_items) as usize]];
        let stream = format!("{} {position}", self.name);
        let example = self.example(item, seed, &stream, cache)?;
        Ok((example, item.photograph.display().to_string()))
    }

    /// Reads a photograph and its partner, and says what does not fit.
    pub(crate) fn check(&self, item: &Item, cache: &Cache) -> Result<Option<String>, TrainError> {
        let (photograph, partner) = self.read(item, cache)?;
        Ok(self.misfit(item, &photograph, partner.as_deref()))
    }

    fn misfit(
        &self,
        item: &Item,
        photograph: &Photograph,
        partner: Option<&Photograph>,
    ) -> Option<String> {
        let side = self.low_side(item);
        let [width, height] = [photograph.width(), photograph.height()];
        let name = item.photograph.display();
        if width.min(height) < side {
            let needed = format!("at least {side} pixels a side");
            return Some(format!("{name}: expected {needed}, found {width}x{height}"));
        }
        let (path, partner) = item.partner.as_ref().zip(partner)?;
        let expected = [width, height].map(|side| side * item.scale);
        let found = [partner.width(), partner.height()];
        let [[w, h], [found_w, found_h]] = [expected, found];
        (expected != found).then(|| {
            let partner = path.display();
            format!("{partner}: expected {w}x{h} as {name} says, found {found_w}x{found_h}")
        })
    }

    fn example(
        &self,
        item: &Item,
        seed: u64,
        stream: &str,
        cache: &Cache,
    ) -> Result<Example, TrainError> {
        let (photograph, partner) = self.read(item, cache)?;
        if let Some(misfit) = self.misfit(item, &photograph, partner.as_deref()) {
            return Err(TrainError::Sizes { misfits: vec![misfit] });
        }
        let mut random = random_stream(seed, stream);
        let place = Place::draw(&mut random);
        let rect = place.square(photograph.width(), photograph.height(), self.low_side(item));
        let drawn = self.config.augment.draw(&mut random);
        let mut image = drawn.turn.apply(&photograph.part(rect));
        let mut partner = match partner {
            None => Partner::None,
            Some(labels) if self.form() == Form::Labelled => {
                let labels = drawn.turn.apply_to_labels(&labels.classes(rect));
                Partner::Labels(item.classes_of(labels))
            }
            Some(reference) => {
                Partner::Reference(drawn.turn.apply(&reference.part(scaled(rect, item.scale))))
            }
        };
        if let Some(range) = &self.config.synthesis {
            let dark = draw(range, &mut random)
                .and_then(|synthesis| apply(&synthesis, &image, &mut random))
                .map_err(|source| TrainError::Synthesis {
                    path: item.photograph.clone(),
                    source,
                })?;
            if self.form() == Form::Pairs {
                partner = Partner::Reference(image);
            }
            image = dark;
        }
        if let Partner::Reference(reference) = partner {
            partner = Partner::Reference(drawn.appearance.apply(reference));
        }
        let image = drawn.appearance.apply(image);
        if let Some(strong) = &self.config.strong {
            let drawn = strong.draw(&mut random);
            partner = Partner::Strong(drawn.appearance.apply(image.clone()));
        }
        Ok(Example { image, partner })
    }

    fn read(
        &self,
        item: &Item,
        cache: &Cache,
    ) -> Result<(Arc<Photograph>, Option<Arc<Photograph>>), TrainError> {
        let content = match self.form() {
            Form::Labelled => Content::Labels,
            Form::Images | Form::Pairs | Form::Views => Content::Photograph,
        };
        let get = |path: &PathBuf, content| cache.get(path, self.config.resize, content);
        let photograph = get(&item.photograph, Content::Photograph)?;
        let partner = item.partner.as_ref().map(|path| get(path, content)).transpose()?;
        Ok((photograph, partner))
    }

    /// Side of the square that is cut from a photograph; that of its partner is `scale` times larger.
    fn low_side(&self, item: &Item) -> u32 {
        self.config.size_px / item.scale
    }

    fn order(&self, seed: u64, pass: u64) -> Arc<[usize]> {
        let mut orders = self.orders.lock().expect("no thread panics here");
        // Threads are at most a few batches apart.
        orders.retain(|known, _| known + 2 > pass);
        let shuffled = || {
            let mut order: Vec<usize> = (0..self.items.len()).collect();
            order.shuffle(&mut random_stream(seed, &format!("{} order {pass}", self.name)));
            order.into()
        };
        orders.entry(pass).or_insert_with(shuffled).clone()
    }
}

impl Item {
    fn alone(photograph: PathBuf) -> Self {
        Self { photograph, partner: None, scale: 1, classes: Classes::Own }
    }

    fn of_pair(pair: Pair, scale: u32, classes: Classes) -> Self {
        Self { photograph: pair.first, partner: Some(pair.second), scale, classes }
    }

    fn is_called(&self, name: &str) -> bool {
        self.photograph.file_stem().is_some_and(|stem| stem == name)
    }

    /// The labels as the classes that are scored.
    fn classes_of(&self, mut labels: LabelMap) -> LabelMap {
        if self.classes == Classes::CityscapesIds {
            labels.classes.iter_mut().for_each(|class| *class = cityscapes_class(*class));
        }
        labels
    }

    /// Takes in names below `root`, sizes and first bytes.
    pub(crate) fn hash(&self, root: &Path, hasher: &mut Sha256) -> Result<(), TrainError> {
        for path in [Some(&self.photograph), self.partner.as_ref()].into_iter().flatten() {
            let name = path.strip_prefix(root).unwrap_or(path);
            let mut bytes = Vec::new();
            let mut read = || {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                file.take(HASHED_BYTES).read_to_end(&mut bytes)?;
                Ok(length)
            };
            let length = read().map_err(|error| TrainError::io(path, error))?;
            hasher.update(name.as_os_str().as_encoded_bytes());
            hasher.update(length.to_le_bytes());
            hasher.update(&bytes);
        }
        Ok(())
    }
}

/// A batch has references of one size.
fn check_scales(name: &str, items: &[Item]) -> Result<(), TrainError> {
    let scales: BTreeSet<u32> = items.iter().map(|item| item.scale).collect();
    if scales.len() <= 1 {
        return Ok(());
    }
    let scales: Vec<String> = scales.iter().map(u32::to_string).collect();
    let expected = format!("one of {}, as there are references of these sizes", scales.join(", "));
    Err(TrainError::config(format!("data.{name}.scale"), expected, "none"))
}

/// What a data set has of a form and, where one is named, a scale, without the parts that are meant for validation
/// and test.
fn items_of(set: DataSet, form: Form, scale: Option<u32>) -> Vec<Item> {
    let is_of_scale = |split: &Split| scale.is_none_or(|scale| split.scale == scale);
    let splits = set.splits.into_iter().filter(is_of_scale);
    let learned = splits.filter(|split| matches!(split.part, Part::Train | Part::Unstated));
    let items = learned.flat_map(|split| match split.entries {
        Entries::Paired(pairs) if form == Form::Pairs => {
            let item = |pair| Item::of_pair(pair, split.scale, Classes::Own);
            pairs.into_iter().map(item).collect()
        }
        Entries::Labelled { pairs, classes } if form == Form::Labelled => {
            pairs.into_iter().map(|pair| Item::of_pair(pair, 1, classes)).collect()
        }
        _ => Vec::new(),
    });
    items.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::fs;

    use tapetum_image::{Channels, EncodeOptions, Format, Photo, Raster, Samples, encode};

    use super::*;

    /// Each pixel of a picture of 24x20 that holds its place, `scale` times in each direction.
    fn write(path: &Path, scale: u32) {
        let (width, height) = (24 * scale, 20 * scale);
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x / scale, y / scale)));
        let samples = pixels.flat_map(|(x, y)| [x as u8, y as u8, 100]).collect();
        let raster = Raster::new(width, height, Channels::Rgb, Samples::U8(samples)).unwrap();
        let photo = Photo::from_raster(raster, Format::Png);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, encode(&photo, Format::Png, &EncodeOptions::default()).unwrap()).unwrap();
    }

    #[test]
    fn a_larger_reference_in_low_and_high_is_cut_where_its_low_image_is() {
        for scale in [1, 2, 4] {
            let folder = tempfile::tempdir().unwrap();
            write(&folder.path().join("set/low/1.png"), 1);
            write(&folder.path().join("set/high/1.png"), scale);
            let config = serde_json::json!({ "pairs": ["set"], "n": 1, "size_px": 16 });
            let config: PartConfig = serde_json::from_value(config).unwrap();
            let source = Source::find("pairs", &config, folder.path()).unwrap();
            for position in 0..8 {
                let (example, _) = source.draw(3, position, &Cache::new(1 << 20)).unwrap();
                let Partner::Reference(reference) = example.partner else { panic!("a pair") };
                let low = example.image;
                assert_eq!((low.width(), reference.width()), (16 / scale, 16));
                let at = |x: u32, y: u32| {
                    let start = ((y / scale * low.width() + x / scale) * 3) as usize;
                    low.pixels[start..start + 3].to_vec()
                };
                let places = (0..16).flat_map(|y| (0..16).map(move |x| (x, y)));
                let expected: Vec<f32> = places.flat_map(|(x, y)| at(x, y)).collect();
                assert_eq!(reference.pixels, expected);
            }
        }
    }
}
