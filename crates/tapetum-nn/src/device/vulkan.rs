//! Cards with a Vulkan driver.

use std::sync::OnceLock;

use burn::{
    backend::wgpu::{WgpuBackend, WgpuInitError},
    tensor::{Device, DeviceKind as Adapter},
};

use super::{DeviceKind, FoundDevice, try_out};

type Found = Result<FoundDevice, String>;

/// The card that the driver would choose, which may be the processor itself.
pub(super) fn find() -> Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| open(Adapter::DefaultDevice, "no driver shows a card")).clone()
}

/// The first card of its own.
pub(super) fn find_discrete() -> Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| open(Adapter::DiscreteGpu(0), "no driver shows a card of its own")).clone()
}

/// Opens a card and tries it out; `missing` is what is said where there is none.
fn open(adapter: Adapter, missing: &str) -> Found {
    let options = Device::wgpu_options().device_kind(adapter).graphics_api(WgpuBackend::Vulkan);
    let (device, setup) = options.init_with_setup().map_err(|error| match error {
        // What the engine says lists all that it looked at.
        WgpuInitError::AdapterUnavailable { .. } => missing.to_owned(),
        error => said(&error.to_string()),
    })?;
    let name = setup.adapter.get_info().name;
    try_out(&device).map_err(|said| format!("{name} does not compute: {said}"))?;
    Ok(FoundDevice { kind: DeviceKind::Vulkan, name, device })
}

/// In one line, with a small first letter.
fn said(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut letters = line.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
