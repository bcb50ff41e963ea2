//! NVIDIA's cards: is there a driver, is it new enough, is there a card, and does it compute.

use std::{ffi::c_int, sync::OnceLock};

use burn::tensor::Device;
use cudarc::{driver::result, driver::sys, nvrtc};

use super::{DeviceKind, FoundDevice, attempt, try_out};

/// The first card.
pub(super) fn find() -> Result<FoundDevice, String> {
    static FOUND: OnceLock<Result<FoundDevice, String>> = OnceLock::new();
    FOUND.get_or_init(look).clone()
}

/// Each question is asked only when those before it were answered well: the engine panics where they are
/// not.
fn look() -> Result<FoundDevice, String> {
    // SAFETY: loads the driver's library by its name, as the engine will.
    if !unsafe { sys::is_culib_present() } {
        return Err("no NVIDIA driver is installed".to_owned());
    }
    // The bindings panic where a driver lacks a function.
    let name = attempt(ask)??;
    // SAFETY: as above.
    if !unsafe { nvrtc::sys::is_culib_present() } {
        return Err("the driver is there, but not NVRTC (libnvrtc)".to_owned());
    }
    let headers = cubecl::cuda::install::cuda_path().map(|path| path.join("include"));
    if headers.is_none_or(|headers| !headers.join("cuda_fp16.h").is_file()) {
        return Err("the driver is there, but not CUDA's headers".to_owned());
    }
    let device = Device::cuda(0);
    try_out(&device).map_err(|said| format!("{name} does not compute: {said}"))?;
    Ok(FoundDevice { kind: DeviceKind::Cuda, name, device })
}

/// The name of the first card.
fn ask() -> Result<String, String> {
    let silent = |error: result::DriverError| format!("the driver does not answer: {error}");
    result::init().map_err(silent)?;
    let mut version: c_int = 0;
    // SAFETY: writes one number to where it is told.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(silent)?;
    let needed = sys::CUDA_VERSION as c_int;
    if version < needed {
        let [found, needed] = [version, needed].map(dotted);
        return Err(format!("the driver is too old: it knows CUDA {found}, {needed} is needed"));
    }
    if result::device::get_count().map_err(silent)? == 0 {
        return Err("the driver knows no card".to_owned());
    }
    let first = result::device::get(0).map_err(silent)?;
    result::device::get_name(first).map_err(silent)
}

/// 13020 as 13.2.
fn dotted(version: c_int) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_written_as_people_know_them() {
        assert_eq!([13_000, 12_080, 11_040].map(super::dotted), ["13.0", "12.8", "11.4"]);
    }
}
