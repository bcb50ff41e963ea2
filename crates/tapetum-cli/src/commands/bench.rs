//! `tapetum bench`: how fast this machine is at what the program does.

use std::{fmt::Display, fs, path::Path, process::ExitCode};

use indicatif::ProgressBar;
use serde_json::{Value, json};
use tapetum::{
    DeviceKind, Limits,
    bench::{
        BenchError, Machine, Measurement, Options, Precision, WORKS, Work, measure,
        n_threads_default,
    },
};

use super::generate::print;
use crate::{
    args::{BenchArguments, Verbosity},
    device,
    failure::{Failure, Kind},
    output::{Replace, write_whole},
    report::tell,
};

pub(crate) fn run(arguments: &BenchArguments, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    if arguments.list {
        return list(arguments.json);
    }
    let works = chosen(arguments, verbosity);
    if arguments.dump.is_some() && works.len() != 1 {
        let message = format!("--dump expects one work, got {}", works.len());
        return Err(Failure::new(Kind::Usage, message).with_hint("name the one to write out"));
    }
    let options = Options {
        size: arguments.size,
        photo: arguments.image.as_deref().map(read_photo).transpose()?,
        n_runs: arguments.runs,
    };
    let n_threads = arguments.threads.map_or_else(n_threads_default, usize::from);
    let (device, _) = device::choose(arguments.device, verbosity)?;
    let mut machine = Machine::measure(device, n_threads, arguments.precision.into());
    if !arguments.json {
        print(format!("{}\n{}", machine_line(&machine), row(&headings(&machine))).as_bytes())?;
    }
    let mut n_unsteady = 0;
    for work in works {
        let progress = progress(work, verbosity);
        let measured = measure(work, &machine, &options);
        machine.measure_peak_again();
        progress.finish_and_clear();
        let measured = measured.map_err(|error| failure(work, arguments, &error))?;
        n_unsteady += usize::from(!measured.statistics.is_steady());
        let line = match arguments.json {
            true => format!("{}\n", as_json(work, &machine, &measured)),
            false => as_row(work, &machine, &measured),
        };
        print(line.as_bytes())?;
        if let Some(path) = &arguments.dump {
            dump(path, &measured.output)?;
        }
    }
    Ok(if n_unsteady == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn list(json: bool) -> Result<ExitCode, Failure> {
    let line = |work: &Work| {
        let precisions = work.precisions.iter().map(|precision| precision.name());
        let precisions: Vec<_> = precisions.collect();
        let (width, height) = work.size;
        if json {
            let value = json!({ "work": work.name, "description": work.description,
                "width": width, "height": height, "precisions": precisions });
            return format!("{value}\n");
        }
        let (size, precisions) = (format!("{width}x{height}"), precisions.join(", "));
        format!("{:<15} {size:<10} {precisions:<10} {}\n", work.name, work.description)
    };
    print(WORKS.iter().map(line).collect::<String>().as_bytes())
}

/// The works named, or all that compute in the precision.
fn chosen(arguments: &BenchArguments, verbosity: Verbosity) -> Vec<&'static Work> {
    if !arguments.works.is_empty() {
        let find = |name: &String| Work::find(name).expect("the arguments allow no other name");
        return arguments.works.iter().map(find).collect();
    }
    let precision = Precision::from(arguments.precision);
    let (chosen, others): (Vec<&Work>, Vec<&Work>) =
        WORKS.iter().partition(|work| work.precisions.contains(&precision));
    if !others.is_empty() && verbosity > Verbosity::Quiet {
        let names: Vec<_> = others.iter().map(|work| work.name).collect();
        tell(format_args!("not in {}: {}", precision.name(), names.join(", ")));
    }
    chosen
}

/// A line on a terminal that goes away again.
fn progress(work: &Work, verbosity: Verbosity) -> ProgressBar {
    if verbosity == Verbosity::Quiet {
        return ProgressBar::hidden();
    }
    let progress = ProgressBar::new_spinner().with_message(format!("measuring {}", work.name));
    progress.tick();
    progress
}

fn read_photo(path: &Path) -> Result<Vec<u8>, Failure> {
    let io = |error| Failure::io(Kind::File, path, &error);
    let bytes_max = Limits::default().file_bytes_max;
    let n_bytes = fs::metadata(path).map_err(io)?.len();
    if n_bytes > bytes_max {
        let message =
            format!("{}: expected at most {bytes_max} bytes, got {n_bytes}", path.display());
        return Err(Failure::new(Kind::File, message).with_hint("measure with a smaller file"));
    }
    fs::read(path).map_err(io)
}

fn failure(work: &Work, arguments: &BenchArguments, error: &BenchError) -> Failure {
    let (kind, message) = match (error, &arguments.image) {
        (BenchError::Work(_), Some(image)) => (Kind::File, format!("{}: {error}", image.display())),
        (BenchError::Work(_), None) => (Kind::File, format!("{}: {error}", work.name)),
        (BenchError::Threads(_), _) => (Kind::Environment, error.to_string()),
        _ => (Kind::Usage, error.to_string()),
    };
    let failure = Failure::new(kind, message);
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn dump(path: &Path, output: &[f32]) -> Result<(), Failure> {
    let bytes: Vec<u8> = output.iter().flat_map(|value| value.to_le_bytes()).collect();
    write_whole(path, &bytes, Replace::Yes).map_err(|error| Failure::io(Kind::Usage, path, &error))
}

/// The last two columns are those of the CPU, or what moves between its memory and a graphics card's.
fn headings(machine: &Machine) -> [&'static str; 10] {
    let [last_but_one, last] = match machine.device.kind {
        DeviceKind::Cpu => ["of peak", "memory"],
        _ => ["to card", "back"],
    };
    ["work", "size", "median", "p95", "minimum", "MAC/px", "FLOP/px", "GFLOP/s", last_but_one, last]
}

fn machine_line(machine: &Machine) -> String {
    if machine.device.kind != DeviceKind::Cpu {
        let (device, precision) = (&machine.device, machine.precision.name());
        return format!("{device}, {precision}; times in ms, transfers not in them\n");
    }
    let cpu = machine.cpu.as_deref().unwrap_or("unknown CPU");
    let threads = if machine.n_threads == 1 { "thread" } else { "threads" };
    let emulated = if machine.is_emulated() { " (emulated)" } else { "" };
    let peak = machine.peak_flops.map(|flops| format!(", peak {:.0} GFLOP/s", flops * 1e-9));
    format!(
        "{cpu}, {} {threads}, {}, {}{emulated}{}; times in ms, peak memory in MiB\n",
        machine.n_threads,
        machine.instructions.name(),
        machine.precision.name(),
        peak.unwrap_or_default(),
    )
}

fn as_row(work: &Work, machine: &Machine, measured: &Measurement) -> String {
    let (width, height) = measured.size;
    let size = format!("{width}x{height}");
    if let Some(unsteady) = unsteady(measured) {
        return format!("{:<15} {size:<10} {unsteady}\n", work.name);
    }
    let statistics = measured.statistics;
    let optional =
        |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.0}"));
    let memory = measured.memory_peak_bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
    let share = share_of_peak(machine, measured).map(|share| 100.0 * share);
    let last = match measured.transfers {
        Some(transfers) => transfers.map(|times| milliseconds(times.median)),
        None if machine.device.kind != DeviceKind::Cpu => ["-", "-"].map(str::to_owned),
        None => [
            share.map_or("-".to_owned(), |share| format!("{share:.0} %")),
            memory.map_or("unknown".to_owned(), |memory| format!("{memory:.0}")),
        ],
    };
    row(&[
        work.name,
        &size,
        &milliseconds(statistics.median),
        &milliseconds(statistics.p95),
        &milliseconds(statistics.minimum),
        &optional(measured.macs_per_pixel),
        &optional(measured.macs_per_pixel.map(|macs| 2.0 * macs)),
        &optional(measured.flops.map(|flops| flops * 1e-9)),
        &last[0],
        &last[1],
    ])
}

fn share_of_peak(machine: &Machine, measured: &Measurement) -> Option<f64> {
    Some(measured.flops? / machine.peak_flops?)
}

/// Names to the left, numbers to the right of their columns.
fn row<T: Display + AsRef<str>>(cells: &[T; 10]) -> String {
    let [work, size, numbers @ ..] = cells;
    let numbers = numbers.iter().map(|number| format!(" {number:>9}")).collect::<String>();
    format!("{work:<15} {size:<10}{numbers}\n")
}

/// Three digits at least.
fn milliseconds(value: f64) -> String {
    match value {
        0.0..1.0 => format!("{value:.4}"),
        1.0..10.0 => format!("{value:.3}"),
        10.0..100.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

/// Why there is no figure, and what to do.
fn unsteady(measured: &Measurement) -> Option<String> {
    let statistics = measured.statistics;
    (!statistics.is_steady()).then(|| {
        format!(
            "unsteady: the middle half of {} runs spans {:.0} % of the median; close other \
             programs, or raise --runs",
            measured.milliseconds.len(),
            100.0 * statistics.spread(),
        )
    })
}

fn as_json(work: &Work, machine: &Machine, measured: &Measurement) -> Value {
    let unsteady = unsteady(measured);
    let statistics = measured.statistics;
    let figure = |value: f64| if unsteady.is_none() { json!(value) } else { Value::Null };
    let flops = measured.flops.filter(|_| unsteady.is_none());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "work": work.name,
        "width": measured.size.0,
        "height": measured.size.1,
        "milliseconds": measured.milliseconds,
        "median_ms": figure(statistics.median),
        "p95_ms": figure(statistics.p95),
        "minimum_ms": figure(statistics.minimum),
        "spread": statistics.spread(),
        "unsteady": unsteady,
        "macs_per_pixel": measured.macs_per_pixel,
        "flops_per_pixel": measured.macs_per_pixel.map(|macs| 2.0 * macs),
        "gflops": flops.map(|flops| flops * 1e-9),
        "share_of_peak": share_of_peak(machine, measured).filter(|_| unsteady.is_none()),
        "memory_peak_bytes": measured.memory_peak_bytes,
        "device": machine.device.to_string(),
        "upload_ms": measured.transfers.map(|[upload, _]| upload.median),
        "download_ms": measured.transfers.map(|[_, download]| download.median),
        "cpu": machine.cpu,
        "n_threads": machine.n_threads,
        "instructions": machine.instructions.name(),
        "precision": machine.precision.name(),
        "is_emulated": machine.is_emulated(),
        "peak_gflops": machine.peak_flops.map(|flops| flops * 1e-9),
    })
}
