//! The machine that a figure was measured on; without it, a figure says nothing.

use std::{fs, thread};

use tapetum_nn::{
    device::{DeviceKind, FoundDevice},
    kernels::{Compute, Instructions, peak_flops},
    ops::Precision,
};

/// What computes.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The processor or a graphics card.
    pub device: FoundDevice,
    /// Name of the processor; `None` where the system does not tell.
    pub cpu: Option<String>,
    /// Threads that the works run on.
    pub n_threads: usize,
    /// Instruction set of the CPU's kernels.
    pub instructions: Instructions,
    /// Numbers to compute in.
    pub precision: Precision,
    /// Operations a second that the threads reach on products and sums in registers alone; `None` where a
    /// matrix unit or a graphics card computes.
    pub peak_flops: Option<f64>,
}

impl Machine {
    /// Looks at the machine, and measures its peak for a fraction of a second.
    pub fn measure(device: FoundDevice, n_threads: usize, precision: Precision) -> Self {
        let (cpu, instructions) = (cpu_name(), Instructions::best());
        let mut machine =
            Self { device, cpu, n_threads, instructions, precision, peak_flops: None };
        machine.peak_flops = machine.peak();
        machine
    }

    /// Measures the peak once more and keeps the larger one: under a load that comes and goes, the first
    /// may have been too small.
    pub fn measure_peak_again(&mut self) {
        self.peak_flops = self.peak_flops.zip(self.peak()).map(|(first, again)| first.max(again));
    }

    fn peak(&self) -> Option<f64> {
        if self.device.kind != DeviceKind::Cpu {
            return None;
        }
        let precision = self.precision.of_kernels();
        peak_flops(Compute { instructions: self.instructions, precision }, self.n_threads)
    }

    /// Whether the processor computes in the precision, rather than in others that stand for it.
    pub fn is_emulated(&self) -> bool {
        let is_cpu = self.device.kind == DeviceKind::Cpu;
        let has_bf16 = matches!(self.instructions, Instructions::Amx | Instructions::Avx512Bf16);
        is_cpu && self.precision == Precision::Bf16 && !has_bf16
    }
}

/// Threads that the machine offers.
pub fn n_threads_default() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The most memory that the process has taken so far, in bytes, where the system tells.
pub(crate) fn memory_peak_bytes() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

fn cpu_name() -> Option<String> {
    let facts = fs::read_to_string("/proc/cpuinfo").ok()?;
    value(&facts, "model name").map(str::to_owned)
}

/// The value of the first line `name: value`.
fn value<'a>(facts: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = facts.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

fn kibibytes(facts: &str, name: &str) -> Option<u64> {
    let number = value(facts, name)?.strip_suffix("kB")?;
    Some(number.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_by_their_whole_name() {
        let facts = "model\t\t: 2\nmodel name\t: Some CPU @ 3: fast\nmodel name\t: Another\n";
        assert_eq!(value(facts, "model name"), Some("Some CPU @ 3: fast"));
        assert_eq!(value(facts, "name"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let facts = "VmPeak:\t  900 kB\nVmHWM:\t   123 kB\nVmSwap: 7 pages\n";
        assert_eq!(kibibytes(facts, "VmHWM"), Some(123 * 1024));
        assert_eq!(kibibytes(facts, "VmSwap"), None);
        assert_eq!(kibibytes(facts, "VmRSS"), None);
    }
}
