//! Work that may fail on a device.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

thread_local! {
    static IS_ATTEMPT: Cell<bool> = const { Cell::new(false) };
}

/// Runs work on a graphics card. The engine panics when a card has no memory left or its driver refuses a
/// kernel; here that is an error with what was said, and nothing is printed.
///
/// # Errors
/// The work panicked.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_ATTEMPT.get() {
                loud(info);
            }
        }));
    });
    let is_within = IS_ATTEMPT.replace(true);
    // What the work was on is dropped with the panic; the caller takes nothing from it.
    let outcome = catch_unwind(AssertUnwindSafe(work));
    IS_ATTEMPT.set(is_within);
    outcome.map_err(|payload| said(&*payload))
}

/// What a panic said, in one line.
fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let lines = text.unwrap_or("an unknown failure").lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_what_it_said_and_a_result_stays() {
        assert_eq!(attempt(|| 3), Ok(3));
        let failed: Result<(), _> = attempt(|| panic!("out of memory\n  at tile {}", 7));
        assert_eq!(failed, Err("out of memory at tile 7".to_owned()));
        assert_eq!(attempt(|| attempt(|| panic!("inner"))), Ok(Err::<(), _>("inner".to_owned())));
    }
}
