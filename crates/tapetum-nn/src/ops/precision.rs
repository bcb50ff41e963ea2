//! In which numbers convolutions and linear layers multiply.

use std::cell::Cell;

use burn::tensor::{Device, Tensor};
use tapetum_kernels::{Compute, Instructions};

#[cfg(feature = "gpu")]
use super::gpu;
use crate::device::DeviceKind;

/// In what numbers products are computed. Tensors, weights and their gradients are `f32` always, and so are
/// sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// `f32`.
    F32,
    /// Factors are rounded to `bf16`, 8 significant bits, first.
    Bf16,
    /// Factors are rounded to the 11 significant bits of `f16` first, on a graphics card, and keep the range
    /// of `f32`. The CPU has no such kernels.
    F16,
}

impl Precision {
    /// As options and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Whether a device computes in it. A CPU without instructions for `bf16` emulates them.
    pub fn is_on(self, device: &Device) -> bool {
        self != Self::F16 || DeviceKind::of(device) != DeviceKind::Cpu
    }

    /// What kernels of the CPU compute in.
    pub fn of_kernels(self) -> tapetum_kernels::Precision {
        match self {
            Self::Bf16 => tapetum_kernels::Precision::Bf16,
            Self::F32 | Self::F16 => tapetum_kernels::Precision::F32,
        }
    }
}

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::F32) };
}

/// Runs `work` with convolutions and linear layers in that precision, on this thread. The backward pass of an
/// operation has the precision of its forward pass.
pub fn with_precision<T>(precision: Precision, work: impl FnOnce() -> T) -> T {
    struct Restore(Precision);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(precision));
    work()
}

/// The precision that [`with_precision`] set for this thread; `f32` outside of it.
pub fn precision() -> Precision {
    CURRENT.get()
}

/// What the kernels of a new operation run with.
pub(crate) fn compute() -> Compute {
    Compute { instructions: Instructions::best(), precision: CURRENT.get().of_kernels() }
}

/// A factor of a product on a device without kernels of ours, rounded to the current precision. It stays a
/// tensor of `f32`: given 16-bit tensors, some of the engine's kernels add up in 16 bits, too.
pub(super) fn rounded<const D: usize>(factor: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "gpu")]
    if gpu::has_kernels(&factor.device(), factor.dtype()) {
        return match CURRENT.get() {
            Precision::F32 => factor,
            Precision::Bf16 => gpu::rounded(factor, 8),
            Precision::F16 => gpu::rounded(factor, 11),
        };
    }
    factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_ends_with_its_work() {
        with_precision(Precision::Bf16, || {
            assert_eq!(precision(), Precision::Bf16);
            with_precision(Precision::F32, || assert_eq!(precision(), Precision::F32));
            assert_eq!(precision(), Precision::Bf16);
            assert_eq!(compute().precision, tapetum_kernels::Precision::Bf16);
        });
        assert_eq!(precision(), Precision::F32);
    }
}
