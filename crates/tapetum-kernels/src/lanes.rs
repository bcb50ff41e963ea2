//! Vectors of `f32` lanes: one interface, one implementation for each instruction set.

/// A register of `N` floats.
pub(crate) trait Lanes: Copy {
    /// Number of lanes.
    const N: usize;

    /// All lanes equal.
    ///
    /// # Safety
    /// The machine has the implementation's instruction set.
    unsafe fn splat(value: f32) -> Self;

    /// Reads `N` values.
    ///
    /// # Safety
    /// As [`Lanes::splat`], and `from` points to `N` readable values.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes `N` values.
    ///
    /// # Safety
    /// As [`Lanes::splat`], and `to` points to `N` writable values.
    unsafe fn store(self, to: *mut f32);

    /// `self + a * b`.
    ///
    /// # Safety
    /// As [`Lanes::splat`].
    unsafe fn add_product(self, a: Self, b: Self) -> Self;

    /// The larger of each pair of lanes.
    ///
    /// # Safety
    /// As [`Lanes::splat`].
    unsafe fn max(self, other: Self) -> Self;
}

/// Eight lanes of plain code; the reference for the others.
impl Lanes for [f32; 8] {
    const N: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; 8]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller guarantees eight readable values; arrays of floats need no alignment
        // beyond that of a float.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller guarantees eight writable values.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        std::array::from_fn(|lane| if self[lane] > other[lane] { self[lane] } else { other[lane] })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps,
        _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_set1_ps,
        _mm512_storeu_ps,
    };

    use super::Lanes;

    macro_rules! impl_lanes {
        ($register:ty, $n:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $max:ident) => {
            // SAFETY (all): the trait's contract is that of the instruction.
            impl Lanes for $register {
                const N: usize = $n;

                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    unsafe { $store(to, self) }
                }

                #[inline(always)]
                unsafe fn add_product(self, a: Self, b: Self) -> Self {
                    unsafe { $fma(a, b, self) }
                }

                #[inline(always)]
                unsafe fn max(self, other: Self) -> Self {
                    unsafe { $max(self, other) }
                }
            }
        };
    }

    impl_lanes!(
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps
    );
    impl_lanes!(
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps
    );
}
