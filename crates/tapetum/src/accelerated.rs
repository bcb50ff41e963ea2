//! A network on a graphics card, and what happens when the card gives up.

use tapetum_nn::{
    EnhanceError, EnhanceOptions, Network,
    device::{DeviceKind, FoundDevice},
    prelude::Device,
};

/// The least memory that is tried on a card that had no room for more.
const MEMORY_BYTES_MIN: u64 = 64 << 20;

/// What happens when a graphics card cannot do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenItFails {
    /// The CPU does it, and the result says so.
    UseCpu,
    /// It is an error.
    Stop,
}

/// A network on a graphics card.
pub(crate) struct Accelerated {
    pub(crate) network: Box<dyn Network>,
    pub(crate) device: FoundDevice,
    pub(crate) when_it_fails: WhenItFails,
}

/// What came out, and what had to change for it, as sentences for people.
pub(crate) struct Attempted<T> {
    pub(crate) result: T,
    pub(crate) notes: Vec<String>,
}

impl Accelerated {
    /// Runs work on the card: again in half of the memory as long as the card has no room, and then, where
    /// that is wanted, on the CPU.
    pub(crate) fn run<T>(
        &self,
        options: &EnhanceOptions,
        on_cpu: &dyn Network,
        work: impl Fn(&dyn Network, &EnhanceOptions, &Device) -> Result<T, EnhanceError>,
    ) -> Result<Attempted<T>, EnhanceError> {
        let Self { network, device, when_it_fails } = self;
        let on_card = |options: &EnhanceOptions| {
            let outcome = work(&**network, options, &device.device);
            if outcome.is_err() {
                device.device.memory_cleanup();
            }
            outcome
        };
        let on_cpu = |options: &EnhanceOptions| work(on_cpu, options, &Device::flex());
        run(options, device.kind, *when_it_fails, on_card, on_cpu)
    }
}

fn run<T>(
    options: &EnhanceOptions,
    kind: DeviceKind,
    when_it_fails: WhenItFails,
    on_card: impl Fn(&EnhanceOptions) -> Result<T, EnhanceError>,
    on_cpu: impl Fn(&EnhanceOptions) -> Result<T, EnhanceError>,
) -> Result<Attempted<T>, EnhanceError> {
    let mut smaller = options.clone();
    let mut detail = match on_card(options) {
        Err(EnhanceError::Device { detail, .. }) => detail,
        outcome => return Ok(Attempted { result: outcome?, notes: Vec::new() }),
    };
    while is_about_memory(&detail) && smaller.memory_bytes_max / 2 >= MEMORY_BYTES_MIN {
        smaller.memory_bytes_max /= 2;
        match on_card(&smaller) {
            Err(EnhanceError::Device { detail: again, .. }) => detail = again,
            // The result itself, or the smallest tile, does not fit any more.
            Err(EnhanceError::Memory { .. }) => break,
            outcome => {
                let mib = smaller.memory_bytes_max >> 20;
                let note = format!("computed within {mib} MiB, as {kind} had no room for more");
                return Ok(Attempted { result: outcome?, notes: vec![note] });
            }
        }
    }
    match when_it_fails {
        WhenItFails::Stop => Err(EnhanceError::Device { device: kind, detail }),
        WhenItFails::UseCpu => {
            let note = format!("computed on the CPU, as {kind} failed: {detail}");
            Ok(Attempted { result: on_cpu(options)?, notes: vec![note] })
        }
    }
}

/// Whether what a card said is that its memory is full.
fn is_about_memory(detail: &str) -> bool {
    let detail = detail.to_lowercase();
    ["memory", "allocat", "buffer"].iter().any(|word| detail.contains(word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Runs on a card that has room for so much, and fails with `said` beyond it.
    fn attempt(
        when_it_fails: WhenItFails,
        room_bytes: u64,
        said: &str,
    ) -> Result<(String, Vec<String>), EnhanceError> {
        let kind = DeviceKind::Cuda;
        let failed = || EnhanceError::Device { device: kind, detail: said.to_owned() };
        let place = |name: &str, bytes: u64| format!("{name} {}", bytes / MIB);
        let options = EnhanceOptions { memory_bytes_max: 1024 * MIB, ..EnhanceOptions::default() };
        let on_card = |options: &EnhanceOptions| match options.memory_bytes_max {
            bytes if bytes > room_bytes => Err(failed()),
            bytes if bytes < 100 * MIB => {
                let (budget_bytes, needed_bytes) = (bytes, 100 * MIB);
                Err(EnhanceError::Memory { budget_bytes, needed_bytes, tiles_fit: false })
            }
            bytes => Ok(place("card", bytes)),
        };
        let on_cpu = |options: &EnhanceOptions| Ok(place("cpu", options.memory_bytes_max));
        let attempted = run(&options, kind, when_it_fails, on_card, on_cpu)?;
        Ok((attempted.result, attempted.notes))
    }

    #[test]
    fn a_card_with_room_says_nothing() {
        let found = attempt(WhenItFails::UseCpu, 4096 * MIB, "out of memory").unwrap();
        assert_eq!(found, ("card 1024".to_owned(), vec![]));
    }

    #[test]
    fn smaller_tiles_come_before_the_cpu() {
        for when in [WhenItFails::UseCpu, WhenItFails::Stop] {
            let (place, notes) = attempt(when, 300 * MIB, "Out of memory: 8 bytes").unwrap();
            assert_eq!(place, "card 256");
            assert_eq!(notes, ["computed within 256 MiB, as CUDA had no room for more"]);
        }
        // Where even the smallest tiles do not fit, the CPU has all of the memory again.
        let (place, notes) = attempt(WhenItFails::UseCpu, 10 * MIB, "out of memory").unwrap();
        assert_eq!(place, "cpu 1024");
        assert_eq!(notes, ["computed on the CPU, as CUDA failed: out of memory"]);
    }

    #[test]
    fn another_failure_goes_to_the_cpu_at_once_or_is_an_error() {
        let (place, _) = attempt(WhenItFails::UseCpu, 300 * MIB, "no such kernel").unwrap();
        assert_eq!(place, "cpu 1024");
        let error = attempt(WhenItFails::Stop, 300 * MIB, "no such kernel").unwrap_err();
        assert_eq!(error.to_string(), "CUDA failed: no such kernel");
        let error = attempt(WhenItFails::Stop, 10 * MIB, "out of memory").unwrap_err();
        assert_eq!(error.to_string(), "CUDA failed: out of memory");
    }
}
