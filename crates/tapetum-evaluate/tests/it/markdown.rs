//! The report as Markdown.

use tapetum_evaluate::markdown;

use crate::made_up::{self, Size};

const SIZE: Size = Size { n_sets: 3, n_contestants: 4, n_columns: 20, n_images: 5 };

#[test]
fn all_means_and_intervals_stand_in_tables_of_equal_width() {
    let report = made_up::report(SIZE);
    let text = markdown(&report);
    for row in &report.rows {
        for (cell, column) in row.cells.iter().zip(&report.columns) {
            let Some(cell) = cell else { continue };
            let n = column.n_digits;
            let [lower, upper] = cell.interval.unwrap();
            let interval = format!(" [{lower:.n$}, {upper:.n$}]");
            assert!(text.contains(&interval), "{interval} of {} is missing", column.key);
            assert!(text.contains(&format!("{:.n$}", cell.mean)));
        }
    }
    let mut width = None;
    for line in text.lines() {
        let found = line.starts_with('|').then(|| line.matches(" | ").count());
        if let (Some(found), Some(expected)) = (found, width) {
            assert_eq!(found, expected, "{line}");
        }
        width = found;
    }
}

#[test]
fn headings_name_protocol_unit_and_direction() {
    let text = markdown(&made_up::report(SIZE));
    assert!(text.contains("| PSNR (RGB, GT-mean) \\[dB\\] ↑ |"));
    assert!(text.contains("| LPIPS (Alex) ↓ |"));
    assert!(text.contains("| Mean luminance (Y) |"));
    assert!(text.contains("### Does it harm?"));
}

#[test]
fn the_best_of_a_column_is_bold_whichever_way_it_points() {
    let mut report = made_up::report(SIZE);
    report.sets.truncate(1);
    let best = |column: usize, sign: f64| {
        let means = report.rows.iter().filter(|row| row.set == report.sets[0].name);
        let means = means.filter_map(|row| row.cells[column]).map(|cell| sign * cell.mean);
        sign * means.fold(f64::NEG_INFINITY, f64::max)
    };
    let text = markdown(&report);
    assert!(text.contains(&format!("**{:.2}** [", best(0, 1.0))));
    assert!(text.contains(&format!("**{:.4}** [", best(5, -1.0))));
    assert!(!text.contains(&format!("**{:.3}** [", best(14, 1.0))), "neither is better there");
}

#[test]
fn provenance_and_headline_differences_follow() {
    let report = made_up::report(SIZE);
    let text = markdown(&report);
    assert!(text.contains("### Paired differences: PSNR (RGB) \\[dB\\] ↑"));
    assert!(text.contains("### Paired differences: NIQE (Y) ↓"));
    let difference = &report.differences[0];
    assert!(text.contains(&format!("| {:.2} [{:.2}, ", difference.mean, difference.lower)));
    assert!(text.contains(&report.sets[0].manifest_sha256[..12]));
    let hash = report.contestants[3].weights_sha256.as_ref();
    assert!(text.contains(&hash.expect("the fourth has weights")[..12]));
    assert!(report.notes.iter().all(|note| text.contains(note.as_str())));
}

#[test]
fn names_stay_names() {
    let mut report = made_up::report(SIZE);
    report.rows[0].contestant = "a|b <b> *c* `d`\n# e".to_owned();
    let text = markdown(&report);
    assert!(text.contains("| a\\|b &lt;b&gt; \\*c\\* \\`d\\` \\# e |"));
}
