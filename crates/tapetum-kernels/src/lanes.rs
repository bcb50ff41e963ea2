//! Vectors of `f32` lanes: one interface, one implementation for each instruction set.

/// A register of `N` floats.
///
/// # Safety
/// Every function asks that the machine has the implementation's instruction set, beyond what it says
/// itself.
pub(crate) trait Lanes: Copy {
    /// Number of lanes.
    const N: usize;

    /// Number of registers that accumulators may take; a few are left for operands.
    const N_ACCUMULATORS: usize;

    /// All lanes equal.
    unsafe fn splat(value: f32) -> Self;

    /// Reads `N` values.
    ///
    /// # Safety
    /// `from` points to `N` readable values.
    unsafe fn load(from: *const f32) -> Self;

    /// Reads `count` values into the first lanes; the others are 0.
    ///
    /// # Safety
    /// `from` points to `count` readable values, and `count <= N`.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;

    /// Writes `N` values.
    ///
    /// # Safety
    /// `to` points to `N` writable values.
    unsafe fn store(self, to: *mut f32);

    /// Writes the first `count` lanes.
    ///
    /// # Safety
    /// `to` points to `count` writable values, and `count <= N`.
    unsafe fn store_first(self, to: *mut f32, count: usize);

    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;

    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;

    /// `self * other`.
    unsafe fn mul(self, other: Self) -> Self;

    /// `self / other`.
    unsafe fn div(self, other: Self) -> Self;

    /// `self + a * b`.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;

    /// `self + a₀ b₀ + a₁ b₁`, where every lane of `a` and `b` holds two `bf16` numbers, the first in
    /// the lower half.
    unsafe fn add_pair_products(self, a: Self, b: Self) -> Self;

    /// The lanes of `low` as `bf16` in the lower halves, those of `high` in the upper ones, rounded to
    /// the nearest even; what is too small for a normal number may become 0.
    unsafe fn pairs(low: Self, high: Self) -> Self;

    /// The larger of each pair of lanes.
    unsafe fn max(self, other: Self) -> Self;

    /// The smaller of each pair of lanes.
    unsafe fn min(self, other: Self) -> Self;

    /// `then` where `self > 0`, else `otherwise`.
    unsafe fn if_positive(self, then: Self, otherwise: Self) -> Self;

    /// The nearest whole number, halves to the even one.
    unsafe fn round(self) -> Self;

    /// `2^self` for whole numbers in -126..=127.
    unsafe fn exp2_of_whole(self) -> Self;

    /// Sum of all lanes.
    unsafe fn sum(self) -> f32;

    /// The largest of all lanes.
    unsafe fn largest(self) -> f32;
}

/// Rounds to `bf16`, halves to the even one; NaN stays NaN.
pub(crate) fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// Lanes of plain code; the reference for the others.
impl<const COUNT: usize> Lanes for [f32; COUNT] {
    const N: usize = COUNT;
    const N_ACCUMULATORS: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; COUNT]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller guarantees as many readable values; arrays of floats need no alignment
        // beyond that of a float.
        unsafe { from.cast::<[f32; COUNT]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        // SAFETY: the caller guarantees `count` readable values.
        let values = unsafe { std::slice::from_raw_parts(from, count) };
        std::array::from_fn(|lane| values.get(lane).copied().unwrap_or(0.0))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller guarantees as many writable values.
        unsafe { to.cast::<[f32; COUNT]>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // SAFETY: the caller guarantees `count` writable values.
        unsafe { std::ptr::copy_nonoverlapping(self.as_ptr(), to, count) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + other[lane])
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] - other[lane])
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] * other[lane])
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] / other[lane])
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn add_pair_products(self, a: Self, b: Self) -> Self {
        let low = |value: f32| f32::from_bits(value.to_bits() << 16);
        let high = |value: f32| f32::from_bits(value.to_bits() & 0xffff_0000);
        std::array::from_fn(|lane| {
            self[lane] + low(a[lane]) * low(b[lane]) + high(a[lane]) * high(b[lane])
        })
    }

    #[inline(always)]
    unsafe fn pairs(low: Self, high: Self) -> Self {
        std::array::from_fn(|lane| {
            let (low, high) = (bf16_bits(low[lane]), bf16_bits(high[lane]));
            f32::from_bits(u32::from(low) | u32::from(high) << 16)
        })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        std::array::from_fn(|lane| if self[lane] > other[lane] { self[lane] } else { other[lane] })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        std::array::from_fn(|lane| if self[lane] < other[lane] { self[lane] } else { other[lane] })
    }

    #[inline(always)]
    unsafe fn if_positive(self, then: Self, otherwise: Self) -> Self {
        std::array::from_fn(|lane| if self[lane] > 0.0 { then[lane] } else { otherwise[lane] })
    }

    #[inline(always)]
    unsafe fn round(self) -> Self {
        // Adding and taking away a number whose last bit is worth 1; right below 2^22.
        const MAGIC: f32 = 12_582_912.0;
        self.map(|value| (value + MAGIC) - MAGIC)
    }

    #[inline(always)]
    unsafe fn exp2_of_whole(self) -> Self {
        self.map(|value| f32::from_bits(((value as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        self.iter().sum()
    }

    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        self.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use self::x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports, reason = "some fifty intrinsics")]
    use std::arch::x86_64::*;

    use super::Lanes;

    /// Sixteen lanes; with or without the dot products of `bf16` pairs.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub(crate) struct Avx512<const HAS_BF16: bool>(__m512);

    /// Eight lanes.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub(crate) struct Avx2(__m256);

    /// Methods that are one intrinsic of the same arguments.
    macro_rules! intrinsics {
        ($wrap:ident: $($name:ident($($other:ident),*) = $intrinsic:ident;)*) => {
            $(
                #[inline(always)]
                unsafe fn $name(self $(, $other: Self)*) -> Self {
                    // SAFETY: the trait's contract is that of the instruction.
                    $wrap(unsafe { $intrinsic(self.0 $(, $other.0)*) })
                }
            )*
        };
    }

    // SAFETY (all functions): the trait's contract is that of the instructions.
    impl<const HAS_BF16: bool> Lanes for Avx512<HAS_BF16> {
        const N: usize = 16;
        const N_ACCUMULATORS: usize = 24;

        intrinsics! {
            Avx512:
            add(other) = _mm512_add_ps;
            sub(other) = _mm512_sub_ps;
            mul(other) = _mm512_mul_ps;
            div(other) = _mm512_div_ps;
            max(other) = _mm512_max_ps;
            min(other) = _mm512_min_ps;
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self {
            Self(unsafe { _mm512_maskz_loadu_ps(first(count), from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, count: usize) {
            unsafe { _mm512_mask_storeu_ps(to, first(count), self.0) }
        }

        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
        }

        #[inline(always)]
        unsafe fn add_pair_products(self, a: Self, b: Self) -> Self {
            unsafe {
                let (a, b) = (_mm512_castps_si512(a.0), _mm512_castps_si512(b.0));
                if HAS_BF16 {
                    // SAFETY: registers of the same size, any bits.
                    let bf16 = |words: __m512i| std::mem::transmute::<__m512i, __m512bh>(words);
                    let (a, b) = (bf16(a), bf16(b));
                    return Self(_mm512_dpbf16_ps(self.0, a, b));
                }
                let low = |words| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words));
                let mask = _mm512_set1_epi32(0xffff_0000_u32 as i32);
                let high = |words| _mm512_castsi512_ps(_mm512_and_si512(words, mask));
                let sum = _mm512_fmadd_ps(low(a), low(b), self.0);
                Self(_mm512_fmadd_ps(high(a), high(b), sum))
            }
        }

        #[inline(always)]
        unsafe fn pairs(low: Self, high: Self) -> Self {
            unsafe {
                if HAS_BF16 {
                    // All low numbers, then all high ones; to be taken in turns.
                    // SAFETY: registers of the same size, any bits.
                    let both = _mm512_cvtne2ps_pbh(high.0, low.0);
                    let both = std::mem::transmute::<__m512bh, __m512i>(both);
                    let turns = _mm512_or_si512(
                        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                        _mm512_slli_epi32::<16>(_mm512_setr_epi32(
                            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                        )),
                    );
                    return Self(_mm512_castsi512_ps(_mm512_permutexvar_epi16(turns, both)));
                }
                let rounded = |values: __m512| {
                    let bits = _mm512_castps_si512(values);
                    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
                    let up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
                    let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(values, values);
                    let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
                    _mm512_mask_mov_epi32(_mm512_add_epi32(bits, up), is_nan, quiet)
                };
                let low = _mm512_srli_epi32::<16>(rounded(low.0));
                let mask = _mm512_set1_epi32(0xffff_0000_u32 as i32);
                let high = _mm512_and_si512(rounded(high.0), mask);
                Self(_mm512_castsi512_ps(_mm512_or_si512(low, high)))
            }
        }

        #[inline(always)]
        unsafe fn if_positive(self, then: Self, otherwise: Self) -> Self {
            unsafe {
                let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
                Self(_mm512_mask_blend_ps(positive, otherwise.0, then.0))
            }
        }

        #[inline(always)]
        unsafe fn round(self) -> Self {
            Self(unsafe { _mm512_roundscale_ps::<_MM_FROUND_TO_NEAREST_INT>(self.0) })
        }

        #[inline(always)]
        unsafe fn exp2_of_whole(self) -> Self {
            Self(unsafe { _mm512_scalef_ps(_mm512_set1_ps(1.0), self.0) })
        }

        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { _mm512_reduce_add_ps(self.0) }
        }

        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            unsafe { _mm512_reduce_max_ps(self.0) }
        }
    }

    /// A mask of the first lanes.
    #[inline(always)]
    fn first(count: usize) -> __mmask16 {
        ((1_u32 << count) - 1) as __mmask16
    }

    // SAFETY (all functions): the trait's contract is that of the instructions.
    impl Lanes for Avx2 {
        const N: usize = 8;
        const N_ACCUMULATORS: usize = 12;

        intrinsics! {
            Self:
            add(other) = _mm256_add_ps;
            sub(other) = _mm256_sub_ps;
            mul(other) = _mm256_mul_ps;
            div(other) = _mm256_div_ps;
            max(other) = _mm256_max_ps;
            min(other) = _mm256_min_ps;
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm256_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm256_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self {
            Self(unsafe { _mm256_maskload_ps(from, first_of_eight(count)) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, count: usize) {
            unsafe { _mm256_maskstore_ps(to, first_of_eight(count), self.0) }
        }

        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
        }

        #[inline(always)]
        unsafe fn add_pair_products(self, a: Self, b: Self) -> Self {
            unsafe {
                let (a, b) = (_mm256_castps_si256(a.0), _mm256_castps_si256(b.0));
                let low = |words| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words));
                let mask = _mm256_set1_epi32(0xffff_0000_u32 as i32);
                let high = |words| _mm256_castsi256_ps(_mm256_and_si256(words, mask));
                let sum = _mm256_fmadd_ps(low(a), low(b), self.0);
                Self(_mm256_fmadd_ps(high(a), high(b), sum))
            }
        }

        #[inline(always)]
        unsafe fn pairs(low: Self, high: Self) -> Self {
            unsafe {
                let rounded = |values: __m256| {
                    let bits = _mm256_castps_si256(values);
                    let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
                    let up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
                    let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(values, values);
                    let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
                    let up = _mm256_castsi256_ps(_mm256_add_epi32(bits, up));
                    let quiet = _mm256_castsi256_ps(quiet);
                    _mm256_castps_si256(_mm256_blendv_ps(up, quiet, is_nan))
                };
                let low = _mm256_srli_epi32::<16>(rounded(low.0));
                let mask = _mm256_set1_epi32(0xffff_0000_u32 as i32);
                let high = _mm256_and_si256(rounded(high.0), mask);
                Self(_mm256_castsi256_ps(_mm256_or_si256(low, high)))
            }
        }

        #[inline(always)]
        unsafe fn if_positive(self, then: Self, otherwise: Self) -> Self {
            unsafe {
                let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, _mm256_setzero_ps());
                Self(_mm256_blendv_ps(otherwise.0, then.0, positive))
            }
        }

        #[inline(always)]
        unsafe fn round(self) -> Self {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            Self(unsafe { _mm256_round_ps::<NEAREST>(self.0) })
        }

        #[inline(always)]
        unsafe fn exp2_of_whole(self) -> Self {
            unsafe {
                let exponent = _mm256_cvtps_epi32(self.0);
                let biased = _mm256_add_epi32(exponent, _mm256_set1_epi32(127));
                Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
            }
        }

        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            let mut lanes = [0.0; 8];
            unsafe { self.store(lanes.as_mut_ptr()) };
            lanes.iter().sum()
        }

        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            let mut lanes = [0.0; 8];
            unsafe { self.store(lanes.as_mut_ptr()) };
            lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
        }
    }

    /// A mask of the first lanes.
    #[inline(always)]
    unsafe fn first_of_eight(count: usize) -> __m256i {
        // SAFETY: as the trait's functions.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::{Instructions, Kernel};

    /// Every operation on sixteen values, in registers of `V`; one list of results an operation.
    struct EveryOperation<'a>(&'a [f32; 16], &'a [f32; 16]);

    impl Kernel for EveryOperation<'_> {
        type Output = Vec<Vec<f32>>;

        #[inline(always)]
        unsafe fn run<V: Lanes>(self) -> Self::Output {
            let Self(a, b) = self;
            let mut results = vec![Vec::new(); 15];
            for start in (0..16).step_by(V::N) {
                // SAFETY: sixteen values are a whole number of registers.
                unsafe {
                    let (a, b) = (V::load(a.as_ptr().add(start)), V::load(b.as_ptr().add(start)));
                    let two = V::splat(2.0);
                    let pairs = V::pairs(a, b);
                    let registers = [
                        a.add(b),
                        a.sub(b),
                        a.mul(b),
                        a.div(b),
                        a.add_product(b, two),
                        V::splat(0.0).add_pair_products(pairs, V::pairs(two, b)),
                        a.max(b),
                        a.min(b),
                        a.if_positive(two, b),
                        a.round(),
                        a.round().exp2_of_whole(),
                        a.mul(a),
                        V::load_first((&raw const a).cast(), V::N - 3),
                    ];
                    for (register, results) in registers.into_iter().zip(&mut results) {
                        let mut values = [0.0; 16];
                        register.store(values.as_mut_ptr());
                        results.extend(&values[..V::N]);
                    }
                    let mut first = [9.0; 16];
                    a.store_first(first.as_mut_ptr(), 5);
                    results[13].extend(&first[..6]);
                    results[14].extend([a.sum(), a.largest()]);
                }
            }
            results
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        let a: [f32; 16] = std::array::from_fn(|idx| (idx as f32 - 7.3) * 1.7);
        let b: [f32; 16] = std::array::from_fn(|idx| (idx as f32 * 0.77 - 3.1).sin() * 4.0);
        let portable = Instructions::Portable.run(EveryOperation(&a, &b));
        for instructions in Instructions::available().filter(|set| *set != Instructions::Portable) {
            let found = instructions.run(EveryOperation(&a, &b));
            for (idx, (found, expected)) in found.iter().zip(&portable).take(12).enumerate() {
                for (found, expected) in found.iter().zip(expected) {
                    // Fused products round once less.
                    let allowed = 1e-5 * expected.abs().max(1.0);
                    let name = instructions.name();
                    assert!(
                        (found - expected).abs() <= allowed,
                        "{name} {idx}: {found} {expected}"
                    );
                }
            }
            let n = found[12].len();
            assert!(found[12][n - 3..].iter().all(|value| *value == 0.0));
            assert_eq!(found[13][..6], [a[0], a[1], a[2], a[3], a[4], 9.0]);
        }
    }

    #[test]
    fn pairs_are_rounded_to_the_nearest_even() {
        for (value, bits) in [
            (1.0, 0x3f80),
            (1.003_906_3, 0x3f80),
            (1.011_718_8, 0x3f82),
            (f32::INFINITY, 0x7f80),
            (f32::MAX, 0x7f80),
            (-0.0, 0x8000),
        ] {
            assert_eq!(bf16_bits(value), bits, "{value}");
        }
        assert!(f32::from_bits(u32::from(bf16_bits(f32::NAN)) << 16).is_nan());
    }
}
