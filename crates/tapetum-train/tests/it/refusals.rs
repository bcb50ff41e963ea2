//! Runs that cannot start or go on say why, and lose nothing.

use std::fs;

use tapetum_image::Channels;
use tapetum_nn::recipe::{Form, Need};

use crate::{
    gain::{Gain, LOW},
    places::{Place, plan},
};

const LOWS: &str = r#"{ "low": { "images": ["low"], "n": 3, "size_px": 8 } }"#;

/// The message of a run that must fail, on pairs of 24x20 pixels.
fn refused(needs: &'static [Need], data: &str) -> String {
    let place = Place::with_pairs();
    let error = place.run(&mut Gain::new(needs), &plan(4, data), "run", None).unwrap_err();
    assert!(!error.hint().is_empty());
    error.to_string()
}

fn check(data: &str, expected: &str) {
    let message = refused(LOW, data);
    assert!(message.contains(expected), "expected '{expected}', got '{message}'");
}

#[test]
fn numbers_and_folders_that_make_no_sense_are_named_by_their_key() {
    let part = |rest: &str| format!(r#"{{ "low": {{ "images": ["low"], {rest} }} }}"#);
    check(&part(r#""n": 0, "size_px": 8"#), "data.low.n: expected 1 to 4096, found 0");
    check(&part(r#""n": 1, "size_px": 5000"#), "data.low.size_px: expected 1 to 4096, found 5000");
    let hue = r#""n": 1, "size_px": 8, "augment": { "jitter": { "hue": 0.9 } }"#;
    check(&part(hue), "data.low.augment.jitter.hue: expected 0 to 0.5, got 0.9");
    let two = r#""pairs": ["."], "n": 1, "size_px": 8"#;
    check(
        &part(two),
        "expected folders under one of images, pairs, references and labelled, found 2",
    );
    let except = r#""n": 1, "size_px": 8, "except": ["0", "99"]"#;
    check(&part(except), "data.low.except: expected a name to leave out, found '99'");
    let shrink = r#""n": 1, "size_px": 8, "synthesis": { "shrink": 2 }"#;
    check(&part(shrink), "data.low.synthesis.shrink");
    check(r#"{ "low": { "images": ["nowhere"], "n": 1, "size_px": 8 } }"#, "nowhere");
    let references = r#"{ "low": { "references": ["high"], "n": 1, "size_px": 8 } }"#;
    check(references, "data.low.synthesis: expected how to make dark photographs");
}

#[test]
fn of_references_of_several_sizes_one_is_to_be_named() {
    const PAIRS: &[Need] = &[Need { name: "pairs", form: Form::Pairs, is_required: true }];
    let place = Place::new();
    place.picture("set/Train/LLLR/1-2.5.png", [24, 20], 10, Channels::Rgb);
    place.picture("set/Train/NLHR/X1/1.png", [24, 20], 100, Channels::Rgb);
    // Of no size that fits, so that a run that reads it says so.
    place.picture("set/Train/NLHR/X2/1.png", [30, 30], 100, Channels::Rgb);
    let run = |scale: &str| {
        let data = format!(r#"{{ "pairs": {{ "pairs": ["set"], "n": 1, "size_px": 8{scale} }} }}"#);
        let mut plan = plan(1, &data);
        plan.validation = tapetum_train::ValidationConfig::default();
        place.run(&mut Gain::new(PAIRS), &plan, "run", None).map_err(|error| error.to_string())
    };
    let error = run("").unwrap_err();
    assert!(error.contains("data.pairs.scale: expected one of 1, 2, "), "{error}");
    let error = run(r#", "scale": 2"#).unwrap_err();
    assert!(error.contains("1.png: expected 48x40 as"), "{error}");
    let error = run(r#", "scale": 4"#).unwrap_err();
    assert!(error.contains("expected pairs to learn from, found none"), "{error}");
    run(r#", "scale": 1"#).unwrap();
    let images = r#"{ "low": { "images": ["low"], "n": 1, "size_px": 8, "scale": 2 } }"#;
    check(images, "data.low.scale: expected nothing");
}

#[test]
fn data_must_be_what_the_method_learns_from() {
    check(r#"{}"#, "data.low: expected photographs alone, which the method learns from");
    check(
        r#"{ "low": { "pairs": ["."], "n": 1, "size_px": 8 } }"#,
        "data.low: expected photographs alone (images), found pairs",
    );
    let other = r#"{ "high": { "images": ["high"], "n": 1, "size_px": 8 } }"#;
    check(other, "data.high: expected one of low, found the part 'high'");
}

#[test]
fn strong_views_are_of_photographs_alone_and_move_nothing() {
    const VIEWS: &[Need] = &[Need { name: "low", form: Form::Views, is_required: true }];
    let message = |data: &str| refused(VIEWS, data);
    let pairs = message(r#"{ "low": { "pairs": ["."], "n": 1, "size_px": 8, "strong": {} } }"#);
    assert!(pairs.contains("data.low.strong: expected"), "{pairs}");
    let turned = r#"{ "low": { "images": ["low"], "n": 1, "size_px": 8, "strong": { "geometry": "flip" } } }"#;
    let turned = message(turned);
    assert!(turned.contains("data.low.strong.geometry: expected"), "{turned}");
    let missing = message(r#"{ "low": { "images": ["low"], "n": 1, "size_px": 8 } }"#);
    assert!(missing.contains("data.low: expected"), "{missing}");
}

#[test]
fn photographs_that_do_not_fit_are_all_listed() {
    let place = Place::with_pairs();
    for idx in [2, 5] {
        place.picture(&format!("low/{idx}.png"), [7, 20], 10, Channels::Rgb);
    }
    let error = place.run(&mut Gain::new(LOW), &plan(4, LOWS), "run", None).unwrap_err();
    let message = error.to_string();
    for expected in ["2.png: expected at least 8 pixels a side, found 7x20", "5.png"] {
        assert!(message.contains(expected), "{message}");
    }

    const PAIRS: &[Need] = &[Need { name: "pairs", form: Form::Pairs, is_required: true }];
    let data = r#"{ "pairs": { "pairs": ["."], "n": 1, "size_px": 4 } }"#;
    let error = place.run(&mut Gain::new(PAIRS), &plan(4, data), "pairs", None).unwrap_err();
    let message = error.to_string();
    for expected in ["2.png: expected 7x20 as", "found 24x20", "5.png"] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn sets_to_validate_on_are_checked_before_the_first_step() {
    let place = Place::with_pairs();
    let mut plan = plan(4, LOWS);
    place.picture("street/image/0.png", [12, 12], 9, Channels::Rgb);
    place.pixels("street/label/0.png", [12, 12], vec![1; 144], Channels::Grey);
    plan.validation.labelled = vec!["street".into()];
    let mut gain = Gain::new(LOW);
    let error = place.run(&mut gain, &plan, "run", None).unwrap_err().to_string();
    assert!(
        error.contains("validation: expected sets for an enhancer") && error.contains("'street'"),
        "{error}"
    );
    assert!(gain.seen.is_empty());
}

#[test]
fn a_file_that_is_no_image_is_named() {
    let place = Place::with_pairs();
    fs::write(place.path("low/3.png"), b"not a picture").unwrap();
    let error = place.run(&mut Gain::new(LOW), &plan(4, LOWS), "run", None).unwrap_err();
    assert!(error.to_string().contains("3.png"), "{error}");
}

#[test]
fn a_file_that_breaks_on_the_way_costs_no_step_that_was_made() {
    let place = Place::with_pairs();
    let mut plan = plan(9, LOWS);
    // Only what the first threads take is read before the first step.
    (plan.run.cache_mib, plan.run.n_workers, plan.run.checkpoint_every) = (0, 1, 100);
    fs::write(place.path("low/7.png"), b"not a picture").unwrap();
    let mut gain = Gain::new(LOW);
    let error = place.run(&mut gain, &plan, "run", None).unwrap_err();
    assert!(error.to_string().contains("7.png"), "{error}");
    let n_made = gain.seen.len();
    assert!(n_made > 0, "another seed draws it later");
    assert!(place.path(&format!("run/checkpoints/step-{n_made:08}")).exists());
}

#[test]
fn a_loss_that_is_no_number_names_term_step_and_photographs_and_keeps_the_network() {
    let place = Place::with_pairs();
    let mut gain = Gain { breaks_at: Some(6), ..Gain::new(LOW) };
    let error = place.run(&mut gain, &plan(9, LOWS), "run", None).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("step 7: distance became NaN"), "{message}");
    assert_eq!(message.matches("low/").count(), 3, "{message}");
    let before = gain.gain;
    // It goes on where it was.
    let mut again = Gain::new(LOW);
    let outcome = place.run(&mut again, &plan(9, LOWS), "run", None).unwrap();
    assert_eq!(outcome.n_done, 9);
    assert_eq!(again.seen.len(), 3);
    assert_ne!(again.gain, before);
}

#[test]
fn a_folder_of_another_run_is_left_alone() {
    let place = Place::with_pairs();
    place.run(&mut Gain::new(LOW), &plan(4, LOWS), "run", None).unwrap();
    let other = plan(5, LOWS);
    let error = place.run(&mut Gain::new(LOW), &other, "run", None).unwrap_err();
    assert!(error.to_string().contains("another recipe"), "{error}");
    place.picture("low/0.png", [24, 20], 77, Channels::Rgb);
    let error = place.run(&mut Gain::new(LOW), &plan(4, LOWS), "run", None).unwrap_err();
    assert!(error.to_string().contains("other data"), "{error}");
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let place = Place::with_pairs();
    place.run(&mut Gain::new(LOW), &plan(9, LOWS), "run", Some(7)).unwrap();
    let path = place.path("run/checkpoints/step-00000007");
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = place.run(&mut Gain::new(LOW), &plan(9, LOWS), "run", None).unwrap_err();
    assert!(error.to_string().contains("step-00000007: expected a whole checkpoint"), "{error}");
    // Without it the run goes on from the one before.
    fs::remove_file(path).unwrap();
    let mut again = Gain::new(LOW);
    place.run(&mut again, &plan(9, LOWS), "run", None).unwrap();
    assert_eq!(again.seen.len(), 4, "from step 5 on");
}
