//! From scores of single images to the report.

use tapetum_metrics::{ConfusionMatrix, learned::frechet_distance};
use tapetum_nn::Strength;

use crate::{
    column::Source,
    contest::Contest,
    report::{Column, Difference, ProtocolNote, Report, Row, SetNote, Summary},
    run::image_scores,
    score::Found,
    set::Set,
    statistics::{INFINITE_COUNTS_AS, N_RESAMPLES, Resamples, interval, p_value},
};

/// Resamplings of a whole set's confusion matrix, which are costlier than those of a mean.
const N_RESAMPLES_OF_MATRICES: usize = 1_000;

/// `results` by set, contestant and scene.
pub(crate) fn report(
    contest: &Contest,
    sources: &[Source],
    columns: Vec<Column>,
    results: &[Vec<Vec<Option<Found>>>],
    manifests: Vec<String>,
    fid_references: &[Vec<f64>],
) -> Report {
    let mut rows = Vec::new();
    let mut differences = Vec::new();
    for (set, of_set) in contest.sets.iter().zip(results) {
        let resamples = Resamples::new(set.scenes.len());
        for (contestant, scenes) in contest.contestants.iter().zip(of_set) {
            let cell = |(column_idx, source): (usize, &Source)| match source {
                Source::MeanIou => mean_iou(contest, &resamples, scenes),
                Source::Fid => fid(scenes, fid_references),
                _ => resamples.summary(&column(scenes, column_idx)),
            };
            let cells = sources.iter().enumerate().map(cell).collect();
            let contestant = contestant.note.name.clone();
            rows.push(Row { set: set.name.clone(), contestant, cells });
        }
        for (first_idx, first) in of_set.iter().enumerate() {
            for (second_idx, second) in of_set.iter().enumerate().skip(first_idx + 1) {
                let of_column = |(column_idx, source): (usize, &Source)| match source {
                    Source::MeanIou => mean_iou_difference(contest, &resamples, first, second),
                    Source::Fid => None,
                    _ => resamples
                        .difference(&column(first, column_idx), &column(second, column_idx)),
                };
                let names =
                    [first_idx, second_idx].map(|idx| contest.contestants[idx].note.name.as_str());
                let found = sources.iter().enumerate().map(of_column).zip(&columns);
                differences
                    .extend(found.filter_map(|(found, column)| {
                        Some(difference(set, column, names, found?))
                    }));
            }
        }
    }
    let sets = contest.sets.iter().zip(results).zip(manifests);
    let sets = sets.map(|((set, _), manifest_sha256)| SetNote {
        name: set.name.clone(),
        kind: set.kind.name().to_owned(),
        n_images: set.scenes.len(),
        manifest_sha256,
    });
    let protocols = contest.protocols.iter().map(|protocol| ProtocolNote {
        name: protocol.name.clone(),
        description: protocol.description(),
    });
    Report {
        title: contest.title.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        date: contest.date.clone(),
        notes: notes(contest),
        protocols: protocols.collect(),
        sets: sets.collect(),
        contestants: contest.contestants.iter().map(|c| c.note.clone()).collect(),
        columns,
        rows,
        differences,
        images: image_scores(contest, results),
    }
}

fn notes(contest: &Contest) -> Vec<String> {
    let strength = match contest.options.strength {
        Strength::Auto => "Methods run at the automatic strength, as for users; a result that the \
                           program would refuse counts as the input."
            .to_owned(),
        Strength::Fixed(strength) => format!(
            "Methods run at strength {strength}: 1 is the network's own output. Nothing is refused."
        ),
    };
    let mut notes = vec![
        strength,
        "Scores are taken image by image and averaged over a set, never pooled. GT-mean columns give \
         the result the reference's mean brightness first: they use the answer, and say nothing about \
         exposure."
            .to_owned(),
        format!(
            "Intervals: 95 %, percentile bootstrap over images, {N_RESAMPLES} resamplings, fixed \
             seed. Differences: paired; p of a two-sided sign-flip permutation test, not corrected \
             for the number of comparisons."
        ),
        format!("Identical images have an infinite PSNR; in means it counts as {INFINITE_COUNTS_AS} dB."),
    ];
    let darkened = contest.sets.iter().filter_map(|set| Some((&set.name, set.exposure?)));
    notes.extend(darkened.map(|(name, exposure)| {
        format!("{name}: photographs darkened to {exposure} of their light (linear), then 8-bit.")
    }));
    notes
}

/// How results came to the size of references that are larger than the dark images.
pub(crate) fn enlarged_note(set: &str, scale: u32) -> String {
    format!(
        "{set}: references are {scale} times as large as the dark images on each side. A network's own \
         enlargement counts as it is; what keeps its size was enlarged after it ran, by Lanczos-3, and the \
         untouched image by a bicubic filter (Keys, a = -1/2), as was the dark image where a result is \
         compared with it. Change on well-lit is left out for networks that enlarge."
    )
}

fn column(scenes: &[Option<Found>], column_idx: usize) -> Vec<Option<f64>> {
    scenes.iter().map(|found| found.as_ref().and_then(|found| found.scores[column_idx])).collect()
}

fn difference(
    set: &Set,
    column: &Column,
    [first, second]: [&str; 2],
    (mean, [lower, upper], p, n_images): (f64, [f64; 2], f64, usize),
) -> Difference {
    let (first, second) = (first.to_owned(), second.to_owned());
    let (set, column) = (set.name.clone(), column.key.clone());
    Difference { set, column, first, second, mean, lower, upper, p, n_images }
}

/// Of the whole set's matrix, with the interval from resampled images.
fn mean_iou(contest: &Contest, resamples: &Resamples, scenes: &[Option<Found>]) -> Option<Summary> {
    let matrices = matrices(scenes);
    let mean = iou_of_sum(contest, &matrices, &vec![1.0; matrices.len()])?;
    let resampled = resamples.counts().take(N_RESAMPLES_OF_MATRICES);
    let resampled = resampled.filter_map(|counts| iou_of_sum(contest, &matrices, counts)).collect();
    let n_images = matrices.iter().flatten().count();
    Some(Summary { mean, interval: Some(interval(resampled)), n_images, n_infinite: 0 })
}

/// Without an interval: resampled images repeat, which moves the distance itself.
fn fid(scenes: &[Option<Found>], references: &[Vec<f64>]) -> Option<Summary> {
    let features = scenes.iter().flatten().filter_map(|found| found.features.clone());
    let features: Vec<Vec<f64>> = features.collect();
    let mean = frechet_distance(&features, references).ok()?;
    Some(Summary { mean, interval: None, n_images: features.len(), n_infinite: 0 })
}

/// Two contestants on the same images; chance is what remains when images change sides.
fn mean_iou_difference(
    contest: &Contest,
    resamples: &Resamples,
    first: &[Option<Found>],
    second: &[Option<Found>],
) -> Option<(f64, [f64; 2], f64, usize)> {
    let (first, second) = (matrices(first), matrices(second));
    let of = |counts: &[f32]| {
        Some(iou_of_sum(contest, &first, counts)? - iou_of_sum(contest, &second, counts)?)
    };
    let mean = of(&vec![1.0; first.len()])?;
    let resampled = resamples.counts().take(N_RESAMPLES_OF_MATRICES).filter_map(of);
    let flipped = resamples.signs().take(N_RESAMPLES_OF_MATRICES).filter_map(|signs| {
        let sides = first.iter().zip(&second).zip(signs);
        let (here, there): (Vec<_>, Vec<_>) =
            sides.map(|((&a, &b), &sign)| if sign > 0.0 { (a, b) } else { (b, a) }).unzip();
        let all = vec![1.0; here.len()];
        Some(iou_of_sum(contest, &here, &all)? - iou_of_sum(contest, &there, &all)?)
    });
    let n_images = first.iter().zip(&second).filter(|(a, b)| a.is_some() && b.is_some()).count();
    Some((mean, interval(resampled.collect()), p_value(flipped), n_images))
}

fn matrices(scenes: &[Option<Found>]) -> Vec<Option<&ConfusionMatrix>> {
    scenes.iter().map(|found| found.as_ref().and_then(|found| found.confusion.as_ref())).collect()
}

fn iou_of_sum(
    contest: &Contest,
    matrices: &[Option<&ConfusionMatrix>],
    times: &[f32],
) -> Option<f64> {
    let n_classes = matrices.iter().flatten().next()?.n_classes();
    let mut sum = vec![0; n_classes * n_classes];
    for (matrix, &times) in matrices.iter().zip(times) {
        let Some(matrix) = matrix.filter(|_| times > 0.0) else { continue };
        for (sum, count) in sum.iter_mut().zip(matrix.counts()) {
            *sum += count * times as u64;
        }
    }
    let n_scored = contest.segmenter.as_ref()?.n_scored;
    let iou = ConfusionMatrix::from_counts(n_classes, sum).iou();
    let scored: Vec<f64> = iou.into_iter().take(n_scored).flatten().collect();
    (!scored.is_empty()).then(|| scored.iter().sum::<f64>() / scored.len() as f64)
}
