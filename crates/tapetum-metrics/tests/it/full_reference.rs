//! Metrics of two pictures against the numbers of `tools/golden/full_reference.py`: NumPy 2.4.6, SciPy
//! 1.17.1, scikit-image 0.26.0, torch 2.15.0.

use tapetum_metrics::{
    MetricError, Picture, SsimVariant, fsim, fsim_color, mae_255, mean_ciede2000, mean_delta_e76,
    ms_ssim, mse, psnr_channel_mean, psnr_rgb, psnr_y, rmse_255, ssim, uqi, vif,
};

use crate::scene;

type Metric = fn(&Picture, &Picture) -> Result<f64, MetricError>;

const METRICS: [(&str, Metric); 19] = [
    ("mse", mse),
    ("rmse", rmse_255),
    ("mae", mae_255),
    ("psnr-rgb", psnr_rgb),
    ("psnr-y", psnr_y),
    ("psnr-channel-mean", psnr_channel_mean),
    ("ciede2000", mean_ciede2000),
    ("delta-e76", mean_delta_e76),
    ("gauss-valid", |a, b| ssim(a, b, SsimVariant::GaussValid)),
    ("sk-uniform", |a, b| ssim(a, b, SsimVariant::SkUniform)),
    ("sk-gauss", |a, b| ssim(a, b, SsimVariant::SkGauss)),
    ("torch-same", |a, b| ssim(a, b, SsimVariant::TorchSame)),
    ("torch-valid-auto", |a, b| ssim(a, b, SsimVariant::TorchValidAuto)),
    ("y-gauss", |a, b| ssim(a, b, SsimVariant::YGauss)),
    ("uqi", uqi),
    ("vif", vif),
    ("fsim", fsim),
    ("fsimc", fsim_color),
    ("ms-ssim", ms_ssim),
];

/// Width, height and seed: divisible sides, odd sides that FSIM halves, a small picture, and one that
/// FSIM takes to a third.
const SCENES: [(u32, u32, u32); 4] = [(192, 176, 3), (411, 389, 5), (67, 45, 7), (700, 643, 9)];
/// Around the smallest side of each metric.
const SIDES: [usize; 14] = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 23, 40, 41, 47];
const TOO_SMALL: f64 = -1.0;

#[rustfmt::skip]
const GOLDEN: [(&str, [f64; 5]); 19] = [
    ("mse", [64.59156999684343, 60.39028473616506, 60.90525152017689, 63.70196622972673, 2885.455571338384]),
    ("rmse", [8.036888079153735, 7.771118628367801, 7.804181668834785, 7.981351153139845, 53.71643669621417]),
    ("mae", [6.747839725378788, 6.578472886787299, 6.583969043670536, 6.706939939272754, 41.80527935606061]),
    ("psnr-rgb", [30.029045200052217, 30.321132835852474, 30.28425619829365, 30.089275233592208, 13.528659691998794]),
    ("psnr-y", [33.96273402208032, 34.50189921209021, 34.373824281694624, 34.047347035678015, 15.057596427603308]),
    ("psnr-channel-mean", [30.029316970159414, 30.321136713912054, 30.285193663017875, 30.089299667012572, 13.530295154001896]),
    ("ciede2000", [6.68632304797685, 6.761368126209888, 6.666929374250475, 6.773227092634577, 23.040764777743494]),
    ("delta-e76", [6.831579819909972, 6.928829131175006, 6.844296745423903, 6.922158444258749, 22.2899920265123]),
    ("gauss-valid", [0.608906252456694, 0.5909384683767344, 0.7303307677363234, 0.5879983377340243, 0.5376513384076033]),
    ("sk-uniform", [0.6142740541026998, 0.6016696316512604, 0.7233878352706201, 0.59655391888363, 0.4448319524367937]),
    ("sk-gauss", [0.608906252456694, 0.5909384683767346, 0.7303307677363234, 0.5879983377340244, 0.5376513384076033]),
    ("torch-same", [0.6403206755789272, 0.6064558999579377, 0.795723491919644, 0.5971584932295235, 0.5668808241337757]),
    ("torch-valid-auto", [0.6089062524566955, 0.5909384683767351, 0.7303307677363154, 0.5879983377340215, 0.5376513384076389]),
    ("y-gauss", [0.8120810781888788, 0.8046959547662789, 0.869743205655964, 0.8031625545826868, 0.6184155181751748]),
    ("uqi", [0.30180292528742364, 0.2898308688294929, 0.5362247520181055, 0.2702655935748994, -0.9279376151561204]),
    ("vif", [0.4306713024798743, 0.3930006866527003, 0.5432855308795365, 0.39606792627981485, 0.0]),
    ("fsim", [0.8799588988962428, 0.9770331747850639, 0.9161490997358325, 0.9900308821340723, 0.9968565303139397]),
    ("fsimc", [0.8745590782393554, 0.9754368863027614, 0.9107777804021353, 0.989289647282492, 0.9753645901750323]),
    ("ms-ssim", [0.9361817410750901, 0.9313502956294405, TOO_SMALL, 0.9306228247390912, 0.0]),
];

/// Enhanced and reference; after the scenes, the first one's reference turned to its negative.
fn pictures(idx: usize) -> [Picture; 2] {
    let (width, height, seed) = *SCENES.get(idx).unwrap_or(&SCENES[0]);
    let [enhanced, reference] = [scene::enhanced, scene::reference]
        .map(|make| scene::picture(width, height, &make(width, height, seed)));
    if idx < SCENES.len() {
        [enhanced, reference]
    } else {
        [reference.map(|value| 255.0 - value), reference]
    }
}

fn flat(width: usize, height: usize, value: f32) -> Picture {
    Picture::from_rgb(width, height, &vec![value; width * height * 3])
}

#[test]
fn every_metric_gives_the_golden_numbers() {
    for idx in 0..=SCENES.len() {
        let [enhanced, reference] = pictures(idx);
        for ((name, metric), (golden_name, golden)) in METRICS.iter().zip(GOLDEN) {
            assert_eq!(*name, golden_name);
            let found = metric(&enhanced, &reference);
            if golden[idx] == TOO_SMALL {
                assert!(matches!(found, Err(MetricError::TooSmall { .. })), "{name} {idx}");
                continue;
            }
            let error = (found.clone().unwrap() - golden[idx]).abs();
            let limit = 1e-11 * golden[idx].abs();
            assert!(error <= limit, "{name} {idx}: {found:?}, not {}", golden[idx]);
        }
    }
}

#[test]
fn guessed_peaks_and_shrunk_windows_are_those_of_the_golden_numbers() {
    let (dark, reference) = (scene::low(67, 45, 7), scene::reference(67, 45, 7));
    let corner = |pixels: &[u8]| -> Vec<u8> {
        pixels.chunks(67 * 3).take(9).flat_map(|row| &row[..5 * 3]).copied().collect()
    };
    let score = |width, height, dark: &[u8], reference: &[u8]| {
        let [dark, reference] = [dark, reference].map(|p| scene::picture(width, height, p));
        ssim(&dark, &reference, SsimVariant::TorchValidAuto).unwrap()
    };
    let whole = score(67, 45, &dark, &reference);
    assert!((whole / 0.07229474776405101 - 1.0).abs() < 1e-9, "{whole}");
    let part = score(5, 9, &corner(&dark), &corner(&reference));
    assert!((part / 0.04975706346007794 - 1.0).abs() < 1e-9, "{part}");
}

#[test]
fn equal_pictures_score_best() {
    let [_, reference] = pictures(0);
    for (name, metric) in METRICS {
        let found = metric(&reference, &reference).unwrap();
        let best = match name {
            "mse" | "rmse" | "mae" | "ciede2000" | "delta-e76" => 0.0,
            _ if name.starts_with("psnr") => f64::INFINITY,
            _ => 1.0,
        };
        assert!(found == best || (found - best).abs() < 1e-9, "{name}: {found}");
    }
}

#[test]
fn flat_pictures_give_a_number_or_an_error() {
    let values = [0.0, 0.2, 0.333, 1.0];
    for (first, second) in values.iter().flat_map(|&a| values.map(|b| (a, b))) {
        for (name, metric) in METRICS {
            let found = metric(&flat(200, 180, first), &flat(200, 180, second));
            let is_undefined = matches!(found, Err(MetricError::Undefined { .. }));
            let expects_structure = ["vif", "fsim", "fsimc"].contains(&name);
            assert_eq!(is_undefined, expects_structure, "{name} of {first} and {second}");
            assert!(found.is_err() || !found.unwrap().is_nan(), "{name} of {first} and {second}");
        }
    }
}

#[test]
fn one_flat_picture_of_the_two_gives_a_number() {
    let [_, reference] = pictures(0);
    for (name, metric) in METRICS {
        for value in [0.0, 0.333, 1.0] {
            let found = metric(&flat(192, 176, value), &reference).unwrap();
            assert!(found.is_finite(), "{name} of {value}: {found}");
        }
    }
}

#[test]
fn flat_windows_have_the_quality_of_their_means() {
    let found = uqi(&flat(9, 8, 0.2), &flat(9, 8, 0.6)).unwrap();
    assert!((found - 2.0 * 0.12 / 0.4).abs() < 1e-6, "{found}");
    assert_eq!(uqi(&flat(8, 8, 0.0), &flat(8, 8, 0.0)), Ok(1.0));
}

#[test]
fn small_and_different_pictures_are_errors_or_numbers_and_never_panics() {
    for (name, metric) in METRICS {
        let sizes = metric(&flat(192, 180, 0.5), &flat(180, 192, 0.5));
        assert!(matches!(sizes, Err(MetricError::Sizes { .. })), "{name}");
        assert!(matches!(
            metric(&flat(0, 5, 0.0), &flat(0, 5, 0.0)),
            Err(MetricError::TooSmall { .. })
        ));
        for (width, height) in SIDES.into_iter().flat_map(|side| [(side, 50), (50, side)]) {
            let sizes = (width as u32, height as u32);
            let [first, second] = [scene::low, scene::reference]
                .map(|make| scene::picture(sizes.0, sizes.1, &make(sizes.0, sizes.1, 1)));
            match metric(&first, &second) {
                Ok(value) => assert!(value.is_finite(), "{name} {sizes:?}"),
                Err(MetricError::TooSmall { side_min, .. }) => {
                    assert!(width.min(height) < side_min);
                }
                Err(error) => panic!("{name} {sizes:?}: {error}"),
            }
        }
    }
}

#[test]
fn values_that_are_no_image_are_an_error() {
    let [_, reference] = pictures(0);
    for value in [f64::NAN, f64::INFINITY, -1e9] {
        let mut broken = reference.clone();
        broken.planes[1].values[777] = value;
        for (name, metric) in METRICS {
            for found in [metric(&broken, &reference), metric(&reference, &broken)] {
                assert!(matches!(found, Err(MetricError::Undefined { .. })), "{name}: {found:?}");
            }
        }
    }
}
