//! Pictures for the report: the worst, the middle and the best image of each contestant.

use base64::{Engine, prelude::BASE64_STANDARD};
use tapetum_image::{Channels, EncodeOptions, Format, Image, Photo, Raster, Samples, Srgb, encode};
use tapetum_metrics::Better;

use crate::{
    contest::{Contest, UNTOUCHED},
    error::EvaluateError,
    report::{Report, Showcase},
    score::{Input, as_large_as, result},
    set::in_parallel,
};

/// Longest side of a picture.
const SIDE_PX_MAX: u32 = 480;
/// How many there are at most.
const N_MAX: usize = 60;
/// JPEG quality.
const QUALITY: u8 = 85;
/// An error map is brightest at this difference, 0..1.
const ERROR_FULL: f32 = 0.4;

/// Pictures of contestants that do something, ordered by set and contestant.
pub(crate) fn showcases(
    contest: &Contest,
    report: &Report,
) -> Result<Vec<Showcase>, EvaluateError> {
    let mut chosen = Vec::new();
    for (set_idx, set) in contest.sets.iter().enumerate() {
        for (contestant_idx, contestant) in contest.contestants.iter().enumerate() {
            if contestant.note.name != UNTOUCHED {
                let choice = choice(report, &set.name, &contestant.note.name);
                chosen.extend(
                    choice
                        .into_iter()
                        .map(|(image, reason)| (set_idx, contestant_idx, image, reason)),
                );
            }
        }
    }
    chosen.truncate(N_MAX);
    let pictures =
        in_parallel(&chosen, contest.options.n_threads, |choice| showcase(contest, report, choice));
    pictures.into_iter().filter_map(Result::transpose).collect()
}

/// Names of the images to show and why, by the first column in which some are better than others.
fn choice(report: &Report, set: &str, contestant: &str) -> Vec<(String, String)> {
    let images: Vec<_> = report
        .images
        .iter()
        .filter(|image| image.set == set && image.contestant == contestant)
        .collect();
    for (column_idx, column) in report.columns.iter().enumerate() {
        let mut scored: Vec<(f64, &str)> = images
            .iter()
            .filter_map(|image| Some((image.scores[column_idx]?, image.image.as_str())))
            .collect();
        if scored.is_empty() || column.better == Better::Neither {
            continue;
        }
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        if column.better == Better::Lower {
            scored.reverse();
        }
        let mut places =
            vec![(0, "worst"), (scored.len() / 2, "median"), (scored.len() - 1, "best")];
        places.dedup_by_key(|(idx, _)| *idx);
        let reason = |word: &str| format!("{word} {}", column.title);
        return places
            .into_iter()
            .map(|(idx, word)| (scored[idx].1.to_owned(), reason(word)))
            .collect();
    }
    images.iter().take(1).map(|image| (image.image.clone(), "first image".to_owned())).collect()
}

fn showcase(
    contest: &Contest,
    report: &Report,
    (set_idx, contestant_idx, image, reason): &(usize, usize, String, String),
) -> Result<Option<Showcase>, EvaluateError> {
    let (set, contestant) = (&contest.sets[*set_idx], &contest.contestants[*contestant_idx]);
    let Some(scene_idx) = set.scenes.iter().position(|scene| scene.name == *image) else {
        return Ok(None);
    };
    let input = Input::read(contest, set, &set.scenes[scene_idx])?;
    let Some((enhanced, _)) = result(contest, contestant, [*set_idx, scene_idx], &input)? else {
        return Ok(None);
    };
    let name = &contestant.note.name;
    let of_image = report.images.iter().find(|scores| {
        scores.set == set.name && scores.image == *image && scores.contestant == *name
    });
    let small = small(&enhanced);
    let error_map = input.reference.as_ref().map(|reference| error_map(&enhanced, reference));
    Ok(Some(Showcase {
        set: set.name.clone(),
        image: image.clone(),
        contestant: name.clone(),
        reason: reason.clone(),
        width: small.width(),
        height: small.height(),
        low: address(&match &input.low {
            Some(low) => self::small(&as_large_as(low, &enhanced)),
            None => small.clone(),
        }),
        enhanced: address(&small),
        reference: input.reference.as_ref().map(|reference| address(&self::small(reference))),
        error_map: error_map.map(|map| address(&self::small(&map))),
        scores: of_image.map_or_else(Vec::new, |image| image.scores.clone()),
    }))
}

fn small(image: &Image<Srgb>) -> Image<Srgb> {
    let longest = image.width().max(image.height());
    if longest <= SIDE_PX_MAX {
        return image.clone();
    }
    let side = |side: u32| (side * SIDE_PX_MAX / longest).max(1);
    tapetum_image::resize(image, side(image.width()), side(image.height()))
}

/// The mean absolute difference of the channels, from black through red and yellow to white.
fn error_map(enhanced: &Image<Srgb>, reference: &Image<Srgb>) -> Image<Srgb> {
    let ((first, _), (second, _)) =
        (enhanced.pixels.as_chunks::<3>(), reference.pixels.as_chunks::<3>());
    let colors = first.iter().zip(second).flat_map(|(a, b)| {
        let difference = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / 3.0;
        let share = 3.0 * difference / ERROR_FULL;
        [share, share - 1.0, share - 2.0].map(|value| value.clamp(0.0, 1.0))
    });
    Image::new(reference.width(), reference.height(), colors.collect())
}

/// A JPEG file as a `data:` address.
fn address(image: &Image<Srgb>) -> String {
    let byte = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let samples = Samples::U8(image.pixels.iter().map(byte).collect());
    let raster = Raster::new(image.width(), image.height(), Channels::Rgb, samples)
        .expect("an image has three values a pixel");
    let photo = Photo::from_raster(raster, Format::Jpeg);
    let bytes = encode(&photo, Format::Jpeg, &EncodeOptions { quality: QUALITY })
        .expect("JPEG holds 8-bit RGB of this size");
    format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(bytes))
}
