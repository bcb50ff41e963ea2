//! The device that the command line asks for.

use tapetum::{DeviceKind, FoundDevice, Unavailable, WhenItFails, best_device, find_device};

use crate::{
    args::{DeviceChoice, Verbosity},
    failure::{Failure, Kind},
    report::tell,
};

/// Looks for the device, and says which one it is and why, where there was a choice.
pub(crate) fn choose(
    choice: DeviceChoice,
    verbosity: Verbosity,
) -> Result<(FoundDevice, WhenItFails), Failure> {
    let (found, passed_over) = match choice {
        DeviceChoice::Auto => best_device(),
        DeviceChoice::Cpu => (found(DeviceKind::Cpu)?, Vec::new()),
        DeviceChoice::Cuda => (found(DeviceKind::Cuda)?, Vec::new()),
        DeviceChoice::Vulkan => (found(DeviceKind::Vulkan)?, Vec::new()),
    };
    let is_choice = DeviceKind::BUILT_IN.len() > 1 && choice == DeviceChoice::Auto;
    if (is_choice && verbosity > Verbosity::Quiet) || verbosity == Verbosity::Verbose {
        tell(line(&found, &passed_over));
    }
    let when_it_fails = match choice {
        DeviceChoice::Auto => WhenItFails::UseCpu,
        _ => WhenItFails::Stop,
    };
    Ok((found, when_it_fails))
}

fn found(kind: DeviceKind) -> Result<FoundDevice, Failure> {
    find_device(kind).map_err(|unavailable| {
        Failure::new(Kind::Environment, unavailable.to_string()).with_hint(unavailable.hint())
    })
}

/// What computes, and why nothing faster.
fn line(found: &FoundDevice, passed_over: &[Unavailable]) -> String {
    let reasons: Vec<String> = passed_over.iter().map(Unavailable::to_string).collect();
    match reasons.is_empty() {
        true => format!("device: {found}"),
        false => format!("device: {found} ({})", reasons.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_computes_and_why_nothing_faster() {
        let cpu = FoundDevice::cpu();
        assert_eq!(line(&cpu, &[]), "device: CPU");
        let missing = |kind, reason: &str| Unavailable { kind, reason: reason.to_owned() };
        let passed_over =
            [missing(DeviceKind::Cuda, "no driver"), missing(DeviceKind::Vulkan, "no card")];
        let expected = "device: CPU (no CUDA: no driver; no Vulkan: no card)";
        assert_eq!(line(&cpu, &passed_over), expected);
        let card = FoundDevice { kind: DeviceKind::Cuda, name: "a card".to_owned(), ..cpu };
        assert_eq!(line(&card, &[]), "device: CUDA on a card");
    }
}
