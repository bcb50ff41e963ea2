//! Which instruction set the kernels use, and how one is compiled for each.

use std::{env, sync::OnceLock};

#[cfg(target_arch = "x86_64")]
use crate::conv::amx;
use crate::lanes::Lanes;

/// Names an instruction set (`amx`, `avx512-bf16`, `avx512`, `avx2`, `portable`) to use instead of the best
/// one, if the machine has it.
const VARIABLE: &str = "TAPETUM_INSTRUCTIONS";

/// An instruction set that kernels are compiled for, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// [`Self::Avx512Bf16`], and the matrix unit for `bf16` convolutions.
    Amx,
    /// AVX-512 F, BW, DQ, VL and its dot products of `bf16` pairs: 16 lanes.
    Avx512Bf16,
    /// AVX-512 F, BW, DQ and VL: 16 lanes.
    Avx512,
    /// AVX2 and FMA: 8 lanes.
    Avx2,
    /// Whatever the compiler makes of plain arrays; the reference for the others.
    Portable,
}

/// Code that is written once over lanes and compiled for every instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// Runs with lanes of one instruction set; to be marked `#[inline(always)]`, so that it is compiled
    /// with that set's features.
    ///
    /// # Safety
    /// The machine has the instruction set of `V`.
    unsafe fn run<V: Lanes>(self) -> Self::Output;
}

impl Instructions {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Amx, Self::Avx512Bf16, Self::Avx512, Self::Avx2, Self::Portable];

    /// The best that this machine has, or the one that the environment asks for; decided once.
    pub fn best() -> Self {
        static BEST: OnceLock<Instructions> = OnceLock::new();
        *BEST.get_or_init(|| {
            let wanted = env::var(VARIABLE).ok();
            let wanted = Self::ALL.into_iter().find(|set| Some(set.name()) == wanted.as_deref());
            wanted
                .filter(|set| set.is_available())
                .or_else(|| Self::available().next())
                .expect("plain code runs everywhere")
        })
    }

    /// Those that this machine has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|set| set.is_available())
    }

    /// As the environment variable and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "amx",
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Self::Avx512Bf16.is_available() && amx::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => {
                Self::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Amx | Self::Avx512Bf16 | Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// Runs a kernel with this instruction set's lanes.
    ///
    /// # Panics
    /// When the machine does not have it.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        assert!(self.is_available(), "{} is not there", self.name());
        // SAFETY: the instruction set is there.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Amx | Self::Avx512Bf16 => x86::run_avx512_bf16(kernel),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::run_avx512(kernel),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::run_avx2(kernel),
                _ => kernel.run::<[f32; 8]>(),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Kernel;
    use crate::lanes::{Avx2, Avx512};

    /// # Safety
    /// The machine has [`Instructions::Avx512Bf16`](super::Instructions).
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    pub(super) unsafe fn run_avx512_bf16<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        unsafe { kernel.run::<Avx512<true>>() }
    }

    /// # Safety
    /// The machine has [`Instructions::Avx512`](super::Instructions).
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        unsafe { kernel.run::<Avx512<false>>() }
    }

    /// # Safety
    /// The machine has [`Instructions::Avx2`](super::Instructions).
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        unsafe { kernel.run::<Avx2>() }
    }
}
