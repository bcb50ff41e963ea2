//! A report as Markdown, for places that show text.

use std::fmt::Write;

use crate::{
    number,
    report::{Column, ContestantNote, Difference, Report, SetNote},
    table::{self, Cell, Table},
};

/// The report as GitHub-flavoured Markdown: for every set its tables of means with the best of a
/// column in bold and the paired differences of its headline column, then protocols, sets,
/// contestants and notes. Names are escaped.
pub fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n\n{}\n", escape(&report.title), by_line(report));
    for set in &report.sets {
        text += &section(report, set);
    }
    text += &provenance(report);
    text
}

fn by_line(report: &Report) -> String {
    let date = report.date.iter().map(|date| format!(", {}", escape(date)));
    format!("Version {}{}.", escape(&report.version), date.collect::<String>())
}

fn section(report: &Report, set: &SetNote) -> String {
    let n_images = set.n_images;
    let mut text =
        format!("\n## {} ({}, {n_images} images)\n", escape(&set.name), escape(&set.kind));
    for table in table::tables(report, &set.name) {
        text += if table.is_harm { "\n### Does it harm?\n\n" } else { "\n### Scores\n\n" };
        text += &means(&table);
    }
    let missing = table::unmeasured(report, &set.name);
    if !missing.is_empty() {
        let names: Vec<String> = missing.into_iter().map(heading).collect();
        text += &format!("\nNot measured on this set: {}.\n", names.join("; "));
    }
    if let Some(headline) = table::headline(report, &set.name) {
        let found = table::differences(report, &set.name, &headline.column.key);
        text += &differences(headline.column, &found);
    }
    text
}

fn means(table: &Table) -> String {
    let columns = table.groups.iter().flat_map(|group| &group.columns);
    let head = columns.map(|numbered| heading(numbered.column));
    let lines = table.lines.iter().map(|line| {
        let cells = line.cells.iter().map(|cell| cell.as_ref().map_or_else(String::new, mean));
        std::iter::once(escape(line.contestant)).chain(cells).collect()
    });
    grid(std::iter::once("Contestant".to_owned()).chain(head).collect(), lines)
}

/// `PSNR (RGB, GT-mean) [dB] ↑`
fn heading(column: &Column) -> String {
    let mut text = escape(&column.title);
    if !column.subtitle.is_empty() {
        text += &format!(" ({})", escape(&column.subtitle));
    }
    if !column.unit.is_empty() {
        text += &format!(" \\[{}\\]", escape(&column.unit));
    }
    format!("{text} {}", column.better.arrow()).trim_end().to_owned()
}

fn mean(cell: &Cell) -> String {
    let number = |value| number::plain(value, cell.n_digits);
    let bold = if cell.is_best { "**" } else { "" };
    let summary = &cell.summary;
    let interval = summary
        .interval
        .map_or(String::new(), |[lower, upper]| format!(" [{}, {}]", number(lower), number(upper)));
    format!("{bold}{}{bold}{interval}{}", cell.mean(), infinite(summary.n_infinite))
}

fn infinite(n_infinite: usize) -> String {
    if n_infinite == 0 { String::new() } else { format!(", {n_infinite} infinite") }
}

fn differences(column: &Column, differences: &[&Difference]) -> String {
    if differences.is_empty() {
        return String::new();
    }
    let head = ["First", "Second", "First minus second", "p", "Images"].map(str::to_owned);
    let lines = differences.iter().map(|d| {
        let number = |value| number::plain(value, column.n_digits);
        let interval = format!("{} [{}, {}]", number(d.mean), number(d.lower), number(d.upper));
        let p = escape(&number::p_value(d.p));
        vec![escape(&d.first), escape(&d.second), interval, p, d.n_images.to_string()]
    });
    let title = format!("\n### Paired differences: {}\n\n", heading(column));
    title + &grid(head.to_vec(), lines)
}

fn provenance(report: &Report) -> String {
    let mut text = String::new();
    list(&mut text, "Columns", &report.columns, |column| {
        format!(
            "**{}** (`{}`): {}",
            heading(column),
            code(&column.key),
            escape(&column.description)
        )
    });
    list(&mut text, "Protocols", &report.protocols, |protocol| {
        format!("**{}**: {}", escape(&protocol.name), escape(&protocol.description))
    });
    list(&mut text, "Sets", &report.sets, |set| {
        let hash = escape(number::hash_prefix(&set.manifest_sha256));
        format!("**{}**: {} images, SHA-256 {hash}", escape(&set.name), set.n_images)
    });
    text += &contestants(&report.contestants);
    list(&mut text, "Notes", &report.notes, |note| escape(note));
    text
}

fn contestants(notes: &[ContestantNote]) -> String {
    let head = ["Contestant", "Method", "Weights", "Parameters", "MAC a pixel", "ms", "Peak MiB"];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let lines = notes.iter().map(|note| {
        vec![
            escape(&note.name),
            or_dash(note.method.as_deref().map(escape)),
            or_dash(note.weights_sha256.as_ref().map(|hash| escape(number::hash_prefix(hash)))),
            or_dash(note.n_parameters.map(|n| n.to_string())),
            or_dash(note.macs_per_pixel.map(|n| n.to_string())),
            or_dash(note.milliseconds.map(|ms| format!("{ms:.1}"))),
            or_dash(
                note.memory_peak_bytes.map(|n| format!("{:.0}", n as f64 / f64::from(1 << 20))),
            ),
        ]
    });
    let title = "\n## Contestants\n\nTime and memory are those of a 600x400 image.\n\n";
    title.to_owned() + &grid(head.map(str::to_owned).to_vec(), lines)
}

fn list<T>(text: &mut String, title: &str, items: &[T], line: impl Fn(&T) -> String) {
    if !items.is_empty() {
        *text += &format!("\n## {title}\n\n");
    }
    for item in items {
        *text += &format!("- {}\n", line(item));
    }
}

fn grid(head: Vec<String>, lines: impl Iterator<Item = Vec<String>>) -> String {
    let rule = std::iter::once("---").chain(head.iter().skip(1).map(|_| "---:"));
    let rule = rule.map(str::to_owned).collect();
    let mut text = String::new();
    for line in [head, rule].into_iter().chain(lines) {
        writeln!(text, "| {} |", line.join(" | ")).expect("writing to a string cannot fail");
    }
    text
}

/// Keeps Markdown and HTML from reading anything into `text`, and keeps it on one line.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                escaped.extend(['\\', character]);
            }
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

/// Text between backticks, where backslashes mean themselves.
fn code(text: &str) -> String {
    text.replace(|c: char| c == '`' || c == '|' || c.is_control(), " ")
}
