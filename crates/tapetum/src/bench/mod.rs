//! What can be timed, and how: each work runs warm and alone, several times over.
//!
//! A work is a row of [`WORKS`]. It makes its own input from formulas, so that anybody can measure the
//! same.

mod kernels;
mod machine;
mod measure;
mod networks;
mod operations;
mod pipeline;
mod statistics;
mod synthetic;

pub(crate) use self::machine::memory_peak_bytes;
use crate::error::Error;

pub use self::{
    machine::{Machine, n_threads_default},
    measure::{BenchError, Measurement, N_PIXELS_MAX, N_RUNS_MAX, Options, SIDE_MAX, measure},
    statistics::Statistics,
};
pub use tapetum_nn::{kernels::Instructions, ops::Precision};

use tapetum_nn::{device::FoundDevice, kernels::Compute};

/// What multiplies has all.
const ALL: &[Precision] = &[Precision::F32, Precision::Bf16, Precision::F16];
/// Gradients have the range of `f32`.
const WIDE: &[Precision] = &[Precision::F32, Precision::Bf16];
const F32: &[Precision] = &[Precision::F32];

/// Everything that can be timed, in the order it is listed.
pub static WORKS: &[Work] = &[
    Work {
        name: "conv3x3",
        description: "eight convolutions 3x3 with 64 channels and ReLU, one after another",
        size: (256, 256),
        precisions: ALL,
        bytes_per_pixel: 4 * 4 * 64,
        prepare: kernels::conv3x3,
    },
    Work {
        name: "conv1x1",
        description: "a convolution 1x1 from 64 to 256 channels",
        size: (256, 256),
        precisions: ALL,
        bytes_per_pixel: 4 * (64 + 256),
        prepare: kernels::conv1x1,
    },
    Work {
        name: "depthwise3x3",
        description: "a depthwise convolution 3x3 of 64 channels",
        size: (256, 256),
        precisions: F32,
        bytes_per_pixel: 4 * 2 * 64,
        prepare: kernels::depthwise3x3,
    },
    Work {
        name: "bilinear",
        description: "bilinear interpolation of 64 channels to twice the width and height",
        size: (256, 256),
        precisions: F32,
        bytes_per_pixel: 4 * 5 * 64,
        prepare: kernels::bilinear,
    },
    Work {
        name: "layer-norm",
        description: "layer normalisation over 64 channels",
        size: (256, 256),
        precisions: F32,
        bytes_per_pixel: 4 * 2 * 64,
        prepare: kernels::layer_norm,
    },
    Work {
        name: "selective-scan",
        description: "a selective scan of 128 channels with 16 states, row after row",
        size: (256, 256),
        precisions: F32,
        bytes_per_pixel: 4 * (3 * 128 + 2 * 16),
        prepare: kernels::selective_scan,
    },
    Work {
        name: "scl-lle",
        description: "SCL-LLE's network with its curve on a picture",
        size: (600, 400),
        precisions: ALL,
        bytes_per_pixel: 4 * 3 * 4,
        prepare: networks::scl_lle,
    },
    Work {
        name: "scl-lle-train",
        description: "a training step of SCL-LLE's network on eight pictures, with Adam and the mean \
                      absolute error",
        size: (256, 256),
        precisions: WIDE,
        bytes_per_pixel: 32_000,
        prepare: networks::scl_lle_train,
    },
    Work {
        name: "semi-llie",
        description: "Semi-LLIE's network on a picture",
        size: (600, 400),
        precisions: ALL,
        bytes_per_pixel: 4_000,
        prepare: networks::semi_llie,
    },
    Work {
        name: "lacr-vae",
        description: "LACR-VAE's network on a picture",
        size: (600, 400),
        precisions: ALL,
        bytes_per_pixel: 1_000,
        prepare: networks::lacr_vae,
    },
    Work {
        name: "collaba-s-x2",
        description: "CollaBA's compact network on a picture, to twice its size",
        size: (600, 400),
        precisions: ALL,
        bytes_per_pixel: 1_050,
        prepare: networks::collaba_s_x2,
    },
    Work {
        name: "semi-llie-train",
        description: "the same step of Semi-LLIE's network",
        size: (64, 64),
        precisions: WIDE,
        bytes_per_pixel: 160_000,
        prepare: networks::semi_llie_train,
    },
    Work {
        name: "lacr-vae-train",
        description: "the same step of LACR-VAE's network",
        size: (64, 64),
        precisions: WIDE,
        bytes_per_pixel: 100_000,
        prepare: networks::lacr_vae_train,
    },
    Work {
        name: "collaba-s-x2-train",
        description: "the same step of CollaBA's compact network, to twice the size",
        size: (64, 64),
        precisions: WIDE,
        bytes_per_pixel: 160_000,
        prepare: networks::collaba_s_x2_train,
    },
    Work {
        name: "load",
        description: "decoding a photograph, JPEG unless --image names another",
        size: (4000, 3000),
        precisions: F32,
        bytes_per_pixel: 16,
        prepare: pipeline::load,
    },
    Work {
        name: "process",
        description: "brightening the decoded photograph, tile by tile, at strength 1",
        size: (4000, 3000),
        precisions: ALL,
        bytes_per_pixel: 64,
        prepare: pipeline::process,
    },
    Work {
        name: "save",
        description: "encoding the photograph in its own format",
        size: (4000, 3000),
        precisions: F32,
        bytes_per_pixel: 32,
        prepare: pipeline::save,
    },
];

/// Something to time.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// What users call it.
    pub name: &'static str,
    /// One line.
    pub description: &'static str,
    /// Width and height of its picture where nobody says otherwise.
    pub size: (u32, u32),
    /// In which it can compute.
    pub precisions: &'static [Precision],
    /// A generous guess at its memory for each pixel of the picture.
    bytes_per_pixel: u64,
    prepare: fn(&Setup) -> Result<Prepared, Error>,
}

/// What a work is prepared from.
struct Setup<'a> {
    size: (u32, u32),
    photo: Option<&'a [u8]>,
    device: &'a FoundDevice,
    precision: Precision,
}

impl Setup<'_> {
    /// What kernels of the CPU compute with.
    fn compute(&self) -> Compute {
        let precision = self.precision.of_kernels();
        Compute { instructions: Instructions::best(), precision }
    }
}

/// A work that is ready to run, again and again.
struct Prepared {
    /// Width and height of its picture.
    size: (u32, u32),
    /// Pictures of that size.
    n_pictures: u64,
    /// Multiplications with additions of one run, where they say something about its speed.
    n_macs: Option<u64>,
    /// Runs once, to its end, and leaves the numbers that came out, if any, where they can be read at no cost.
    run: Box<Run>,
    /// For a graphics card, where they cannot.
    on_card: Option<OnCard>,
}

type Run = dyn FnMut(&mut Vec<f32>) -> Result<(), Error>;

/// What moves between the memories of machine and card, and is timed apart.
struct OnCard {
    /// Brings the input to the card, and waits until it is there.
    upload: Box<dyn FnMut() -> Result<(), Error>>,
    /// Fetches the numbers that came out last.
    download: Box<dyn FnMut() -> Result<Vec<f32>, Error>>,
}

impl Work {
    /// The work of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        WORKS.iter().find(|work| work.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn works_have_names_of_their_own_and_all_compute_in_f32() {
        let names: BTreeSet<_> = WORKS.iter().map(|work| work.name).collect();
        assert_eq!(names.len(), WORKS.len());
        assert!(WORKS.iter().all(|work| work.precisions.contains(&Precision::F32)));
    }
}
