//! Visual information fidelity in the pixel domain.

use crate::{
    MetricError, Picture, Plane,
    filter::{Border, gaussian, slide},
    scorable::expect_scorable_pair,
};

/// Taps of the window at each scale, the finest first; its σ is a fifth of that.
const WINDOWS: [usize; 4] = [17, 9, 5, 3];
/// Variance of the noise in the visual system.
const EYE_NOISE: f64 = 2.0;
/// Smaller variances are none.
const SMALL: f64 = 1e-10;

/// VIFp [Sheikh and Bovik 2006, the authors' `vifp_mscale`] of the grey images: the information of the
/// reference that is left in the enhanced image, over that of the reference. 0 (nothing) to 1 (all; equal
/// images), above 1 where contrast was raised; higher is better. The two are not interchangeable. The
/// wavelet VIF is another number.
///
/// # Errors
/// When the two differ in size, a side is below 41 pixels, or the reference is constant.
pub fn vif(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("vif", 41, enhanced, reference)?;
    // Variances do not know the mean, and lose fewer digits without it.
    let [mut reference, mut enhanced] = [reference, enhanced].map(|picture| {
        let grey = picture.grey();
        let mean = grey.mean();
        grey.map(|value| value - mean)
    });
    let (mut kept, mut available) = (0.0, 0.0);
    for (scale, n_taps) in (0..).zip(WINDOWS) {
        let taps = gaussian(n_taps, n_taps as f64 / 5.0);
        if scale > 0 {
            [reference, enhanced] = every_second(&reference, &enhanced, &taps);
        }
        let [more_kept, more_available] = information(&reference, &enhanced, &taps);
        kept += more_kept;
        available += more_available;
    }
    if available == 0.0 {
        let detail = "the reference is constant and holds no information".to_owned();
        return Err(MetricError::Undefined { metric: "vif", detail });
    }
    Ok(kept / available)
}

/// Both planes filtered, every second pixel of every second row.
fn every_second(first: &Plane, second: &Plane, taps: &[f64]) -> [Plane; 2] {
    let [width, height] = [first.width, first.height].map(|n| (n + 1 - taps.len()).div_ceil(2));
    let mut values = [(); 2].map(|()| Vec::with_capacity(width * height));
    let mut y = 0;
    slide(
        [first, second],
        taps,
        Border::Valid,
        |a, b| [a, b],
        |rows| {
            if y % 2 == 0 {
                values
                    .iter_mut()
                    .zip(rows)
                    .for_each(|(all, row)| all.extend(row.iter().step_by(2)));
            }
            y += 1;
        },
    );
    values.map(|values| Plane::new(width, height, values))
}

/// Information of the reference that reaches the eye through the enhanced image, and directly; in nats
/// per standard unit, summed over windows.
fn information(reference: &Plane, enhanced: &Plane, taps: &[f64]) -> [f64; 2] {
    let (mut kept, mut available) = (0.0, 0.0);
    let quantities = |a: f64, b: f64| [a, b, a * a, b * b, a * b];
    slide([reference, enhanced], taps, Border::Valid, quantities, |[a, b, aa, bb, ab]| {
        for x in 0..a.len() {
            let variances = [aa[x] - a[x] * a[x], bb[x] - b[x] * b[x]];
            let [ratio, signal] = signal_to_noise(variances, ab[x] - a[x] * b[x]);
            kept += ratio.ln_1p();
            available += signal.ln_1p();
        }
    });
    [kept, available]
}

/// Signal over noise of the eye behind the enhanced image, `g² σ1² / (σv² + σn²)`, and in front of the
/// reference, `σ1² / σn²`.
fn signal_to_noise([reference, enhanced]: [f64; 2], covariance: f64) -> [f64; 2] {
    let (reference, enhanced) = (reference.max(0.0), enhanced.max(0.0));
    if reference < SMALL {
        return [0.0, 0.0];
    }
    let gain = covariance / (reference + SMALL);
    let ratio = if enhanced < SMALL || gain < 0.0 {
        0.0
    } else {
        let distortion = (enhanced - gain * covariance).max(SMALL);
        gain * gain * reference / (distortion + EYE_NOISE)
    };
    [ratio, reference / EYE_NOISE]
}
