//! Files that cannot be enhanced: each is named with the next step, and the others are done.

use tapetum::Format;

use crate::{
    desk::Desk,
    pictures::{FORMATS, dark, ending, png_of_size, tiff_of_size},
};

/// Runs a batch of a good file, the bad one and another good one.
fn check(name: &str, bytes: &[u8], expected: &str) {
    for threads in ["1", "3"] {
        let mut desk = Desk::new();
        desk.add("a good.png", &dark(Format::Png, 1));
        desk.add(name, bytes);
        desk.add("z good.png", &dark(Format::Png, 2));
        let ran = desk.run(&["a good.png", name, "z good.png", "-o", "out", "-j", threads]);
        ran.exits(1).fails_once(&[name, expected]).says("2 done, 0 unchanged, 1 failed");
        let outputs: Vec<String> = desk.outputs("out").into_keys().collect();
        assert_eq!(outputs, ["a good.png", "z good.png"], "{name}");
        outputs.iter().for_each(|output| drop(desk.photo(&format!("out/{output}"))));
    }
}

#[test]
fn a_file_that_was_cut_is_refused() {
    for format in FORMATS {
        let whole = dark(format, 3);
        let name = format!("cut.{}", ending(format));
        for end in [whole.len() / 2, whole.len() - whole.len() / 20, 40] {
            check(&name, &whole[..end], "");
        }
    }
}

#[test]
fn a_file_that_is_no_image_is_refused() {
    check("empty.jpg", b"", "no image format that is read");
    check("text.jpg", b"Dear diary, it was dark.\n", "no image format that is read");
    check("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC files are not read");
}

#[test]
fn a_header_that_promises_too_much_is_refused_before_memory_is_taken() {
    check("bomb.png", &png_of_size(60_000, 60_000), "n_pixels_max is 400000000");
    check("wide.png", &png_of_size(4_000_000, 1), "width_max");
    check("bomb.tif", &tiff_of_size(60_000, 60_000), "n_pixels_max");
    check("zero.png", &png_of_size(0, 5), "PNG");
}

#[test]
fn the_hint_for_a_large_photo_names_the_option_that_lets_it_through() {
    let desk = Desk::with("large.png", &crate::pictures::sized(Format::Png, (1100, 1000), 1));
    let arguments = ["large.png", "--strength", "0", "--max-megapixels"];
    desk.run(&[&arguments[..], &["1"]].concat()).exits(1).says("hint: raise --max-megapixels");
    desk.run(&[&arguments[..], &["2"]].concat()).exits(0);
}

#[test]
fn bad_files_in_a_folder_fail_and_the_rest_is_done() {
    let mut desk = Desk::new();
    desk.add("photos/good.jpg", &dark(Format::Jpeg, 1));
    desk.add("photos/in/cut.jpg", &dark(Format::Jpeg, 1)[..300]);
    desk.add("photos/in/text.png", b"text");
    desk.add("photos/in/notes.md", b"text");
    let ran = desk.run(&["photos"]).exits(1);
    let ran = ran.says("1 done, 0 unchanged, 2 failed, 1 other files");
    for name in ["photos/in/cut.jpg", "photos/in/text.png"] {
        assert!(ran.stderr.contains(&format!("error: {name}: ")), "{}", ran.stderr);
    }
    assert_eq!(desk.files("photos-bright"), [".tapetum-manifest.jsonl", "good.jpg"]);
}

#[test]
fn what_is_missing_is_named_and_the_rest_is_done() {
    let cases = [
        ("missing.jpg", "missing.jpg: No such file"),
        ("missing/*.jpg", "missing/*.jpg: the pattern matches no file"),
        ("[.jpg", "[.jpg: "),
        ("*.xyz", "*.xyz: the pattern matches no file"),
    ];
    for (name, expected) in cases {
        let desk = Desk::with("good.png", &dark(Format::Png, 1));
        desk.run(&[name, "good.png"]).exits(1).fails_once(&[expected]).says("1 done");
        assert_eq!(desk.files(""), ["good-bright.png", "good.png"], "{name}");
        desk.run(&[name]).exits(1).fails_once(&[expected]);
    }
}

#[test]
fn a_name_is_told_as_it_is() {
    let name = "two  spaces and ümlaut.png";
    let desk = Desk::with(name, b"");
    desk.run(&[name]).exits(1).fails_once(&[name]);
}

#[test]
fn transparency_that_jpeg_cannot_hold_is_an_error() {
    let mut photo = tapetum::decode(&dark(Format::Png, 1), &tapetum::Limits::default()).unwrap();
    photo.alpha = Some(tapetum::Samples::U8(vec![99; 48 * 32]));
    let png = tapetum::encode(&photo, Format::Png, &tapetum::EncodeOptions::default()).unwrap();
    let desk = Desk::with("clear.png", &png);
    desk.run(&["clear.png", "-o", "clear.jpg"]).exits(1).fails_once(&["clear.png", "transparency"]);
    assert_eq!(desk.files(""), ["clear.png"]);
}

#[test]
fn a_bad_pipe_is_an_error_and_gives_nothing() {
    for input in [&b""[..], b"text", &dark(Format::Png, 1)[..100]] {
        let ran = Desk::new().run_with_input(&["-"], input).exits(1).fails_once(&["-: "]);
        assert!(ran.stdout.is_empty());
    }
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    desk.run_with_input(&["-", "a.png"], &dark(Format::Png, 2))
        .exits(1)
        .says("no name")
        .says("1 done");
}

#[test]
fn a_folder_where_a_file_is_expected_is_named() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    desk.put("photo-bright.png/keep", b"kept");
    for overwrite in [&[][..], &["--overwrite"]] {
        let ran = desk.run(&[&["photo.png"], overwrite].concat()).exits(1);
        ran.fails_once(&["photo-bright.png: expected a free name, found a folder"]);
    }
    assert_eq!(desk.read("photo-bright.png/keep"), b"kept");
}

#[test]
fn a_file_where_a_folder_is_expected_is_named() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    desk.put("file", b"kept");
    for output in ["file/out.png", "file/deep/out.png"] {
        let ran = desk.run(&["photo.png", "-o", output]).exits(1);
        ran.fails_once(&[output, "ot a directory"]).says("hint: a part of the path is a file");
    }
    assert_eq!(desk.read("file"), b"kept");
}

#[test]
fn a_budget_that_is_too_small_is_an_error() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    let ran = desk.run(&["photo.png", "--strength", "1", "--memory", "1K"]).exits(1);
    ran.fails_once(&["photo.png", "1024 bytes is too small"]).says("hint: raise --memory");
}
