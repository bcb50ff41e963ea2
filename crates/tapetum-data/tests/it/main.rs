//! Folders as people have them.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod layouts;
mod near_duplicates;
mod synthesis;

use std::{fs, path::Path};

use tapetum_data::{DataError, images, labelled, pairs, pairs_between};

fn make(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
}

/// Name, first and second file of each pair, relative to the folder.
fn found(files: &[&str], find: fn(&Path) -> Result<Vec<tapetum_data::Pair>, DataError>) -> String {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), files);
    let relative = |path: &Path| path.strip_prefix(folder.path()).unwrap().display().to_string();
    match find(folder.path()) {
        Ok(pairs) => pairs
            .iter()
            .map(|pair| {
                format!("{}: {} {}", pair.name, relative(&pair.first), relative(&pair.second))
            })
            .collect::<Vec<_>>()
            .join("; "),
        Err(error) => error.to_string().replace(&folder.path().display().to_string(), "DIR"),
    }
}

#[test]
fn layouts_of_published_sets_are_paired() {
    let cases: [(&[&str], &str); 5] = [
        (
            &["low/2.png", "low/10.png", "high/10.png", "high/2.png"],
            "2: low/2.png high/2.png; 10: low/10.png high/10.png",
        ),
        (
            &["Low/low00690.png", "Normal/normal00690.png"],
            "low00690: Low/low00690.png Normal/normal00690.png",
        ),
        (
            &["low/s1_0.jpg", "low/s1_1.jpg", "high/s1.jpg", "high/notes.txt"],
            "s1_0: low/s1_0.jpg high/s1.jpg; s1_1: low/s1_1.jpg high/s1.jpg",
        ),
        (&["input/a.jpg", "GT/a.png", "input/._a.jpg"], "a: input/a.jpg GT/a.png"),
        (&["NASA/a.jpg", "NASA-high/a.jpg"], "a: NASA/a.jpg NASA-high/a.jpg"),
    ];
    for (files, expected) in cases {
        assert_eq!(found(files, pairs), expected);
    }
    let expected = "a: image/a.jpg label/a.png";
    assert_eq!(found(&["image/a.jpg", "label/a.png"], labelled), expected);
}

#[test]
fn files_without_a_partner_are_listed() {
    let missing = found(&["low/1.png", "low/2.png", "high/1.png", "high/3.png"], pairs);
    let expected = "expected a partner for each file, found none for DIR/low/2.png, DIR/high/3.png";
    assert_eq!(missing, expected);
    let files: Vec<String> = (0..14).map(|idx| format!("low/{idx}.png")).collect();
    let mut files: Vec<&str> = files.iter().map(String::as_str).collect();
    files.push("high/0.png");
    let many = found(&files, pairs);
    assert!(many.ends_with("DIR/low/10.png and 3 more"), "{many}");
}

#[test]
fn files_of_one_name_are_listed() {
    let doubled = found(&["low/1.png", "high/1.png", "high/1.jpg"], pairs);
    assert!(doubled.starts_with("expected one file of a name, found several: "), "{doubled}");
    assert!(doubled.contains("DIR/high/1.png") && doubled.contains("DIR/high/1.jpg"));
    let doubled = found(&["low/1.png", "low/low1.png", "high/1.png"], pairs);
    assert!(doubled.contains("DIR/low/low1.png"), "{doubled}");
}

#[test]
fn a_folder_without_a_known_layout_says_what_was_looked_for() {
    let unknown = found(&["dark/1.png", "bright/1.png"], pairs);
    assert!(unknown.starts_with("DIR: expected low/ and high/, or low/ and normal/"), "{unknown}");
}

#[test]
fn images_come_in_counting_order_without_other_files() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(images(folder.path()), Err(DataError::NoImages { .. })));
    make(folder.path(), &["10.png", "9.jpg", ".hidden.png", "notes.txt", "8.png/inside.png"]);
    let names: Vec<String> = images(folder.path())
        .unwrap()
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["9.jpg", "10.png"]);
    assert!(matches!(images(&folder.path().join("none")), Err(DataError::Io { .. })));
    assert!(pairs_between(folder.path(), folder.path()).is_ok());
}
