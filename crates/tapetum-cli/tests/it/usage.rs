//! Commands that were not meant so: exit code 2, and nothing is written.

use tapetum::Format;

use crate::{desk::Desk, pictures::dark};

#[test]
fn inputs_and_outputs_that_do_not_go_together_are_wrong_usage() {
    let cases: [(&[&str], &str); 18] = [
        (&["a.png", "b.png", "-o", "b-bright.png"], "expected a folder"),
        (&["a.png", "b.png", "-o", "notes"], "notes: expected a folder"),
        (&["photos", "-o", "notes"], "notes: expected a folder"),
        (&["photos", "a.png"], "several inputs with a folder"),
        (&["a.png", "b.png", "-o", "-"], "standard output takes one photograph"),
        (&["photos", "-o", "-"], "standard output takes one photograph"),
        (&["a.png", "-o", "a.gif"], "a.gif: GIF is only read"),
        (&["a.png", "-o", "c.jpg", "--format", "png"], "c.jpg: the name promises JPEG"),
        (&["a.png", "--resume"], "--resume needs an output folder"),
        (&["a.png", "-o", "-", "--json"], "standard output cannot hold"),
        (&["empty"], "no image among 1 files"),
        (&["a.png", "-m", "retinex"], "no method is called 'retinex'"),
        (&["a.png", "-w", "retinex"], "retinex: no such weights"),
        (&["a.png", "-m", "gamma", "-w", "scl-lle"], "the method gamma has no weights"),
        (&["a.png", "--samples", "4"], "scl-lle draws nothing"),
        (&["photos", "-o", "out", "--uncertainty", "--seed", "7"], "scl-lle draws nothing"),
        (&["a.png", "-m", "gamma", "--samples", "2", "--uncertainty"], "gamma draws nothing"),
        // Before any file is looked for.
        (&["missing.png", "--uncertainty"], "scl-lle draws nothing"),
    ];
    for (arguments, expected) in cases {
        let desk = inputs();
        let files = desk.files("");
        let ran = desk.run(arguments).exits(2).fails_once(&[expected]);
        assert!(ran.stdout.is_empty(), "{arguments:?}");
        assert_eq!(desk.files(""), files, "{arguments:?}");
    }
}

fn inputs() -> Desk {
    let mut desk = Desk::new();
    desk.add("a.png", &dark(Format::Png, 1));
    desk.add("b.png", &dark(Format::Png, 2));
    desk.add("photos/c.png", &dark(Format::Png, 3));
    desk.add("empty/readme", b"nothing");
    desk.add("notes", b"a file");
    desk
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    let cases: [(&[&str], &str); 22] = [
        (&["--strength", "1.5"], "--strength"),
        (&["--strength=-0.1"], "--strength"),
        (&["--strength", "full"], "a number from 0 to 1, or auto"),
        (&["--quality", "0"], "--quality"),
        (&["--quality", "101"], "1..=100"),
        (&["--jobs", "0"], "1..=256"),
        (&["--jobs", "257"], "--jobs"),
        (&["--memory", "lots"], "a size such as 500M or 2G"),
        (&["--memory", "0"], "--memory"),
        (&["--max-megapixels", "0"], "--max-megapixels"),
        (&["--format", "gif"], "expected one of jpg, png, tif, webp"),
        (&["--format", "heic"], "--format"),
        (&["--device", "abacus"], "auto, cpu"),
        (&["--tiles", "some"], "auto, whole"),
        (&["--samples", "1"], "2..=64"),
        (&["--samples", "65"], "--samples"),
        (&["--uncertainty", "--seed=-1"], "--seed"),
        (&["--uncertainty", "--seed", "18446744073709551616"], "--seed"),
        (&["--seed", "1"], "--samples <N>|--uncertainty"),
        (&["--brightness", "3"], "--brightness"),
        (&["-q", "-v"], "--verbose"),
        (&["--output"], "--output"),
    ];
    let desk = inputs();
    for (arguments, expected) in cases {
        let ran = desk.run(&[&["a.png"], arguments].concat()).exits(2).says(expected);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
    assert_eq!(desk.files("").len(), 5);
    desk.run(&[]).exits(2);
}

#[test]
fn an_input_called_like_a_command_has_a_path() {
    let desk = Desk::with("methods", &dark(Format::Png, 1));
    assert!(desk.run(&["methods"]).exits(0).text().starts_with("scl-lle"));
    desk.run(&["./methods"]).exits(0);
    assert_eq!(desk.files(""), ["methods", "methods-bright.png"]);
}
