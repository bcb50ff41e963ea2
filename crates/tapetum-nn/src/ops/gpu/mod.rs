//! Operations that graphics cards compute with kernels of ours: those that the engine has no operation
//! for, or only many small ones.
//!
//! Kernels are written once in [CubeCL](https://docs.rs/cubecl) and compiled at run time for the card at
//! hand: as CUDA C++, or as WGSL for Vulkan. All of them compute in `f32`. Images lie in memory with
//! the channels of a pixel side by side, `[batch, height, width, channels]`.

mod curves;
mod graph;
mod products;
mod resize;
mod scan;
mod scan_gradients;

use burn::{
    backend::DispatchDevice,
    tensor::{DType, Device, Shape},
};
use burn_cubecl::{
    kernel::into_contiguous,
    ops::{numeric::empty_device_contiguous_dtype, permute_nchw_to_nhwc, permute_nhwc_to_nchw},
    tensor::CubeTensor,
};
use cubecl::{
    calculate_cube_count_elemwise,
    prelude::{CubeCount, CubeDim},
};

use crate::device::DeviceKind;

pub(crate) use self::{
    graph::{apply_curves, product, resize_bilinear, rounded, selective_scan},
    products::Product,
};

/// Units of a cube: enough to fill the smallest groups that cards schedule, few enough for any of them.
const CUBE_UNITS: u32 = 64;

/// Whether the kernels here run on these tensors.
pub(crate) fn has_kernels(device: &Device, dtype: DType) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Cube(_)) && dtype == DType::F32
}

/// Whether the engine may round the factors of products in `f32`: see [`products`].
pub(crate) fn rounds_products(device: &Device) -> bool {
    DeviceKind::of(device) == DeviceKind::Cuda
}

/// `[batch, channels, height, width]` as `[batch, height, width, channels]`, dense in memory.
fn channels_last(image: CubeTensor) -> CubeTensor {
    into_contiguous(permute_nchw_to_nhwc(image))
}

/// The other way round; the memory stays as it is.
fn channels_first(image: CubeTensor) -> CubeTensor {
    permute_nhwc_to_nchw(image)
}

/// Dense memory on the device of `like`, with unspecified values in it.
fn empty(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), DType::F32)
}

/// An image as large as `like`, which is dense, with unspecified values in it.
fn empty_like(like: &CubeTensor) -> CubeTensor {
    empty(like, like.meta.shape().clone())
}

/// Cubes for so many units.
fn cubes_for(like: &CubeTensor, n_units: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(CUBE_UNITS);
    (calculate_cube_count_elemwise(&like.client, n_units, dim), dim)
}
