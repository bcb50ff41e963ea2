//! In which numbers kernels multiply.

use std::cell::Cell;

use tapetum_kernels::{Compute, Instructions, Precision};

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::F32) };
}

/// Runs `work` with convolutions and linear layers in that precision, on this thread. With
/// [`Precision::Bf16`], operands are rounded and sums stay `f32`; tensors, weights and their gradients are
/// `f32` throughout. The backward pass of an operation has the precision of its forward pass.
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
    Compute { instructions: Instructions::best(), precision: CURRENT.get() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_ends_with_its_work() {
        with_precision(Precision::Bf16, || {
            assert_eq!(compute().precision, Precision::Bf16);
            with_precision(Precision::F32, || assert_eq!(compute().precision, Precision::F32));
            assert_eq!(compute().precision, Precision::Bf16);
        });
        assert_eq!(compute().precision, Precision::F32);
    }
}
