//! Runs that go well: the same numbers every time, whatever interrupts them.

use std::fs;

use tapetum_image::{Channels, Limits, decode};
use tapetum_nn::recipe::{Form, Need};
use tapetum_train::{Event, Plan};

use crate::{
    gain::{Gain, LOW},
    places::{Place, left, plan},
};

const LOWS: &str = r#"{ "low": { "images": ["low"], "n": 3, "size_px": 8,
    "augment": { "geometry": "dihedral", "jitter": { "brightness": 0.2 }, "shuffle_channels": true } } }"#;

#[test]
fn a_stopped_run_continues_to_the_same_bytes() {
    let place = Place::with_pairs();
    let plan = plan(23, LOWS);
    let whole = place.run(&mut Gain::new(LOW), &plan, "whole", None).unwrap();
    assert!(whole.is_complete && whole.n_done == 23);
    for n_steps in [1, 7, 12, 22] {
        let name = format!("stopped-{n_steps}");
        let first = place.run(&mut Gain::new(LOW), &plan, &name, Some(n_steps)).unwrap();
        assert_eq!((first.n_done, first.is_complete), (n_steps, false));
        let second = place.run(&mut Gain::new(LOW), &plan, &name, None).unwrap();
        assert_eq!(second.weights, whole.weights, "{n_steps}");
        assert_eq!(second.scores, whole.scores, "{n_steps}");
        let [mut stopped, mut whole] = [&name, "whole"].map(|name| left(&place.path(name)));
        // The one checkpoint more, where it was stopped, is the only difference there may be.
        for files in [&mut stopped, &mut whole] {
            files.retain(|(name, _)| !name.starts_with("checkpoints"));
        }
        assert_eq!(stopped, whole, "{n_steps}");
    }
}

#[test]
fn a_killed_run_drops_what_it_wrote_after_its_checkpoint() {
    let place = Place::with_pairs();
    let plan = plan(23, LOWS);
    place.run(&mut Gain::new(LOW), &plan, "whole", None).unwrap();
    place.run(&mut Gain::new(LOW), &plan, "killed", Some(12)).unwrap();
    // As a kill at step 12 leaves it: no checkpoint of that step, and half a line.
    fs::remove_file(place.path("killed/checkpoints/step-00000012")).unwrap();
    let journal = place.path("killed/journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    assert!(text.contains("\"step\":12"), "{text}");
    fs::write(&journal, text + "{\"step\":13,\"ter").unwrap();
    place.run(&mut Gain::new(LOW), &plan, "killed", None).unwrap();
    assert_eq!(left(&place.path("killed")), left(&place.path("whole")));
}

#[test]
fn the_number_of_threads_and_the_memory_for_photographs_change_nothing() {
    let place = Place::with_pairs();
    let seen = |n_workers: usize, cache_mib: usize| {
        let mut plan = plan(9, LOWS);
        (plan.run.n_workers, plan.run.cache_mib) = (n_workers, cache_mib);
        let mut gain = Gain::new(LOW);
        place.run(&mut gain, &plan, &format!("{n_workers}-{cache_mib}"), None).unwrap();
        gain.seen
    };
    let one = seen(1, 10);
    assert_eq!(one, seen(7, 10));
    assert_eq!(one, seen(3, 0));
    let distinct: std::collections::BTreeSet<String> =
        one.iter().map(|m| format!("{m:?}")).collect();
    assert_eq!(distinct.len(), 9, "each batch is another: {one:?}");
}

#[test]
fn each_pass_has_every_photograph_once() {
    let place = Place::new();
    for idx in 0..6 {
        let samples = vec![4 << idx; 4 * 4 * 3];
        place.pixels(&format!("low/{idx}.png"), [4, 4], samples, Channels::Rgb);
    }
    let data = r#"{ "low": { "images": ["low"], "n": 2, "size_px": 4 } }"#;
    let mut plan = plan(12, data);
    plan.validation.pairs.clear();
    let mut gain = Gain::new(LOW);
    place.run(&mut gain, &plan, "run", None).unwrap();
    let sum = |pass: &[Vec<f32>]| pass.iter().map(|means| means[0] * 255.0 / 4.0).sum::<f32>();
    // Three batches of two are a pass; the levels are 4 times 1, 2, 4, 8, 16, 32.
    for pass in gain.seen.chunks(3) {
        assert!((sum(pass) - 31.5).abs() < 1e-3, "{pass:?}");
    }
    let passes: Vec<_> = gain.seen.chunks(3).collect();
    assert!(passes.iter().any(|pass| *pass != passes[0]), "the passes have orders of their own");
}

#[test]
fn accumulated_batches_come_together() {
    let place = Place::with_pairs();
    let mut once = plan(4, LOWS);
    let mut gain = Gain::new(LOW);
    place.run(&mut gain, &once, "once", None).unwrap();
    let single = gain.seen.concat();
    once.run.n_steps = 2;
    once.run.n_accumulated = 2;
    let mut gain = Gain::new(LOW);
    place.run(&mut gain, &once, "twice", None).unwrap();
    assert_eq!(gain.seen.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(gain.seen.concat(), single);
}

#[test]
fn pairs_are_cut_and_turned_together_and_made_from_references() {
    const PAIRS: &[Need] = &[Need { name: "pairs", form: Form::Pairs, is_required: true }];
    let place = Place::new();
    for idx in 0..4u8 {
        // Every pixel of the low is half of its reference's, wherever it is cut and however it is turned.
        let reference: Vec<u8> =
            (0..12 * 12 * 3).map(|i| 2 * ((i * 31 + idx as usize * 7) % 120) as u8).collect();
        let low = reference.iter().map(|value| value / 2).collect();
        place.pixels(&format!("low/{idx}.png"), [12, 12], low, Channels::Rgb);
        place.pixels(&format!("high/{idx}.png"), [12, 12], reference, Channels::Rgb);
    }
    let data = r#"{ "pairs": { "pairs": ["."], "n": 2, "size_px": 5, "augment": { "geometry": "dihedral" } } }"#;
    let mut gain = Gain::new(PAIRS);
    place.run(&mut gain, &plan(6, data), "run", None).unwrap();
    for means in &gain.seen {
        assert!((means[0] * 2.0 - means[1]).abs() < 1e-5, "{means:?}");
    }
    let data = r#"{ "pairs": { "references": ["high"], "n": 2, "size_px": 4,
        "synthesis": { "shrink": 2, "exposure": [0.1, 0.1], "gamma": [1.0, 1.0], "cast": 1.0, "iso": [0, 0], "jpeg_share": 0.0 } } }"#;
    let mut gain = Gain::new(PAIRS);
    place.run(&mut gain, &plan(6, data), "made", None).unwrap();
    for means in &gain.seen {
        assert!(means[0] < 0.6 * means[1] && means[0] > 0.05 * means[1], "{means:?}");
    }
}

#[test]
fn views_are_of_one_square_and_only_the_strong_one_has_other_colours() {
    const VIEWS: &[Need] = &[Need { name: "dark", form: Form::Views, is_required: true }];
    let place = Place::with_pairs();
    let seen = |strong: &str, run: &str| {
        let data = format!(
            r#"{{ "dark": {{ "images": ["low"], "n": 2, "size_px": 8,
                "augment": {{ "geometry": "dihedral" }}, "strong": {strong} }} }}"#
        );
        let mut gain = Gain::new(VIEWS);
        place.run(&mut gain, &plan(6, &data), run, None).unwrap();
        gain.seen
    };
    // Without any change, both are the same square, turned in the same way.
    for means in seen("{}", "same") {
        assert_eq!(means[0], means[1], "{means:?}");
    }
    let jitter = r#"{ "jitter": { "brightness": 0.5, "probability": 1.0 } }"#;
    let changed = seen(jitter, "changed");
    let is_other = |means: &Vec<f32>| (means[0] - means[1]).abs() > 1e-3;
    assert!(changed.iter().filter(|means| is_other(means)).count() >= 5, "{changed:?}");
    let weak = |seen: &[Vec<f32>]| seen.iter().map(|means| means[0]).collect::<Vec<_>>();
    assert_eq!(
        weak(&changed),
        weak(&seen("{}", "again")),
        "the weak view is as without a strong one"
    );
    assert_eq!(seen(jitter, "repeated"), changed);
}

#[test]
fn what_a_method_notices_is_told_after_its_step() {
    let place = Place::with_pairs();
    let mut gain = Gain { warns_at: Some(3), ..Gain::new(LOW) };
    let mut told = Vec::new();
    place
        .watch(&mut gain, &plan(6, LOWS), "run", &mut |event| {
            if let Event::Warned { n_done, message } = event {
                told.push((*n_done, (*message).to_owned()));
            }
        })
        .unwrap();
    assert_eq!(told, [(3, "the gain is 3 steps old".to_owned())]);
}

#[test]
fn labels_move_with_their_photographs() {
    const LABELLED: &[Need] = &[Need { name: "labelled", form: Form::Labelled, is_required: true }];
    let place = Place::new();
    for idx in 0..3usize {
        let labels: Vec<u8> = (0..9 * 8).map(|i| ((i * 5 + idx) % 12) as u8).collect();
        let image = labels.iter().flat_map(|class| [class * 20; 3]).collect();
        place.pixels(&format!("set/image/{idx}.png"), [9, 8], image, Channels::Rgb);
        place.pixels(&format!("set/label/{idx}.png"), [9, 8], labels, Channels::Grey);
    }
    let data = r#"{ "labelled": { "labelled": ["set"], "n": 2, "size_px": 3, "augment": { "geometry": "dihedral" } } }"#;
    let mut plan = plan(8, data);
    plan.validation.pairs.clear();
    let mut gain = Gain::new(LABELLED);
    place.run(&mut gain, &plan, "run", None).unwrap();
    for means in &gain.seen {
        assert!((means[0] * 255.0 / 20.0 - means[1]).abs() < 1e-3, "{means:?}");
    }
}

#[test]
fn the_journal_has_terms_scores_and_pictures() {
    let place = Place::with_pairs();
    let outcome = place.run(&mut Gain::new(LOW), &plan(8, LOWS), "run", None).unwrap();
    let text = fs::read_to_string(place.path("run/journal.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<u64> = lines.iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [2, 4, 4, 6, 8, 8]);
    assert!(lines[0]["terms"]["gain"].is_f64(), "{text}");
    let last = &lines[5];
    assert_eq!(last["scores"]["."]["psnr_db"].as_f64(), Some(outcome.scores[0].value));
    assert_eq!(last["samples"].as_array().unwrap().len(), 2);
    let sample =
        fs::read(place.path("run").join(last["samples"][0]["file"].as_str().unwrap())).unwrap();
    let sample = decode(&sample, &Limits::default()).unwrap().raster;
    assert_eq!((sample.width(), sample.height()), (3 * 24, 20), "dark, enhanced, reference");
    let of_samples = last["samples"].as_array().unwrap().iter();
    assert!(of_samples.clone().all(|sample| sample["psnr_db"].is_f64()), "{text}");
    let names: Vec<String> = left(&place.path("run")).into_iter().map(|(name, _)| name).collect();
    for name in ["best.safetensors", "recipe.toml", "origin.json", "checkpoints/step-00000008"] {
        assert!(names.iter().any(|found| found == name), "{name} of {names:?}");
    }
    assert_eq!(names.iter().filter(|name| name.starts_with("checkpoints")).count(), 2);
}

#[test]
fn the_best_weights_stay_when_later_ones_are_worse() {
    let place = Place::with_pairs();
    let mut plan = plan(40, LOWS);
    plan.validation.every = 1;
    place.run(&mut Gain::new(LOW), &plan, "run", None).unwrap();
    let text = fs::read_to_string(place.path("run/journal.jsonl")).unwrap();
    let chosen_by: Vec<f64> = text
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["chosen_by"].as_f64()
        })
        .collect();
    let best = chosen_by.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let first_best = chosen_by.iter().position(|score| *score == best).unwrap() + 1;
    assert!(first_best < 40, "the gain passes the best one: {chosen_by:?}");
    let bytes = fs::read(place.path("run/best.safetensors")).unwrap();
    let weights = tapetum_nn::Weights::from_bytes(&bytes).unwrap();
    assert_eq!(weights.header["step"], first_best.to_string());
    assert_eq!(weights.header["method"], "gain");
    assert_eq!(weights.header["content_sha256"], weights.content_hash());
}

#[test]
fn plans_are_written_as_they_are_read() {
    let plan = plan(1, LOWS);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}
