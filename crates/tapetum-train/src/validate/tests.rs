//! Sets whose references are larger than their dark photographs.

use std::{fs, path::Path};

use tapetum_nn::{MethodCard, SizeRule, Tiling, enhance::Cascade, prelude::Tensor};

use super::*;

static CARD: MethodCard = MethodCard {
    name: "lift",
    title: "Lift",
    citation: "none",
    purpose: "tests",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::Exact { receptive_field_px: 0 },
    working_bytes_per_pixel: 24,
    default_weights: None,
    weights_by_scale: &[],
};

/// Adds to all values.
struct Lift(f32);

impl Network for Lift {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        low + self.0
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

fn lifting(by: f32, scale: u32) -> Trained {
    Trained::Enhancer(Box::new(Cascade::new(Box::new(Lift(by)), None, scale).unwrap()))
}

/// One level with a speck in the middle.
fn write(path: &Path, side: u32, level: u8) {
    let mut samples = vec![level; (side * side * 3) as usize];
    samples[(side * side / 2 * 3) as usize] += 5;
    let raster = Raster::new(side, side, Channels::Rgb, Samples::U8(samples)).unwrap();
    let photo = Photo::from_raster(raster, Format::Png);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, encode(&photo, Format::Png, &EncodeOptions::default()).unwrap()).unwrap();
}

/// Two pairs, opened.
fn sets(root: &Path, scale: u32) -> Sets {
    for idx in 0..2 {
        write(&root.join(format!("set/low/{idx}.png")), 24, 30);
        write(&root.join(format!("set/high/{idx}.png")), 24 * scale, 81);
    }
    let config =
        ValidationConfig { pairs: vec!["set".into()], n_samples: 1, ..ValidationConfig::default() };
    Sets::open(&config, root, Device::flex()).unwrap()
}

#[test]
fn results_are_compared_with_references_of_their_size() {
    for scale in [1, 2, 4] {
        let folder = tempfile::tempdir().unwrap();
        let sets = sets(folder.path(), scale);
        let right = lifting(0.2, scale);
        sets.expect_for(&right).unwrap();
        let (scores, samples) = sets.validate(&right, 0).unwrap();
        assert_eq!((scores[0].metric, scores[0].n_images), ("psnr_db", 2));
        assert!(scores[0].value > 40.0, "{scores:?}");
        // The low photograph is shown as large as the others.
        assert_eq!(samples[0].size, (3 * 24 * scale, 24 * scale));
        // What darkens counts as its input, enlarged: 51 levels away.
        let (scores, _) = sets.validate(&lifting(-0.05, scale), 0).unwrap();
        assert!((scores[0].value - 20.0 * (255f64 / 51.0).log10()).abs() < 0.1, "{scores:?}");
    }
}

#[test]
fn references_of_another_scale_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sets = sets(folder.path(), 2);
    for scale in [1, 4] {
        let error = sets.expect_for(&lifting(0.2, scale)).unwrap_err().to_string();
        assert!(error.contains(&format!("references {scale} times as large")), "{error}");
        assert!(error.contains("references 2 times as large in 'set'"), "{error}");
    }
}
