//! `tapetum photo.jpg` and the other ways to name inputs and outputs.

use tapetum::Format;

use crate::{
    desk::Desk,
    pictures::{FORMATS, dark, ending},
};

#[test]
fn a_photo_alone_gets_a_bright_one_beside_it() {
    for format in FORMATS {
        let name = format!("photo.{}", ending(format));
        let desk = Desk::with(&name, &dark(format, 1));
        let ran = desk.run(&[&name]).exits(0);
        let bright = format!("photo-bright.{}", ending(format));
        assert_eq!(desk.files(""), [bright.clone(), name.clone()]);
        assert_eq!(desk.photo(&bright).format, format);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("{name} → {bright}: 48x32, ")), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
}

#[test]
fn quiet_says_nothing_and_verbose_says_more() {
    for quiet in [&["-q", "photo.png"], &["photo.png", "--quiet"]] {
        let desk = Desk::with("photo.png", &dark(Format::Png, 1));
        let ran = desk.run(quiet).exits(0);
        assert_eq!((ran.stderr.as_str(), ran.stdout.len()), ("", 0));
        assert_eq!(desk.files("").len(), 2);
    }
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    desk.run(&["-v", "photo.png"]).exits(0).says("1 tiles; 99 % of the pixels were dark");
}

#[test]
fn o_names_a_file_or_a_folder() {
    // Output, the file that comes of it, its format.
    let cases = [
        ("out.png", "out.png", Format::Png),
        ("deep/er/out.TIFF", "deep/er/out.TIFF", Format::Tiff),
        ("folder", "folder/photo.jpg", Format::Jpeg),
        ("new/folder", "new/folder/photo.jpg", Format::Jpeg),
    ];
    for (output, expected, format) in cases {
        let desk = Desk::with("photo.jpg", &dark(Format::Jpeg, 1));
        desk.run(&["photo.jpg", "-o", output]).exits(0);
        assert_eq!(desk.photo(expected).format, format, "{output}");
    }
}

#[test]
fn format_and_content_decide_the_ending() {
    let desk = Desk::with("photo.jpg", &dark(Format::Jpeg, 1));
    desk.run(&["photo.jpg", "--format", "webp"]).exits(0);
    assert_eq!(desk.photo("photo-bright.webp").format, Format::WebP);

    let desk = Desk::with("wrong.jpg", &dark(Format::Png, 1));
    desk.run(&["wrong.jpg"]).exits(0);
    assert_eq!(desk.files(""), ["wrong-bright.png", "wrong.jpg"]);
    assert_eq!(desk.photo("wrong-bright.png").format, Format::Png);
}

const TREE: [&str; 5] =
    ["a.jpg", "in depth/very deep/b.png", "in depth/c d.tif", "Nächte/猫 ☾.webp", "x/.hidden.png"];

fn tree() -> Desk {
    let mut desk = Desk::new();
    for (seed, name) in TREE.into_iter().enumerate() {
        let format = FORMATS.into_iter().find(|format| name.ends_with(ending(*format))).unwrap();
        desk.add(&format!("photos/{name}"), &dark(format, seed as u64));
    }
    desk.add("photos/notes.txt", b"no picture");
    desk.add("photos/in depth/movie.bin", &[0; 100]);
    desk
}

fn in_order(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_is_mirrored_in_depth_and_other_files_are_counted() {
    for (arguments, output) in [
        (&["photos"][..], "photos-bright"),
        (&["photos/"], "photos-bright"),
        (&["./photos", "-o", "out"], "out"),
        (&["photos", "-o", "there/it is"], "there/it is"),
    ] {
        let desk = tree();
        desk.run(arguments).exits(0).says("5 done, 0 unchanged, 0 failed, 2 other files");
        assert_eq!(desk.outputs(output).into_keys().collect::<Vec<_>>(), in_order(&TREE));
        assert_eq!(desk.photo(&format!("{output}/{}", TREE[1])).format, Format::Png);
    }
}

#[test]
fn this_folder_gets_a_folder_beside_it() {
    let desk = tree();
    let mut command = desk.command(&["."]);
    command.current_dir(desk.path("photos"));
    assert!(command.output().unwrap().status.success());
    desk.check();
    assert_eq!(desk.outputs("photos-bright").len(), 5);
}

#[test]
fn an_output_folder_within_the_inputs_is_not_searched() {
    let desk = tree();
    desk.run(&["photos", "-o", "photos/out"]).exits(0).says("5 done");
    let first = desk.outputs("photos/out");
    assert_eq!(first.len(), 5);
    desk.run(&["photos", "-o", "photos/out", "--overwrite"]).exits(0).says("5 done");
    assert_eq!(desk.outputs("photos/out"), first);
}

#[test]
fn patterns_are_expanded_by_the_program() {
    let desk = tree();
    desk.run(&["photos/*/*.[tw]*", "photos/a.???", "-o", "out"]).exits(0).says("3 done");
    let outputs: Vec<String> = desk.outputs("out").into_keys().collect();
    assert_eq!(outputs, in_order(&["a.jpg", "c d.tif", "猫 ☾.webp"]));
}

#[test]
fn a_file_whose_name_looks_like_a_pattern_is_a_file() {
    let mut desk = Desk::with("a[1].png", &dark(Format::Png, 1));
    desk.add("a1.png", &dark(Format::Png, 2));
    desk.run(&["a[1].png"]).exits(0);
    assert_eq!(desk.files(""), ["a1.png", "a[1]-bright.png", "a[1].png"]);
}

#[test]
fn several_inputs_go_beside_each_or_to_one_folder() {
    let files = [("a/1.png", Format::Png), ("b/2.jpg", Format::Jpeg), ("3.webp", Format::WebP)];
    let mut desk = Desk::new();
    files.iter().for_each(|(name, format)| desk.add(name, &dark(*format, 7)));
    let names = files.map(|(name, _)| name);
    desk.run(&names).exits(0).says("3 done");
    let expected = ["3-bright.webp", "3.webp", "a/1-bright.png", "a/1.png", "b/2-bright.jpg"];
    assert_eq!(desk.files("")[..5], expected);
    // The folder `a` holds what is named beside it, which is done once, and its bright copy.
    desk.run(&[names[0], "-o", "out", names[1], "a", names[2]]).exits(0).says("4 done");
    let outputs: Vec<String> = desk.outputs("out").into_keys().collect();
    assert_eq!(outputs, ["1-bright.png", "1.png", "2.jpg", "3.webp"]);
}

#[test]
fn a_dash_is_a_pipe() {
    for format in FORMATS {
        let ran = Desk::new().run_with_input(&["-"], &dark(format, 1)).exits(0);
        let photo = tapetum::decode(&ran.stdout, &tapetum::Limits::default()).unwrap();
        assert_eq!((photo.format, photo.raster.width()), (format, 48));
        assert_eq!(ran.stderr.lines().count(), 1);
    }
    let input = dark(Format::Png, 1);
    let desk = Desk::with("photo.png", &input);
    desk.run(&["photo.png"]).exits(0);
    let expected = desk.read("photo-bright.png");

    let ran = desk.run_with_input(&["-q", "-"], &input).exits(0);
    assert_eq!((ran.stdout == expected, ran.stderr.as_str()), (true, ""));
    desk.run_with_input(&["-", "-o", "piped.png"], &input).exits(0);
    assert_eq!(desk.read("piped.png"), expected);
    assert_eq!(desk.run(&["photo.png", "-o", "-"]).exits(0).stdout, expected);
    let ran = desk.run_with_input(&["-", "--format", "tif"], &input).exits(0);
    assert!(ran.stdout.starts_with(b"II*\0"));
}
