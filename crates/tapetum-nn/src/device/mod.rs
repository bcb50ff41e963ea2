//! What computes: the CPU always, and graphics cards that this build has a way to and that answer when
//! the program runs.

mod attempt;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "vulkan")]
mod vulkan;

use std::fmt::{Display, Formatter};

use burn::{backend::DispatchDevice, tensor::Device};
use thiserror::Error;

pub use self::attempt::attempt;

/// Ways to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// NVIDIA's cards.
    Cuda,
    /// Cards with a Vulkan driver.
    Vulkan,
}

impl DeviceKind {
    /// Those of this build, the fastest first.
    pub const BUILT_IN: &'static [Self] = &[
        #[cfg(feature = "cuda")]
        Self::Cuda,
        #[cfg(feature = "vulkan")]
        Self::Vulkan,
        Self::Cpu,
    ];

    /// What a device of the engine is.
    pub fn of(device: &Device) -> Self {
        #[allow(unreachable_patterns, reason = "without a card the CPU is all there is")]
        match device.clone().inner().as_dispatch() {
            DispatchDevice::Flex(_) => Self::Cpu,
            #[cfg(feature = "gpu")]
            DispatchDevice::Cube(burn_cubecl::CubeDevice::Cuda(_)) => Self::Cuda,
            _ => Self::Vulkan,
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
            Self::Vulkan => "Vulkan",
        }
    }
}

impl Display for DeviceKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A device that answered.
#[derive(Debug, Clone)]
pub struct FoundDevice {
    /// What it is.
    pub kind: DeviceKind,
    /// Its own name; empty for the CPU.
    pub name: String,
    /// The engine's.
    pub device: Device,
}

impl FoundDevice {
    /// The processor, which is always there.
    pub fn cpu() -> Self {
        Self { kind: DeviceKind::Cpu, name: String::new(), device: Device::flex() }
    }
}

impl Display for FoundDevice {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "{}", self.kind),
            name => write!(f, "{} on {name}", self.kind),
        }
    }
}

/// Why a kind of device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no {kind}: {reason}")]
pub struct Unavailable {
    /// What was looked for.
    pub kind: DeviceKind,
    /// What was found instead, as a clause.
    pub reason: String,
}

impl Unavailable {
    /// What to do, as a clause.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            _ if !DeviceKind::BUILT_IN.contains(&self.kind) => {
                "build the program with the feature of that name, or leave --device out"
            }
            DeviceKind::Cuda => {
                "install NVIDIA's driver, and NVRTC with its headers where CUDA_PATH points, or leave \
                 --device out"
            }
            _ => "install a driver for the card, or leave --device out",
        }
    }
}

/// A device of that kind, if there is one that computes. Looked for once in a process.
///
/// # Errors
/// This build has no way to it, no driver or card answers, or it does not compute what it should.
pub fn find(kind: DeviceKind) -> Result<FoundDevice, Unavailable> {
    let unavailable = |reason: String| Unavailable { kind, reason };
    let found = match kind {
        DeviceKind::Cpu => return Ok(FoundDevice::cpu()),
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => cuda::find(),
        #[cfg(feature = "vulkan")]
        DeviceKind::Vulkan => vulkan::find(),
        #[cfg(not(all(feature = "cuda", feature = "vulkan")))]
        _ => Err("this build has no way to it".to_owned()),
    };
    found.map_err(unavailable)
}

/// The fastest device there is, and why none of those that would be faster. A Vulkan driver that computes
/// on the processor, or a card within it, is not taken: the kernels for the CPU are faster than the one,
/// and may be than the other.
pub fn best() -> (FoundDevice, Vec<Unavailable>) {
    let mut passed_over = Vec::new();
    for &kind in DeviceKind::BUILT_IN {
        let found = match kind {
            #[cfg(feature = "vulkan")]
            DeviceKind::Vulkan => {
                vulkan::find_discrete().map_err(|reason| Unavailable { kind, reason })
            }
            _ => find(kind),
        };
        match found {
            Ok(found) => return (found, passed_over),
            Err(unavailable) => passed_over.push(unavailable),
        }
    }
    unreachable!("the CPU is in every build")
}

/// The graphics cards that a test compares with the CPU, one of each kind. Those that are missing are printed;
/// where the machine has to have one, it is a failure that it has none.
#[doc(hidden)]
pub fn cards_under_test() -> Vec<FoundDevice> {
    let kinds = DeviceKind::BUILT_IN.iter().filter(|kind| **kind != DeviceKind::Cpu);
    let found: Vec<FoundDevice> = kinds
        .filter_map(|kind| find(*kind).map_err(|missing| println!("skipped: {missing}")).ok())
        .collect();
    if found.is_empty() {
        assert!(std::env::var_os("TAPETUM_NEEDS_CARD").is_none(), "no card answers");
        println!("skipped: no graphics card to compare with the CPU");
    }
    found
}

/// Whether a device computes what it should, in a handful of numbers.
#[cfg(feature = "gpu")]
fn try_out(device: &Device) -> Result<(), String> {
    use burn::tensor::Tensor;

    let sum = attempt(|| {
        let ones = Tensor::<2>::ones([16, 16], device);
        (ones * 2.0 + 1.0).sum().into_scalar::<f32>()
    })?;
    let expected = 16.0 * 16.0 * 3.0;
    match sum == expected {
        true => Ok(()),
        false => Err(format!("a sum came out as {sum} for {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_built_in_is_named_with_what_to_do() {
        for kind in [DeviceKind::Cuda, DeviceKind::Vulkan] {
            if DeviceKind::BUILT_IN.contains(&kind) {
                continue;
            }
            let unavailable = find(kind).map(|found| found.kind).unwrap_err();
            assert_eq!(unavailable.to_string(), format!("no {kind}: this build has no way to it"));
            assert!(unavailable.hint().contains("feature"), "{}", unavailable.hint());
        }
    }

    #[test]
    fn the_best_device_comes_with_a_reason_for_each_that_was_passed_over() {
        let (found, passed_over) = best();
        assert_eq!(DeviceKind::of(&found.device), found.kind);
        let place = DeviceKind::BUILT_IN.iter().position(|kind| *kind == found.kind);
        assert_eq!(place, Some(passed_over.len()));
        assert!(passed_over.iter().all(|unavailable| !unavailable.reason.is_empty()));
        assert_eq!(find(DeviceKind::Cpu).map(|cpu| cpu.to_string()), Ok("CPU".to_owned()));
    }
}
