//! A street at night, painted by arithmetic: dark, as it should be, and as methods might give it.

use base64::{Engine, prelude::BASE64_STANDARD};
use tapetum_image::{Channels, EncodeOptions, Format, ImageError, Photo, Raster, Samples, encode};

use super::made_up::noise;

pub(crate) const WIDTH: u32 = 480;
pub(crate) const HEIGHT: u32 = 320;

/// `data:` addresses of JPEG files.
pub(crate) struct Painted {
    pub(crate) low: String,
    pub(crate) enhanced: String,
    pub(crate) reference: String,
    pub(crate) error_map: String,
}

/// The scene of a seed; methods with more skill leave less noise and cast.
pub(crate) fn paint(seed: u64, skill: usize) -> Result<Painted, ImageError> {
    let reference = picture(|x, y| scene(x, y, seed));
    let low = each(&reference, |value, idx| {
        0.16 * value.powf(1.7) + 0.03 * (noise(&[idx, seed, 1]) - 0.5) + 0.01
    });
    let gain = 0.55 + 0.08 * skill as f64;
    let grain = 0.3 / (1.0 + skill as f64);
    let enhanced = each(&low, |value, idx| {
        let cast = if idx % 3 == 2 { 1.0 + grain } else { 1.0 };
        let bright = (value / 0.16).max(0.0).powf(1.0 / 1.7) * gain * cast;
        bright + grain * (noise(&[idx, seed, 2]) - 0.5)
    });
    let error_map = heat(&reference, &enhanced);
    Ok(Painted {
        low: address(&low)?,
        enhanced: address(&enhanced)?,
        reference: address(&reference)?,
        error_map: address(&error_map)?,
    })
}

/// Sky, moon, two ranges of hills, houses with lit windows and a wet street.
fn scene(x: f64, y: f64, seed: u64) -> [f64; 3] {
    let ridge = |base: f64, size: f64, salt: u64| {
        let phase = 6.3 * noise(&[seed, salt]);
        base + size * ((x * 5.0 + phase).sin() + 0.5 * (x * 13.0 + phase * 2.0).sin())
    };
    let moon = ((x - 0.2 - 0.6 * noise(&[seed, 4])).powi(2) * 2.2 + (y - 0.2).powi(2)).sqrt();
    let house = (x * 7.0) as u64;
    let roof = 0.5 + 0.16 * noise(&[seed, house, 5]);
    if y > 0.82 {
        let shine = 0.3 * (1.0 - (y - 0.82) * 4.0) + 0.06 * (x * 160.0 + y * 900.0).sin();
        return [0.34 + shine, 0.36 + shine, 0.4 + shine];
    }
    if y > roof && noise(&[seed, house, 6]) > 0.25 {
        let (column, line) = ((x * 7.0).fract() * 4.0, (y - roof) * 14.0);
        let in_window =
            (0.25..0.75).contains(&column.fract()) && (0.3..0.8).contains(&line.fract());
        if in_window && noise(&[seed, house, column as u64, line as u64, 7]) > 0.45 {
            return [0.98, 0.85, 0.5];
        }
        let tone = 0.35 + 0.3 * noise(&[seed, house, 8]);
        return [tone * 1.1, tone * 0.85, tone * 0.75];
    }
    match y {
        _ if y > ridge(0.62, 0.05, 2) => [0.27, 0.42, 0.25],
        _ if y > ridge(0.48, 0.06, 1) => [0.42, 0.52, 0.5],
        _ if moon < 0.07 => [0.97, 0.95, 0.85],
        _ => [0.45 + 0.4 * y, 0.6 + 0.25 * y, 0.85 - 0.05 * y],
    }
}

fn picture(color: impl Fn(f64, f64) -> [f64; 3]) -> Vec<f64> {
    let at = |idx: u32| {
        let (x, y) = (idx % WIDTH, idx / WIDTH);
        color(f64::from(x) / f64::from(WIDTH), f64::from(y) / f64::from(HEIGHT))
    };
    (0..WIDTH * HEIGHT).flat_map(at).collect()
}

fn each(samples: &[f64], change: impl Fn(f64, u64) -> f64) -> Vec<f64> {
    samples.iter().zip(0..).map(|(&value, idx)| change(value, idx)).collect()
}

/// From black over red to yellow.
fn heat(first: &[f64], second: &[f64]) -> Vec<f64> {
    let pixels = first.as_chunks::<3>().0.iter().zip(second.as_chunks::<3>().0);
    pixels
        .flat_map(|(a, b)| {
            let error = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 3.0 * 2.5;
            [error * 1.6, error * 1.6 - 0.6, error * 2.0 - 1.6]
        })
        .collect()
}

fn address(samples: &[f64]) -> Result<String, ImageError> {
    let bytes = samples.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    let raster = Raster::new(WIDTH, HEIGHT, Channels::Rgb, Samples::U8(bytes))?;
    let photo = Photo::from_raster(raster, Format::Jpeg);
    let jpeg = encode(&photo, Format::Jpeg, &EncodeOptions::default())?;
    Ok(format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg)))
}
