//! The page: whole, closed to the outside, escaped and small.

use tapetum_evaluate::{
    html,
    report::{Report, Showcase},
};

use crate::made_up::{self, Size};

const SMALL: Size = Size { n_sets: 3, n_contestants: 4, n_columns: 20, n_images: 5 };
const PIXEL: &str = "data:image/png;base64,AAAA";

fn showcases(report: &Report) -> Vec<Showcase> {
    let mut showcases = Vec::new();
    for row in &report.rows {
        for (reason, image_idx) in [("best PSNR", 2), ("worst PSNR", 0), ("median PSNR", 1)] {
            let own = |i: &&_| is_own(i, &row.set, &row.contestant);
            let image = report.images.iter().filter(own).nth(image_idx).expect("three images each");
            showcases.push(Showcase {
                set: row.set.clone(),
                image: image.image.clone(),
                contestant: row.contestant.clone(),
                reason: reason.to_owned(),
                width: 600,
                height: 400,
                low: PIXEL.to_owned(),
                enhanced: PIXEL.to_owned(),
                reference: Some(PIXEL.to_owned()),
                error_map: Some(PIXEL.to_owned()),
                scores: image.scores.clone(),
            });
        }
    }
    showcases
}

fn is_own(image: &tapetum_evaluate::report::ImageScores, set: &str, contestant: &str) -> bool {
    image.set == set && image.contestant == contestant
}

fn typeset(value: f64, n_digits: usize) -> String {
    let text = format!("{value:.n_digits$}");
    if text.trim_matches(['-', '0', '.']).is_empty() { text.replace('-', "") } else { text }
        .replace('-', "\u{2212}")
}

/// Everything between `start` and `end`, as often as it occurs.
fn between<'a>(page: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    page.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn no_address_leads_out_of_the_page() {
    let report = made_up::report(SMALL);
    let page = html(&report, &showcases(&report));
    assert!(!page.contains("http://") && !page.contains("https://"));
    let sources = between(&page, "src=\"", "\"");
    assert_eq!(sources.len(), 4 * 3 * 12);
    assert!(sources.iter().all(|source| source.starts_with("data:image/")));
    assert!(between(&page, "href=\"", "\"").iter().all(|address| address.starts_with('#')));
    assert!(!page.contains("url(") && !page.contains("@import") && !page.contains("<link"));
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    assert!(policy[0].starts_with("default-src 'none'; img-src data:;"), "{policy:?}");
}

#[test]
fn links_within_the_page_have_their_targets() {
    let report = made_up::report(SMALL);
    let page = html(&report, &showcases(&report));
    for target in between(&page, "href=\"#", "\"") {
        assert_eq!(page.matches(&format!(" id=\"{target}\"")).count(), 1, "{target}");
    }
}

#[test]
fn a_picture_from_outside_is_left_out_with_a_word() {
    let report = made_up::report(SMALL);
    let mut showcases = showcases(&report);
    showcases.truncate(1);
    showcases[0].low = "https://example.org/a.png".to_owned();
    let page = html(&report, &showcases);
    assert!(!page.contains("example.org"));
    assert_eq!(page.matches("This picture was left out").count(), 1);
}

#[test]
fn names_and_words_are_escaped_wherever_they_stand() {
    let evil = |place: &str| format!("<script>{place}</script>\"' onload={place} &amp;");
    let mut report = made_up::report(SMALL);
    report.title = evil("title");
    report.version = evil("version");
    report.date = Some(evil("date"));
    report.notes = vec![evil("note")];
    report.protocols[0].name = evil("protocol");
    report.protocols[0].description = evil("protocol-description");
    let (set, contestant) = (report.sets[0].name.clone(), report.contestants[1].name.clone());
    report.sets[0].name = evil("set");
    report.sets[0].kind = evil("kind");
    report.sets[0].manifest_sha256 = evil("manifest");
    report.contestants[1].name = evil("contestant");
    report.contestants[1].method = Some(evil("method"));
    report.contestants[1].weights_sha256 = Some(evil("weights"));
    let key = report.columns[0].key.clone();
    report.columns[0].key = evil("key");
    report.columns[0].title = evil("column");
    report.columns[0].subtitle = evil("subtitle");
    report.columns[0].description = evil("description");
    report.columns[0].unit = evil("unit");
    let rename = |name: &mut String| {
        let new = [(&set, "set"), (&contestant, "contestant"), (&key, "key")];
        if let Some((_, place)) = new.into_iter().find(|(old, _)| *name == **old) {
            *name = evil(place);
        }
    };
    for row in &mut report.rows {
        [&mut row.set, &mut row.contestant].into_iter().for_each(rename);
    }
    for d in &mut report.differences {
        [&mut d.set, &mut d.column, &mut d.first, &mut d.second].into_iter().for_each(rename);
    }
    for image in &mut report.images {
        [&mut image.set, &mut image.contestant].into_iter().for_each(rename);
        image.image = evil(&image.image);
        image.notes = vec![evil("image-note")];
    }
    let mut showcases = showcases(&report);
    showcases.iter_mut().for_each(|showcase| showcase.reason = evil("reason"));
    let page = html(&report, &showcases);
    assert_eq!(page.matches("<script>").count(), 1, "only the page's own");
    assert!(!page.contains("\"' onload="), "quotes end no attribute");
    for place in ["title", "version", "date", "note", "protocol", "protocol-description", "set"]
        .into_iter()
        .chain(["kind", "manifest", "contestant", "method", "weights", "key", "column", "subtitle"])
        .chain(["description", "unit", "001.png", "image-note", "reason"])
    {
        let escaped =
            format!("&#60;script&#62;{place}&#60;/script&#62;&#34;&#39; onload={place} &#38;amp;");
        let in_drawings = escaped.replace("&#60;", "&lt;");
        assert!(page.contains(&escaped) || page.contains(&in_drawings), "{place} is missing");
    }
}

#[test]
fn all_numbers_of_the_report_are_on_the_page() {
    let report = made_up::report(SMALL);
    let page = html(&report, &[]);
    for row in &report.rows {
        for (cell, column) in row.cells.iter().zip(&report.columns) {
            let Some(cell) = cell else { continue };
            let number = |value| typeset(value, column.n_digits);
            let [lower, upper] = cell.interval.unwrap();
            let interval = format!("<small>[{}, {}]", number(lower), number(upper));
            assert!(page.contains(&interval), "{interval} of {} is missing", column.key);
            let mean = format!(">{}<", number(cell.mean));
            assert!(page.contains(&mean), "{mean} of {} is missing", column.key);
        }
    }
    for d in &report.differences {
        let column = report.columns.iter().find(|column| column.key == d.column).unwrap();
        let number = |value| typeset(value, column.n_digits);
        let interval = format!("[{}, {}]", number(d.lower), number(d.upper));
        let cell = format!(">{}<small>{interval}<br>p {}<", number(d.mean), p_value(d.p));
        assert!(page.contains(&cell), "{cell} of {} is missing", d.column);
    }
    for image in &report.images {
        for (score, column) in image.scores.iter().zip(&report.columns) {
            let Some(score) = score else { continue };
            let cell = format!("<td>{}", typeset(*score, column.n_digits));
            assert!(page.contains(&cell), "{cell} of {} is missing", image.image);
        }
    }
    for set in &report.sets {
        assert!(page.contains(&set.manifest_sha256));
    }
}

fn p_value(p: f64) -> String {
    if p < 0.0001 { "&#60; 0.0001".to_owned() } else { format!("{p:.4}") }
}

#[test]
fn the_best_is_marked_and_harm_stands_apart() {
    let report = made_up::report(Size { n_sets: 1, ..SMALL });
    let page = html(&report, &[]);
    let best = report.rows.iter().filter_map(|row| row.cells[0]).map(|cell| cell.mean);
    let best = typeset(best.fold(f64::NEG_INFINITY, f64::max), 2);
    assert!(page.contains(&format!("<td class=\"best\">{best}<span class=\"vh\"> best</span>")));
    let n_ordered = report.columns.iter().filter(|c| c.title != "Mean luminance").count();
    assert_eq!(page.matches("class=\"best\"").count(), n_ordered);
    let harm = between(&page, "<table class=\"means harm\">", "</table>");
    assert_eq!(harm.len(), 1);
    assert!(harm[0].contains("Does it harm?") && harm[0].contains("Noise gain"));
    assert!(!harm[0].contains("PSNR"));
}

#[test]
fn a_difference_favours_the_side_that_its_interval_decides_for() {
    let check = |column_idx: usize, [lower, upper]: [f64; 2], expected: &str| {
        let mut report = made_up::report(Size { n_sets: 1, n_contestants: 2, ..SMALL });
        let key = report.columns[column_idx].key.clone();
        let difference = report.differences.iter_mut().find(|d| d.column == key).unwrap();
        (difference.mean, difference.lower, difference.upper) = (777.0, lower, upper);
        let page = html(&report, &[]);
        let matrix = between(&page, "<table class=\"matrix\">", "</table>")[0];
        let mean = typeset(777.0, report.columns[column_idx].n_digits);
        assert!(matrix.contains(&format!("<td{expected}>{mean}")), "{key} {lower} {upper}");
    };
    check(0, [1.0, 2.0], " class=one");
    check(0, [-2.0, -1.0], " class=two");
    check(0, [-1.0, 2.0], "");
    check(5, [1.0, 2.0], " class=two");
    check(5, [-2.0, -1.0], " class=one");
    check(14, [1.0, 2.0], "");
}

#[test]
fn columns_of_one_metric_share_a_heading() {
    let mut report = made_up::report(Size { n_sets: 1, ..SMALL });
    report.columns.swap(1, 3);
    let page = html(&report, &[]);
    let head = between(&page, "<table class=\"means\">", "</thead>")[0];
    assert!(head.contains("colspan=\"3\">PSNR"), "{head}");
    assert_eq!(head.matches(">PSNR").count(), 1);
}

#[test]
fn pictures_stand_from_worst_to_best() {
    let report = made_up::report(SMALL);
    let page = html(&report, &showcases(&report));
    let shelf = between(&page, "class=\"shelf\"", "</section>")[0];
    let reasons = between(shelf, "<figcaption><b>", "</b>");
    assert_eq!(reasons, ["worst PSNR", "median PSNR", "best PSNR"]);
}

#[test]
fn every_set_shows_its_headline_first_and_says_what_is_left_out() {
    let report = made_up::report(Size { n_contestants: 6, ..SMALL });
    let page = html(&report, &[]);
    let sections = between(&page, "class=\"distribution\"", "</section>");
    assert_eq!(sections.len(), 3);
    let first = |section: &str| between(section, "aria-label=\"Histograms of ", ",")[0].to_owned();
    assert_eq!(sections.iter().map(|s| first(s)).collect::<Vec<_>>(), ["PSNR", "PSNR", "NIQE"]);
    assert_eq!(page.matches("<svg").count(), 18);
    assert!(sections[0].contains("Left out") && sections[0].contains("Lightness order, LOE."));
}

#[test]
fn infinite_scores_have_a_sign_and_no_place_on_an_axis() {
    let mut report = made_up::report(SMALL);
    report.images[0].scores[0] = Some(f64::INFINITY);
    report.images[1].scores[0] = Some(f64::NAN);
    report.rows[0].cells[0].as_mut().unwrap().n_infinite = 1;
    let page = html(&report, &[]);
    assert!(page.contains("<td>∞") && page.contains("<small>1 infinite</small>"));
    assert!(page.contains("Not drawn: 2 scores"));
}

#[test]
fn reports_without_anything_still_make_a_page() {
    let check = |size: Size| {
        let report = made_up::report(size);
        assert!(html(&report, &[]).trim_end().ends_with("</html>"));
    };
    check(Size { n_sets: 0, ..SMALL });
    check(Size { n_contestants: 0, ..SMALL });
    check(Size { n_columns: 0, ..SMALL });
    check(Size { n_images: 0, ..SMALL });
    check(Size { n_contestants: 1, n_images: 1, ..SMALL });
}

#[test]
fn a_large_evaluation_stays_small_and_says_what_it_leaves_out() {
    let size = Size { n_sets: 3, n_contestants: 6, n_columns: 20, n_images: 100 };
    let mut report = made_up::report(size);
    fill_third_set(&mut report);
    let showcases = showcases(&report);
    let page = html(&report, &showcases);
    let n_picture_bytes = 4 * showcases.len() * PIXEL.len();
    let n_bytes = page.len() - n_picture_bytes;
    assert!(n_bytes < 300_000, "{n_bytes} bytes beside pictures");
    let kept = between(&page, "<table class=\"singles\">", "</table>")[0];
    for image in showcases.iter().filter(|showcase| showcase.set == report.sets[0].name) {
        assert!(kept.contains(&image.image), "pictured images stay");
    }
    assert!(page.contains("images are left out"));
}

/// Gives the unpaired set the scores of the first, so that all columns of all sets are full.
fn fill_third_set(report: &mut Report) {
    let (first, third) = (report.sets[0].name.clone(), report.sets[2].name.clone());
    report.rows.retain(|row| row.set != third);
    report.images.retain(|image| image.set != third);
    report.differences.retain(|difference| difference.set != third);
    let mut copy = report.clone();
    copy.rows.retain(|row| row.set == first);
    copy.rows.iter_mut().for_each(|row| row.set.clone_from(&third));
    copy.images.retain(|image| image.set == first);
    copy.images.iter_mut().for_each(|image| image.set.clone_from(&third));
    copy.differences.retain(|difference| difference.set == first);
    copy.differences.iter_mut().for_each(|difference| difference.set.clone_from(&third));
    report.rows.append(&mut copy.rows);
    report.images.append(&mut copy.images);
    report.differences.append(&mut copy.differences);
}
