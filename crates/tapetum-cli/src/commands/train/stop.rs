//! Ctrl-C in a training: once to end with a checkpoint, twice to end at once.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::failure::{Failure, Kind};

static STOP: AtomicBool = AtomicBool::new(false);

const ADVICE: &str = "interrupted: finishing the step and writing a checkpoint; \
                      press Ctrl-C again to quit at once";

/// Catches Ctrl-C and termination from now on. The first sets the flag and is answered through `say`; the
/// second ends the program with 130.
pub(crate) fn stop_flag(
    say: impl Fn(&str) + Send + 'static,
) -> Result<&'static AtomicBool, Failure> {
    let handler = move || {
        if STOP.swap(true, Ordering::Relaxed) {
            process::exit(130);
        }
        say(ADVICE);
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::new(Kind::Environment, error.to_string()))?;
    Ok(&STOP)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::{
        env,
        io::{BufRead, BufReader},
        process::{Command, Stdio},
        thread::sleep,
        time::Duration,
    };

    use super::*;
    use crate::report::tell;

    const IS_CHILD: &str = "TAPETUM_TEST_IS_INTERRUPTED";

    /// The test starts itself again as the process that is interrupted.
    #[test]
    fn the_first_interruption_is_answered_and_the_second_ends_the_program() {
        if env::var_os(IS_CHILD).is_some() {
            let stop = stop_flag(|line| tell(line)).unwrap();
            tell("ready");
            while !stop.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(1));
            }
            // A step that takes longer than anybody waits for.
            sleep(Duration::from_secs(60));
            process::exit(0);
        }
        let name = std::thread::current().name().unwrap().to_owned();
        let mut child = Command::new(env::current_exe().unwrap())
            .args([&name, "--exact", "--nocapture"])
            .env(IS_CHILD, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for expected in ["ready", ADVICE] {
            assert_eq!(lines.next().unwrap().unwrap(), expected);
            assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        }
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}
