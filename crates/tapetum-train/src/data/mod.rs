//! Photographs to learn from: found, checked, and drawn into batches.

mod cache;
mod loader;
mod part;
mod photograph;

use std::{collections::BTreeMap, path::Path, sync::Mutex};

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};
use tapetum_image::{Image, Srgb};
use tapetum_nn::recipe::{Batch, Form, Need, Part};

use self::{cache::Cache, part::Source};
pub(crate) use self::{
    loader::{Loaded, Span, load_ahead},
    photograph::Photograph,
};
use crate::{
    augment::LabelMap,
    config::{PartConfig, RunConfig},
    error::TrainError,
};

/// All photographs of a run.
pub(crate) struct Data {
    seed: u64,
    sources: Vec<Source>,
    cache: Cache,
}

/// What one photograph contributes to a batch.
pub(crate) struct Example {
    pub(crate) image: Image<Srgb>,
    pub(crate) partner: Partner,
}

pub(crate) enum Partner {
    None,
    Reference(Image<Srgb>),
    Strong(Image<Srgb>),
    Labels(LabelMap),
}

/// The examples of one part, as they go into tensors.
pub(crate) struct Examples {
    form: Form,
    examples: Vec<Example>,
}

impl Data {
    /// Finds everything that `parts` names below `root`, and reads as much of it as the cache holds.
    ///
    /// # Errors
    /// A part is missing or not needed, a file cannot be read, or sizes do not fit; all that do not are listed.
    pub(crate) fn open(
        needs: &[Need],
        parts: &BTreeMap<String, PartConfig>,
        run: &RunConfig,
        root: &Path,
    ) -> Result<Self, TrainError> {
        check_needs(needs, parts)?;
        let source = |(name, config): (&String, &PartConfig)| Source::find(name, config, root);
        let sources = parts.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        let data = Self { seed: run.seed, sources, cache: Cache::new(run.cache_mib << 20) };
        data.read_ahead(run.n_workers)?;
        Ok(data)
    }

    /// How many photographs each part has.
    pub(crate) fn n_photographs(&self) -> Vec<(String, usize)> {
        self.sources.iter().map(|source| (source.name.clone(), source.items.len())).collect()
    }

    /// SHA-256 over the names, the sizes and the first bytes of all files.
    pub(crate) fn fingerprint(&self, root: &Path) -> Result<String, TrainError> {
        let mut hasher = Sha256::new();
        for source in &self.sources {
            hasher.update(&source.name);
            source.items.iter().try_for_each(|item| item.hash(root, &mut hasher))?;
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The examples of a batch, the same for the same number whatever was loaded before.
    pub(crate) fn load(&self, batch_idx: u64) -> Result<Loaded, TrainError> {
        let mut loaded = Loaded::default();
        for source in &self.sources {
            let first = batch_idx * source.config.n as u64;
            let positions = first..first + source.config.n as u64;
            let drawn = positions.map(|position| source.draw(self.seed, position, &self.cache));
            let drawn = drawn.collect::<Result<Vec<_>, _>>()?;
            let (examples, names): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
            loaded.photographs.extend(names);
            let examples = Examples { form: source.form(), examples };
            loaded.parts.insert(source.name.clone(), examples);
        }
        Ok(loaded)
    }

    /// Reads photographs until the cache is full, on several threads.
    fn read_ahead(&self, n_workers: usize) -> Result<(), TrainError> {
        let items: Vec<_> = self
            .sources
            .iter()
            .flat_map(|source| source.items.iter().map(move |item| (source, item)))
            .collect();
        let next = Mutex::new(items.iter());
        let found = Mutex::new((None, Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..n_workers {
                scope.spawn(|| {
                    loop {
                        let item = next.lock().expect("no thread panics here").next();
                        let Some((source, item)) = item else { return };
                        if self.cache.is_full() {
                            return;
                        }
                        let checked = source.check(item, &self.cache);
                        let mut found = found.lock().expect("no thread panics here");
                        match checked {
                            Ok(misfit) => found.1.extend(misfit),
                            Err(error) => drop(found.0.get_or_insert(error)),
                        }
                    }
                });
            }
        });
        match found.into_inner().expect("no thread panics here") {
            (Some(error), _) => Err(error),
            (None, misfits) if misfits.is_empty() => Ok(()),
            (None, mut misfits) => {
                misfits.sort();
                Err(TrainError::Sizes { misfits })
            }
        }
    }
}

impl Loaded {
    /// The batch as tensors.
    pub(crate) fn into_batch(self, device: &Device) -> Batch {
        let part = |(name, examples): (String, Examples)| (name, examples.into_part(device));
        Batch { parts: self.parts.into_iter().map(part).collect() }
    }
}

impl Examples {
    fn into_part(self, device: &Device) -> Part {
        let images = self.examples.iter().map(|example| &example.image);
        let images = tensor(&images.collect::<Vec<_>>(), device);
        match self.form {
            Form::Images => Part::Images(images),
            Form::Pairs => Part::Pairs { low: images, reference: self.partners(device) },
            Form::Views => Part::Views { weak: images, strong: self.partners(device) },
            Form::Labelled => {
                let classes = self.examples.iter().flat_map(|example| match &example.partner {
                    Partner::Labels(labels) => labels.classes.as_slice(),
                    _ => &[],
                });
                let classes: Vec<i64> = classes.map(|class| i64::from(*class)).collect();
                let [n_batch, _, height, width] = images.dims();
                let labels = TensorData::new(classes, [n_batch, height, width]);
                Part::Labelled { images, labels: Tensor::from_data(labels, device) }
            }
        }
    }

    /// The images that belong to the images.
    fn partners(&self, device: &Device) -> Tensor<4> {
        let partners = self.examples.iter().filter_map(|example| match &example.partner {
            Partner::Reference(image) | Partner::Strong(image) => Some(image),
            _ => None,
        });
        tensor(&partners.collect::<Vec<_>>(), device)
    }
}

fn check_needs(needs: &[Need], parts: &BTreeMap<String, PartConfig>) -> Result<(), TrainError> {
    let names: Vec<&str> = needs.iter().map(|need| need.name).collect();
    for (name, part) in parts {
        let key = format!("data.{name}");
        let Some(need) = needs.iter().find(|need| need.name == name) else {
            let expected = format!("one of {}", names.join(", "));
            return Err(TrainError::config(key, expected, format!("the part '{name}'")));
        };
        let form = part::form(part);
        if form != need.form {
            let expected = format!("{} ({})", part::form_name(need.form), part::keys(need.form));
            return Err(TrainError::config(key, expected, part::form_name(form)));
        }
    }
    let missing = needs.iter().find(|need| need.is_required && !parts.contains_key(need.name));
    missing.map_or(Ok(()), |need| {
        let expected = format!("{}, which the method learns from", part::form_name(need.form));
        Err(TrainError::config(format!("data.{}", need.name), expected, "no such part"))
    })
}

/// `[batch, 3, height, width]` of images that are of one size.
fn tensor(images: &[&Image<Srgb>], device: &Device) -> Tensor<4> {
    let (width, height) = images.first().map_or((0, 0), |image| (image.width(), image.height()));
    let values: Vec<f32> = images.iter().flat_map(|image| image.pixels.iter().copied()).collect();
    let shape = [images.len(), height as usize, width as usize, 3];
    Tensor::<4>::from_data(TensorData::new(values, shape), device).permute([0, 3, 1, 2])
}
