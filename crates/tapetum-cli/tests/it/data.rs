//! `tapetum data check` and `tapetum synthesize` on generated folders.

use tapetum::Format;

use crate::{desk::Desk, pictures::sized};

/// Photographs in a folder, one a seed.
fn photographs(desk: &mut Desk, folder: &str, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        desk.add(&format!("{folder}/{seed}.png"), &sized(Format::Png, (50, 38), seed));
    }
}

#[test]
fn pairs_are_made_from_well_lit_photographs_and_repeat_with_their_seed() {
    let mut desk = Desk::new();
    photographs(&mut desk, "lit", 0..3);
    desk.put("range.toml", b"exposure = [0.1, 0.2]\niso = [0, 0]\njpeg_share = 0.0\n");
    let make = |output: &str, seed: &str| {
        let arguments = ["synthesize", "lit", "-o", output, "--range", "range.toml", "-s", "2"];
        desk.run(&[&arguments[..], &["--seed", seed]].concat()).exits(0).says("3 pairs, 0 failed");
    };
    make("one", "7");
    make("same", "7");
    make("other", "8");
    let files = desk.files("one");
    assert_eq!(
        files,
        [
            "high/0.png",
            "high/1.png",
            "high/2.png",
            "low/0.png",
            "low/1.png",
            "low/2.png",
            "synthesis.jsonl"
        ]
    );
    for file in &files {
        let [one, same] = ["one", "same"].map(|folder| desk.read(&format!("{folder}/{file}")));
        assert_eq!(one, same, "{file}");
    }
    assert_ne!(desk.read("one/low/0.png"), desk.read("other/low/0.png"));
    let (low, high) = (desk.photo("one/low/0.png"), desk.photo("one/high/0.png"));
    assert_eq!((high.raster.width(), low.raster.width(), low.raster.height()), (50, 25, 19));
    let mean = |raster: &tapetum::Raster| {
        let values = raster.read_rgb(raster.rect()).pixels;
        values.iter().sum::<f32>() / values.len() as f32
    };
    assert!(mean(&low.raster) < 0.7 * mean(&high.raster));
    desk.run(&["synthesize", "lit", "-o", "one"]).exits(1).says("exists already");
}

#[test]
fn a_range_with_an_unknown_key_or_a_wrong_number_is_refused() {
    let mut desk = Desk::new();
    photographs(&mut desk, "lit", 0..1);
    for (text, part) in [("exposures = [1, 2]", "exposures"), ("exposure = [0.5, 0.1]", "exposure")]
    {
        desk.put("range.toml", text.as_bytes());
        let arguments = ["synthesize", "lit", "-o", "pairs", "--range", "range.toml"];
        desk.run(&arguments).exits(2).fails_once(&["range.toml", part]);
    }
}

#[test]
fn a_check_tells_layout_and_counts_and_what_train_and_test_share() {
    let mut desk = Desk::new();
    for (folder, seeds) in [("our485", 0..3), ("eval15", 2..4)] {
        for half in ["low", "high"] {
            photographs(&mut desk, &format!("lol/{folder}/{half}"), seeds.clone());
        }
    }
    let text = desk.run(&["data", "check", "lol"]).exits(0);
    for part in ["lol: LOL-v1", "our485", "3 pairs", "2 pairs", "part: test"] {
        assert!(text.text().contains(part), "{part} in {}", text.text());
    }
    // Generated photographs resemble each other; the same file is as near as can be.
    assert!(text.text().contains("(0 of 64 bits differ)"), "{}", text.text());
    let found = desk.run(&["data", "check", "lol", "--bits", "0", "--json"]).exits(0).json();
    let shared = found["shared"].as_array().unwrap();
    assert!(shared.iter().any(|pair| pair["second"].as_str().unwrap().ends_with("2.png")));
    assert_eq!(found["sets"][0]["layout"], "LOL-v1");

    std::fs::remove_file(desk.path("lol/eval15/low/3.png")).unwrap();
    let ran = desk.command(&["data", "check", "lol"]).output().unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.code() == Some(1) && stderr.contains("3.png"), "{stderr}");
}
