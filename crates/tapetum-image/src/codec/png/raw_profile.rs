//! Blocks spelled out in hexadecimal text, as ImageMagick and exiftool keep them in PNG.

/// Hexadecimal digits in one line of text.
const LINE_DIGITS: usize = 72;

/// The bytes of a profile: a line feed, its name, its length, lines of digits.
pub(crate) fn parse(text: &str) -> Option<Vec<u8>> {
    let mut lines = text.trim_start().lines();
    let _name = lines.next()?;
    let length: usize = lines.next()?.trim().parse().ok()?;
    let digits: Option<Vec<u8>> = lines
        .flat_map(str::bytes)
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
        .collect();
    let bytes: Vec<u8> = digits?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (bytes.len() == length).then_some(bytes)
}

/// The inverse of [`parse`].
pub(crate) fn write(name: &str, bytes: &[u8]) -> String {
    let mut text = format!("\n{name}\n{:8}\n", bytes.len());
    for line in bytes.chunks(LINE_DIGITS / 2) {
        text.extend(line.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_survive_their_spelling_and_broken_ones_are_refused() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&write("iptc", &bytes)), Some(bytes));
        assert_eq!(parse("\nexif\n       2\nABcd\n"), Some(vec![0xAB, 0xCD]));
        for broken in ["", "\nexif", "\nexif\nx\n", "\nexif\n 3\nabcd\n", "\nexif\n 2\nabcg\n"] {
            assert_eq!(parse(broken), None, "{broken:?}");
        }
    }
}
