//! Keeps a codec's panic inside this crate.
//!
//! The first call wraps the process's panic hook once: while a codec runs on a thread, that
//! thread's panic is not printed; every other panic goes to the hook that was there before.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

use crate::{codec::Format, error::ImageError};

thread_local! {
    static CODEC_RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a codec; its panic becomes [`ImageError::Panicked`].
pub(crate) fn stop_panics<T>(
    format: Format,
    codec: impl FnOnce() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    silence_codec_panics();
    let outer = CODEC_RUNS.replace(true);
    // The codec owns what it changes, so nothing half-changed is seen after a panic.
    let result = catch_unwind(AssertUnwindSafe(codec));
    CODEC_RUNS.set(outer);
    result.unwrap_or_else(|payload| {
        Err(ImageError::Panicked { format, detail: message(payload.as_ref()) })
    })
}

fn silence_codec_panics() {
    static WRAPPED: Once = Once::new();
    WRAPPED.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if !CODEC_RUNS.get() {
                previous(info);
            }
        }));
    });
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_format() {
        let error = stop_panics::<()>(Format::Qoi, || panic!("row {}", 3)).unwrap_err();
        assert_eq!(error.to_string(), "the QOI codec panicked: row 3");
        assert!(!CODEC_RUNS.get());
    }
}
