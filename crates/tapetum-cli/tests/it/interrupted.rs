//! Runs that are ended from outside: by Ctrl-C, by termination, by a kill.

use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum::Format;

use crate::{desk::Desk, pictures::sized};

/// A folder of small photographs in two depths.
fn folder(n_files: u64) -> Desk {
    let mut desk = Desk::new();
    for idx in 0..n_files {
        let name = format!("photos/{}/{idx}.png", idx % 3);
        desk.add(&name, &sized(Format::Png, (90, 60), idx));
    }
    desk
}

fn start(desk: &Desk, arguments: &[&str]) -> Child {
    desk.command(arguments).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the run has written so many outputs; false when it ended before.
fn wait_for_outputs(desk: &Desk, child: &mut Child, n_outputs: usize) -> bool {
    while desk.outputs("out").len() < n_outputs {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    true
}

#[test]
fn an_interrupted_run_leaves_whole_files_only_and_can_be_continued() {
    let desk = folder(60);
    desk.run(&["photos", "-o", "whole"]).exits(0);
    let whole = desk.outputs("whole");
    for signal in ["-INT", "-TERM"] {
        let mut child = start(&desk, &["photos", "-o", "out", "--resume"]);
        assert!(wait_for_outputs(&desk, &mut child, 2), "the run ended before its signal");
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {stderr}");
        assert!(stderr.contains("interrupted: finished files are whole, --resume continues"));
        desk.check();
        let outputs = desk.outputs("out");
        assert!((2..60).contains(&outputs.len()), "{signal} after {} files", outputs.len());
        outputs.iter().for_each(|(name, bytes)| assert!(*bytes == whole[name], "{name}"));

        let ran = desk.run(&["photos", "-o", "out", "--resume"]).exits(0);
        assert!(!ran.stderr.contains("60 done"), "finished files were done again");
        assert!(desk.outputs("out") == whole);
        std::fs::remove_dir_all(desk.path("out")).unwrap();
    }
}

#[test]
fn a_killed_run_is_continued_to_the_same_files() {
    let desk = folder(40);
    desk.run(&["photos", "-o", "whole"]).exits(0);
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..5 {
        let n_before = desk.outputs("out").len();
        let mut child = start(&desk, &["photos", "-o", "out", "--resume", "-j", "3"]);
        wait_for_outputs(&desk, &mut child, n_before + random.random_range(1..5));
        sleep(Duration::from_micros(random.random_range(0..8_000)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let n_killed = desk.outputs("out").len();
    assert!((5..40).contains(&n_killed), "{n_killed} of 40 files after five kills");
    desk.run(&["photos", "-o", "out", "--resume"]).exits(0).says("0 failed");
    assert!(desk.outputs("out") == desk.outputs("whole"));
}
