//! `tapetum evaluate`, `leaderboard` and `metrics` on generated data sets.

use tapetum::Format;

use crate::{
    desk::Desk,
    pictures::{dark, sized},
};

/// Pairs of dark pictures and what the program makes of them.
fn paired(n: u64) -> Desk {
    let mut desk = Desk::new();
    for seed in 0..n {
        let low = dark(Format::Png, seed);
        desk.add(&format!("set/low/{seed}.png"), &low);
        let bright = desk.run_with_input(&["-", "-o", "-", "--strength", "1"], &low).exits(0);
        desk.add(&format!("set/high/{seed}.png"), &bright.stdout);
    }
    desk
}

#[test]
fn methods_are_scored_on_a_data_set_with_the_baselines_that_always_take_part() {
    let desk = paired(3);
    let arguments = ["evaluate", "--data", "set", "--method", "scl-lle", "-o", "report", "--json"];
    let report = desk.run(&arguments).exits(0).json();
    let names: Vec<_> =
        report["contestants"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
    assert_eq!(names, ["none", "clahe", "scl-lle"]);
    let of = |contestant: &str| {
        let rows = report["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["contestant"] == contestant).unwrap();
        row["cells"][0]["mean"].as_f64().unwrap()
    };
    // The references are the method's own results, rounded once.
    assert!(of("scl-lle") > 60.0 && of("none") < 30.0, "{} {}", of("scl-lle"), of("none"));
    let keys: Vec<_> =
        report["columns"].as_array().unwrap().iter().map(|c| c["key"].clone()).collect();
    for key in ["psnr", "psnr@gt-mean", "noise-gain", "newly-clipped", "well-lit-change"] {
        assert!(keys.iter().any(|found| found == key), "{key} in {keys:?}");
    }
    let files = desk.files("report");
    assert_eq!(files, ["images.csv", "report.html", "report.json", "scores.jsonl", "table.md"]);
    assert_eq!(
        desk.read("report/report.json"),
        desk.run(&[&arguments[..], &["--resume"]].concat()).exits(0).stdout
    );
    desk.run(&arguments).exits(2).fails_once(&["report", "holds a report already"]);
    let csv = String::from_utf8(desk.read("report/images.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 3 * 3);
}

#[test]
fn results_of_other_programs_are_scored_against_references() {
    let mut desk = paired(2);
    for seed in 0..2 {
        let low = dark(Format::Png, seed);
        desk.add(&format!("others/{seed}-bright.png"), &low);
    }
    let table =
        desk.run(&["evaluate", "-t", "others", "-r", "set/high", "-m", "psnr,mae"]).exits(0);
    let text = table.text();
    assert!(text.contains("| others |") && text.contains("saved-8bit, GT-mean"), "{text}");
    assert!(!text.contains("clahe"), "there is nothing to run on: {text}");
    let table = desk.run(&["evaluate", "-t", "others", "-r", "set/high", "-i", "set/low"]).exits(0);
    assert!(table.text().contains("clahe") && table.text().contains("noise gain"));
}

#[test]
fn files_that_do_not_fit_together_stop_it_with_their_names() {
    let mut desk = Desk::new();
    for name in ["set/low/0.png", "set/high/0.png", "set/high/1.png"] {
        desk.add(name, &dark(Format::Png, 1));
    }
    let lonely = &["expected a partner", "1.png"];
    desk.run(&["evaluate", "--data", "set"]).exits(1).fails_once(lonely);

    let mut desk = Desk::new();
    desk.add("other/low/0.png", &sized(Format::Png, (40, 30), 7));
    desk.add("other/high/0.png", &sized(Format::Png, (40, 31), 7));
    desk.run(&["evaluate", "--data", "other"]).exits(1).fails_once(&["40x30", "40x31", "0.png"]);
}

#[test]
fn what_is_not_known_or_missing_is_said() {
    let desk = paired(1);
    let refused = |arguments: &[&str], parts: &[&str]| {
        let arguments = [&["evaluate", "--data", "set"], arguments].concat();
        desk.run(&arguments).exits(2).fails_once(parts);
    };
    refused(&["-m", "psnrr"], &["psnrr"]);
    refused(&["--protocol", "none"], &["no protocol is called 'none'"]);
    refused(&["--method", "none,unknown"], &["no method is called 'unknown'"]);
    refused(&["-m", "niqe"], &["niqe", "niqe_pris_params.npz", "BasicSR"]);
    refused(&["-m", "lpips-alex"], &["lpips-alex", "AlexNet"]);
    refused(&["-m", "fid"], &["fid", "folder"]);
    refused(&["--metric-file", "niqe=x.npz"], &["niqe, which is not asked for"]);
    desk.run(&["evaluate"]).exits(2).fails_once(&["something to score on"]);
    desk.run(&["evaluate", "--data", "missing"]).exits(1).fails_once(&["missing"]);
}

#[test]
fn a_leaderboard_is_written_from_a_request() {
    let desk = paired(2);
    let request = "title = \"Board\"\nmethods = [\"gamma\"]\nmetrics = [\"psnr\", \"ssim\"]\n\
                   protocols = [\"saved-8bit\", { name = \"cut\", border-px = 2 }]\n\
                   [[sets]]\nname = \"the set\"\ndata = \"set\"\n";
    desk.put("board.toml", request.as_bytes());
    let arguments = ["leaderboard", "board.toml", "-o", "board.md", "--date", "2026-01-02"];
    desk.run(&arguments).exits(0).says("board.md: written");
    let page = String::from_utf8(desk.read("board.md")).unwrap();
    for part in ["# Board", "2026-01-02", "the set", "gamma", "clahe", "cut, GT-mean", "| none |"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    desk.put("bad.toml", b"metrics = []\nsets = []\nmethod = \"gamma\"\n");
    desk.run(&["leaderboard", "bad.toml", "-o", "x.md"])
        .exits(2)
        .fails_once(&["bad.toml", "method"]);
}

#[test]
fn the_request_for_the_nasa_set_measures_clamped_and_unclamped() {
    let mut desk = Desk::new();
    for seed in 0..2 {
        desk.add(&format!("sets/NASA/{seed}.png"), &sized(Format::Png, (40, 30), seed));
        desk.add(&format!("sets/NASA-high/{seed}.png"), &sized(Format::Png, (40, 30), seed + 9));
    }
    desk.put("nasa.toml", include_bytes!("../../../../docs/nasa.toml"));
    desk.run(&["leaderboard", "nasa.toml", "--data", "sets", "-o", "nasa.md", "--no-cost"])
        .exits(0);
    let page = String::from_utf8(desk.read("nasa.md")).unwrap();
    for part in
        ["NASA (paired, 2 images)", "PSNR (saved-8bit)", "PSNR (unclamped)", "SSIM (unclamped)"]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    let evaluate = ["evaluate", "--data", "sets", "--protocol", "saved-8bit,unclamped"];
    let table = desk.run(&[&evaluate[..], &["-m", "psnr,ssim"]].concat()).exits(0);
    assert!(table.text().contains("SSIM (unclamped)"), "{}", table.text());
}

#[test]
fn metrics_are_listed_and_niqe_is_fitted() {
    let mut desk = Desk::new();
    let list = desk.run(&["metrics", "list"]).exits(0);
    assert!(list.text().contains("asks for") && list.text().contains("lpips-alex"));
    let cards = desk.run(&["metrics", "list", "--json"]).exits(0).json();
    assert!(cards.as_array().unwrap().iter().any(|card| card["name"] == "fid"));
    for seed in 0..12 {
        desk.add(&format!("clean/{seed}.png"), &sized(Format::Png, (480, 320), seed));
    }
    let fit = ["metrics", "fit-niqe", "clean", "-o", "own.json", "--data", "generated"];
    desk.run(&fit).exits(0).says("fitted to 12 photographs");
    let own: serde_json::Value = serde_json::from_slice(&desk.read("own.json")).unwrap();
    assert_eq!(own["provenance"]["data"], "generated");
    let scored = ["evaluate", "--data", "clean", "-m", "niqe", "--metric-file", "niqe=own.json"];
    desk.run(&scored).exits(0);
}
