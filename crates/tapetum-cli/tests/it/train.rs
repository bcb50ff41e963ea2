//! Training, as users run it.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tapetum::{Channels, EncodeOptions, Format, Photo, Raster, Samples, Weights, encode};

use crate::desk::Desk;

/// The recipe of the repository that is made for this.
fn smoke() -> String {
    smoke_of("scl_lle")
}

pub(crate) fn smoke_of(method: &str) -> String {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let path = recipes.join(method).join("smoke.toml");
    path.canonicalize().unwrap().display().to_string()
}

/// Six scenes: dark, well lit, and as streets of three classes.
pub(crate) fn scenes() -> Desk {
    let mut desk = Desk::new();
    for idx in 0..6u64 {
        let wave = |x: u64, y: u64, c: u64| {
            let phase = (x * (3 + idx) + y * (7 - idx) + 40 * c) as f32 * 0.05;
            130.0 + 90.0 * phase.sin()
        };
        let colours = |factor: f32| {
            let row = |y: u64| (0..40).flat_map(move |x| (0..3).map(move |c| (x, y, c)));
            let all = (0..36).flat_map(row);
            all.map(|(x, y, c)| (wave(x, y, c) * factor) as u8).collect::<Vec<u8>>()
        };
        let labels = (0..36u64).flat_map(|y| (0..40).map(move |x| ((x / 14 + y / 20) % 4) as u8));
        let high = png(colours(1.0), Channels::Rgb);
        desk.add(&format!("data/low/{idx}.png"), &png(colours(0.12), Channels::Rgb));
        desk.add(&format!("data/high/{idx}.png"), &high);
        desk.add(&format!("data/street/image/{idx}.png"), &high);
        desk.add(&format!("data/street/label/{idx}.png"), &png(labels.collect(), Channels::Grey));
    }
    desk
}

fn png(samples: Vec<u8>, channels: Channels) -> Vec<u8> {
    let raster = Raster::new(40, 36, channels, Samples::U8(samples)).unwrap();
    encode(&Photo::from_raster(raster, Format::Png), Format::Png, &EncodeOptions::default())
        .unwrap()
}

/// The arguments of a training into a folder.
pub(crate) fn arguments<'a>(recipe: &'a str, run: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["train", recipe, "--data", "data", "-o", run], rest].concat()
}

/// What must be the same however often a run was interrupted.
fn left(desk: &Desk, run: &str) -> Vec<(String, Vec<u8>)> {
    let is_timeless = |name: &String| !name.starts_with("events.out") && name != "timing.json";
    let names = desk.files(run).into_iter().filter(is_timeless);
    names.map(|name| (name.clone(), desk.read(&format!("{run}/{name}")))).collect()
}

#[test]
fn the_smoke_recipe_trains_weights_that_enhance() {
    let desk = scenes();
    let recipe = smoke();
    let notes = ["--note", "data=made up"];
    desk.run(&arguments(&recipe, "run", &notes)).exits(0).says("trained for 24 steps");
    let weights = Weights::from_bytes(&desk.read("run/weights.safetensors")).unwrap();
    for (key, part) in
        [("method", "scl-lle"), ("seed", "1"), ("data", "made up"), ("recipe", "n_steps = 24")]
    {
        assert!(weights.header[key].contains(part), "{key}: {}", weights.header[key]);
    }
    desk.run(&["models", "import", "run/best.safetensors", "--name", "best"]).exits(0);
    let journal = String::from_utf8(desk.read("run/journal.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let brightness: Vec<f64> =
        lines.iter().filter_map(|line| line["terms"]["brightness"].as_f64()).collect();
    assert_eq!(brightness.len(), 6);
    let psnr = |line: &serde_json::Value| line["scores"]["."]["psnr_db"].as_f64();
    let scores: Vec<f64> = lines.iter().filter_map(psnr).collect();
    assert!(scores.len() == 2 && scores[1] > scores[0], "it learns: {scores:?}");
    let enhance =
        ["enhance", "data/low/0.png", "-w", "run/weights.safetensors", "-o", "bright.png"];
    desk.run(&[&enhance[..], &["--strength", "1"]].concat()).exits(0);
    let mean = |name: &str| match desk.photo(name).raster.into_samples() {
        Samples::U8(values) => {
            values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
        }
        other => panic!("8 bits, not {other:?}"),
    };
    assert!(mean("bright.png") > 1.3 * mean("data/low/0.png"));
}

#[test]
fn the_smoke_recipe_of_the_mean_teacher_trains_weights_that_enhance() {
    let desk = scenes();
    let recipe = smoke_of("semi_llie");
    desk.run(&arguments(&recipe, "run", &[])).exits(0).says("6 paired, 6 unpaired");
    let journal = String::from_utf8(desk.read("run/journal.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for term in ["structure", "gradient", "consistency", "teacher_mean", "teacher_kept", "ramp"] {
        let n_values = lines.iter().filter(|line| line["terms"][term].is_number()).count();
        assert_eq!(n_values, 6, "{term}");
    }
    let psnr = |line: &serde_json::Value| line["scores"]["."]["psnr_db"].as_f64();
    let scores: Vec<f64> = lines.iter().filter_map(psnr).collect();
    assert!(scores.len() == 2 && scores[1] > scores[0], "it learns: {scores:?}");
    let enhance =
        ["enhance", "data/low/0.png", "-w", "run/weights.safetensors", "-o", "bright.png"];
    desk.run(&[&enhance[..], &["--strength", "1"]].concat()).exits(0);
}

#[test]
fn the_smoke_recipe_of_the_latent_trains_weights_that_draw_variations() {
    let desk = scenes();
    let recipe = smoke_of("lacr_vae");
    desk.run(&arguments(&recipe, "run", &[])).exits(0).says("6 paired, 6 synthetic");
    let journal = String::from_utf8(desk.read("run/journal.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for term in [
        "reconstruction",
        "visual",
        "divergence",
        "contrast",
        "latent_variance",
        "active_units",
        "distance_positive",
        "distance_negative",
    ] {
        let n_values = lines.iter().filter(|line| line["terms"][term].is_number()).count();
        assert_eq!(n_values, 6, "{term}");
    }
    let enhance = [
        "enhance",
        "data/low/0.png",
        "-w",
        "run/weights.safetensors",
        "--strength",
        "1",
        "--samples",
        "2",
    ];
    let drawn = |folder: &str, seed: &str| {
        let more = ["--uncertainty", "--seed", seed, "-o", folder];
        desk.run(&[&enhance[..], &more].concat()).exits(0);
        ["0-sample-1.png", "0-sample-2.png", "0-uncertainty.png", "0.png"]
            .map(|name| desk.read(&format!("{folder}/{name}")))
    };
    fs::create_dir(desk.path("first")).unwrap();
    fs::create_dir(desk.path("again")).unwrap();
    fs::create_dir(desk.path("other")).unwrap();
    let [first, again, other] =
        [("first", "1"), ("again", "1"), ("other", "2")].map(|(folder, seed)| drawn(folder, seed));
    assert!(first == again, "the same seed draws the same");
    assert!(first[3] == other[3], "the result itself is of the mean");
    assert!((0..3).all(|idx| first[idx] != other[idx]) && first[0] != first[1]);
}

#[test]
fn the_smoke_recipe_of_the_game_trains_a_generator_against_both_discriminators() {
    let desk = scenes();
    let recipe = smoke_of("collaba");
    desk.run(&arguments(&recipe, "run", &[])).exits(0).says("6 synthetic");
    let journal = String::from_utf8(desk.read("run/journal.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for term in [
        "pixel",
        "illumination",
        "adversarial",
        "smoothness",
        "judgement",
        "kappa",
        "logit_real",
        "logit_made",
        "weight_adversarial",
        "gradient_norm_discriminators",
    ] {
        let n_values = lines.iter().filter(|line| line["terms"][term].is_number()).count();
        assert_eq!(n_values, 6, "{term}");
    }
    let pixel: Vec<f64> = lines.iter().filter_map(|line| line["terms"]["pixel"].as_f64()).collect();
    assert!(pixel[5] < pixel[0], "it learns: {pixel:?}");
    // A second stage starts from what the first has left.
    let from_first = ["--set", "helpers.generator=../run/weights.safetensors"];
    desk.run(&arguments(&recipe, "again", &from_first)).exits(0).says("trained for 12 steps");
}

#[test]
fn a_judge_that_cannot_judge_is_refused_with_those_that_can() {
    let desk = scenes();
    let recipe = smoke_of("semi_llie");
    let setting = ["--set", "helpers.judge=psnr"];
    let run = desk.run(&arguments(&recipe, "run", &setting));
    run.exits(1).says("helpers.judge: expected a metric that needs neither").says("'psnr'");
}

#[test]
fn killed_and_interrupted_trainings_end_in_the_same_bytes() {
    let desk = scenes();
    let recipe = smoke();
    desk.run(&arguments(&recipe, "whole", &[])).exits(0);
    let whole = left(&desk, "whole");
    for (signal, code) in [("-KILL", None), ("-INT", Some(130))] {
        let run = format!("run{signal}");
        let arguments = arguments(&recipe, &run, &[]);
        let mut child = start(&desk, &arguments);
        if wait_for(&desk.path(&format!("{run}/checkpoints/step-00000006")), &mut child) {
            send(signal, &child);
        }
        let status = child.wait().unwrap();
        assert!(status.code() == code || status.success(), "{signal}: {status}");
        desk.run(&arguments).exits(0);
        let mut found = left(&desk, &run);
        // A checkpoint more, where it was interrupted, may have pushed out an older one.
        let mut expected = whole.clone();
        for files in [&mut found, &mut expected] {
            files.retain(|(name, _)| !name.starts_with("checkpoints") && !name.starts_with(".tmp"));
        }
        assert_eq!(names(&found), names(&expected), "{signal}");
        assert!(found == expected, "{signal}: a file differs");
    }
}

#[test]
fn a_recipe_is_printed_whole_and_settings_change_it() {
    let desk = scenes();
    let recipe = smoke();
    let settings = ["--set", "run.n_steps=3", "--set", "scl-lle.optimizer={kind='adam-p'}"];
    let printed =
        desk.run(&[&["train", &recipe, "--print-config"], &settings[..]].concat()).exits(0);
    for part in ["n_steps = 3\n", "kind = \"adam-p\"", "weight_smoothness = 200.0", "n_workers = 2"]
    {
        assert!(printed.text().contains(part), "{part} in {}", printed.text());
    }
    desk.put("printed.toml", printed.text().as_bytes());
    let again = desk.run(&["train", "printed.toml", "--print-config"]).exits(0);
    assert_eq!(again.text(), printed.text());
    desk.run(&arguments("printed.toml", "run", &[])).exits(0).says("trained for 3 steps");
}

#[test]
fn what_is_wrong_with_a_recipe_is_said_with_a_hint() {
    let desk = scenes();
    let recipe = smoke();
    let refused = |settings: &[&str], parts: &[&str]| {
        desk.run(&arguments(&recipe, "run", settings)).exits(1).fails_once(parts);
    };
    refused(&["--set", "run.n_step=3"], &["smoke.toml", "unknown field `n_step`"]);
    refused(&["--set", "data.low.images=['nowhere']"], &["nowhere"]);
    refused(&["--set", "data.low.n=0"], &["data.low.n: expected 1 to 4096, found 0"]);
    desk.run(&["train", &recipe]).exits(2).says("--output");
}

fn names(files: &[(String, Vec<u8>)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

fn start(desk: &Desk, arguments: &[&str]) -> Child {
    desk.command(arguments).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits for a file; false when the program ended before.
fn wait_for(path: &Path, child: &mut Child) -> bool {
    while !fs::exists(path).unwrap() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    true
}

fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}
