//! Numbers, times and names of a training, as people read them.

use std::{path::Path, time::Duration};

use tapetum::train::SampleFile;

/// Samples that are named; of more, their number is told.
const N_SAMPLES_NAMED: usize = 4;

/// Four significant digits; very large and very small numbers with their power of ten.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == 0.0 {
        return value.to_string();
    }
    if !(1e-3..1e5).contains(&size) {
        return format!("{value:.3e}");
    }
    let n_decimals = (3 - size.log10().floor() as i32).max(0) as usize;
    format!("{value:.n_decimals$}")
}

/// The two largest units, such as `3 h 07 min`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {:02} s", seconds % 60),
        (0, _, _) => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{days} d {:02} h", hours % 24),
    }
}

/// How fast, and how long still; empty where it is not known yet.
pub(super) fn pace(images_per_s: Option<f64>, left: Option<Duration>) -> String {
    let speed = images_per_s.map(|speed| match speed {
        100.0.. => format!("{speed:.0} images/s"),
        10.0.. => format!("{speed:.1} images/s"),
        _ => format!("{speed:.2} images/s"),
    });
    let left = left.map(|left| format!("{} left", duration(left)));
    speed.into_iter().chain(left).collect::<Vec<_>>().join(", ")
}

/// The files of a validation with their scores: one folder and names where they share it.
pub(super) fn samples(samples: &[SampleFile]) -> String {
    let folder = samples.first().and_then(|sample| sample.path.parent()).unwrap_or(Path::new(""));
    let is_shared = samples.iter().all(|sample| sample.path.parent() == Some(folder));
    let name = |SampleFile { path, psnr_db }: &SampleFile| {
        let name = match path.file_name() {
            Some(name) if is_shared => Path::new(name).display().to_string(),
            _ => path.display().to_string(),
        };
        psnr_db.map_or(name.clone(), |psnr_db| format!("{name} {psnr_db:.2} dB"))
    };
    let named: Vec<_> = samples.iter().take(N_SAMPLES_NAMED).map(name).collect();
    let place = match is_shared && !folder.as_os_str().is_empty() {
        true => format!("samples in {}: ", folder.display()),
        false => "samples: ".to_owned(),
    };
    let n_more = samples.len() - named.len();
    let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
    format!("{place}{}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.012_345_6, "0.01235"),
            (-0.5, "-0.5000"),
            (1.0, "1.000"),
            (18.234_5, "18.23"),
            (999.96, "1000.0"),
            (1234.5, "1234"),
            (54_321.4, "54321"),
            (1e-4, "1.000e-4"),
            (1.234_56e7, "1.235e7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn times_have_their_two_largest_units() {
        for (seconds, text) in [
            (0.2, "0 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (125.0, "2 min 05 s"),
            (11_240.0, "3 h 07 min"),
            (183_600.0, "2 d 03 h"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn the_pace_leaves_out_what_is_unknown() {
        let left = Some(Duration::from_secs(65));
        assert_eq!(pace(Some(8.123), left), "8.12 images/s, 1 min 05 s left");
        assert_eq!(pace(Some(81.23), None), "81.2 images/s");
        assert_eq!(pace(Some(812.3), left), "812 images/s, 1 min 05 s left");
        assert_eq!(pace(None, None), "");
    }

    #[test]
    fn samples_name_their_folder_once() {
        let sample = |name: &&str| SampleFile { path: name.into(), psnr_db: None };
        let paths = |names: &[&str]| names.iter().map(sample).collect::<Vec<_>>();
        let shared = paths(&["run/samples/1.png", "run/samples/2.png"]);
        assert_eq!(samples(&shared), "samples in run/samples: 1.png, 2.png");
        let apart = paths(&["a/1.png", "b/1.png"]);
        assert_eq!(samples(&apart), "samples: a/1.png, b/1.png");
        let scored = [SampleFile { path: "a/1.png".into(), psnr_db: Some(17.123) }];
        assert_eq!(samples(&scored), "samples in a: 1.png 17.12 dB");
        let many = paths(&["1", "2", "3", "4", "5", "6"]);
        assert_eq!(samples(&many), "samples: 1, 2, 3, 4 and 2 more");
    }
}
