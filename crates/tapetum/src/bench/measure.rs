//! Runs a work until it is warm, then as often as asked for, and says how long it took.

use std::time::Instant;

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};
use tapetum_nn::{
    EnhanceError,
    device::{DeviceKind, attempt},
    ops::Precision,
};
use thiserror::Error;

use super::{
    Prepared, Setup, Work,
    machine::{Machine, memory_peak_bytes},
    statistics::Statistics,
};
use crate::error::Error;

/// Columns, and rows, that a picture to measure with may have.
pub const SIDE_MAX: u32 = 16_384;
/// Pixels that a picture to measure with may have.
pub const N_PIXELS_MAX: u64 = 100_000_000;
/// Runs of one work.
pub const N_RUNS_MAX: u16 = 1_000;
/// Memory that a work may take at the size asked for.
const WORKING_BYTES_MAX: u64 = 8 << 30;
/// Runs before those that count.
const N_WARM_UP_MAX: usize = 3;
/// Two successive runs that differ by less than this share are warm.
const WARM_DIFFERENCE: f64 = 0.05;

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// Width and height of the picture; the work's own if `None`.
    pub size: Option<(u32, u32)>,
    /// A photograph for the works of the pipeline.
    pub photo: Option<Vec<u8>>,
    /// Runs that count, 1..=[`N_RUNS_MAX`].
    pub n_runs: u16,
}

/// How long a work took.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Width and height of its picture.
    pub size: (u32, u32),
    /// Every run that counts.
    pub milliseconds: Vec<f64>,
    /// Their summary.
    pub statistics: Statistics,
    /// Multiplications with additions for each pixel; each is two operations.
    pub macs_per_pixel: Option<f64>,
    /// Operations a second of the median run.
    pub flops: Option<f64>,
    /// How long it takes to bring the input to a graphics card, and to fetch what came out; neither is part
    /// of the times.
    pub transfers: Option<[Statistics; 2]>,
    /// The most memory that the process has taken so far, where the system tells.
    pub memory_peak_bytes: Option<u64>,
    /// The numbers that came out of the last run, in the order they lie in memory.
    pub output: Vec<f32>,
}

/// Why a work was not timed.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The work does not compute in that precision.
    #[error("{work} does not compute in {}", precision.name())]
    Precision {
        /// Its name.
        work: &'static str,
        /// What was asked for.
        precision: Precision,
    },
    /// The device does not compute in that precision.
    #[error("{device} here does not compute in {}", precision.name())]
    DevicePrecision {
        /// What should compute.
        device: DeviceKind,
        /// What was asked for.
        precision: Precision,
    },
    /// The picture has a side, or a number of pixels, beyond the limits.
    #[error("expected 1 to {SIDE_MAX} pixels a side, {N_PIXELS_MAX} at most, got {width}x{height}")]
    Size {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The number of runs is beyond the limits.
    #[error("expected 1 to {N_RUNS_MAX} runs, got {0}")]
    Runs(u16),
    /// The work would need too much memory at that size.
    #[error("{work} would take {needed_bytes} bytes at this size, {WORKING_BYTES_MAX} are allowed")]
    Memory {
        /// Its name.
        work: &'static str,
        /// What it would take.
        needed_bytes: u64,
    },
    /// The threads could not be started.
    #[error("no threads to compute on: {0}")]
    Threads(#[from] ThreadPoolBuildError),
    /// The work itself failed.
    #[error(transparent)]
    Work(#[from] Error),
}

impl BenchError {
    /// What to try next, as one clause.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Precision { .. } => Some("'tapetum bench --list' shows what does".to_owned()),
            Self::DevicePrecision { .. } => Some("give another --precision".to_owned()),
            Self::Size { .. } | Self::Memory { .. } => Some("give a smaller --size".to_owned()),
            Self::Runs(_) => Some("give another --runs".to_owned()),
            Self::Threads(_) => Some("give fewer --threads".to_owned()),
            Self::Work(error) => error.hint(),
        }
    }
}

/// Times a work on threads of its own: first until it is warm, then [`Options::n_runs`] times, and
/// once more as often if those differ too much among themselves.
///
/// # Errors
/// See [`BenchError`].
pub fn measure(
    work: &Work,
    machine: &Machine,
    options: &Options,
) -> Result<Measurement, BenchError> {
    let Machine { device, precision, n_threads, .. } = machine;
    let (kind, precision) = (device.kind, *precision);
    let size = checked_size(work, precision, options)?;
    if !precision.is_on(&device.device) {
        return Err(BenchError::DevicePrecision { device: kind, precision });
    }
    let setup = Setup { size, photo: options.photo.as_deref(), device, precision };
    let run = || timed(work, &setup, options.n_runs);
    if kind != DeviceKind::Cpu {
        let failed = |detail| Error::from(EnhanceError::Device { device: kind, detail });
        return attempt(run).map_err(failed)?.map_err(BenchError::from);
    }
    let threads = ThreadPoolBuilder::new().num_threads(*n_threads).build()?;
    Ok(threads.install(run)?)
}

fn timed(work: &Work, setup: &Setup, n_runs: u16) -> Result<Measurement, Error> {
    let mut prepared = (work.prepare)(setup)?;
    let mut output = Vec::new();
    let milliseconds = times(n_runs, || time(|| (prepared.run)(&mut output)))?;
    let mut transfers = None;
    if let Some(on_card) = &mut prepared.on_card {
        let uploads = times(n_runs, || time(&mut on_card.upload))?;
        let downloads = times(n_runs, || time(|| (on_card.download)().map(drop)))?;
        transfers = Some([uploads, downloads].map(|times| Statistics::of(&times)));
        output = (on_card.download)()?;
    }
    Ok(Measurement { transfers, ..summarised(&prepared, milliseconds, output) })
}

fn checked_size(
    work: &Work,
    precision: Precision,
    options: &Options,
) -> Result<(u32, u32), BenchError> {
    if !work.precisions.contains(&precision) {
        return Err(BenchError::Precision { work: work.name, precision });
    }
    if !(1..=N_RUNS_MAX).contains(&options.n_runs) {
        return Err(BenchError::Runs(options.n_runs));
    }
    let (width, height) = options.size.unwrap_or(work.size);
    let n_pixels = u64::from(width) * u64::from(height);
    let is_side = |side: u32| (1..=SIDE_MAX).contains(&side);
    if !is_side(width) || !is_side(height) || n_pixels > N_PIXELS_MAX {
        return Err(BenchError::Size { width, height });
    }
    let needed_bytes = n_pixels * work.bytes_per_pixel;
    if needed_bytes > WORKING_BYTES_MAX {
        return Err(BenchError::Memory { work: work.name, needed_bytes });
    }
    Ok((width, height))
}

/// Milliseconds of one run.
fn time(run: impl FnOnce() -> Result<(), Error>) -> Result<f64, Error> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// Milliseconds of `n_runs` warm runs; the second attempt's, where the first was unsteady.
fn times(n_runs: u16, mut run: impl FnMut() -> Result<f64, Error>) -> Result<Vec<f64>, Error> {
    warm_up(&mut run)?;
    let first = (0..n_runs).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    if Statistics::of(&first).is_steady() {
        return Ok(first);
    }
    (0..n_runs).map(|_| run()).collect()
}

fn warm_up(run: &mut impl FnMut() -> Result<f64, Error>) -> Result<(), Error> {
    let mut last = run()?;
    for _ in 1..N_WARM_UP_MAX {
        let next = run()?;
        if (next - last).abs() < WARM_DIFFERENCE * last {
            break;
        }
        last = next;
    }
    Ok(())
}

fn summarised(prepared: &Prepared, milliseconds: Vec<f64>, output: Vec<f32>) -> Measurement {
    let (width, height) = prepared.size;
    let n_pixels = u64::from(width) * u64::from(height) * prepared.n_pictures;
    let statistics = Statistics::of(&milliseconds);
    let n_macs = prepared.n_macs.map(|n_macs| n_macs as f64);
    Measurement {
        size: prepared.size,
        milliseconds,
        statistics,
        macs_per_pixel: n_macs.map(|n_macs| n_macs / n_pixels as f64),
        flops: n_macs.map(|n_macs| 2.0 * n_macs / (statistics.median * 1e-3)),
        transfers: None,
        memory_peak_bytes: memory_peak_bytes(),
        output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::WORKS;

    /// The times that count, when runs take those of the list one after another; and how many runs
    /// there were.
    fn check(n_runs: u16, taken: &[f64], expected: &[f64], n_expected: usize) {
        let mut n_done = 0;
        let found = times(n_runs, || {
            n_done += 1;
            Ok(taken[n_done - 1])
        });
        assert_eq!(found.unwrap(), expected, "{taken:?}");
        assert_eq!(n_done, n_expected, "{taken:?}");
    }

    #[test]
    fn runs_count_once_two_are_alike_or_three_are_done() {
        check(2, &[10.0, 10.4, 7.0, 7.1], &[7.0, 7.1], 4);
        check(2, &[30.0, 20.0, 10.0, 9.0, 9.1], &[9.0, 9.1], 5);
    }

    #[test]
    fn unsteady_runs_are_repeated_once() {
        check(2, &[10.0, 10.0, 10.0, 30.0, 11.0, 11.0], &[11.0, 11.0], 6);
        check(2, &[10.0, 10.0, 10.0, 30.0, 30.0, 10.0], &[30.0, 10.0], 6);
    }

    #[test]
    fn what_is_beyond_the_limits_is_refused_by_name() {
        let options = |size, n_runs| Options { size: Some(size), photo: None, n_runs };
        let refused = |size, n_runs, precision| {
            let work = Work::find("conv1x1").unwrap();
            checked_size(work, precision, &options(size, n_runs)).unwrap_err().to_string()
        };
        let f32 = Precision::F32;
        assert!(refused((0, 1), 1, f32).contains("got 0x1"));
        assert!(refused((1, SIDE_MAX + 1), 1, f32).contains("got 1x16385"));
        assert!(refused((10_001, 10_000), 1, f32).contains("got 10001x10000"));
        assert!(refused((10_000, 10_000), 1, f32).contains("conv1x1 would take"));
        assert!(refused((1, 1), 0, f32).contains("got 0"));
        assert!(refused((1, 1), N_RUNS_MAX + 1, f32).contains("got 1001"));
        let f32_only = WORKS.iter().find(|work| work.precisions == [f32]).unwrap();
        let refused = checked_size(f32_only, Precision::Bf16, &options((1, 1), 1)).unwrap_err();
        assert!(refused.to_string().ends_with("does not compute in bf16"));
    }
}
