//! Sets whose references are larger than their dark images.

use std::path::Path;

use tapetum_evaluate::{Set, contest::Maker};
use tapetum_image::{Channels, Filter, Image, Samples, Srgb, enlarge};
use tapetum_nn::{
    MethodCard, Network,
    prelude::{Device, Tensor},
};

use crate::{
    contests::{Factor, contest, contestant, mean, metric, run},
    sets::{texture, write, write_samples},
};

const N_IMAGES: u32 = 3;

/// Doubles brightness and each pixel.
struct Doubling(Factor);

impl Network for Doubling {
    fn card(&self) -> &'static MethodCard {
        self.0.card()
    }

    fn scale(&self) -> u32 {
        2
    }

    fn enhance(&self, _low: Tensor<4>) -> Tensor<4> {
        panic!("images take the other way")
    }

    fn enhance_image(&self, low: &Image<Srgb>, device: &Device) -> Image<Srgb> {
        let bright = self.0.enhance_image(low, device);
        let (pixels, _) = bright.pixels.as_chunks::<3>();
        let rows = pixels.chunks_exact(low.width() as usize);
        let pixels = rows.flat_map(|row| {
            let wide: Vec<[f32; 3]> = row.iter().flat_map(|pixel| [*pixel; 2]).collect();
            [wide.clone(), wide].concat()
        });
        Image::new(low.width() * 2, low.height() * 2, pixels.flatten().collect())
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

fn doubling() -> Doubling {
    Doubling(Factor::new(2.0))
}

/// Dark images of 32x24, and references `scale` times as large of which each pixel stands as often.
fn write_set(folder: &Path, scale: u32) {
    for image in 0..N_IMAGES {
        let name = format!("{image}.png");
        let dark = |x: u32, y: u32| texture(image, x, y) / 4;
        write(&folder.join("low").join(&name), [32, 24], dark);
        write_samples(
            &folder.join("high").join(&name),
            [32 * scale, 24 * scale],
            Channels::Rgb,
            Samples::U8(doubled(scale, dark)),
        );
    }
}

/// The pixels that [`write`] writes, twice as bright.
fn doubled(scale: u32, value: impl Fn(u32, u32) -> u8) -> Vec<u8> {
    let places = (0..24 * scale).flat_map(|y| (0..32 * scale).map(move |x| (x, y)));
    let pixels = places.flat_map(|(x, y)| {
        let value = value(x / scale, y / scale);
        [value, value / 2 + 20, value / 3 + 10].map(|value| 2 * value)
    });
    pixels.collect()
}

/// What another program made of the dark images: brighter by a factor, then enlarged.
fn write_results(folder: &Path, factor: f32, filter: Filter) {
    for image in 0..N_IMAGES {
        let value = |x: u32, y: u32| texture(image, x, y) / 4;
        let places = (0..24).flat_map(|y| (0..32).map(move |x| (x, y)));
        let low = places.flat_map(|(x, y)| {
            let value = value(x, y);
            [value, value / 2 + 20, value / 3 + 10].map(|v| f32::from(v) / 255.0 * factor)
        });
        let large = enlarge(&Image::<Srgb>::new(32, 24, low.collect()), 2, filter);
        let samples = Samples::F32(large.pixels).to_depth(8);
        write_samples(&folder.join(format!("{image}.png")), [64, 48], Channels::Rgb, samples);
    }
}

#[test]
fn what_keeps_its_size_is_enlarged_and_what_enlarges_counts_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path(), 2);
    let (lanczos, bicubic) = (folder.path().join("lanczos"), folder.path().join("bicubic"));
    write_results(&lanczos, 2.0, Filter::Lanczos);
    write_results(&bicubic, 1.0, Filter::Bicubic);
    let set = Set::open(folder.path()).unwrap();
    let files = |folder| Maker::Files(vec![set.results_in(folder).unwrap()]);
    let (one, two, enlarging) = (Factor::new(1.0), Factor::new(2.0), doubling());
    let mut contest = contest(
        vec![set.clone()],
        vec![
            contestant("none", Maker::Network(&one)),
            contestant("bicubic files", files(&bicubic)),
            contestant("two", Maker::Network(&two)),
            contestant("lanczos files", files(&lanczos)),
            contestant("enlarging", Maker::Network(&enlarging)),
        ],
    );
    contest.metrics = ["psnr", "ssim", "noise-gain", "newly-clipped"].map(metric).into();
    let evaluated = run(&contest).unwrap();
    assert!(evaluated.failures.is_empty(), "{:?}", evaluated.failures);
    let report = evaluated.report;
    for key in ["psnr", "ssim", "newly-clipped"] {
        for (network, files) in [("none", "bicubic files"), ("two", "lanczos files")] {
            let [network, files] = [network, files].map(|name| mean(&report, name, key).unwrap());
            // A value in the middle between two levels may be rounded either way.
            assert!((network - files).abs() < 1e-4, "{key}: {network}, {files}");
        }
    }
    assert_eq!(
        mean(&report, "enlarging", "psnr"),
        Some(100.0),
        "infinite: each pixel is the reference's"
    );
    assert!(mean(&report, "two", "psnr") > mean(&report, "none", "psnr"));
    assert!(mean(&report, "two", "well-lit-change-full").is_some());
    assert_eq!(mean(&report, "enlarging", "well-lit-change-full"), None);
    let note = report.notes.iter().find(|note| note.contains("2 times as large")).unwrap();
    assert!(note.contains("Lanczos-3") && note.contains("bicubic"), "{note}");
    assert!(!evaluated.showcases.is_empty());
    for showcase in &evaluated.showcases {
        assert_eq!((showcase.width, showcase.height), (64, 48));
    }
}

#[test]
fn a_network_of_another_scale_than_the_set_fails_and_the_others_go_on() {
    for scale in [1, 4] {
        let folder = tempfile::tempdir().unwrap();
        write_set(folder.path(), scale);
        let (two, enlarging) = (Factor::new(2.0), doubling());
        let set = Set::open(folder.path()).unwrap();
        let contestants =
            [("two", Maker::Network(&two)), ("enlarging", Maker::Network(&enlarging))];
        let contestants = contestants.map(|(name, maker)| contestant(name, maker));
        let evaluated = run(&contest(vec![set], contestants.into())).unwrap();
        assert!(mean(&evaluated.report, "two", "psnr").is_some());
        assert_eq!(evaluated.failures.len(), 1, "told once");
        let expected = format!(
            "enlarging: expected results {scale} times as large as the dark images, its are 2 times"
        );
        assert_eq!(evaluated.failures[0].to_string(), expected);
    }
}

#[test]
fn references_of_several_scales_in_one_set_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path(), 2);
    write(&folder.path().join("high/2.png"), [32, 24], |x, y| texture(2, x, y));
    let two = Factor::new(2.0);
    let set = Set::open(folder.path()).unwrap();
    let error = run(&contest(vec![set], vec![contestant("two", Maker::Network(&two))]));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("2.png is 32x24 but ") && !error.contains("1.png"), "{error}");
}

#[test]
fn without_references_a_result_is_as_large_as_its_network_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    for image in 0..2 {
        let path = folder.path().join(format!("{image}.png"));
        write(&path, [40, 40], |x, y| texture(image, x, y) / 3);
    }
    let (two, enlarging) = (Factor::new(2.0), doubling());
    let set = Set::open(folder.path()).unwrap();
    let mut contest = contest(
        vec![set],
        vec![contestant("two", Maker::Network(&two)), contestant("x2", Maker::Network(&enlarging))],
    );
    contest.metrics = ["entropy", "noise-gain", "newly-clipped"].map(metric).into();
    let evaluated = run(&contest).unwrap();
    assert!(evaluated.failures.is_empty(), "{:?}", evaluated.failures);
    for key in ["entropy", "newly-clipped"] {
        assert!(mean(&evaluated.report, "x2", key).is_some(), "{key}");
    }
}
