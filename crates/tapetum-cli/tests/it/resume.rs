//! `--resume` makes what is missing or outdated, and nothing else.

use std::{fs, io::Write};

use tapetum::Format;

use crate::{desk::Desk, models::other_weights, pictures::dark};

const RESUME: [&str; 4] = ["photos", "-o", "out", "--resume"];
const MANIFEST: &str = "out/.tapetum-manifest.jsonl";

fn folder() -> Desk {
    let mut desk = Desk::new();
    for seed in 0..4 {
        desk.add(&format!("photos/{seed}/a.jpg"), &dark(Format::Jpeg, seed));
    }
    desk
}

fn check(desk: &Desk, more: &[&str], n_done: usize) {
    let expected = format!("{n_done} done, {} unchanged, 0 failed", 4 - n_done);
    desk.run(&[&RESUME[..], more].concat()).exits(0).says(&expected);
}

#[test]
fn what_is_done_is_skipped() {
    let desk = folder();
    check(&desk, &[], 4);
    let outputs = desk.outputs("out");
    let changed = |name: &str| desk.path(name).metadata().unwrap().modified().unwrap();
    let time = changed("out/0/a.jpg");
    check(&desk, &[], 0);
    check(&desk, &["--memory", "200M", "-j", "4"], 0);
    assert_eq!((desk.outputs("out") == outputs, changed("out/0/a.jpg")), (true, time));
    let ran = desk.run(&[&RESUME[..], &["-v"]].concat()).exits(0);
    ran.says("photos/3/a.jpg: unchanged");
}

#[test]
fn a_run_without_resume_can_be_continued() {
    let desk = folder();
    desk.run(&["photos", "-o", "out"]).exits(0);
    check(&desk, &[], 0);
    // Another spelling of the folder, and its default name.
    desk.run(&["./photos/", "-o", "./out/", "--resume"]).exits(0).says("4 unchanged");
    desk.run(&["photos"]).exits(0);
    desk.run(&["photos", "--resume"]).exits(0).says("4 unchanged");
}

#[test]
fn an_output_that_was_changed_or_removed_is_made_again() {
    let desk = folder();
    check(&desk, &[], 4);
    let outputs = desk.outputs("out");
    let mut changed = desk.read("out/1/a.jpg");
    changed[700] ^= 1;
    desk.put("out/1/a.jpg", &changed);
    desk.put("out/2/a.jpg", b"");
    fs::remove_file(desk.path("out/3/a.jpg")).unwrap();
    check(&desk, &[], 3);
    assert!(desk.outputs("out") == outputs);
    check(&desk, &[], 0);
}

#[test]
fn an_input_that_was_changed_or_added_is_done() {
    let mut desk = folder();
    check(&desk, &[], 4);
    let before = desk.read("out/2/a.jpg");
    desk.add("photos/2/a.jpg", &dark(Format::Jpeg, 77));
    check(&desk, &[], 1);
    assert!(desk.read("out/2/a.jpg") != before);
    desk.add("photos/new.png", &dark(Format::Png, 5));
    desk.run(&RESUME).exits(0).says("1 done, 4 unchanged");
}

#[test]
fn changed_settings_and_weights_make_everything_again() {
    let desk = folder();
    check(&desk, &[], 4);
    other_weights(&desk, "other.safetensors");
    let settings: [&[&str]; 7] = [
        &["--strength", "0.5"],
        &["--strength", "0.25"],
        &["--quality", "60"],
        &["--weights", "other.safetensors"],
        &["--method", "gamma"],
        &["--method", "clahe"],
        &[],
    ];
    for more in settings {
        let before = desk.outputs("out");
        check(&desk, more, 4);
        let after = desk.outputs("out");
        assert!(before.iter().all(|(name, bytes)| *bytes != after[name]), "{more:?}");
        check(&desk, more, 0);
    }
}

#[test]
fn a_torn_manifest_costs_only_the_torn_line() {
    let desk = folder();
    check(&desk, &[], 4);
    let whole = desk.read(MANIFEST);
    fs::write(desk.path(MANIFEST), &whole[..whole.len() - 40]).unwrap();
    // The file of the torn line is there and the same: it is recognised by its content.
    check(&desk, &[], 1);
    check(&desk, &[], 0);
    let mut file = fs::OpenOptions::new().append(true).open(desk.path(MANIFEST)).unwrap();
    file.write_all(b"\n{\"output\":7}\nnull\n\xFF\xFE{").unwrap();
    check(&desk, &[], 0);
}

#[test]
fn a_file_that_no_run_made_is_kept() {
    let desk = folder();
    desk.put("out/1/a.jpg", b"mine");
    let ran = desk.run(&RESUME).exits(1).says("3 done, 0 unchanged, 1 failed");
    ran.fails_once(&["out/1/a.jpg: the file exists"]).says("hint: no earlier run");
    assert_eq!(desk.read("out/1/a.jpg"), b"mine");
    check(&desk, &["--overwrite"], 1);
    assert_eq!(desk.photo("out/1/a.jpg").format, Format::Jpeg);
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let desk = folder();
    desk.put("out/.tapetum-ab.part", b"half");
    desk.put("out/0/.tapetum-cd.part", b"half");
    desk.put("out/0/mine.part", b"not ours");
    assert_eq!(desk.command(&RESUME).output().unwrap().status.code(), Some(0));
    assert_eq!(desk.unfinished(), ["out/0/mine.part"]);
}

#[test]
fn a_manifest_that_cannot_be_read_is_a_lack_of_the_environment() {
    let desk = folder();
    fs::create_dir_all(desk.path(MANIFEST)).unwrap();
    desk.run(&RESUME).exits(3).fails_once(&["out: "]);
}

#[test]
fn the_number_of_jobs_does_not_change_any_output() {
    let desk = folder();
    desk.run(&["photos", "-o", "one", "-j", "1"]).exits(0);
    desk.run(&["photos", "-o", "four", "-j", "4"]).exits(0);
    assert!(desk.outputs("one") == desk.outputs("four"));
}
