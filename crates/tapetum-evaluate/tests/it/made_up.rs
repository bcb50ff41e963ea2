//! A made-up report of any size: plausible numbers from a hash, no chance and no clock.

use tapetum_evaluate::report::{
    Better, Column, ContestantNote, Difference, ImageScores, ProtocolNote, Report, Row, SetNote,
    Summary,
};

/// How much to make up.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) n_sets: usize,
    pub(crate) n_contestants: usize,
    /// At most 20.
    pub(crate) n_columns: usize,
    /// In each set.
    pub(crate) n_images: usize,
}

const SETS: [(&str, &str); 3] =
    [("LOL-v1 eval15", "paired"), ("LOL-v2-real test", "paired"), ("DICM", "unpaired")];
const CONTESTANTS: [&str; 6] = ["Input", "CLAHE", "LIME", "SCL-LLE", "Zero-DCE", "Semi-LLIE"];

/// Title, subtitle, unit, digits, where better scores are, whether harm, middle and spread.
type Sketch = (&'static str, &'static str, &'static str, usize, Better, bool, f64, f64);
const COLUMNS: [Sketch; 20] = [
    ("PSNR", "RGB", "dB", 2, Better::Higher, false, 17.5, 4.0),
    ("PSNR", "RGB, GT-mean", "dB", 2, Better::Higher, false, 21.5, 3.0),
    ("PSNR", "Y, border 4", "dB", 2, Better::Higher, false, 19.0, 4.0),
    ("SSIM", "RGB, 11×11", "", 4, Better::Higher, false, 0.72, 0.12),
    ("SSIM", "RGB, 11×11, GT-mean", "", 4, Better::Higher, false, 0.78, 0.1),
    ("LPIPS", "Alex", "", 4, Better::Lower, false, 0.24, 0.1),
    ("LPIPS", "Alex, GT-mean", "", 4, Better::Lower, false, 0.21, 0.1),
    ("DISTS", "RGB", "", 4, Better::Lower, false, 0.16, 0.05),
    ("ΔE 2000", "RGB", "", 2, Better::Lower, false, 11.0, 4.0),
    ("ΔE 2000", "RGB, GT-mean", "", 2, Better::Lower, false, 8.0, 3.0),
    ("VIF", "Y", "", 3, Better::Higher, false, 0.45, 0.1),
    ("GMSD", "Y", "", 4, Better::Lower, false, 0.1, 0.03),
    ("NIQE", "Y", "", 2, Better::Lower, false, 4.6, 1.0),
    ("BRISQUE", "Y", "", 1, Better::Lower, false, 28.0, 9.0),
    ("Mean luminance", "Y", "", 3, Better::Neither, false, 0.42, 0.1),
    ("Noise gain", "high-pass, flat regions", "dB", 1, Better::Lower, true, 5.0, 3.0),
    ("Clipped", "either end", "%", 2, Better::Lower, true, 1.4, 1.1),
    ("Hue shift", "CIELAB", "°", 1, Better::Lower, true, 6.0, 3.0),
    ("Over-exposed", "above 0.95", "%", 2, Better::Lower, true, 2.4, 2.0),
    ("Lightness order", "LOE", "", 0, Better::Lower, true, 310.0, 120.0),
];

/// The report.
pub(crate) fn report(size: Size) -> Report {
    let columns: Vec<Column> = (0..size.n_columns).map(column).collect();
    let sets: Vec<SetNote> = (0..size.n_sets).map(|idx| set(idx, size.n_images)).collect();
    let contestants: Vec<ContestantNote> = (0..size.n_contestants).map(contestant).collect();
    let mut images = Vec::new();
    for (set_idx, set) in sets.iter().enumerate() {
        for image_idx in 0..size.n_images {
            for (contestant_idx, contestant) in contestants.iter().enumerate() {
                let place = [set_idx as u64, image_idx as u64, contestant_idx as u64];
                images.push(ImageScores {
                    set: set.name.clone(),
                    image: format!("{:03}.png", image_idx * 7 + 1),
                    contestant: contestant.name.clone(),
                    scores: (0..size.n_columns).map(|idx| score(place, idx)).collect(),
                    notes: if image_idx == 3 && contestant_idx == 2 {
                        vec!["2.1 % of the pixels clipped".to_owned()]
                    } else {
                        Vec::new()
                    },
                });
            }
        }
    }
    let rows = sets
        .iter()
        .flat_map(|set| contestants.iter().map(|c| row(&set.name, &c.name, &images, size)))
        .collect();
    let differences = differences(&sets, &contestants, &columns, &images);
    Report {
        title: "Four methods and two simple ones on three sets of dark photographs".to_owned(),
        version: "0.1.0".to_owned(),
        date: Some("2026-03-01".to_owned()),
        notes: vec![
            "Strength 1, no tiling, 32-bit floats.".to_owned(),
            "Intervals: 10 000 bootstrap resamples of images, seed 7; infinite PSNR counts as 60 dB."
                .to_owned(),
        ],
        protocols: vec![
            protocol("RGB", "All three channels of 8-bit sRGB, no border cut."),
            protocol("GT-mean", "The output is scaled so that its mean equals the reference's."),
        ],
        sets,
        contestants,
        columns,
        rows,
        differences,
        images,
    }
}

fn column(idx: usize) -> Column {
    let (title, subtitle, unit, n_digits, better, is_harm, ..) = COLUMNS[idx];
    Column {
        key: format!("{}/{}", title.to_lowercase().replace(' ', "-"), idx),
        title: title.to_owned(),
        subtitle: subtitle.to_owned(),
        description: format!("{title} as the protocol {subtitle} has it."),
        better,
        n_digits,
        unit: unit.to_owned(),
        is_harm,
    }
}

fn set(idx: usize, n_images: usize) -> SetNote {
    let (name, kind) = SETS[idx];
    let manifest_sha256 = format!("{:016x}", noise(&[idx as u64, 1]).to_bits()).repeat(4);
    SetNote { name: name.to_owned(), kind: kind.to_owned(), n_images, manifest_sha256 }
}

fn contestant(idx: usize) -> ContestantNote {
    let name = CONTESTANTS[idx].to_owned();
    let is_learned = idx >= 3;
    let hash = format!("{:016x}", noise(&[idx as u64, 2]).to_bits()).repeat(4);
    ContestantNote {
        method: (idx > 0).then(|| name.to_lowercase()),
        weights_sha256: is_learned.then_some(hash),
        n_parameters: is_learned.then(|| 79_416 * (idx - 2)),
        macs_per_pixel: is_learned.then(|| 79_104 * (idx as u64 - 2)),
        milliseconds: (idx > 0).then_some(12.5 * idx as f64),
        memory_peak_bytes: (idx > 0).then_some(9_000_000 * idx as u64),
        name,
    }
}

fn protocol(name: &str, description: &str) -> ProtocolNote {
    ProtocolNote { name: name.to_owned(), description: description.to_owned() }
}

/// Better contestants have higher numbers; the unpaired set has nothing to compare with.
fn score([set, image, contestant]: [u64; 3], column_idx: usize) -> Option<f64> {
    let (.., better, is_harm, middle, spread) = COLUMNS[column_idx];
    if set == 2 && column_idx < 12 {
        return None;
    }
    let luck = noise(&[set, image, 9]) + noise(&[set, image, contestant, column_idx as u64]) - 1.0;
    let skill = contestant as f64 / 3.0 - 0.8;
    let sign = if better == Better::Lower { -1.0 } else { 1.0 };
    let sign = if is_harm { -sign * 0.6 } else { sign };
    Some(if is_harm { 0.0_f64 } else { f64::MIN }.max(middle + spread * sign * (luck + skill)))
}

fn row(set: &str, contestant: &str, images: &[ImageScores], size: Size) -> Row {
    let own: Vec<&ImageScores> =
        images.iter().filter(|i| i.set == set && i.contestant == contestant).collect();
    let cell = |idx: usize| summary(&own.iter().filter_map(|i| i.scores[idx]).collect::<Vec<_>>());
    let cells = (0..size.n_columns).map(cell).collect();
    Row { set: set.to_owned(), contestant: contestant.to_owned(), cells }
}

/// The normal interval stands in for a bootstrap.
fn summary(scores: &[f64]) -> Option<Summary> {
    let n = scores.len();
    let mean = (n > 0).then(|| scores.iter().sum::<f64>() / n as f64)?;
    let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n as f64;
    let half = 1.96 * (variance / n as f64).sqrt();
    let interval = Some([mean - half, mean + half]);
    Some(Summary { mean, interval, n_images: n, n_infinite: 0 })
}

fn differences(
    sets: &[SetNote],
    contestants: &[ContestantNote],
    columns: &[Column],
    images: &[ImageScores],
) -> Vec<Difference> {
    let mut found = Vec::new();
    for set in sets {
        let of = |c: &ContestantNote| {
            let is_own = |i: &&ImageScores| i.set == set.name && i.contestant == c.name;
            images.iter().filter(is_own).collect::<Vec<_>>()
        };
        for (column_idx, column) in columns.iter().enumerate() {
            for (idx, first) in contestants.iter().enumerate() {
                for second in &contestants[idx + 1..] {
                    let pairs = of(first).into_iter().zip(of(second));
                    let pair = |(a, b): (&ImageScores, &ImageScores)| {
                        Some(a.scores[column_idx]? - b.scores[column_idx]?)
                    };
                    let Some(s) = summary(&pairs.filter_map(pair).collect::<Vec<_>>()) else {
                        continue;
                    };
                    found.push(Difference {
                        set: set.name.clone(),
                        column: column.key.clone(),
                        first: first.name.clone(),
                        second: second.name.clone(),
                        mean: s.mean,
                        lower: interval(s)[0],
                        upper: interval(s)[1],
                        p: (-6.0 * s.mean.abs() / (interval(s)[1] - interval(s)[0]).max(1e-9))
                            .exp(),
                        n_images: s.n_images,
                    });
                }
            }
        }
    }
    found
}

/// From 0 to 1, the same for the same words.
pub(crate) fn noise(words: &[u64]) -> f64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for word in words {
        state = (state ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 32;
    }
    (state >> 11) as f64 / (1_u64 << 53) as f64
}

fn interval(summary: Summary) -> [f64; 2] {
    summary.interval.expect("made-up means have intervals")
}
