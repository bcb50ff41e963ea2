//! Feature similarity: phase congruency and gradients compared.

use std::f64::consts::PI;

use crate::{
    MetricError, Picture, Plane, phase_congruency::FilterBank, scorable::expect_scorable_pair,
};

/// Similarity constants of phase congruency, gradient and chroma ([Zhang 2011], §III).
const T_PHASE: f64 = 0.85;
const T_GRADIENT: f64 = 160.0;
const T_CHROMA: f64 = 200.0;
/// How much chroma counts in FSIMc.
const CHROMA_EXPONENT: f64 = 0.03;
/// Images are reduced until their smaller side is about this.
const SIDE_PX: f64 = 256.0;

/// FSIM [Zhang 2011] of luma: similarity of phase congruency and gradient, weighted with the greater of
/// the two phase congruencies; after a reduction to about 256 pixels as in the authors' code. 0..1, 1 for
/// equal images; higher is better.
///
/// # Errors
/// When the two differ in size, a side is below 3 pixels, or neither image has any structure.
pub fn fsim(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("fsim", 3, enhanced, reference)?;
    compare(enhanced, reference, Chroma::Ignored)
}

/// FSIMc: [`fsim`] with the similarities of the I and Q of YIQ, to the power 0.03. At most 1, 1 for equal
/// images; higher is better.
///
/// # Errors
/// When the two differ in size, a side is below 3 pixels, or neither image has any structure.
pub fn fsim_color(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("fsimc", 3, enhanced, reference)?;
    compare(enhanced, reference, Chroma::Counted)
}

#[derive(Clone, Copy, PartialEq)]
enum Chroma {
    Ignored,
    Counted,
}

/// What FSIM looks at.
struct Features {
    phase: Plane,
    gradient: Plane,
    i: Plane,
    q: Plane,
}

fn compare(enhanced: &Picture, reference: &Picture, chroma: Chroma) -> Result<f64, MetricError> {
    let side = enhanced.width().min(enhanced.height()) as f64;
    let factor = ((side / SIDE_PX).round() as usize).max(1);
    let [first, second] = [enhanced, reference]
        .map(|picture| Picture { planes: picture.planes.each_ref().map(|p| reduced(p, factor)) });
    let bank = FilterBank::new(first.width(), first.height());
    let [first, second] = [first, second].map(|picture| features(&picture, &bank));

    let (mut sum, mut weights) = (0.0, 0.0);
    for idx in 0..first.phase.values.len() {
        let similar = |plane: fn(&Features) -> &Plane, constant: f64| {
            let [a, b] = [&first, &second].map(|features| plane(features).values[idx]);
            (2.0 * a * b + constant) / (a * a + b * b + constant)
        };
        let weight = first.phase.values[idx].max(second.phase.values[idx]);
        let mut score = similar(|f| &f.phase, T_PHASE) * similar(|f| &f.gradient, T_GRADIENT);
        if chroma == Chroma::Counted {
            score *= real_power(similar(|f| &f.i, T_CHROMA) * similar(|f| &f.q, T_CHROMA));
        }
        sum += score * weight;
        weights += weight;
    }
    if weights == 0.0 {
        let detail = "neither image has any structure".to_owned();
        return Err(MetricError::Undefined { metric: "fsim", detail });
    }
    Ok(sum / weights)
}

fn features(picture: &Picture, bank: &FilterBank) -> Features {
    let luma = picture.grey();
    Features {
        phase: bank.phase_congruency(&luma),
        gradient: gradient(&luma),
        i: picture.mix([0.596, -0.274, -0.322]),
        q: picture.mix([0.211, -0.523, 0.312]),
    }
}

/// The real part of the complex power: opposite chromas have a negative similarity.
fn real_power(similarity: f64) -> f64 {
    let phase = if similarity < 0.0 { (CHROMA_EXPONENT * PI).cos() } else { 1.0 };
    similarity.abs().powf(CHROMA_EXPONENT) * phase
}

/// Means of `factor` x `factor` pixels around every `factor`-th pixel, beginning with the first; zeros
/// around the image count.
fn reduced(plane: &Plane, factor: usize) -> Plane {
    if factor == 1 {
        return plane.clone();
    }
    let (width, height) = (plane.width.div_ceil(factor), plane.height.div_ceil(factor));
    let before = (factor - 1) / 2;
    let covered = |idx: usize, count: usize| {
        let start = idx * factor;
        start.saturating_sub(before)..(start + factor - before).min(count)
    };
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        let mut sums = vec![0.0; plane.width];
        for row in covered(y, plane.height) {
            sums.iter_mut().zip(plane.row(row)).for_each(|(sum, value)| *sum += value);
        }
        let area = (factor * factor) as f64;
        values.extend((0..width).map(|x| sums[covered(x, plane.width)].iter().sum::<f64>() / area));
    }
    Plane::new(width, height, values)
}

/// Magnitude of Scharr's gradient, (3, 10, 3) / 16 across; zeros around the image.
fn gradient(plane: &Plane) -> Plane {
    let (width, height) = (plane.width, plane.height);
    let mut padded = vec![0.0; (width + 2) * (height + 2)];
    for y in 0..height {
        padded[(y + 1) * (width + 2) + 1..][..width].copy_from_slice(plane.row(y));
    }
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        let [up, here, down] =
            [0, 1, 2].map(|dy| &padded[(y + dy) * (width + 2)..(y + dy + 1) * (width + 2)]);
        values.extend((0..width).map(|x| {
            let column = |x: usize| (3.0 * (up[x] + down[x]) + 10.0 * here[x]) / 16.0;
            let row = |row: &[f64]| (3.0 * (row[x] + row[x + 2]) + 10.0 * row[x + 1]) / 16.0;
            let (dx, dy) = (column(x) - column(x + 2), row(up) - row(down));
            (dx * dx + dy * dy).sqrt()
        }));
    }
    Plane::new(width, height, values)
}
