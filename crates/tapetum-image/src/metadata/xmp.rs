//! XMP packets, patched as text so that everything unknown stays as it was written.

/// Makes orientation, size and program true where the packet names them; adds nothing. Properties
/// are found by their usual prefixes, as every writer of note uses them. A packet that is not UTF-8
/// is left as it is.
pub(crate) fn make_true(packet: &[u8], width: u32, height: u32, program: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(packet) else { return packet.to_vec() };
    let (width, height) = (width.to_string(), height.to_string());
    let values = [
        ("tiff:Orientation", "1"),
        ("tiff:ImageWidth", &width),
        ("tiff:ImageLength", &height),
        ("exif:PixelXDimension", &width),
        ("exif:PixelYDimension", &height),
        ("xmp:CreatorTool", program),
    ];
    let patched = values
        .iter()
        .fold(text.to_owned(), |text, (property, value)| set_property(&text, property, value));
    patched.into_bytes()
}

/// Sets the orientation to 1 where the packet names one.
pub(crate) fn make_upright(packet: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(packet) {
        Ok(text) => set_property(text, "tiff:Orientation", "1").into_bytes(),
        Err(_) => packet.to_vec(),
    }
}

/// Replaces each value of a property, as attribute or as element.
fn set_property(text: &str, property: &str, value: &str) -> String {
    let mut patched = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(property) {
        let (before, after) = rest.split_at(found + property.len());
        patched.push_str(before);
        rest = after;
        let opener = before[..found].chars().next_back();
        let old = match opener {
            Some('<') => element_text(after),
            Some(c) if c.is_ascii_whitespace() => attribute_text(after),
            _ => None,
        };
        if let Some((start, end)) = old {
            patched.push_str(&after[..start]);
            patched.push_str(value);
            rest = &after[end..];
        }
    }
    patched.push_str(rest);
    patched
}

/// Where the value lies in `="value"`.
fn attribute_text(after: &str) -> Option<(usize, usize)> {
    let equals = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = equals.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let start = after.len() - equals.len() + 1;
    let length = after[start..].find(quote)?;
    Some((start, start + length))
}

/// Where the text lies in `>text</`, when it is text.
fn element_text(after: &str) -> Option<(usize, usize)> {
    let start = after.find('>')? + 1;
    let is_name_over = after.starts_with(|c: char| c == '>' || c.is_ascii_whitespace());
    if !is_name_over || after[..start].ends_with("/>") {
        return None;
    }
    let length = after[start..].find('<')?;
    after[start + length..].starts_with("</").then_some((start, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packet: &str, expected: &str) {
        let patched = make_true(packet.as_bytes(), 40, 30, "Tapetum");
        assert_eq!(String::from_utf8(patched).unwrap(), expected);
    }

    #[test]
    fn attributes_and_elements_are_set_and_the_rest_stays() {
        check(
            "<d tiff:Orientation=\"6\" exif:PixelXDimension = '9' xmp:Rating=\"5\"/>",
            "<d tiff:Orientation=\"1\" exif:PixelXDimension = '40' xmp:Rating=\"5\"/>",
        );
        check(
            "<tiff:Orientation>8</tiff:Orientation><xmp:CreatorTool>x</xmp:CreatorTool>",
            "<tiff:Orientation>1</tiff:Orientation><xmp:CreatorTool>Tapetum</xmp:CreatorTool>",
        );
    }

    #[test]
    fn look_alikes_and_broken_packets_are_left_alone() {
        for packet in [
            "<a my-tiff:Orientation=\"6\"/>",
            "<tiff:OrientationX>6</tiff:OrientationX>",
            "<tiff:Orientation/>",
            "<tiff:Orientation><b/></tiff:Orientation>",
            "<d tiff:Orientation=\"6",
            "<tiff:Orientation",
            " tiff:Orientation",
        ] {
            check(packet, packet);
        }
        assert_eq!(make_true(b"\xFF\xFE<\0", 1, 1, "Tapetum"), b"\xFF\xFE<\0");
    }
}
