//! What to measure, from arguments or from a TOML file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tapetum::{
    Strength,
    evaluate::{EvaluateError, Kind as SetKind, Protocol, Set},
};

use crate::{
    args::EvaluateArguments,
    failure::{Failure, Kind},
};

/// Largest request that is read.
const REQUEST_BYTES_MAX: u64 = 1 << 20;

/// Sets, contestants, metrics and protocols.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Request {
    #[serde(default)]
    pub(crate) title: String,
    /// What stands above the tables.
    #[serde(default)]
    pub(crate) introduction: String,
    pub(crate) sets: Vec<SetRequest>,
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    #[serde(default)]
    pub(crate) weights: Vec<WeightsRequest>,
    #[serde(default)]
    pub(crate) outputs: Vec<PathBuf>,
    pub(crate) metrics: Vec<String>,
    #[serde(default)]
    pub(crate) metric_files: BTreeMap<String, Vec<PathBuf>>,
    #[serde(default)]
    pub(crate) protocols: Vec<ProtocolRequest>,
    #[serde(default)]
    pub(crate) segmenter: Option<SegmenterRequest>,
    #[serde(default)]
    pub(crate) fid_references: Option<PathBuf>,
    /// `auto`, or 0..1.
    #[serde(default = "full_strength", deserialize_with = "strength")]
    pub(crate) strength: Strength,
}

/// Where a set lies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SetRequest {
    pub(crate) name: Option<String>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) references: Option<PathBuf>,
    pub(crate) inputs: Option<PathBuf>,
    pub(crate) exposure: Option<f32>,
}

/// Weights by name or file, under a name of their own where the file's says little.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum WeightsRequest {
    Plain(PathBuf),
    Named { name: String, file: PathBuf },
}

/// A network that names the class of each pixel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SegmenterRequest {
    pub(crate) name: String,
    pub(crate) weights: PathBuf,
}

/// A protocol by its name, or a new one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum ProtocolRequest {
    Name(String),
    Own(Protocol),
}

impl Request {
    pub(crate) fn of_arguments(arguments: &EvaluateArguments) -> Result<Self, Failure> {
        let EvaluateArguments { data, references, inputs, exposure, .. } = arguments;
        let mut sets: Vec<SetRequest> = Vec::new();
        let set = SetRequest {
            name: None,
            data: None,
            references: references.clone(),
            inputs: inputs.clone(),
            exposure: None,
        };
        sets.extend(data.iter().map(|folder| SetRequest {
            data: Some(folder.clone()),
            exposure: *exposure,
            ..set.clone()
        }));
        if references.is_some() {
            sets.push(set);
        }
        if sets.is_empty() {
            return Err(Failure::new(Kind::Usage, "expected something to score on, got nothing")
                .with_hint("name a data set with --data, or references with -r"));
        }
        let segmenter = arguments.segmenter.clone();
        let mut metric_files = BTreeMap::<String, Vec<PathBuf>>::new();
        for (name, path) in &arguments.metric_file {
            metric_files.entry(name.clone()).or_default().push(path.clone());
        }
        Ok(Self {
            title: arguments.title.clone(),
            introduction: String::new(),
            sets,
            methods: arguments.method.clone(),
            weights: arguments.weights.iter().cloned().map(WeightsRequest::Plain).collect(),
            outputs: arguments.outputs.clone(),
            metrics: arguments.metrics.clone(),
            metric_files,
            protocols: arguments.protocol.iter().cloned().map(ProtocolRequest::Name).collect(),
            segmenter: segmenter.map(|(name, weights)| SegmenterRequest { name, weights }),
            fid_references: arguments.fid_references.clone(),
            strength: arguments.strength,
        })
    }

    /// Reads a TOML file; its paths are relative to `root`.
    pub(crate) fn read(path: &Path, root: &Path) -> Result<Self, Failure> {
        let io = |error| Failure::io(Kind::Usage, path, &error);
        if path.metadata().map_err(io)?.len() > REQUEST_BYTES_MAX {
            let message = format!("{}: expected at most {REQUEST_BYTES_MAX} bytes", path.display());
            return Err(Failure::new(Kind::Usage, message));
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        let mut request: Self = toml::from_str(&text).map_err(|error| {
            Failure::new(Kind::Usage, format!("{}: {error}", path.display()))
                .with_hint("docs/metrics.md describes the file")
        })?;
        let place = |path: &mut PathBuf| *path = root.join(&path);
        for set in &mut request.sets {
            [&mut set.data, &mut set.references, &mut set.inputs]
                .into_iter()
                .flatten()
                .for_each(place);
        }
        request.outputs.iter_mut().for_each(place);
        request.metric_files.values_mut().flatten().for_each(place);
        request.segmenter.iter_mut().map(|segmenter| &mut segmenter.weights).for_each(place);
        request.fid_references.iter_mut().for_each(place);
        for weights in &mut request.weights {
            match weights {
                // A name from the list of models stays a name.
                WeightsRequest::Plain(name) if name.extension().is_none() => {}
                WeightsRequest::Plain(file) | WeightsRequest::Named { file, .. } => place(file),
            }
        }
        Ok(request)
    }

    pub(crate) fn sets(&self) -> Result<Vec<Set>, Failure> {
        self.sets.iter().map(SetRequest::open).collect()
    }

    pub(crate) fn protocols(&self) -> Result<Vec<Protocol>, Failure> {
        if self.protocols.is_empty() {
            return Ok(vec![Protocol::built_in().remove(0)]);
        }
        self.protocols.iter().map(ProtocolRequest::find).collect()
    }
}

impl SetRequest {
    fn open(&self) -> Result<Set, Failure> {
        let set = match (&self.data, &self.references) {
            (Some(folder), None) => Set::open(folder),
            (None, Some(references)) => Set::of_references(references, self.inputs.as_deref()),
            _ => {
                let message = "expected data or references for each set, got neither or both";
                return Err(Failure::new(Kind::Usage, message));
            }
        };
        let mut set = set.map_err(|error| failure(&error))?;
        if let Some(name) = &self.name {
            set.name.clone_from(name);
        }
        // Pairs have their own dark images.
        let is_darkened = set.kind != SetKind::Paired;
        set.exposure = self.exposure.filter(|_| is_darkened);
        Ok(set)
    }
}

impl ProtocolRequest {
    fn find(&self) -> Result<Protocol, Failure> {
        match self {
            Self::Own(protocol) => Ok(protocol.clone()),
            Self::Name(name) => Protocol::find(name).ok_or_else(|| {
                let known: Vec<String> = Protocol::built_in().into_iter().map(|p| p.name).collect();
                Failure::new(Kind::Usage, format!("no protocol is called '{name}'"))
                    .with_hint(format!("protocols are: {}", known.join(", ")))
            }),
        }
    }
}

/// An error of the evaluation as people read it.
pub(crate) fn failure(error: &EvaluateError) -> Failure {
    let failure = Failure::new(Kind::File, error.to_string());
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn full_strength() -> Strength {
    Strength::Fixed(1.0)
}

fn strength<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Strength, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Number(f32),
        Text(String),
    }
    match Value::deserialize(deserializer)? {
        Value::Number(share) if (0.0..=1.0).contains(&share) => Ok(Strength::Fixed(share)),
        Value::Text(text) if text == "auto" => Ok(Strength::Auto),
        _ => Err(serde::de::Error::custom("expected a number from 0 to 1, or \"auto\"")),
    }
}
