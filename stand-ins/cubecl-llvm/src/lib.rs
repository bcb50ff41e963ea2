//! A stand-in for `cubecl-llvm`, whose build script downloads LLVM.
//!
//! `cubecl-cuda` always compiles against that crate, but with its feature `cpp` it only ever turns
//! kernels into CUDA C++ for NVRTC. So the types it names are here, and what would run LLVM is
//! unreachable.

use core::{
    ffi::c_char,
    fmt::{Display, Formatter},
};

use cubecl_core::{ir::nvidia::SmArch, prelude::KernelDefinition};
use cubecl_runtime::{
    compiler::{CompilationError, Compiler},
    kernel::BufferIOAttr,
};

const WHY: &str = "kernels are compiled as CUDA C++: LLVM is not built in";

/// PTX text.
pub mod nvptx {
    /// Its versions.
    pub mod ptx_version {
        use core::fmt::{Display, Formatter};

        /// The newest version that a driver loads, here by the driver's own number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct PtxVersion(i32);

        impl PtxVersion {
            /// Of a driver that calls itself `driver_version`.
            pub fn for_driver(driver_version: i32) -> Option<Self> {
                Some(Self(driver_version))
            }
        }

        impl Display for PtxVersion {
            fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
                write!(f, "driver-{}", self.0)
            }
        }
    }
}

/// What all targets share.
pub mod shared {
    /// What LLVM's lowering leaves out.
    pub mod lowered_features {
        /// A target of LLVM's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum GpuTarget {
            /// NVIDIA's.
            Nvptx,
        }

        /// Takes back what LLVM cannot lower.
        pub fn restrict_features<T>(_properties: &mut T, _target: GpuTarget) {
            unreachable!("{}", crate::WHY)
        }
    }
}

/// What LLVM would compile for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    /// The processor.
    #[default]
    Cpu,
    /// NVIDIA's cards.
    Nvptx,
}

/// The compiler that is not there.
#[derive(Debug, Clone, Default)]
pub struct PlironCompiler {
    /// What it would compile for.
    pub target: LlvmTarget,
}

/// What it would be told.
#[derive(Debug, Clone, Default)]
pub struct PlironOptions {
    /// Of AMD's cards.
    pub arch: Option<()>,
    /// Of NVIDIA's cards.
    pub sm_arch: Option<SmArch>,
    /// The newest that the driver loads.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether parameters lie in constant memory.
    pub grid_constants: bool,
}

/// What it would give for NVIDIA's cards.
#[derive(Debug, Clone)]
pub struct NvptxModule {
    /// The text, ending in a zero.
    pub ptx: Vec<c_char>,
    /// Name of the kernel in it.
    pub entrypoint: String,
    /// What it was lowered from.
    pub ir: String,
    /// Bytes of shared memory.
    pub shared_memory_size: usize,
    /// Which buffers are read and written.
    pub io: Vec<BufferIOAttr>,
}

/// What it would give.
#[derive(Debug, Clone)]
pub enum PlironArtifact {
    /// For NVIDIA's cards.
    NvptxCode(NvptxModule),
    /// For another target.
    Other,
}

impl Display for PlironArtifact {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        f.write_str(WHY)
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        unreachable!("{WHY}")
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
