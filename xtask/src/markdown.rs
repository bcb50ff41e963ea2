//! Reads the links and the tables out of a Markdown text.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

/// Where a link points, and the line it stands on (from 1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) header: Vec<Cell>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A table cell: its plain text, and the contents of its code spans in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) codes: Vec<String>,
}

impl Table {
    /// The position of the column whose heading is `name`, whatever its case.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|cell| cell.text.eq_ignore_ascii_case(name))
    }
}

/// Every link and image target, inline, by reference or in angle brackets.
pub(crate) fn links(text: &str) -> Vec<Link> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let targets = events.filter_map(|(event, range)| match event {
        Event::Start(
            Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. },
        ) if link_type != LinkType::Email => Some((dest_url, range.start)),
        _ => None,
    });
    let line = |offset| text[..offset].matches('\n').count() + 1;
    targets.map(|(target, at)| Link { line: line(at), target: target.into_string() }).collect()
}

pub(crate) fn tables(text: &str) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut table = Table::default();
    let mut row = Vec::new();
    let mut cell = Cell::default();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Text(text) => cell.text.push_str(&text),
            Event::Code(code) => {
                cell.text.push_str(&code);
                cell.codes.push(code.into_string());
            }
            Event::Start(Tag::TableCell) => cell = Cell::default(),
            Event::End(TagEnd::TableCell) => row.push(std::mem::take(&mut cell)),
            Event::End(TagEnd::TableHead) => table.header = std::mem::take(&mut row),
            Event::End(TagEnd::TableRow) => table.rows.push(std::mem::take(&mut row)),
            Event::End(TagEnd::Table) => tables.push(std::mem::take(&mut table)),
            _ => {}
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_every_form_and_not_in_code() {
        let text = "[a](one.md)\n![b](two.png \"title\") and `[c](no.md)`\n\n```\n[d](no.md)\n```\n\
                    [e][f] <https://example.org> <a@example.org>\n\n[f]: three.md#part\n";
        let found: Vec<_> = links(text).into_iter().map(|link| (link.line, link.target)).collect();
        let expected =
            [(1, "one.md"), (2, "two.png"), (7, "three.md#part"), (7, "https://example.org")];
        assert_eq!(found, expected.map(|(line, target)| (line, target.to_owned())));
    }

    #[test]
    fn tables_keep_text_and_code_of_each_cell() {
        let text = "# T\n\n| Crate | may |\n| --- | --- |\n| `a` | `b`, then `c*` |\n| `d` | |\n";
        let tables = tables(text);
        assert_eq!(tables.len(), 1);
        let table = &tables[0];
        assert_eq!(table.column("crate"), Some(0));
        assert_eq!(table.column("must"), None);
        assert_eq!(table.rows.len(), 2);
        assert_eq!(table.rows[0][1].text, "b, then c*");
        assert_eq!(table.rows[0][1].codes, ["b", "c*"]);
        assert_eq!(table.rows[1][1], Cell::default());
    }
}
