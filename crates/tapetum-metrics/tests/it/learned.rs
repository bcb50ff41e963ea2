//! Learned metrics against their packages, with weights that are a formula: `tools/golden/learned.py`
//! fills them the same way and prints the numbers.

use tapetum_metrics::{
    MetricError, Picture,
    learned::{Dists, Fid, FidVariant, Lpips, PerceptualNet, StLpips, frechet_distance},
};
use tapetum_nn::{Weights, prelude::Device, weights::TensorValues};

use crate::scene;

/// First picture, size and score.
type Case = (&'static str, [u32; 2], f64);

/// Convolutions are in f32 here and in f64 there.
const RELATIVE: f64 = 2e-5;

const LPIPS_ALEX: [Case; 8] = [
    ("enhanced", [96, 64], 1.026662438941e-01),
    ("enhanced", [75, 53], 1.344393401416e-01),
    ("low", [96, 64], 2.658980434068e+00),
    ("low", [75, 53], 2.491273231286e+00),
    ("black", [96, 64], 2.673667737908e+00),
    ("black", [75, 53], 2.508463976356e+00),
    ("constant", [96, 64], 2.560035697352e+00),
    ("constant", [75, 53], 2.412636210624e+00),
];
const LPIPS_VGG: [Case; 8] = [
    ("enhanced", [96, 64], 7.546401275713e-02),
    ("enhanced", [75, 53], 1.028346255832e-01),
    ("low", [96, 64], 1.305348880786e+00),
    ("low", [75, 53], 1.332088644764e+00),
    ("black", [96, 64], 1.305557064659e+00),
    ("black", [75, 53], 1.336559931316e+00),
    ("constant", [96, 64], 1.218977565803e+00),
    ("constant", [75, 53], 1.261696478961e+00),
];
const ST_LPIPS_ALEX: [Case; 8] = [
    ("enhanced", [96, 64], 1.773452852780e-02),
    ("enhanced", [75, 53], 2.129000661941e-02),
    ("low", [96, 64], 2.659132535651e+00),
    ("low", [75, 53], 2.583878696823e+00),
    ("black", [96, 64], 2.668597600356e+00),
    ("black", [75, 53], 2.596907484871e+00),
    ("constant", [96, 64], 2.670440913913e+00),
    ("constant", [75, 53], 2.586238489023e+00),
];
const ST_LPIPS_VGG: [Case; 8] = [
    ("enhanced", [96, 64], 9.274933876934e-02),
    ("enhanced", [75, 53], 1.244985280675e-01),
    ("low", [96, 64], 1.684532428720e+00),
    ("low", [75, 53], 1.721432895480e+00),
    ("black", [96, 64], 1.682987708407e+00),
    ("black", [75, 53], 1.723030110132e+00),
    ("constant", [96, 64], 1.645219309229e+00),
    ("constant", [75, 53], 1.665124573778e+00),
];
const DISTS: [Case; 8] = [
    ("enhanced", [96, 64], 1.706562229135e-02),
    ("enhanced", [75, 53], 2.056537279107e-02),
    ("low", [96, 64], 4.621022039910e-01),
    ("low", [75, 53], 4.945272141869e-01),
    ("black", [96, 64], 4.690951741056e-01),
    ("black", [75, 53], 5.152134865482e-01),
    ("constant", [96, 64], 5.043561232853e-01),
    ("constant", [75, 53], 4.507346121442e-01),
];

type Score<'a> = &'a dyn Fn(&Picture, &Picture) -> Result<f64, MetricError>;

fn check_agreement(score: Score, cases: &[Case]) {
    let mut worst = 0.0f64;
    for &(name, size, expected) in cases {
        let [enhanced, reference] = pair(name, size);
        let found = score(&enhanced, &reference).unwrap();
        let error = (found / expected - 1.0).abs();
        assert!(error < RELATIVE, "{name} {size:?}: {found}, expected {expected}");
        worst = worst.max(error);
    }
    let [enhanced, reference] = pair("enhanced", [40, 33]);
    let [forward, backward] = [[&enhanced, &reference], [&reference, &enhanced]];
    let [forward, backward] = [forward, backward].map(|[a, b]| score(a, b).unwrap());
    assert!((forward - backward).abs() < 1e-12, "symmetric");
    println!("largest relative difference {worst:.1e}");
}

fn check_limits(score: Score, side_min: u32) {
    let picture = |width, height| scene::picture(width, height, &scene::low(width, height, 5));
    let smallest = picture(side_min, side_min + 1);
    assert_eq!(score(&smallest, &smallest), Ok(0.0), "equal pictures of the smallest size");
    for value in [0.0, 128.0] {
        let constant = smallest.map(|_| value);
        assert_eq!(score(&constant, &constant), Ok(0.0), "equal and constant {value}");
    }
    let differing = score(&smallest, &picture(side_min + 1, side_min + 1));
    assert!(matches!(differing, Err(MetricError::Sizes { .. })), "{differing:?}");
    let broken = smallest.map(|_| f64::NAN);
    let found = score(&smallest, &broken);
    assert!(matches!(found, Err(MetricError::Undefined { .. })), "{found:?}");
    if side_min > 1 {
        let small = picture(side_min - 1, side_min);
        let found = score(&small, &small);
        assert!(matches!(found, Err(MetricError::TooSmall { .. })), "{found:?}");
    }
}

#[test]
fn lpips_agrees_with_the_authors_package() {
    let sides = [(PerceptualNet::Alex, 31, LPIPS_ALEX), (PerceptualNet::Vgg, 16, LPIPS_VGG)];
    for (net, side_min, cases) in sides {
        let metric = Lpips::read(net, &trunk(net), &heads(net), &Device::flex()).unwrap();
        check_agreement(&|first, second| metric.score(first, second), &cases);
        check_limits(&|first, second| metric.score(first, second), side_min);
    }
}

#[test]
fn st_lpips_agrees_with_the_authors_package() {
    let sides = [(PerceptualNet::Alex, 21, ST_LPIPS_ALEX), (PerceptualNet::Vgg, 18, ST_LPIPS_VGG)];
    for (net, side_min, cases) in sides {
        let metric = StLpips::read(net, &shift_tolerant(net), &Device::flex()).unwrap();
        check_agreement(&|first, second| metric.score(first, second), &cases);
        check_limits(&|first, second| metric.score(first, second), side_min);
    }
}

#[test]
fn dists_agrees_with_the_authors_package() {
    let metric = Dists::read(&trunk(PerceptualNet::Vgg), &shares(), &Device::flex()).unwrap();
    check_agreement(&|first, second| metric.score(first, second), &DISTS);
    check_limits(&|first, second| metric.score(first, second), 1);
}

/// Places in the features of Inception that are looked at, one of each branch of the last block.
const PLACES: [usize; 7] = [0, 319, 320, 1000, 1500, 1856, 2047];

#[test]
fn features_for_fid_agree_with_the_packages() {
    let picture = scene::picture(120, 90, &scene::enhanced(120, 90, 3));
    let cases: [(usize, FidVariant, [f64; 7], f64); 4] = [
        (
            1008,
            FidVariant::CleanFid,
            [
                0.7412989051,
                0.1027396939,
                0.0293268381,
                0.6186482149,
                0.008823886507,
                0.0,
                0.06582463045,
            ],
            1.163400216e+01,
        ),
        (
            1000,
            FidVariant::CleanFid,
            [
                0.7189649113,
                0.1060329053,
                0.03034648205,
                0.5856914073,
                0.00513967399,
                0.0,
                0.04062651113,
            ],
            1.048769903e+01,
        ),
        (
            1008,
            FidVariant::PytorchFid,
            [
                0.7118078935,
                0.1039859558,
                0.02609417655,
                0.5967487345,
                0.007645191438,
                0.0,
                0.06071547144,
            ],
            1.114809740e+01,
        ),
        (
            1000,
            FidVariant::PytorchFid,
            [
                0.691942044,
                0.1075493188,
                0.02731396883,
                0.5656087341,
                0.004038420639,
                0.0,
                0.03609232749,
            ],
            1.004887840e+01,
        ),
    ];
    for (n_classes, variant, expected, expected_norm) in cases {
        let metric = Fid::read(&inception(n_classes), variant, &Device::flex()).unwrap();
        let found = metric.features(&picture).unwrap();
        let norm = found.iter().map(|value| value * value).sum::<f64>().sqrt();
        println!(
            "{variant:?} {n_classes}: norm differs by {:.1e}",
            (norm / expected_norm - 1.0).abs()
        );
        assert!((norm / expected_norm - 1.0).abs() < RELATIVE, "{variant:?} {n_classes}: {norm}");
        for (place, expected) in PLACES.into_iter().zip(expected) {
            let found = found[place];
            assert!((found - expected).abs() < 1e-5, "{place} of {n_classes}: {found} {expected}");
        }
    }
}

#[test]
fn a_set_of_pictures_is_at_no_distance_from_itself_and_some_from_another() {
    let metric = Fid::read(&inception(1008), FidVariant::CleanFid, &Device::flex()).unwrap();
    let pictures = |make: fn(u32, u32, u32) -> Vec<u8>| {
        [1, 2].map(|seed| scene::picture(40, 30, &make(40, 30, seed)))
    };
    let features = |make| pictures(make).map(|picture| metric.features(&picture).unwrap()).to_vec();
    let [reference, near, far] = [scene::reference, scene::enhanced, scene::low].map(features);
    let [none, near, far] =
        [&reference, &near, &far].map(|set| frechet_distance(set, &reference).unwrap());
    assert!(none < 1e-9 * near && near < far, "{none} {near} {far}");
    let whole = metric.distance(pictures(scene::enhanced), pictures(scene::reference));
    assert_eq!(whole, Ok(near));
    let pixel = Picture::from_rgb(1, 1, &[0.2, 0.4, 0.6]);
    assert!(metric.features(&pixel).is_ok(), "a picture of one pixel has features");
    let broken = metric.features(&pixel.map(|_| f64::INFINITY));
    assert!(matches!(broken, Err(MetricError::Undefined { .. })), "{broken:?}");
}

#[test]
fn the_distance_of_samples_is_exact_for_few_and_many() {
    let cases = [
        ([40, 30], 8, 1.510670105998e+01),
        ([7, 9], 8, 2.333564841347e+01),
        ([5, 4], 32, 3.761307513288e+02),
        ([2, 2], 3, 7.135265102853e+00),
    ];
    for (counts, n_features, expected) in cases {
        let [first, second] =
            [(counts[0], 1), (counts[1], 2)].map(|(count, seed)| samples(count, n_features, seed));
        let found = frechet_distance(&first, &second).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-7, "{counts:?}: {found}, expected {expected}");
        assert!(
            (frechet_distance(&second, &first).unwrap() / found - 1.0).abs() < 1e-9,
            "symmetric"
        );
        assert!(
            frechet_distance(&first, &first).unwrap() < 1e-9 * found,
            "no distance from itself"
        );
    }
    let constant = vec![vec![0.5; 4]; 3];
    assert_eq!(frechet_distance(&constant, &constant), Ok(0.0));
}

#[test]
fn sets_without_a_covariance_are_refused() {
    let pair = vec![vec![0.0; 3]; 2];
    let cases = [
        (pair[..1].to_vec(), "two samples or more a set, got 1 and 2"),
        (vec![vec![0.0; 3], vec![0.0; 2]], "expected 3 features a sample, got 2"),
        (vec![vec![0.0, 1.0, f64::NAN]; 2], "expected finite features, got NaN"),
    ];
    for (first, message) in cases {
        let found = frechet_distance(&first, &pair).unwrap_err().to_string();
        assert!(found.contains(message), "{found}");
    }
}

#[test]
fn a_file_that_does_not_fit_is_refused_by_name() {
    let device = Device::flex();
    let message = |result: Result<f64, MetricError>| result.unwrap_err().to_string();
    let alex = |trunk: &Weights, heads: &Weights| {
        message(Lpips::read(PerceptualNet::Alex, trunk, heads, &device).map(|_| 0.0))
    };
    let (trunk, heads) = (trunk(PerceptualNet::Alex), heads(PerceptualNet::Alex));
    let without = |weights: &Weights, name: &str| {
        let mut weights = weights.clone();
        weights.tensors.remove(name).unwrap();
        weights
    };
    let mut scaled = heads.clone();
    insert(&mut scaled, "scaling_layer.shift", &[1, 3, 1, 1]);
    let tolerant = shift_tolerant(PerceptualNet::Alex);
    let mut sharp = tolerant.clone();
    sharp.tensors.get_mut("net.slice2.4.filt").unwrap().values[4] = 0.5;
    let tolerant_only = |weights: &Weights| {
        message(StLpips::read(PerceptualNet::Alex, weights, &device).map(|_| 0.0))
    };
    let inception =
        |weights: &Weights| message(Fid::read(weights, FidVariant::CleanFid, &device).map(|_| 0.0));
    let cases = [
        (alex(&without(&trunk, "features.3.bias"), &heads), "missing: features.3.bias"),
        (alex(&trunk, &without(&heads, "lin2.model.1.weight")), "missing: lin2.model.1.weight"),
        (alex(&trunk, &scaled), "scaling_layer.shift: expected [-0.03, -0.088, -0.188]"),
        (alex(&tolerant, &heads), "unexpected: net.slice1.1.filt"),
        (tolerant_only(&trunk), "missing: net.slice1.0.weight"),
        (tolerant_only(&sharp), "net.slice2.4.filt: expected 0.25, got 0.5"),
        (inception(&trunk), "missing: fc.weight"),
        (
            inception(&without(&self::inception(1008), "Mixed_6c.branch7x7_2.bn.running_var")),
            "missing: Mixed_6c.branch7x7_2.bn.running_var",
        ),
        (
            message(Dists::read(&self::trunk(PerceptualNet::Vgg), &heads, &device).map(|_| 0.0)),
            "missing: alpha, beta",
        ),
    ];
    for (found, expected) in cases {
        assert!(found.contains(expected), "{found}");
    }
}

fn pair(name: &str, [width, height]: [u32; 2]) -> [Picture; 2] {
    let n_values = (width * height * 3) as usize;
    let first = match name {
        "enhanced" => scene::enhanced(width, height, 3),
        "low" => scene::low(width, height, 3),
        "black" => vec![0; n_values],
        _ => vec![90; n_values],
    };
    [first, scene::reference(width, height, 3)].map(|pixels| scene::picture(width, height, &pixels))
}

/// Fills a tensor by the formula of the script.
fn insert(weights: &mut Weights, name: &str, shape: &[usize]) {
    let seed = name.bytes().map(u32::from).sum();
    let fan = shape[1..].iter().product::<usize>() as f64;
    let value = |idx: u32| {
        let noise = f64::from(scene::hash([idx, seed, 91]) % 65536) / 32768.0 - 1.0;
        let value = if name.ends_with("bn.weight") || name.ends_with("running_var") {
            1.0 + 0.1 * noise
        } else if ["lin", "alpha", "beta"].iter().any(|part| name.starts_with(part)) {
            0.5 + 0.5 * noise
        } else if shape.len() == 1 {
            0.05 * noise
        } else {
            noise * (6.0 / fan).sqrt()
        };
        value as f32
    };
    let values = (0..shape.iter().product::<usize>() as u32).map(value).collect();
    weights.insert(name.to_owned(), TensorValues { shape: shape.to_vec(), values });
}

fn insert_convolution(weights: &mut Weights, name: &str, shape: [usize; 4]) {
    insert(weights, &format!("{name}.weight"), &shape);
    insert(weights, &format!("{name}.bias"), &shape[..1]);
}

/// `[out, in, kernel, kernel]` of each convolution.
fn convolutions(net: PerceptualNet) -> Vec<[usize; 4]> {
    let sides: &[[usize; 3]] = match net {
        PerceptualNet::Alex => {
            &[[64, 3, 11], [192, 64, 5], [384, 192, 3], [256, 384, 3], [256, 256, 3]]
        }
        PerceptualNet::Vgg => &[
            [64, 3, 3],
            [64, 64, 3],
            [128, 64, 3],
            [128, 128, 3],
            [256, 128, 3],
            [256, 256, 3],
            [256, 256, 3],
            [512, 256, 3],
            [512, 512, 3],
            [512, 512, 3],
            [512, 512, 3],
            [512, 512, 3],
            [512, 512, 3],
        ],
    };
    sides.iter().map(|&[n_out, n_in, kernel]| [n_out, n_in, kernel, kernel]).collect()
}

/// As torchvision names them, and something of the classifier.
fn trunk(net: PerceptualNet) -> Weights {
    let numbers: &[usize] = match net {
        PerceptualNet::Alex => &[0, 3, 6, 8, 10],
        PerceptualNet::Vgg => &[0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
    };
    let mut weights = Weights::default();
    for (number, shape) in numbers.iter().zip(convolutions(net)) {
        insert_convolution(&mut weights, &format!("features.{number}"), shape);
    }
    insert(&mut weights, "classifier.6.bias", &[10]);
    weights
}

fn shift_tolerant(net: PerceptualNet) -> Weights {
    let (names, filters): (&[&str], &[(&str, usize)]) = match net {
        PerceptualNet::Alex => {
            (&["1.0", "2.5", "3.9", "4.11", "5.13"], &[("1.1", 64), ("2.4", 64), ("3.8", 192)])
        }
        PerceptualNet::Vgg => (
            &[
                "1.0", "1.2", "2.6", "2.8", "3.12", "3.14", "3.16", "4.20", "4.22", "4.24", "5.28",
                "5.30", "5.32",
            ],
            &[("2.5", 64), ("3.11", 128), ("4.19", 256), ("5.27", 512)],
        ),
    };
    let mut weights = heads(net);
    for (name, shape) in names.iter().zip(convolutions(net)) {
        insert_convolution(&mut weights, &format!("net.slice{name}"), shape);
    }
    for (name, n_channels) in filters {
        let filter = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|value| value / 16.0);
        let (shape, values) = (vec![*n_channels, 1, 3, 3], filter.repeat(*n_channels));
        weights.insert(format!("net.slice{name}.filt"), TensorValues { shape, values });
    }
    for (name, values) in [("shift", [-0.030, -0.088, -0.188]), ("scale", [0.458, 0.448, 0.450])] {
        let (shape, values) = (vec![1, 3, 1, 1], values.to_vec());
        weights.insert(format!("scaling_layer.{name}"), TensorValues { shape, values });
    }
    weights
}

fn heads(net: PerceptualNet) -> Weights {
    let n_channels = match net {
        PerceptualNet::Alex => [64, 192, 384, 256, 256],
        PerceptualNet::Vgg => [64, 128, 256, 512, 512],
    };
    let mut weights = Weights::default();
    for (stage, n_channels) in n_channels.into_iter().enumerate() {
        insert(&mut weights, &format!("lin{stage}.model.1.weight"), &[1, n_channels, 1, 1]);
    }
    weights
}

fn shares() -> Weights {
    let mut weights = Weights::default();
    insert(&mut weights, "alpha", &[1, 1475, 1, 1]);
    insert(&mut weights, "beta", &[1, 1475, 1, 1]);
    weights
}

fn inception(n_classes: usize) -> Weights {
    let mut weights = Weights::default();
    for line in include_str!("../data/inception_v3.txt").lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let shape: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
        insert(&mut weights, &format!("{name}.conv.weight"), &shape);
        for part in ["weight", "bias", "running_mean", "running_var"] {
            insert(&mut weights, &format!("{name}.bn.{part}"), &shape[..1]);
        }
    }
    insert(&mut weights, "fc.weight", &[n_classes, 2048]);
    insert(&mut weights, "AuxLogits.fc.bias", &[n_classes]);
    weights
}

fn samples(count: u32, n_features: u32, seed: u32) -> Vec<Vec<f64>> {
    let noise = |row: u32, column: u32| {
        f64::from(scene::hash([row * n_features + column, seed, 92]) % 65536) / 32768.0 - 1.0
    };
    let value = |row: u32, column: u32| {
        let before = (column + n_features - 1) % n_features;
        noise(row, column) * f64::from(1 + column % 7)
            + 0.1 * f64::from(seed)
            + 0.5 * noise(row, before)
    };
    (0..count).map(|row| (0..n_features).map(|column| value(row, column)).collect()).collect()
}
