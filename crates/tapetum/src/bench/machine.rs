//! The machine that a figure was measured on; without it, a figure says nothing.

use std::{fs, thread};

use tapetum_nn::kernels::{Compute, Instructions, Precision, peak_flops};

/// What computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Name of the processor; `None` where the system does not tell.
    pub cpu: Option<String>,
    /// Threads that the works run on.
    pub n_threads: usize,
    /// Instruction set and numbers of the kernels.
    pub compute: Compute,
    /// Operations a second that the threads reach on products and sums in registers alone; `None` where a
    /// matrix unit computes.
    pub peak_flops: Option<f64>,
}

impl Machine {
    /// Looks at the machine, and measures its peak for a fraction of a second.
    pub fn measure(n_threads: usize, precision: Precision) -> Self {
        let compute = Compute { instructions: Instructions::best(), precision };
        let peak_flops = peak_flops(compute, n_threads);
        Self { cpu: cpu_name(), n_threads, compute, peak_flops }
    }

    /// Measures the peak once more and keeps the larger one: under a load that comes and goes, the first
    /// may have been too small.
    pub fn measure_peak_again(&mut self) {
        let again = peak_flops(self.compute, self.n_threads);
        self.peak_flops = self.peak_flops.zip(again).map(|(first, again)| first.max(again));
    }

    /// Whether the processor computes in the precision, rather than in others that stand for it.
    pub fn is_emulated(&self) -> bool {
        let has_bf16 =
            matches!(self.compute.instructions, Instructions::Amx | Instructions::Avx512Bf16);
        self.compute.precision == Precision::Bf16 && !has_bf16
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
