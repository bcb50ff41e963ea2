//! Inputs are never replaced, outputs only when asked for.

use std::fs;

use tapetum::Format;

use crate::{desk::Desk, pictures::dark};

#[test]
fn an_existing_output_is_kept_until_overwrite_is_given() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    for arguments in [&["photo.png"][..], &["photo.png", "-o", "photo-bright.png"]] {
        desk.put("photo-bright.png", b"mine");
        desk.run(arguments).exits(1).fails_once(&["photo-bright.png: the file exists"]);
        assert_eq!(desk.read("photo-bright.png"), b"mine");
        desk.run(&[arguments, &["--overwrite"]].concat()).exits(0);
        assert_eq!(desk.photo("photo-bright.png").format, Format::Png);
    }
}

#[test]
fn an_output_that_is_an_input_is_refused() {
    let mut desk = Desk::new();
    desk.add("a.png", &dark(Format::Png, 1));
    desk.add("a-bright.png", &dark(Format::Png, 2));
    let cases: [(&[&str], &str); 4] = [
        (&["a.png", "-o", "a.png"], "a.png: its output a.png is an input"),
        (&["a.png", "-o", "./a.png"], "is an input"),
        (&[".", "-o", "."], "is an input"),
        (&["a.png", "a-bright.png"], "a.png: its output a-bright.png is an input"),
    ];
    for (arguments, expected) in cases {
        let ran = desk.run(&[arguments, &["--overwrite"]].concat()).exits(1).says(expected);
        assert!(ran.stderr.contains("hint: inputs are never replaced"), "{}", ran.stderr);
    }
}

#[test]
fn an_input_that_was_refused_itself_is_still_not_replaced() {
    let mut desk = Desk::new();
    // Both go to out/a.png; the third would go to where the first lies.
    desk.add("out/in/a.png", &dark(Format::Png, 1));
    desk.add("other/in/a.png", &dark(Format::Png, 2));
    desk.add("photos/in/a.png", &dark(Format::Png, 3));
    let inputs = ["out/in/a.png", "other/in/a.png", "photos"];
    desk.run(&[&inputs[..], &["-o", "out", "--overwrite"]].concat()).exits(1).says("3 failed");
    // A file that cannot be read as an image is an input all the same.
    desk.add("broken.png", b"text");
    desk.run(&["photos/in/a.png", "broken.png", "-o", "."]).exits(1).says("is an input");
}

#[test]
fn a_file_behind_standard_input_is_an_input() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    let mut command = desk.command(&["-", "-o", "photo.png", "--overwrite"]);
    command.stdin(fs::File::open(desk.path("photo.png")).unwrap());
    let output = command.output().unwrap();
    desk.check();
    if cfg!(unix) {
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("is an input"));
    }
}

#[test]
fn two_inputs_of_one_output_are_both_refused_and_the_rest_is_done() {
    let mut desk = Desk::new();
    desk.add("a.jpg", &dark(Format::Jpeg, 1));
    desk.add("a.png", &dark(Format::Png, 2));
    desk.add("b.png", &dark(Format::Png, 3));
    let inputs = ["a.jpg", "a.png", "b.png", "--format", "png"];
    let ran = desk.run(&inputs).exits(1).says("1 done, 0 unchanged, 2 failed");
    let ran = ran.says("error: a.jpg: its output a-bright.png is also that of a.png");
    ran.says("error: a.png: its output a-bright.png is also that of a.jpg");
    assert_eq!(desk.files(""), ["a.jpg", "a.png", "b-bright.png", "b.png"]);
}

#[test]
fn same_names_of_two_folders_do_not_share_an_output() {
    let mut desk = Desk::new();
    for (name, seed) in [("one/a.png", 1), ("two/a.png", 2), ("two/b.png", 3)] {
        desk.add(name, &dark(Format::Png, seed));
    }
    for inputs in [["one", "two"], ["one/*", "two/*"]] {
        let ran = desk.run(&[&inputs[..], &["-o", "out", "--overwrite"]].concat()).exits(1);
        ran.says("error: two/a.png: its output out/a.png is also that of one/a.png");
        assert_eq!(desk.outputs("out").into_keys().collect::<Vec<_>>(), ["b.png"]);
    }
}

#[test]
fn two_spellings_of_one_output_are_one() {
    let mut desk = Desk::new();
    desk.add("a.jpg", &dark(Format::Jpeg, 1));
    desk.add("in/b.txt", b"a folder");
    desk.add("a.png", &dark(Format::Png, 2));
    let inputs = ["a.jpg", "in/../a.png", "--format", "png", "--overwrite"];
    desk.run(&inputs).exits(1).says("2 failed");
    assert_eq!(desk.files(""), ["a.jpg", "a.png", "in/b.txt"]);
    desk.run(&["a.png", "./a.png", "in/../a.png"]).exits(0);
    assert_eq!(desk.files("").len(), 4);
}

#[test]
fn failures_leave_no_empty_folders_with_temporary_files() {
    let desk = Desk::with("photos/in/cut.png", &dark(Format::Png, 1)[..200]);
    desk.run(&["photos"]).exits(1);
    assert_eq!(desk.files("photos-bright"), Vec::<String>::new());
}

#[test]
fn files_that_a_killed_run_was_writing_are_no_inputs() {
    let mut desk = Desk::new();
    desk.add("photos/a.png", &dark(Format::Png, 1));
    desk.put("photos/.tapetum-x1.part", &dark(Format::Png, 2));
    let output = desk.command(&["photos"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(desk.outputs("photos-bright").into_keys().collect::<Vec<_>>(), ["a.png"]);
    assert_eq!(desk.unfinished(), ["photos/.tapetum-x1.part"]);
}
