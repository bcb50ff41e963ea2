//! Whole evaluations.

use std::{fs, path::Path, sync::atomic::Ordering};

use tapetum_evaluate::{
    Cache, EvaluateError, Kind, Protocol, Set,
    contest::{Maker, Segmenter},
    evaluate,
};
use tapetum_image::{Channels, Image, Samples, Srgb};
use tapetum_nn::Strength;

use crate::{
    contests::{Factor, Tiled, Unclamped, contest, contestant, mean, metric, run},
    sets::{texture, write, write_pairs, write_samples},
};

#[test]
fn the_right_factor_wins_and_gt_mean_forgives_the_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    write_pairs(folder.path(), 6);
    let (one, two) = (Factor::new(1.0), Factor::new(2.0));
    let contestants =
        vec![contestant("none", Maker::Network(&one)), contestant("doubled", Maker::Network(&two))];
    let set = Set::open(folder.path()).unwrap();
    assert_eq!((set.kind, set.scenes.len()), (Kind::Paired, 6));
    let report = run(&contest(vec![set], contestants)).unwrap().report;

    let keys: Vec<&str> = report.columns.iter().map(|column| column.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "psnr",
            "psnr@gt-mean",
            "mae",
            "mae@gt-mean",
            "newly-clipped",
            "well-lit-change",
            "well-lit-change-full"
        ]
    );
    let score = |contestant, key| mean(&report, contestant, key).unwrap();
    assert!(score("doubled", "psnr") > score("none", "psnr") + 3.0);
    // GT-mean alone brings the untouched image to its reference's brightness.
    assert!(score("none", "psnr@gt-mean") > score("none", "psnr") + 3.0);
    assert_eq!(score("none", "well-lit-change-full"), 0.0);
    assert!(score("doubled", "well-lit-change-full") > 5.0);
    let difference = report.differences.iter().find(|d| d.column == "psnr").unwrap();
    assert_eq!((difference.first.as_str(), difference.second.as_str()), ("none", "doubled"));
    // All of 64 flips but two give less.
    assert!(difference.mean < -3.0 && difference.upper < 0.0);
    assert_eq!(difference.p, 2.0 / 64.0);
    assert_eq!(report.images.len(), 12);
}

#[test]
fn identical_images_are_infinite_and_black_ones_stay_black() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.png"] {
        write(&folder.path().join("high").join(name), [16, 16], |x, y| texture(0, x, y));
    }
    write(&folder.path().join("low/a.png"), [16, 16], |x, y| texture(0, x, y));
    let black = Samples::U8(vec![0; 16 * 16 * 3]);
    write_samples(&folder.path().join("low/b.png"), [16, 16], Channels::Rgb, black);
    let one = Factor::new(1.0);
    let set = Set::open(folder.path()).unwrap();
    let contest = contest(vec![set], vec![contestant("none", Maker::Network(&one))]);
    let report = run(&contest).unwrap().report;
    let psnr = report.rows[0].cells[0].unwrap();
    assert_eq!(psnr.n_infinite, 1);
    let scores: Vec<_> = report.images.iter().map(|image| image.scores[0].unwrap()).collect();
    assert!(scores[0].is_infinite() && scores[1].is_finite());
    assert!((psnr.mean - (100.0 + scores[1]) / 2.0).abs() < 1e-9, "infinity counts as 100");
    // No factor makes black bright: GT-mean changes nothing.
    assert_eq!(report.images[1].scores[0], report.images[1].scores[1]);
}

#[test]
fn sixteen_bits_compare_with_eight_as_the_protocol_says() {
    let folder = tempfile::tempdir().unwrap();
    let deep: Vec<u16> = (0..32 * 32 * 3).map(|idx| (idx * 21) as u16).collect();
    let eight = deep.iter().map(|&v| ((u32::from(v) + 128) / 257) as u8).collect();
    let size = [32, 32];
    write_samples(&folder.path().join("low/a.png"), size, Channels::Rgb, Samples::U16(deep));
    write_samples(&folder.path().join("high/a.png"), size, Channels::Rgb, Samples::U8(eight));
    let one = Factor::new(1.0);
    let set = Set::open(folder.path()).unwrap();
    let mut contest = contest(vec![set], vec![contestant("none", Maker::Network(&one))]);
    contest.protocols = ["saved-8bit", "float"].map(|name| Protocol::find(name).unwrap()).into();
    let report = run(&contest).unwrap().report;
    assert_eq!(mean(&report, "none", "mae"), Some(0.0));
    let float = mean(&report, "none", "mae/float").unwrap();
    assert!(float > 0.1 && float < 0.5, "the fractions of a level: {float}");
}

#[test]
fn what_a_network_gives_beyond_white_counts_where_values_are_not_clamped() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["NASA", "NASA-high"] {
        write(&folder.path().join(part).join("1.png"), [24, 20], |_, _| 128);
    }
    // Every channel comes to lie beyond white.
    let network = Unclamped(0.8);
    let contestants = vec![contestant("beyond", Maker::Network(&network))];
    let mut contest = contest(vec![Set::open(folder.path()).unwrap()], contestants);
    contest.protocols =
        ["saved-8bit", "unclamped"].map(|name| Protocol::find(name).unwrap()).into();
    contest.metrics = ["psnr", "ssim"].map(metric).into();
    let report = run(&contest).unwrap().report;
    let channels = [128.0, 84.0, 52.0].map(|value: f64| value / 255.0);
    let average = |values: [f64; 3]| values.iter().sum::<f64>() / 3.0;
    let psnr = |after: [f64; 3]| {
        let idx = [0, 1, 2];
        -10.0 * average(idx.map(|idx| (after[idx] - channels[idx]).powi(2))).log10()
    };
    // Of flat images SSIM has its first factor alone.
    let ssim = |after: [f64; 3]| {
        average([0, 1, 2].map(|idx| {
            let (x, y) = (channels[idx], after[idx]);
            (2.0 * x * y + 1e-4) / (x * x + y * y + 1e-4)
        }))
    };
    let (white, beyond) = ([1.0; 3], channels.map(|value| value + 0.8));
    for (key, expected) in [
        ("psnr", psnr(white)),
        ("ssim", ssim(white)),
        ("psnr/unclamped", psnr(beyond)),
        ("ssim/unclamped", ssim(beyond)),
    ] {
        let found = mean(&report, "beyond", key).unwrap();
        assert!((found - expected).abs() < 1e-5, "{key}: {found}, expected {expected}");
    }
}

#[test]
fn what_does_not_fit_together_is_listed_before_anything_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    write_pairs(folder.path(), 3);
    write(&folder.path().join("low/1.png"), [64, 40], |x, y| texture(1, x, y));
    let two = Factor::new(2.0);
    let set = Set::open(folder.path()).unwrap();
    let evaluated = run(&contest(vec![set], vec![contestant("two", Maker::Network(&two))]));
    let error = evaluated.unwrap_err().to_string();
    assert!(error.contains("1.png is 64x40 but ") && error.contains("1.png is 64x48"), "{error}");
    assert!(!error.contains("0.png"), "{error}");
    assert_eq!(two.1.load(Ordering::Relaxed), 0);

    fs::remove_file(folder.path().join("high/2.png")).unwrap();
    let error = Set::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("low/2.png") || error.contains("low\\2.png"), "{error}");
}

#[test]
fn an_image_that_fails_is_named_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        write(&folder.path().join(format!("{name}.png")), [40, 40], |x, y| texture(3, x, y) / 3);
    }
    fs::write(folder.path().join("b.png"), b"no image").unwrap();
    let two = Factor::new(2.0);
    let set = Set::open(folder.path()).unwrap();
    assert_eq!(set.kind, Kind::Unpaired);
    let twice = ["two", "too"].map(|name| contestant(name, Maker::Network(&two)));
    let mut contest = contest(vec![set], twice.into());
    contest.metrics = vec![metric("entropy"), metric("psnr")];
    let evaluated = run(&contest).unwrap();
    assert_eq!(evaluated.failures.len(), 1);
    assert!(evaluated.failures[0].to_string().contains("b.png"));
    let cells = &evaluated.report.rows[0].cells;
    assert_eq!(cells[0].unwrap().n_images, 2);
    assert_eq!(cells[1], None, "there is no reference");
    assert!(!evaluated.showcases.is_empty());
}

#[test]
fn files_are_scored_beside_networks() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    write_pairs(&data, 3);
    let results = folder.path().join("results");
    for image in 0..3 {
        let name = format!("{image}-bright.png");
        write(&results.join(name), [64, 48], |x, y| texture(image, x, y));
    }
    let set = Set::open(&data).unwrap();
    let files = Maker::Files(vec![set.results_in(&results).unwrap()]);
    let one = Factor::new(1.0);
    let none = contestant("none", Maker::Network(&one));
    let report = run(&contest(vec![set], vec![none, contestant("files", files)])).unwrap().report;
    assert_eq!(mean(&report, "files", "mae"), Some(0.0));
    assert_eq!(mean(&report, "files", "psnr"), Some(100.0));
    assert_eq!(mean(&report, "files", "well-lit-change"), None, "files do not run");

    let references = Set::of_references(&data.join("high"), None).unwrap();
    let files = Maker::Files(vec![references.results_in(&results).unwrap()]);
    let report = run(&contest(vec![references], vec![contestant("files", files)])).unwrap().report;
    assert_eq!(mean(&report, "files", "mae"), Some(0.0));
    assert_eq!(mean(&report, "files", "newly-clipped"), None, "there is no dark image");

    fs::remove_file(results.join("1-bright.png")).unwrap();
    let error = Set::open(&data).unwrap().results_in(&results).unwrap_err().to_string();
    assert!(error.contains("1.png"), "{error}");
}

#[test]
fn a_resumed_evaluation_computes_nothing_again_and_finds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    write_pairs(&folder.path().join("data"), 4);
    let path = folder.path().join("scores.jsonl");
    let set = || Set::open(&folder.path().join("data")).unwrap();
    let evaluate_with = |factor: &Factor, is_resumed| {
        let contest = contest(vec![set()], vec![contestant("two", Maker::Network(factor))]);
        let cache = Cache::open(&path, is_resumed).unwrap();
        evaluate(&contest, Some(&cache), &|_, _| {}).unwrap().report
    };
    let (first, again) = (Factor::new(2.0), Factor::new(2.0));
    let whole = evaluate_with(&first, false);
    let n_runs = first.1.load(Ordering::Relaxed);
    assert_eq!(evaluate_with(&again, true), whole);
    // Only the pictures of the report are made again.
    let n_again = again.1.load(Ordering::Relaxed);
    assert!(n_again < n_runs && n_again <= 3, "{n_again} of {n_runs}");

    write(&folder.path().join("data/low/0.png"), [64, 48], |x, y| texture(9, x, y) / 2);
    let changed = Factor::new(2.0);
    assert_ne!(evaluate_with(&changed, true).images[0], whole.images[0]);
    assert!(changed.1.load(Ordering::Relaxed) > n_again, "a changed file is scored again");
}

#[test]
fn scores_of_approximate_tiles_say_so_and_belong_to_their_memory() {
    let folder = tempfile::tempdir().unwrap();
    write_pairs(&folder.path().join("data"), 1);
    let path = folder.path().join("scores.jsonl");
    let images_with = |memory_bytes_max, is_resumed| {
        let set = Set::open(&folder.path().join("data")).unwrap();
        let two = Tiled(Factor::new(2.0));
        let mut contest = contest(vec![set], vec![contestant("two", Maker::Network(&two))]);
        contest.options.memory_bytes_max = memory_bytes_max;
        let cache = Cache::open(&path, is_resumed).unwrap();
        evaluate(&contest, Some(&cache), &|_, _| {}).unwrap().report.images
    };
    let whole = images_with(1 << 30, false);
    assert!(whole[0].notes.is_empty(), "{:?}", whole[0].notes);
    // 64x48 pixels of 1000 bytes need 3 MB.
    let tiled = images_with(2_500_000, true);
    assert_eq!(tiled[0].notes, ["4 tiles (approximate)"]);
    assert_eq!(tiled[0].scores, whole[0].scores);
}

#[test]
fn the_automatic_strength_refuses_what_the_full_one_scores() {
    let folder = tempfile::tempdir().unwrap();
    write_pairs(folder.path(), 2);
    let darker = Factor::new(0.3);
    let score = |strength| {
        let set = Set::open(folder.path()).unwrap();
        let mut contest = contest(vec![set], vec![contestant("darker", Maker::Network(&darker))]);
        contest.options.strength = strength;
        mean(&run(&contest).unwrap().report, "darker", "mae").unwrap()
    };
    assert!(score(Strength::Fixed(1.0)) > score(Strength::Auto) + 3.0);
}

#[test]
fn classes_are_read_off_the_results_of_the_whole_set() {
    let folder = tempfile::tempdir().unwrap();
    for image in 0..4u8 {
        let name = format!("{image}.png");
        // Class 1 is bright, class 0 dark; a corner is void.
        let class = move |x: u32, y: u32| u8::from((x + y + u32::from(image)).is_multiple_of(3));
        write(&folder.path().join("image").join(&name), [24, 24], move |x, y| {
            60 + 90 * class(x, y)
        });
        let labels = (0..24 * 24).map(|idx| match (idx % 24, idx / 24) {
            (0..4, 0..4) => 255,
            (x, y) => class(x, y),
        });
        let path = folder.path().join("label").join(&name);
        write_samples(&path, [24, 24], Channels::Grey, Samples::U8(labels.collect()));
    }
    let (one, half) = (Factor::new(1.0), Factor::new(0.4));
    // Reads a pixel as class 1 from red 100 on.
    let predict = |image: &Image<Srgb>| -> Vec<u8> {
        image.pixels.iter().step_by(3).map(|&red| u8::from(red > 100.0 / 255.0)).collect()
    };
    let contestants =
        vec![contestant("none", Maker::Network(&one)), contestant("darker", Maker::Network(&half))];
    let set = Set::open(folder.path()).unwrap();
    assert_eq!(set.kind, Kind::Labelled);
    let mut contest = contest(vec![set], contestants);
    contest.segmenter = Some(Segmenter {
        description: "a threshold".to_owned(),
        n_classes: 3,
        n_scored: 2,
        predict: &predict,
    });
    let report = run(&contest).unwrap().report;
    assert_eq!(mean(&report, "none", "miou"), Some(1.0));
    // Everything is read as class 0: its union is everything, class 1 has no intersection.
    let darker = mean(&report, "darker", "miou").unwrap();
    assert!((darker - 0.5 * 2.0 / 3.0).abs() < 0.01, "{darker}");
    let difference = report.differences.iter().find(|d| d.column == "miou").unwrap();
    assert!(difference.lower > 0.5 && difference.p <= 2.0 / 16.0, "{difference:?}");
    let alone = contest.sets[0].exposure.replace(0.1);
    assert_eq!(alone, None);
    let dark = run(&contest).unwrap().report;
    assert!(mean(&dark, "none", "miou").unwrap() < 0.4, "nothing is bright in the dark");
}

#[test]
fn flicker_is_what_the_inputs_own_change_does_not_explain() {
    let folder = tempfile::tempdir().unwrap();
    let [inputs, steady, jumping] = ["inputs", "steady", "jumping"].map(|n| folder.path().join(n));
    for frame in 0..4u32 {
        let name = format!("{frame}.png");
        let flat = |path: &Path, value: u8| {
            let samples = Samples::U8(vec![value; 16 * 16 * 3]);
            write_samples(&path.join(&name), [16, 16], Channels::Rgb, samples);
        };
        let level = 20 + 5 * frame as u8;
        flat(&inputs, level);
        flat(&steady, 2 * level);
        flat(&jumping, 2 * level + 10 * (frame % 2) as u8);
    }
    let set = Set::open(&inputs).unwrap();
    let makers = [&steady, &jumping].map(|path| Maker::Files(vec![set.results_in(path).unwrap()]));
    let [steady, jumping] = makers;
    let contestants = vec![contestant("steady", steady), contestant("jumping", jumping)];
    let mut contest = contest(vec![set], contestants);
    contest.flicker = true;
    let report = run(&contest).unwrap().report;
    assert!(mean(&report, "steady", "flicker").unwrap() < 1e-9);
    let jumping = mean(&report, "jumping", "flicker").unwrap();
    assert!((8.0..12.0).contains(&jumping), "{jumping}");
}

#[test]
fn names_that_stand_twice_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_pairs(folder.path(), 1);
    let one = Factor::new(1.0);
    let set = || Set::open(folder.path()).unwrap();
    let twice = vec![contestant("a", Maker::Network(&one)), contestant("a", Maker::Network(&one))];
    let error = run(&contest(vec![set()], twice)).unwrap_err();
    assert!(matches!(error, EvaluateError::Request { .. }) && error.to_string().contains("'a'"));
    let once = vec![contestant("a", Maker::Network(&one))];
    assert!(run(&contest(vec![set(), set()], once)).is_err());
}
