//! The table of comma-separated values.

use tapetum_evaluate::csv;

use crate::made_up::{self, Size};

const SMALL: Size = Size { n_sets: 1, n_contestants: 2, n_columns: 3, n_images: 2 };

#[test]
fn every_image_and_contestant_has_a_line_with_all_digits() {
    let report = made_up::report(SMALL);
    let text = csv(&report);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "set,image,contestant,psnr/0,psnr/1,psnr/2");
    assert_eq!(lines.len(), 1 + 2 * 2);
    for (line, image) in lines[1..].iter().zip(&report.images) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[..3], [&image.set, &image.image, &image.contestant]);
        for (cell, score) in cells[3..].iter().zip(&image.scores) {
            assert_eq!(cell.parse::<f64>().ok(), *score);
        }
    }
}

#[test]
fn infinity_nothing_and_short_lines_have_their_cells() {
    let mut report = made_up::report(SMALL);
    report.images[0].scores = vec![Some(f64::INFINITY), None, Some(-1.5)];
    report.images[1].scores = vec![Some(f64::NEG_INFINITY), Some(f64::NAN)];
    let text = csv(&report);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].ends_with(",inf,,-1.5"), "{}", lines[1]);
    assert!(lines[2].ends_with(",-inf,nan,"), "{}", lines[2]);
}

#[test]
fn names_cannot_become_formulas_or_break_lines() {
    let mut report = made_up::report(SMALL);
    let mut check = |name: &str, expected: &str| {
        report.images[0].image = name.to_owned();
        let text = csv(&report);
        assert!(text.contains(&format!(",{expected},Input,")), "{text}");
    };
    check("=1+1.png", "'=1+1.png");
    check("+a.png", "'+a.png");
    check("-a.png", "'-a.png");
    check("@a.png", "'@a.png");
    check("a,b \"c\".png", "\"a,b \"\"c\"\".png\"");
    check("a\nb.png", "\"a\nb.png\"");
}
