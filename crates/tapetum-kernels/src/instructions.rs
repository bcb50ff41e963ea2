//! Which instruction set the kernels use.

use std::{env, sync::OnceLock};

/// Names an instruction set (`avx512`, `avx2`, `portable`) to use instead of the best one, if the
/// machine has it.
const VARIABLE: &str = "TAPETUM_INSTRUCTIONS";

/// An instruction set that kernels are compiled for, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// AVX-512 F: 16 lanes.
    Avx512,
    /// AVX2 and FMA: 8 lanes.
    Avx2,
    /// Whatever the compiler makes of plain arrays.
    Portable,
}

impl Instructions {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The best that this machine has, or the one that the environment asks for; decided once.
    pub fn best() -> Self {
        static BEST: OnceLock<Instructions> = OnceLock::new();
        *BEST.get_or_init(|| {
            let wanted = env::var(VARIABLE).ok();
            let wanted = Self::ALL.into_iter().find(|set| Some(set.name()) == wanted.as_deref());
            let available = || Self::ALL.into_iter().find(|set| set.is_available());
            wanted
                .filter(|set| set.is_available())
                .or_else(available)
                .expect("plain code runs everywhere")
        })
    }

    /// As the environment variable and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }
}
