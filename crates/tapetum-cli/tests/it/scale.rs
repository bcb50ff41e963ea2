//! `--scale`: photographs that become larger.

use tapetum::{Format, methods};

use crate::{
    desk::Desk,
    models::other_weights,
    pictures::{FORMATS, dark, ending},
};

/// The first method inside the program that has weights for a scale.
fn method_at(scale: u32) -> Option<&'static str> {
    let has = |card: &&&tapetum::MethodCard| {
        card.weights_by_scale.iter().any(|(known, _)| *known == scale)
    };
    methods().iter().find(has).map(|card| card.name)
}

#[test]
fn a_method_that_keeps_sizes_is_followed_by_a_filter() {
    for format in FORMATS {
        let name = format!("a.{}", ending(format));
        let desk = Desk::with(&name, &dark(format, 1));
        for (scale, method) in [(2, "scl-lle"), (4, "clahe")] {
            let scale_text = scale.to_string();
            let arguments = [&name, "-m", method, "-s", &scale_text, "--overwrite", "--json"];
            let ran = desk.run(&arguments).exits(0);
            let (width, height) = (48 * scale, 32 * scale);
            assert!(
                ran.stderr.contains(&format!(": 48x32 → {width}x{height}, ")),
                "{}",
                ran.stderr
            );
            let report = ran.json();
            let done = &report["files"][0];
            assert_eq!((&report["scale"], &done["scale"]), (&scale.into(), &scale.into()));
            assert_eq!((&done["width"], &done["height"]), (&width.into(), &height.into()));
            let photo = desk.photo(&format!("a-bright.{}", ending(format)));
            assert_eq!((photo.raster.width(), photo.raster.height()), (width, height));
        }
    }
}

#[test]
fn without_a_method_one_is_taken_that_enlarges() {
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    for (scale, text) in [(2, "2"), (4, "4")] {
        let arguments = ["a.png", "-s", text, "--overwrite", "--json"];
        match method_at(scale) {
            Some(method) => {
                let report = desk.run(&arguments).exits(0).json();
                assert_eq!((&report["method"], &report["scale"]), (&method.into(), &scale.into()));
            }
            None => {
                let expected = format!("no method inside the program enlarges {scale} times");
                desk.run(&arguments).exits(2).fails_once(&[&expected]);
            }
        }
    }
    let report = desk.run(&["a.png", "-s", "1", "--overwrite", "--json"]).exits(0).json();
    assert_eq!((&report["method"], &report["scale"]), (&"scl-lle".into(), &1.into()));
}

#[test]
fn a_second_network_runs_on_the_result_of_the_first() {
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    let run = |more: &[&str]| {
        let all = [&["a.png", "-m", "clahe", "--strength", "1", "--overwrite", "--json"], more];
        let report = desk.run(&all.concat()).exits(0).json();
        (desk.read("a-bright.png"), report)
    };
    let (alone, report) = run(&["-s", "2"]);
    assert_eq!(report["then"], serde_json::Value::Null);
    let (followed, report) = run(&["-s", "2", "--then", "scl-lle"]);
    assert_eq!((&report["then"], &report["scale"]), (&"scl-lle".into(), &2.into()));
    assert_eq!(report["then_sha256"].as_str().unwrap().len(), 64);
    let (small, report) = run(&["--then", "scl-lle"]);
    assert_eq!(report["scale"], 1);
    assert!(alone != followed && followed != small);
    desk.run(&["a.png", "--then", "missing"]).exits(2).fails_once(&["missing: no such weights"]);
}

#[test]
fn another_size_or_second_network_is_made_again_on_resume() {
    let mut desk = Desk::with("photos/a.png", &dark(Format::Png, 1));
    desk.add("photos/b.png", &dark(Format::Png, 2));
    other_weights(&desk, "other.safetensors");
    let run = |more: &[&str], expected: &str| {
        let all = [&["photos", "-m", "scl-lle", "--resume"], more].concat();
        desk.run(&all).exits(0).says(expected);
    };
    for more in [
        &[][..],
        &["-s", "2"],
        &["-s", "4"],
        &["--then", "scl-lle"],
        &["--then", "other.safetensors"],
        &["-s", "2", "--then", "other.safetensors"],
    ] {
        run(more, "2 done, 0 unchanged");
        run(more, "0 done, 2 unchanged");
    }
    run(&["-s", "1"], "2 done, 0 unchanged");
    run(&[], "0 done, 2 unchanged");
}

#[test]
fn what_cannot_be_enlarged_so_is_refused_with_its_size() {
    let desk = Desk::with("a.png", &crate::pictures::sized(Format::Png, (1100, 1000), 1));
    let arguments = ["a.png", "-m", "clahe", "-s", "2", "--max-megapixels", "4"];
    desk.run(&arguments).exits(1).fails_once(&["2200x2000 pixels", "n_pixels_max is 4000000"]);
    let arguments = ["a.png", "-m", "scl-lle", "-s", "2", "--fast"];
    desk.run(&arguments).exits(1).fails_once(&["scl-lle has no fast way"]);
    desk.run(&["a.png", "-s", "3"]).exits(2).says("expected 1, 2 or 4");
    assert_eq!(desk.files(""), ["a.png"]);
}

#[test]
fn what_is_synthesised_at_a_scale_is_evaluated_at_it() {
    let mut desk = Desk::new();
    for seed in 0..3 {
        desk.add(&format!("lit/{seed}.png"), &crate::pictures::sized(Format::Png, (96, 80), seed));
    }
    desk.run(&["synthesize", "lit", "-o", "set", "-s", "2"]).exits(0);
    let found = desk.run(&["data", "check", "set", "--json"]).exits(0).json();
    assert_eq!(found["sets"][0]["splits"][0]["scale"], 2, "{found}");
    let arguments = ["evaluate", "--data", "set", "--method", "scl-lle", "-o", "report", "--json"];
    let report = desk.run(&arguments).exits(0).json();
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["cells"][0]["n_images"], 3, "{row}");
    }
    let notes = report["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note.as_str().unwrap().contains("2 times as large")));
}
