//! `tapetum bench`: what it lists, measures and refuses. How long things take is never looked at.

use serde_json::Value;
use tapetum::{Format, bench::WORKS};

use crate::{
    desk::{Desk, Ran},
    pictures::dark,
};

#[test]
fn the_list_names_every_work() {
    let desk = Desk::new();
    let ran = desk.run(&["bench", "--list"]).exits(0);
    assert_eq!(ran.text().lines().count(), WORKS.len());
    for (line, work) in ran.text().lines().zip(WORKS) {
        assert!(line.starts_with(work.name) && line.ends_with(work.description), "{line}");
    }
    let ran = desk.run(&["bench", "--list", "--json"]).exits(0);
    let names: Vec<_> = ran.text().lines().map(|line| object(line)["work"].clone()).collect();
    assert_eq!(names, WORKS.iter().map(|work| work.name).collect::<Vec<_>>());
}

#[test]
fn a_measurement_is_an_object_with_its_times_and_its_machine() {
    let desk = Desk::new();
    let size = ["--size", "64x48", "--threads", "2", "--json"];
    let ran = desk.run(&[&["bench", "scl-lle", "--runs", "2"], &size[..]].concat());
    let found = object(ran.text());
    // Other load on the machine may make it unsteady; it must say so, then, and give no figure.
    let is_steady = found["unsteady"].is_null();
    assert_eq!(ran.code, i32::from(!is_steady), "{}", ran.stderr);
    assert_eq!(found["median_ms"].is_number(), is_steady, "{found}");
    let times = found["milliseconds"].as_array().unwrap();
    assert!(times.len() == 2 && times.iter().all(|time| time.as_f64() > Some(0.0)), "{found}");
    for (name, expected) in [("work", "scl-lle"), ("precision", "f32")] {
        assert_eq!(found[name], expected, "{found}");
    }
    for (name, expected) in [("width", 64), ("height", 48), ("n_threads", 2)] {
        assert_eq!(found[name], expected, "{found}");
    }
    for (name, expected) in [("macs_per_pixel", 79_200.0), ("flops_per_pixel", 158_400.0)] {
        assert_eq!(found[name], expected, "{found}");
    }
    assert!(found["peak_gflops"].as_f64() > Some(0.0), "{found}");
}

#[test]
fn each_work_is_a_row_under_one_heading() {
    let desk = Desk::new();
    let ran = desk.run(&["bench", "layer-norm", "bilinear", "--size", "5x3", "--runs", "1"]);
    // A single run has no spread.
    let ran = ran.exits(0);
    let first_words = ran.text().lines().filter_map(|line| line.split_whitespace().next());
    assert_eq!(first_words.skip(1).collect::<Vec<_>>(), ["work", "layer-norm", "bilinear"]);
    assert!(ran.text().lines().next().unwrap().contains("GFLOP/s"), "{}", ran.text());
    assert_eq!(ran.stderr, "");
}

#[test]
fn training_is_measured_while_it_trains() {
    let desk = Desk::new();
    let loss = |n_runs: &str| {
        let options = ["--size", "8x8", "--runs", n_runs, "--dump", "loss", "-q"];
        desk.run(&[&["bench", "scl-lle-train"], &options[..]].concat());
        let losses = floats(&desk.read("loss"));
        assert_eq!(losses.len(), 1);
        losses[0]
    };
    let (after_few, after_many) = (loss("1"), loss("60"));
    assert!(after_few > after_many && after_many > 0.0, "{after_few} {after_many}");
}

#[test]
fn what_came_out_is_written_on_request() {
    let desk = Desk::new();
    let arguments = ["bench", "scl-lle", "--size", "16x9", "--runs", "1", "--dump", "out/bright"];
    desk.run(&arguments).exits(0);
    let bright = floats(&desk.read("out/bright"));
    assert_eq!(bright.len(), 16 * 9 * 3);
    // The picture it starts from has levels up to 79 of 255, 40 in the mean.
    let mean = bright.iter().sum::<f32>() / bright.len() as f32;
    assert!(mean > 0.3 && bright.iter().all(|value| (0.0..=1.0).contains(value)), "{mean}");
}

#[test]
fn a_photograph_of_ones_own_goes_through_the_pipeline() {
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    let raster = desk.photo("a.png").raster;
    let arguments = ["bench", "load", "process", "save", "--image", "a.png", "--runs", "1"];
    let ran = desk.run(&[&arguments[..], &["--json"]].concat()).exits(0);
    let found: Vec<Value> = ran.text().lines().map(object).collect();
    assert_eq!(found.len(), 3);
    for found in found {
        assert_eq!([&found["width"], &found["height"]], [raster.width(), raster.height()]);
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let similar = "a similar value exists: 'scl-lle'";
    let cases: [(&[&str], &str); 7] = [
        (&["scl-le"], similar),
        (&["--size", "0x5"], "--size"),
        (&["--size", "16384x16384"], "100 megapixels"),
        (&["--runs", "0"], "1..=1000"),
        (&["--runs", "1001"], "1..=1000"),
        (&["--threads", "0"], "--threads"),
        (&["--precision", "f64"], "f32, bf16"),
    ];
    for (arguments, expected) in cases {
        bench(arguments).exits(2).says(expected);
    }
    let cases: [(&[&str], i32, &str); 5] = [
        (&["load", "--precision", "bf16"], 2, "load does not compute in bf16"),
        (&["conv1x1", "--size", "10000x10000"], 2, "conv1x1 would take"),
        (&["load", "save", "--dump", "out"], 2, "--dump expects one work, got 2"),
        (&["load", "--image", "none.png"], 1, "none.png"),
        (&["load", "--image", "note"], 1, "note: "),
    ];
    for (arguments, code, expected) in cases {
        bench(arguments).exits(code).fails_once(&[expected]);
    }
}

fn bench(arguments: &[&str]) -> Ran {
    let desk = Desk::with("note", b"no photograph");
    desk.run(&[&["bench"], arguments].concat())
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}
