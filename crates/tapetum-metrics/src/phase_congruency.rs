//! Phase congruency: where the Fourier components of an image are in phase, at edges and lines of any
//! contrast [Kovesi 1999, as configured by the authors of FSIM].

use std::f64::consts::{LN_2, PI};

use rustfft::num_complex::Complex;

use crate::{Plane, fourier::Fourier};

const N_SCALES: usize = 4;
const N_ORIENTATIONS: usize = 4;
/// Wavelength of the finest filter; each next one is twice as long.
const WAVELENGTH_MIN_PX: f64 = 6.0;
/// Bandwidth: σ of the log-Gabor over its centre frequency.
const SIGMA_ON_CENTRE: f64 = 0.55;
/// Angle between orientations over the σ of a filter across it.
const ANGLE_ON_SIGMA: f64 = 1.2;
/// The low pass that keeps the corners of the spectrum out: Butterworth, cut-off and twice the order.
const CUT_OFF: f64 = 0.45;
const STEEPNESS: i32 = 30;
/// Energy must exceed the mean of the noise by this many of its σ.
const NOISE_SIGMAS: f64 = 2.0;
/// The noise estimate is that much too high for this measure.
const NOISE_EXCESS: f64 = 1.7;
const EPSILON: f64 = 1e-4;
/// A sum of amplitudes below this is rounding: nothing in the image has a phase.
const AMPLITUDE_MIN: f64 = 1e-9;

/// Log-Gabor filters for images of one size.
pub(crate) struct FilterBank {
    fourier: Fourier,
    /// Along the radius, for each scale, in the order of the spectrum.
    radial: [Vec<f64>; N_SCALES],
    /// Around the circle, for each orientation.
    angular: [Vec<f64>; N_ORIENTATIONS],
    /// Noise threshold over the root of the median energy at the finest scale, for each orientation.
    thresholds: [f64; N_ORIENTATIONS],
}

impl FilterBank {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let (x_frequencies, y_frequencies) = (frequencies(width), frequencies(height));
        let mut radial = [(); N_SCALES].map(|()| Vec::with_capacity(width * height));
        let mut angular = [(); N_ORIENTATIONS].map(|()| Vec::with_capacity(width * height));
        for &x in &x_frequencies {
            for &y in &y_frequencies {
                let radius = (x * x + y * y).sqrt();
                radial.iter_mut().zip(log_gabors(radius)).for_each(|(all, v)| all.push(v));
                let spreads = angular_spreads((-y).atan2(x));
                angular.iter_mut().zip(spreads).for_each(|(all, v)| all.push(v));
            }
        }
        let thresholds = angular.each_ref().map(|angular| threshold(&radial, angular, height));
        Self { fourier: Fourier::new(width, height), radial, angular, thresholds }
    }

    /// Phase congruency of each pixel, 0..1.
    ///
    /// # Panics
    /// When the plane is not of the size the filters were made for.
    pub(crate) fn phase_congruency(&self, plane: &Plane) -> Plane {
        // The mean has no phase; without it a flat image is exactly 0.
        let mean = plane.mean();
        let spectrum = self.fourier.forward(&plane.map(|value| value - mean).values);
        let mut responses = [(); N_SCALES].map(|()| spectrum.clone());
        let mut filtered = spectrum.clone();
        let (mut energies, mut amplitudes) = (vec![0.0; spectrum.len()], vec![0.0; spectrum.len()]);
        for (angular, threshold) in self.angular.iter().zip(self.thresholds) {
            for (response, radial) in responses.iter_mut().zip(&self.radial) {
                let filter = radial.iter().zip(angular).map(|(r, a)| r * a / spectrum.len() as f64);
                for ((value, &frequency), gain) in filtered.iter_mut().zip(&spectrum).zip(filter) {
                    *value = frequency * gain;
                }
                self.fourier.inverse(&mut filtered, response);
            }
            let noise = threshold * median(responses[0].iter().map(Complex::norm_sqr)).sqrt();
            for (idx, (sum, amplitude)) in energies.iter_mut().zip(&mut amplitudes).enumerate() {
                let at_pixel = responses.each_ref().map(|response| response[idx]);
                *sum += (energy(at_pixel) - noise).max(0.0);
                *amplitude += at_pixel.iter().map(|v| v.norm_sqr().sqrt()).sum::<f64>();
            }
        }
        let congruency = |(&energy, &amplitude): (&f64, &f64)| {
            if amplitude > AMPLITUDE_MIN { energy / amplitude } else { 0.0 }
        };
        let values = energies.iter().zip(&amplitudes).map(congruency).collect();
        Plane::new(plane.width, plane.height, values)
    }
}

/// Cycles a pixel in the order of a transform; an odd count is spread to both ends, -0.5 and 0.5.
fn frequencies(count: usize) -> Vec<f64> {
    let divisor = if count % 2 == 1 { count - 1 } else { count };
    let signed = |idx: usize| if 2 * idx < count { idx as f64 } else { idx as f64 - count as f64 };
    (0..count).map(|idx| signed(idx) / divisor.max(1) as f64).collect()
}

fn log_gabors(radius: f64) -> [f64; N_SCALES] {
    if radius == 0.0 {
        return [0.0; N_SCALES];
    }
    let low_pass = 1.0 / (1.0 + (radius / CUT_OFF).powi(STEEPNESS));
    let mut wavelength = WAVELENGTH_MIN_PX;
    [(); N_SCALES].map(|()| {
        let distance = (radius * wavelength).ln() / SIGMA_ON_CENTRE.ln();
        wavelength *= 2.0;
        low_pass * (-0.5 * distance * distance).exp()
    })
}

fn angular_spreads(theta: f64) -> [f64; N_ORIENTATIONS] {
    let step = PI / N_ORIENTATIONS as f64;
    let sigma = step / ANGLE_ON_SIGMA;
    let mut orientation = 0.0;
    [(); N_ORIENTATIONS].map(|()| {
        let apart = (theta - orientation).abs();
        orientation += step;
        let distance = apart.min(2.0 * PI - apart) / sigma;
        (-0.5 * distance * distance).exp()
    })
}

/// Noise threshold over the root of the median energy of the finest scale. That energy of Gaussian noise
/// is exponentially distributed, so its mean is the median over ln 2; the noise energy of all scales
/// follows from the filters, and its distribution is Rayleigh's.
fn threshold(radial: &[Vec<f64>; N_SCALES], angular: &[f64], height: usize) -> f64 {
    let width = angular.len() / height;
    let finest = radial[0].iter().zip(angular).map(|(r, a)| (r * a).powi(2)).sum::<f64>();
    let all_scales = |idx: usize| angular[idx] * radial.iter().map(|r| r[idx]).sum::<f64>();
    // Sums over pixels of products of the real parts of the filters' impulse responses are, by Parseval,
    // sums over frequencies of the even parts of the filters.
    let mut even = 0.0;
    for x in 0..width {
        for y in 0..height {
            let opposite = (width - x) % width * height + (height - y) % height;
            even += (0.5 * (all_scales(x * height + y) + all_scales(opposite))).powi(2);
        }
    }
    let noise_energy = 2.0 * even / (finest * LN_2);
    let tau = (0.5 * noise_energy).sqrt();
    let (mean, sigma) = (tau * (0.5 * PI).sqrt(), tau * (2.0 - 0.5 * PI).sqrt());
    (mean + NOISE_SIGMAS * sigma) / NOISE_EXCESS
}

/// `Σ An (cos Δφ - |sin Δφ|)` with the deviation Δφ of each scale from the mean phase.
fn energy(responses: [Complex<f64>; N_SCALES]) -> f64 {
    let sum: Complex<f64> = responses.iter().sum();
    let mean = sum / (sum.norm_sqr().sqrt() + EPSILON);
    let along = |v: &Complex<f64>| {
        v.re * mean.re + v.im * mean.im - (v.re * mean.im - v.im * mean.re).abs()
    };
    responses.iter().map(along).sum()
}

/// The middle value, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if is_even { 0.5 * (upper + below.iter().copied().fold(f64::MIN, f64::max)) } else { upper }
}
