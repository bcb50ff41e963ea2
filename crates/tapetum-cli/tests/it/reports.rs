//! `--json`: every file with what became of it.

use serde_json::Value;
use tapetum::Format;

use crate::{desk::Desk, pictures::dark};

fn file<'a>(report: &'a Value, input: &str) -> &'a Value {
    let files = report["files"].as_array().unwrap();
    files.iter().find(|file| file["input"] == input).unwrap_or_else(|| panic!("{input}: {report}"))
}

#[test]
fn the_report_holds_every_file() {
    let mut desk = Desk::new();
    desk.add("photos/a.jpg", &dark(Format::Jpeg, 1));
    desk.add("photos/b/ü.png", &dark(Format::Png, 2));
    desk.add("photos/broken.png", b"text");
    desk.add("photos/same.jpg", &dark(Format::Jpeg, 3));
    desk.add("photos/same.jpeg", &dark(Format::Png, 4));
    desk.add("photos/same.png", &dark(Format::Png, 4));
    desk.add("photos/notes.txt", b"text");
    let ran = desk.run(&["photos", "-o", "out", "--json"]).exits(1);
    let report = ran.json();
    assert_eq!(report["method"], "scl-lle");
    assert_eq!(report["weights"], "scl-lle");
    assert_eq!(report["weights_sha256"].as_str().unwrap().len(), 64);
    let counts = ["n_done", "n_skipped", "n_failed", "n_ignored"].map(|key| &report[key]);
    assert_eq!(counts, [3, 0, 3, 1]);
    assert_eq!(report["files"].as_array().unwrap().len(), 6);

    let done = file(&report, "photos/b/ü.png");
    assert_eq!((&done["status"], &done["output"]), (&"done".into(), &"out/b/ü.png".into()));
    assert_eq!((&done["width"], &done["height"]), (&48.into(), &32.into()));
    assert_eq!((&done["format"], &done["strength_mode"]), (&"PNG".into(), &"auto".into()));
    assert!((0.0..=1.0).contains(&done["strength"].as_f64().unwrap()));
    assert!(done["mean_before"].as_f64().unwrap() < 0.12);
    assert!(done["dark_share"].as_f64().unwrap() > 0.9);

    for (name, part) in [
        ("photos/broken.png", "broken.png: the bytes are no image"),
        ("photos/same.jpeg", "also that of photos/same.png"),
        ("photos/same.png", "also that of photos/same.jpeg"),
    ] {
        let failed = file(&report, name);
        assert_eq!(failed["status"], "failed", "{name}");
        assert!(failed["error"].as_str().unwrap().contains(part), "{failed}");
        assert!(!failed["hint"].as_str().unwrap().is_empty(), "{failed}");
    }
}

#[test]
fn methods_without_weights_brighten_and_report_none() {
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    for card in tapetum::methods().iter().filter(|card| card.default_weights.is_none()) {
        let arguments = ["a.png", "--overwrite", "--json", "-q", "-m", card.name];
        let report = desk.run(&arguments).exits(0).json();
        assert_eq!(report["method"], card.name);
        assert_eq!((&report["weights"], &report["weights_sha256"]), (&Value::Null, &Value::Null));
        let done = file(&report, "a.png");
        let [before, after] = ["mean_before", "mean_after"].map(|key| done[key].as_f64().unwrap());
        let is_brighter = after > before + 0.05;
        assert_eq!(is_brighter, card.name != "none", "{}: {before} {after}", card.name);
        assert_eq!(done["precision"], "f32");
    }
}

#[test]
fn a_method_that_needs_the_whole_photograph_names_the_bytes_it_lacks() {
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    // 48x32 pixels of 80 bytes each, and the result.
    let arguments = ["a.png", "-m", "clahe", "--memory", "100K"];
    desk.run(&arguments).exits(1).fails_once(&["budget of 102400 bytes", "127488 are needed"]);
    desk.run(&["a.png", "-m", "clahe", "--memory", "127488"]).exits(0);
}

#[test]
fn the_strength_that_was_given_is_the_one_that_is_reported() {
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    for (strength, n_tiles) in [("0", 0), ("0.25", 1), ("1", 1)] {
        let arguments = ["a.png", "--overwrite", "--json", "-q", "--strength", strength];
        let ran = desk.run(&arguments).exits(0);
        assert_eq!(ran.stderr, "");
        let report = ran.json();
        let done = file(&report, "a.png");
        assert_eq!(done["strength_mode"], "fixed");
        assert_eq!(done["strength"].as_f64(), strength.parse().ok());
        assert_eq!(done["n_tiles"], n_tiles);
    }
    assert!(desk.read("a-bright.png") != desk.read("a.png"));
}

#[test]
fn skipped_files_are_reported_as_skipped() {
    let desk = Desk::with("photos/a.png", &dark(Format::Png, 1));
    desk.run(&["photos"]).exits(0);
    let ran = desk.run(&["photos", "--resume", "--json"]).exits(0).says("0 done, 1 unchanged");
    let report = ran.json();
    assert_eq!(file(&report, "photos/a.png")["status"], "skipped");
    assert_eq!(report["n_skipped"], 1);
}

#[test]
fn a_loss_is_a_warning_in_both_reports() {
    let mut photo = tapetum::decode(&dark(Format::Png, 1), &tapetum::Limits::default()).unwrap();
    photo.metadata.xmp = Some(b"<x:xmpmeta/>".to_vec());
    let png = tapetum::encode(&photo, Format::Png, &tapetum::EncodeOptions::default()).unwrap();
    let desk = Desk::with("a.png", &png);
    let ran = desk.run(&["a.png", "--format", "qoi", "--json"]).exits(0);
    let ran = ran.says("warning: a.png: QOI cannot hold XMP");
    assert_eq!(file(&ran.json(), "a.png")["warnings"][0], "QOI cannot hold XMP");
}

#[test]
fn the_precision_that_was_asked_for_is_reported_with_the_fast_way_too() {
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    for (arguments, precision) in
        [(&["--precision", "bf16"][..], "bf16"), (&["--precision", "f32", "--fast"], "f32")]
    {
        let all = [&["a.png", "--overwrite", "--json", "--strength", "1"], arguments].concat();
        let report = desk.run(&all).exits(0).json();
        let done = file(&report, "a.png");
        assert_eq!(done["precision"], precision);
        assert!(done["mean_after"].as_f64() > done["mean_before"].as_f64());
    }
}
