//! The evaluation itself: every contestant on every image, then means with their intervals.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use sha2::{Digest, Sha256};
use tapetum_metrics::unexplained_change;
use tapetum_nn::{Strength, Tiling};

use crate::{
    aggregate,
    cache::Cache,
    column::{Source, columns},
    contest::{Contest, Contestant, Maker},
    error::EvaluateError,
    report::{ImageScores, Report, Showcase},
    score::{Found, Input, result, score},
    set::{Scene, Set, hex, in_parallel, read_picture},
    showcase::showcases,
};

/// What came out.
#[derive(Debug)]
pub struct Evaluated {
    /// All numbers.
    pub report: Report,
    /// Pictures of the worst, the middle and the best.
    pub showcases: Vec<Showcase>,
    /// Images that could not be scored, one error each; they count in no mean.
    pub failures: Vec<EvaluateError>,
}

/// Number of images done, and of all.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Scores every contestant on every image.
///
/// All files are read and their sizes compared before anything is scored. An image that fails later is
/// listed, and the others go on.
///
/// # Errors
/// The sets are not whole, or the request makes no sense.
pub fn evaluate(
    contest: &Contest,
    cache: Option<&Cache>,
    progress: &Progress,
) -> Result<Evaluated, EvaluateError> {
    check_request(contest)?;
    let Contest { sets, contestants, options, .. } = contest;
    let manifests = sets.iter().map(|set| set.check(&options.limits, options.n_threads));
    let manifests = manifests.collect::<Result<Vec<_>, _>>()?;
    let (sources, columns): (Vec<_>, Vec<_>) = columns(contest).into_iter().unzip();
    let setting = Setting { contest, sources: &sources, cache, key: key_of(contest, &columns) };

    let places = sets.iter().enumerate().flat_map(|(set_idx, set)| {
        (0..set.scenes.len()).map(move |scene_idx| [set_idx, scene_idx])
    });
    let places: Vec<[usize; 2]> = places.collect();
    let n_done = AtomicUsize::new(0);
    let outcomes = in_parallel(&places, options.n_threads, |&place| {
        let outcome = setting.scene(place, &manifests[place[0]].scenes[place[1]]);
        progress(n_done.fetch_add(1, Ordering::Relaxed) + 1, places.len());
        outcome
    });
    let mut results: Vec<Vec<Vec<Option<Found>>>> =
        sets.iter().map(|set| vec![vec![None; set.scenes.len()]; contestants.len()]).collect();
    let mut failures: Vec<EvaluateError> = Vec::new();
    for (&[set_idx, scene_idx], outcome) in places.iter().zip(outcomes) {
        for (contestant_idx, found) in outcome.into_iter().enumerate() {
            match found {
                Ok(found) => results[set_idx][contestant_idx][scene_idx] = found,
                Err(error) => failures.push(error),
            }
        }
    }
    let n_failed = failures.len();
    let enlarged = sets.iter().zip(&manifests).filter(|(_, manifest)| manifest.scale > 1);
    let enlarged =
        enlarged.map(|(set, manifest)| aggregate::enlarged_note(&set.name, manifest.scale));
    let enlarged: Vec<String> = enlarged.collect();
    // A scene that cannot be read fails once for each contestant.
    failures.dedup_by_key(|error| error.to_string());
    add_flicker(&sources, &mut results);
    let hashes = manifests.into_iter().map(|manifest| manifest.sha256).collect();
    let references = fid_references(contest)?;
    let mut report = aggregate::report(contest, &sources, columns, &results, hashes, &references);
    report.notes.extend(enlarged);
    if n_failed > 0 {
        report.notes.push(format!("{n_failed} results could not be scored and count in no mean"));
    }
    let showcases = showcases(contest, &report)?;
    Ok(Evaluated { report, showcases, failures })
}

/// Features of the folder that the Fréchet distance compares with.
fn fid_references(contest: &Contest) -> Result<Vec<Vec<f64>>, EvaluateError> {
    let Some(of) = &contest.fid else { return Ok(Vec::new()) };
    let features = in_parallel(&of.references, contest.options.n_threads, |path| {
        Ok(of.fid.features(&read_picture(path, &contest.options.limits)?)?)
    });
    features.into_iter().collect()
}

fn check_request(contest: &Contest) -> Result<(), EvaluateError> {
    let refuse = |message: &str, hint: &str| {
        Err(EvaluateError::Request { message: message.to_owned(), hint: hint.to_owned() })
    };
    let repeated = |names: Vec<&str>| {
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.windows(2).find(|two| two[0] == two[1]).map(|two| two[0].to_owned())
    };
    let Contest { sets, contestants, protocols, .. } = contest;
    if sets.is_empty() || contestants.is_empty() || protocols.is_empty() {
        return refuse("expected a set, a contestant and a protocol at least", "name one of each");
    }
    let set_names = sets.iter().map(|set| set.name.as_str()).collect();
    let contestant_names = contestants.iter().map(|c| c.note.name.as_str()).collect();
    let protocol_names = protocols.iter().map(|protocol| protocol.name.as_str()).collect();
    for (what, names) in
        [("sets", set_names), ("contestants", contestant_names), ("protocols", protocol_names)]
    {
        if let Some(name) = repeated(names) {
            return refuse(
                &format!("expected {what} with different names, got '{name}' twice"),
                "rename the folder or the file, or name it once",
            );
        }
    }
    Ok(())
}

/// What all images share.
struct Setting<'a> {
    contest: &'a Contest<'a>,
    sources: &'a [Source],
    cache: Option<&'a Cache>,
    key: String,
}

impl Setting<'_> {
    /// All contestants on one scene; a scene that cannot be read fails for all of them at once.
    fn scene(
        &self,
        place: [usize; 2],
        scene_sha256: &[u8; 32],
    ) -> Vec<Result<Option<Found>, EvaluateError>> {
        let Contest { sets, contestants, .. } = self.contest;
        let set = &sets[place[0]];
        let scene = &set.scenes[place[1]];
        let mut input = None;
        let mut run = |contestant: &Contestant| {
            let key = self.key_of(set, scene_sha256, contestant, place);
            if let (Some(cache), Some(key)) = (self.cache, &key)
                && let Some(found) = cache.get(key)
            {
                return Ok(Some(found.clone()));
            }
            if input.is_none() {
                input = Some(Input::read(self.contest, set, scene)?);
            }
            let input = input.as_ref().expect("read just now");
            let found = self.score(contestant, place, input)?;
            if let (Some(cache), Some(key), Some(found)) = (self.cache, &key, &found) {
                cache.add(key, found)?;
            }
            Ok(found)
        };
        let attempt = |contestant: &Contestant| {
            let attempt = catch_unwind(AssertUnwindSafe(|| run(contestant)));
            attempt.unwrap_or_else(|_| Err(internal(set, scene, contestant)))
        };
        contestants.iter().map(attempt).collect()
    }

    fn score(
        &self,
        contestant: &Contestant,
        place: [usize; 2],
        input: &Input,
    ) -> Result<Option<Found>, EvaluateError> {
        let Some((enhanced, mut notes)) = result(self.contest, contestant, place, input)? else {
            return Ok(None);
        };
        let mut found = score(self.contest, contestant, self.sources, input, &enhanced)?;
        notes.append(&mut found.notes);
        notes.sort();
        notes.dedup();
        Ok(Some(Found { notes, ..found }))
    }

    /// Hash of everything that decides a score; none where a contestant's file cannot be read.
    fn key_of(
        &self,
        set: &Set,
        scene_sha256: &[u8; 32],
        contestant: &Contestant,
        [set_idx, scene_idx]: [usize; 2],
    ) -> Option<String> {
        let mut hasher = Sha256::new();
        hasher.update(&self.key);
        hasher.update(scene_sha256);
        hasher.update(format!("{:?} {:?}", set.kind, set.exposure));
        hasher.update(serde_json::to_string(&contestant.note).expect("text and numbers are JSON"));
        if let Maker::Files(sets) = &contestant.maker
            && let Some(path) = sets.get(set_idx).and_then(|files| files.get(scene_idx))
        {
            hasher.update(std::fs::read(path).ok()?);
        }
        if let Maker::Network(network) = &contestant.maker
            && let Tiling::Approximate { .. } = network.tiling()
        {
            hasher.update(self.contest.options.memory_bytes_max.to_le_bytes());
        }
        Some(hex(&hasher.finalize()))
    }
}

/// Hash of what decides every score.
fn key_of(contest: &Contest, columns: &[crate::report::Column]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let protocols = serde_json::to_string(&contest.protocols).expect("text and numbers are JSON");
    let columns = serde_json::to_string(columns).expect("text and numbers are JSON");
    let strength = match contest.options.strength {
        Strength::Auto => "auto".to_owned(),
        Strength::Fixed(strength) => strength.to_string(),
    };
    let precision = contest.options.precision;
    format!("{version} {protocols} {columns} {strength} {precision:?}")
}

fn internal(set: &Set, scene: &Scene, contestant: &Contestant) -> EvaluateError {
    let name = &contestant.note.name;
    EvaluateError::Request {
        message: format!("internal error at {name} on {} of {}", scene.name, set.name),
        hint: "please report it with the image".to_owned(),
    }
}

/// How much brightness jumps from one image to the next beyond the input's own jump times what the method
/// gains, in 8-bit levels; the first image of a set has none before it.
fn add_flicker(sources: &[Source], results: &mut [Vec<Vec<Option<Found>>>]) {
    let Some(column_idx) = sources.iter().position(|source| *source == Source::Flicker) else {
        return;
    };
    for scenes in results.iter_mut().flatten() {
        let mut previous: Option<[f64; 2]> = None;
        for found in scenes.iter_mut() {
            let luma = found.as_ref().map(|found| found.mean_luma);
            if let (Some(found), Some([result, input]), Some([result_before, input_before])) =
                (found, luma, previous)
            {
                let jump = unexplained_change([input_before, input], [result_before, result]);
                found.scores[column_idx] = Some(jump.abs());
            }
            previous = luma;
        }
    }
}

/// Scores of single images, for reports.
pub(crate) fn image_scores(
    contest: &Contest,
    results: &[Vec<Vec<Option<Found>>>],
) -> Vec<ImageScores> {
    let mut images = Vec::new();
    for (set, of_set) in contest.sets.iter().zip(results) {
        for (contestant, of_contestant) in contest.contestants.iter().zip(of_set) {
            let found = set.scenes.iter().zip(of_contestant);
            images.extend(found.filter_map(|(scene, found)| {
                let found = found.as_ref()?;
                Some(ImageScores {
                    set: set.name.clone(),
                    image: scene.name.clone(),
                    contestant: contestant.note.name.clone(),
                    scores: found.scores.clone(),
                    notes: found.notes.clone(),
                })
            }));
        }
    }
    images
}
