//! NIQE and BRISQUE against the numbers that `tools/golden/no_reference.py` prints.

use std::path::Path;

use tapetum_metrics::{
    BrisqueModel, BrisqueRanges, MetricError, NiqeModel, Provenance, brisque, brisque_features,
    fit_niqe, niqe,
};

use crate::{
    golden::{check, enhanced, flat, low, odd, reference},
    scene,
};

const SVM: &str = include_str!("../data/brisque_made_up.txt");
const RANGES: &[u8] = include_bytes!("../data/brisque_made_up.pickle");

fn provenance() -> Provenance {
    Provenance { name: "made-up".into(), data: "none".into(), commit: String::new() }
}

fn made_up_niqe() -> NiqeModel {
    let mean = (0..36).map(|idx| 0.5 + 0.4 * (1.0 + f64::from(idx)).sin()).collect();
    let covariance = (0..36 * 36).map(|idx: i32| {
        let distance = (idx / 36 - idx % 36).abs();
        0.05 * 0.5f64.powi(distance) + if distance == 0 { 0.01 } else { 0.0 }
    });
    NiqeModel::new(mean, covariance.collect(), provenance()).unwrap()
}

fn made_up_brisque() -> BrisqueModel {
    BrisqueModel::from_libsvm(SVM, BrisqueRanges::from_pickle(RANGES).unwrap()).unwrap()
}

#[test]
fn niqe_is_that_of_the_script() {
    let model = made_up_niqe();
    check("reference", niqe(&reference(), &model), 16.332598079185427);
    check("enhanced", niqe(&enhanced(), &model), 28.577086348392253);
    check("low", niqe(&low(), &model), 19.25289928983742);
}

#[test]
fn niqe_with_the_published_parameters_is_that_of_the_script() {
    let file = "../../../shared/weights/niqe/niqe_pris_params.npz";
    let Ok(bytes) = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)) else {
        eprintln!("skipped: the published parameters are not here");
        return;
    };
    let model = NiqeModel::from_npz(&bytes, provenance()).unwrap();
    check("reference", niqe(&reference(), &model), 9.578888440648697);
    check("enhanced", niqe(&enhanced(), &model), 21.791927017727115);
    check("low", niqe(&low(), &model), 15.653444529801343);
}

#[test]
fn a_niqe_model_is_fitted_to_sharp_blocks_and_survives_json() {
    let pictures = (3..19).map(|seed| scene::picture(384, 384, &scene::reference(384, 384, seed)));
    let model = fit_niqe(pictures, provenance()).unwrap();
    check("mean of feature 0", Ok(model.mean()[0]), 1.4743125);
    check("mean of feature 35", Ok(model.mean()[35]), 0.01814267897984715);
    check("covariance of 0, 0", Ok(model.covariance()[0]), 0.003324304521276596);
    check("covariance of 3, 20", Ok(model.covariance()[3 * 36 + 20]), 0.00012321438436258502);
    let read = NiqeModel::from_json(model.to_json().as_bytes()).unwrap();
    assert!(read == model, "JSON changed the numbers");
    let few = fit_niqe([reference()], provenance());
    assert!(matches!(few, Err(MetricError::Undefined { .. })), "six blocks");
}

#[test]
fn niqe_refuses_what_has_no_two_blocks_of_texture() {
    let model = made_up_niqe();
    let small = niqe(&flat(95, 300, 0.5), &model);
    assert!(matches!(small, Err(MetricError::TooSmall { side_min: 96, .. })), "{small:?}");
    assert!(matches!(niqe(&flat(1, 1, 0.5), &model), Err(MetricError::TooSmall { .. })));
    let one_block = scene::picture(100, 100, &scene::reference(100, 100, 3));
    for untextured in [flat(300, 200, 0.0), flat(300, 200, 0.37), one_block] {
        let found = niqe(&untextured, &model);
        assert!(matches!(found, Err(MetricError::Undefined { .. })), "{found:?}");
    }
}

#[test]
fn damaged_niqe_parameters_are_refused() {
    let json = made_up_niqe().to_json();
    assert!(NiqeModel::from_json(&json.as_bytes()[1..]).is_err());
    assert!(NiqeModel::from_json(json.replace("\"mean\"", "\"means\"").as_bytes()).is_err());
    assert!(NiqeModel::from_json(&vec![b' '; 2 << 20]).is_err());
    assert!(NiqeModel::from_npz(b"PK no archive", provenance()).is_err());
    assert!(NiqeModel::new(vec![0.0; 35], vec![0.0; 36 * 36], provenance()).is_err());
    assert!(NiqeModel::new(vec![f64::NAN; 36], vec![0.0; 36 * 36], provenance()).is_err());
    let lopsided = (0..36 * 36).map(f64::from).collect();
    assert!(NiqeModel::new(vec![0.0; 36], lopsided, provenance()).is_err());
}

#[test]
fn brisque_is_that_of_the_script() {
    check("enhanced", brisque(&enhanced(), &made_up_brisque()), 20.558845896874086);
    check("odd sides", brisque(&odd(), &made_up_brisque()), 21.892540576770603);
    let features = brisque_features(&odd()).unwrap();
    for (idx, expected) in ODD_FEATURES.into_iter().enumerate() {
        check(&format!("feature {idx}"), Ok(features[idx]), expected);
    }
}

#[test]
fn brisque_refuses_small_and_black_images() {
    let model = made_up_brisque();
    assert!(matches!(brisque(&flat(13, 40, 0.5), &model), Err(MetricError::TooSmall { .. })));
    assert!(matches!(brisque(&flat(1, 1, 0.5), &model), Err(MetricError::TooSmall { .. })));
    assert!(matches!(brisque(&flat(40, 40, 0.0), &model), Err(MetricError::Undefined { .. })));
    // The zero border gives a flat image some texture, or none that fits; never NaN.
    assert!(brisque(&flat(40, 40, 0.5), &model).map_or(true, f64::is_finite));
}

#[test]
fn damaged_and_harmful_brisque_ranges_are_refused() {
    for length in 0..RANGES.len() {
        assert!(BrisqueRanges::from_pickle(&RANGES[..length]).is_err(), "cut at {length}");
    }
    // A pickle that calls os.system("exit").
    assert!(BrisqueRanges::from_pickle(b"cos\nsystem\n(S'exit'\ntR.").is_err());
    // Too long, and nested as deep as fits.
    assert!(BrisqueRanges::from_pickle(&[b'('; 4097]).is_err());
    let nested = [[b']'; 2048].as_slice(), &[b'a'; 2047], b"."].concat();
    assert!(BrisqueRanges::from_pickle(&nested).is_err());
    // Lists of the list before, twice each: 600 bytes that stand for 2^60 lists.
    let mut bomb = b"}(X\x04\0\0\0min_]q\0".to_vec();
    for depth in 0..60 {
        bomb.extend([b'0', b']', b'q', depth + 1, b'(', b'h', depth, b'h', depth, b'e']);
    }
    bomb.extend(b"u.");
    assert!(BrisqueRanges::from_pickle(&bomb).is_err());
    assert!(BrisqueRanges::new(vec![0.0; 36], vec![0.0; 36]).is_err());
    assert!(BrisqueRanges::new(vec![0.0; 35], vec![1.0; 35]).is_err());
}

/// `brisque_features` of the picture with odd sides.
const ODD_FEATURES: [f64; 36] = [
    6.3783348628177405,
    0.5086236107233602,
    1.232242037535074,
    -0.07984966136505539,
    0.3002061351587387,
    0.19372179198939687,
    1.2317182739230825,
    -0.0838523776054585,
    0.3024981883514085,
    0.19080649591945703,
    1.1702518762157677,
    -0.05095903746872068,
    0.2856283089213241,
    0.21616219221438399,
    1.1797104100922562,
    -0.058020243953547275,
    0.28890832402388134,
    0.21021686095778885,
    2.586349501050391,
    0.366425922612333,
    0.8283365346669768,
    -0.06956513882359851,
    0.177973989690108,
    0.10126426457531852,
    0.8504179466895154,
    -0.06957866483596208,
    0.17355559877845042,
    0.09843896340219913,
    0.8106190203063349,
    -0.016856486079082408,
    0.13751941610173687,
    0.11940627634470342,
    0.8213715877294797,
    -0.009171520582743314,
    0.13204386310728372,
    0.12227451721623389,
];
