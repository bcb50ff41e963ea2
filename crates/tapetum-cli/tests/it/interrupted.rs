//! Runs that are ended from outside: by Ctrl-C, by termination, by a kill.

use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum::Format;

use crate::{desk::Desk, pictures::dark};

/// A given strength spares the look at the exposure, which these tests are not about.
const RUN: [&str; 6] = ["photos", "-o", "out", "--resume", "--strength", "1"];

/// A folder of small photographs in two depths.
fn folder(n_files: u64) -> Desk {
    let mut desk = Desk::new();
    for idx in 0..n_files {
        let name = format!("photos/{}/{idx}.png", idx % 3);
        desk.add(&name, &dark(Format::Png, idx));
    }
    desk
}

fn start(desk: &Desk, arguments: &[&str]) -> Child {
    desk.command(arguments).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

/// Waits until the run has written so many outputs; false when it ended before.
fn wait_for_outputs(desk: &Desk, child: &mut Child, n_outputs: usize) -> bool {
    // By name alone: a file that is being written may be renamed before it could be read.
    let is_output = |name: &&String| !name.starts_with(".tapetum-") && !name.ends_with(".part");
    while desk.files("out").iter().filter(is_output).count() < n_outputs {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    true
}

#[test]
fn an_interrupted_run_leaves_whole_files_only_and_can_be_continued() {
    let desk = folder(40);
    desk.run(&["photos", "-o", "whole", "--strength", "1"]).exits(0);
    let whole = desk.outputs("whole");
    for signal in ["-INT", "-TERM"] {
        let mut child = start(&desk, &RUN);
        assert!(wait_for_outputs(&desk, &mut child, 2), "the run ended before its signal");
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {stderr}");
        assert!(stderr.contains("interrupted: finished files are whole, --resume continues"));
        desk.check();
        let outputs = desk.outputs("out");
        assert!((2..40).contains(&outputs.len()), "{signal} after {} files", outputs.len());
        outputs.iter().for_each(|(name, bytes)| assert!(*bytes == whole[name], "{name}"));

        let ran = desk.run(&RUN).exits(0);
        assert!(!ran.stderr.contains("40 done"), "finished files were done again");
        assert!(desk.outputs("out") == whole);
        std::fs::remove_dir_all(desk.path("out")).unwrap();
    }
}

#[test]
fn an_interruption_waits_for_the_file_that_is_being_written() {
    let desk = Desk::new();
    // Large enough that writing takes longer than a signal.
    let (width, height) = (2000, 1500);
    let mut photo = format!("P6\n{width} {height}\n255\n").into_bytes();
    photo.extend((0..width * height * 3).map(|idx| (idx % 251) as u8));
    (0..4).for_each(|idx| desk.put(&format!("photos/{idx}.ppm"), &photo));
    for signal in ["-INT", "-TERM"] {
        let mut child = start(&desk, &["photos", "-o", "out", "--strength", "0", "-j", "4"]);
        let mut is_writing = false;
        while !is_writing && child.try_wait().unwrap().is_none() {
            is_writing = !desk.unfinished().is_empty();
        }
        // Where every look came between two files, or the last file was it, the run ends by itself.
        if is_writing {
            send(signal, &child);
        }
        let code = child.wait().unwrap().code();
        assert!(code == Some(130) || code == Some(0), "{signal}: {code:?}");
        desk.check();
        assert!(desk.outputs("out").values().all(|bytes| *bytes == photo), "a file is not whole");
        std::fs::remove_dir_all(desk.path("out")).unwrap();
    }
}

#[test]
fn a_killed_run_is_continued_to_the_same_files() {
    let desk = folder(40);
    desk.run(&["photos", "-o", "whole", "--strength", "1"]).exits(0);
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..5 {
        let n_before = desk.outputs("out").len();
        let mut child = start(&desk, &RUN);
        wait_for_outputs(&desk, &mut child, n_before + random.random_range(1..5));
        sleep(Duration::from_micros(random.random_range(0..4_000)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let n_killed = desk.outputs("out").len();
    assert!(n_killed >= 5, "{n_killed} of 40 files after five kills");
    desk.run(&RUN).exits(0).says("0 failed");
    assert!(desk.outputs("out") == desk.outputs("whole"));
}
