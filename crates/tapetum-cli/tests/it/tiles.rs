//! `--tiles`: photographs as one tile or several.

use tapetum::Format;

use crate::{
    desk::Desk,
    pictures::{dark, sized},
};

#[test]
fn the_whole_photograph_is_one_tile_where_it_would_be_cut() {
    let desk = Desk::with("a.png", &sized(Format::Png, (1100, 40), 1));
    for (tiles, n_tiles, said) in [("auto", 2, true), ("whole", 1, false)] {
        let ran = desk.run(&["a.png", "--overwrite", "--json", "--tiles", tiles]).exits(0);
        assert_eq!(ran.stderr.contains("2 tiles, "), said, "{}", ran.stderr);
        let done = &ran.json()["files"][0];
        assert_eq!((&done["n_tiles"], &done["is_approximate"]), (&n_tiles.into(), &false.into()));
    }
}

#[test]
fn a_photograph_that_does_not_fit_whole_is_refused_with_the_bytes_and_told_of_tiles() {
    let desk = Desk::with("a.png", &sized(Format::Png, (200, 150), 1));
    // 200 bytes a pixel, and three of the result.
    let needed_bytes = 200 * 150 * 203;
    let parts = ["budget of 1048576 bytes", &format!("{needed_bytes} are needed")];
    let ran = desk.run(&["a.png", "--tiles", "whole", "--memory", "1M"]).exits(1);
    ran.fails_once(&parts).says("hint: allow tiles with --tiles auto, or raise --memory");
    assert_eq!(desk.files(""), ["a.png"]);
    let enough = needed_bytes.to_string();
    desk.run(&["a.png", "--tiles", "whole", "--memory", &enough]).exits(0);
    desk.run(&["a.png", "--overwrite", "--tiles", "auto", "--memory", "1M"]).exits(0);
}

#[test]
fn tiles_are_not_advised_where_they_would_not_fit_or_the_method_has_none() {
    let desk = Desk::with("a.png", &dark(Format::Png, 1));
    for method in ["scl-lle", "clahe"] {
        let arguments = ["a.png", "-m", method, "--tiles", "whole", "--memory", "10K"];
        let ran = desk.run(&arguments).exits(1).fails_once(&["are needed"]);
        assert!(ran.stderr.contains("hint: raise --memory"), "{}", ran.stderr);
    }
}
