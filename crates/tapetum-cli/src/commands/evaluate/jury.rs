//! Everything a contest borrows: networks, their weights, sets and the segmenter.

use std::path::{Path, PathBuf};

use tapetum::{
    Enhancer, Limits, Model, Weights,
    evaluate::{
        Contest, Contestant, ContestantNote, Fid, FidOf, Maker, Metric, MetricCard, MetricFile,
        Options, Predict, Protocol, SEGMENTERS, SET_METRICS, Segmenter, Set, UNTOUCHED, contestant,
        fid, images, metric, metrics, segmenter,
    },
};

use super::request::{Request, SegmenterRequest, WeightsRequest, failure};
use crate::{
    args::RunningArguments,
    failure::{Failure, Kind},
    manifest::sha256,
    model_store,
};

/// Methods that always take part.
const ALWAYS: [&str; 2] = [UNTOUCHED, "clahe"];
/// Names of what compares sets and not images.
const FLICKER: &str = "flicker";
const FID: &str = "fid";

pub(crate) struct Jury {
    request: Request,
    running: Options,
    sets: Vec<Set>,
    protocols: Vec<Protocol>,
    models: Vec<Entry>,
    /// Name, and for each set its files.
    outputs: Vec<(String, Vec<Vec<PathBuf>>)>,
    segmenter: Option<(String, [usize; 2], Predict)>,
    fid: Option<(Fid, String, Vec<PathBuf>)>,
}

/// A model that takes part.
struct Entry {
    /// What rows call it.
    name: String,
    /// A method, or weights by name or file.
    asked: PathBuf,
    model: Model,
    enhancer: Enhancer,
}

impl Jury {
    pub(crate) fn open(request: Request, running: &RunningArguments) -> Result<Self, Failure> {
        let options = Options {
            strength: request.strength,
            memory_bytes_max: running.memory,
            precision: running.precision.into(),
            limits: Limits {
                n_pixels_max: u64::from(running.max_megapixels) * 1_000_000,
                ..Limits::default()
            },
            n_threads: running.jobs.map_or(Options::default().n_threads, usize::from),
        };
        let sets = request.sets()?;
        let has_inputs = sets.iter().flat_map(|set| &set.scenes).any(|scene| scene.low.is_some());
        let models = if has_inputs { models(&request)? } else { Vec::new() };
        if !has_inputs && request.methods.len() + request.weights.len() > 0 {
            let message = "methods need dark images, there are references only";
            return Err(Failure::new(Kind::Usage, message).with_hint("name them with --inputs"));
        }
        let outputs = request.outputs.iter().map(|folder| outputs(folder, &sets));
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        if models.is_empty() && outputs.is_empty() {
            let message = "expected results or methods to score, got neither";
            return Err(Failure::new(Kind::Usage, message)
                .with_hint("name results with -t, or methods with --method"));
        }
        let segmenter = request.segmenter.as_ref().map(open_segmenter).transpose()?;
        let protocols = request.protocols()?;
        let fid = request.metrics.iter().any(|name| name == FID).then(|| open_fid(&request));
        let fid = fid.transpose()?;
        Ok(Self { fid, request, running: options, sets, protocols, models, outputs, segmenter })
    }

    pub(crate) fn contest(&self, date: Option<&str>) -> Result<Contest<'_>, Failure> {
        let models = self.models.iter();
        let models = models.map(|entry| contestant(&entry.name, &entry.model, &entry.enhancer));
        let outputs = self.outputs.iter().map(|(name, files)| Contestant {
            note: ContestantNote { name: name.clone(), ..ContestantNote::default() },
            maker: Maker::Files(files.clone()),
        });
        let segmenter =
            self.segmenter.as_ref().map(|(description, [n_classes, n_scored], predict)| {
                Segmenter {
                    description: description.clone(),
                    n_classes: *n_classes,
                    n_scored: *n_scored,
                    predict,
                }
            });
        let fid = self.fid.as_ref().map(|(fid, description, references)| FidOf {
            fid,
            description: description.clone(),
            references: references.clone(),
        });
        Ok(Contest {
            title: self.request.title.clone(),
            date: date.map(str::to_owned),
            sets: self.sets.clone(),
            contestants: models.chain(outputs).collect(),
            protocols: self.protocols.clone(),
            metrics: self.metrics()?,
            flicker: self.request.metrics.iter().any(|name| name == FLICKER),
            fid,
            segmenter,
            options: self.running.clone(),
        })
    }

    /// How each model that takes part was asked for, in the order of the contestants.
    pub(crate) fn model_names(&self) -> impl Iterator<Item = &Path> {
        self.models.iter().map(|entry| entry.asked.as_path())
    }

    /// Those asked for, then those that say what a method spoils.
    fn metrics(&self) -> Result<Vec<Metric>, Failure> {
        let asked =
            self.request.metrics.iter().filter(|name| ![FLICKER, FID].contains(&name.as_str()));
        let cards = asked.map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
        let rest = metrics().filter(|card| card.is_harm);
        let mut all: Vec<&'static MetricCard> = Vec::new();
        for card in cards.into_iter().chain(rest) {
            if !all.iter().any(|known| known.name == card.name) {
                all.push(card);
            }
        }
        let files_of = &self.request.metric_files;
        if let Some(name) =
            files_of.keys().find(|name| *name != FID && !all.iter().any(|card| card.name == **name))
        {
            return Err(Failure::new(
                Kind::Usage,
                format!("a file is named for {name}, which is not asked for"),
            )
            .with_hint("add it to the metrics, or leave the file out"));
        }
        all.into_iter().map(|card| open_metric(card, files_of.get(card.name))).collect()
    }
}

fn find(name: &str) -> Result<&'static MetricCard, Failure> {
    metrics().find(|card| card.name == name).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("no metric is called '{name}'"))
            .with_hint("'tapetum metrics list' shows them")
    })
}

fn open_metric(card: &'static MetricCard, paths: Option<&Vec<PathBuf>>) -> Result<Metric, Failure> {
    let paths = paths.map_or(&[][..], Vec::as_slice);
    let files = paths.iter().map(|path| model_store::read(path)).collect::<Result<Vec<_>, _>>()?;
    let metric = metric(card, &files).map_err(|error| {
        Failure::new(Kind::Usage, error.to_string())
            .with_hint(format!("name it with --metric-file {}=FILE", card.name))
    })?;
    Ok(match files.is_empty() {
        true => metric,
        false => metric.with_parameters(sha256(&files.concat())),
    })
}

/// `none` and `clahe`, then the methods and the weights asked for, each once.
fn models(request: &Request) -> Result<Vec<Entry>, Failure> {
    let mut names: Vec<&str> = ALWAYS.to_vec();
    names.extend(request.methods.iter().map(String::as_str).filter(|name| !ALWAYS.contains(name)));
    let mut entries = Vec::new();
    for name in names {
        entries.push(Entry::new(Some(name), Path::new(name), default_of(name)?)?);
    }
    for weights in &request.weights {
        let (name, file) = match weights {
            WeightsRequest::Plain(file) => (None, file),
            WeightsRequest::Named { name, file } => (Some(name.as_str()), file),
        };
        entries.push(Entry::new(name, file, model_store::load(file, None)?)?);
    }
    Ok(entries)
}

impl Entry {
    fn new(name: Option<&str>, asked: &Path, model: Model) -> Result<Self, Failure> {
        let enhancer =
            Enhancer::new(&model).map_err(|error| Failure::library(Kind::Usage, asked, &error))?;
        let name = name.unwrap_or(&model.name).to_owned();
        Ok(Self { name, asked: asked.to_owned(), model, enhancer })
    }
}

fn default_of(name: &str) -> Result<Model, Failure> {
    Model::default_of(model_store::find_card(name)?)
        .map_err(|error| Failure::library(Kind::Usage, Path::new(name), &error))
}

/// The results of one folder for each set: with several sets, its folders of their names.
fn outputs(folder: &Path, sets: &[Set]) -> Result<(String, Vec<Vec<PathBuf>>), Failure> {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    let of_set = |set: &Set| {
        let own = folder.join(&set.name);
        let place = if own.is_dir() { &own } else { folder };
        set.results_in(place).map_err(|error| failure(&error))
    };
    Ok((name, sets.iter().map(of_set).collect::<Result<_, _>>()?))
}

fn open_fid(request: &Request) -> Result<(Fid, String, Vec<PathBuf>), Failure> {
    let usage = |message: String, hint: &str| Failure::new(Kind::Usage, message).with_hint(hint);
    let folder = request.fid_references.as_deref().ok_or_else(|| {
        usage("fid expects a folder to compare with, got none".into(), "name --fid-references")
    })?;
    let file = request.metric_files.get(FID).and_then(|files| files.first()).ok_or_else(|| {
        let card = SET_METRICS.iter().find(|card| card.name == FID).expect("it has a card");
        let MetricFile { name, what, source, licence } = card.files[0];
        let message = format!(
            "fid: expected a file with {what}, such as {name}; it comes from {source} ({licence})"
        );
        usage(message, "name it with --metric-file fid=FILE")
    })?;
    let library = |error: tapetum::WeightsError| Failure::library(Kind::Usage, file, &error.into());
    let weights = Weights::from_bytes(&model_store::read(file)?).map_err(library)?;
    let fid = fid(&weights).map_err(|error| usage(error.to_string(), "name another file"))?;
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
    let description =
        format!("clean-fid's resizing, against {name}; weights {:.12}", weights.content_hash());
    let references = images(folder).map_err(|error| failure(&error.into()))?;
    Ok((fid, description, references))
}

fn open_segmenter(request: &SegmenterRequest) -> Result<(String, [usize; 2], Predict), Failure> {
    let SegmenterRequest { name, weights: path } = request;
    if !SEGMENTERS.contains(&name.as_str()) {
        let known = SEGMENTERS.join(", ");
        return Err(Failure::new(Kind::Usage, format!("no segmenter is called '{name}'"))
            .with_hint(format!("segmenters are: {known}")));
    }
    let library = |error: tapetum::WeightsError| Failure::library(Kind::Usage, path, &error.into());
    let weights = Weights::from_bytes(&model_store::read(path)?).map_err(library)?;
    let ([n_classes, n_scored], predict) = segmenter(name, &weights).map_err(library)?;
    let description =
        format!("{name} ({n_scored} classes, weights {:.12})", weights.content_hash());
    Ok((description, [n_classes, n_scored], predict))
}
