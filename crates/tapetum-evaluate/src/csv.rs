//! Single scores as a table for spreadsheets and scripts.

use crate::report::Report;

/// All single scores as comma-separated values: `set,image,contestant`, then one column a key of
/// [`Report::columns`], one line an image and contestant.
///
/// Scores have all their digits; infinite ones read `inf` and `-inf`, undefined ones `nan`, and where
/// nothing was measured the cell is empty. Spreadsheets take a cell that begins with `=`, `+`, `-`,
/// `@`, a tab or a carriage return for a formula, and names come from files: such names get a single
/// quote in front. Numbers never do.
pub fn csv(report: &Report) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let head = ["set", "image", "contestant"].into_iter().map(str::to_owned);
    let keys = report.columns.iter().map(|column| name(&column.key));
    let written = writer.write_record(head.chain(keys));
    written.expect("writing to memory cannot fail");
    for image in &report.images {
        let names = [&image.set, &image.image, &image.contestant].map(|text| name(text));
        let scores = (0..report.columns.len())
            .map(|idx| image.scores.get(idx).copied().flatten().map_or_else(String::new, number));
        let written = writer.write_record(names.into_iter().chain(scores));
        written.expect("every record has a cell for every column");
    }
    let bytes = writer.into_inner().expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("what was written is text")
}

fn name(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

fn number(score: f64) -> String {
    if score.is_nan() { "nan".to_owned() } else { score.to_string() }
}
