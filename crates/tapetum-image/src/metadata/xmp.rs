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

/// Makes resolutions and the subject's place true for a photograph that was enlarged by `scale`; adds
/// nothing.
pub(crate) fn enlarge(packet: &[u8], scale: u32) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(packet) else { return packet.to_vec() };
    let mut text = text.to_owned();
    for (unit, resolutions) in RESOLUTIONS {
        if value_of(&text, unit).as_deref() != Some("1") {
            for property in resolutions {
                text = change_property(&text, property, |old| multiplied(old, scale));
            }
        }
    }
    for property in SUBJECTS {
        text = change_list(&text, property, |old| multiplied(old, scale));
    }
    text.into_bytes()
}

/// Resolutions by their unit, of which 1 is none: then they are an aspect ratio.
const RESOLUTIONS: [(&str, [&str; 2]); 2] = [
    ("tiff:ResolutionUnit", ["tiff:XResolution", "tiff:YResolution"]),
    ("exif:FocalPlaneResolutionUnit", ["exif:FocalPlaneXResolution", "exif:FocalPlaneYResolution"]),
];
/// Lists of pixels.
const SUBJECTS: [&str; 2] = ["exif:SubjectArea", "exif:SubjectLocation"];

/// A whole number or a fraction of two, times `scale`; `None` for anything else.
fn multiplied(value: &str, scale: u32) -> Option<String> {
    let (numerator, denominator) = match value.trim().split_once('/') {
        Some((numerator, denominator)) => (numerator, Some(denominator)),
        None => (value.trim(), None),
    };
    let numerator = numerator.parse::<u32>().ok().map(|n| u64::from(n) * u64::from(scale))?;
    match denominator {
        Some(denominator) => denominator.parse::<u32>().ok().map(|d| format!("{numerator}/{d}")),
        None => Some(numerator.to_string()),
    }
}

/// Sets the orientation to 1 where the packet names one.
pub(crate) fn make_upright(packet: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(packet) {
        Ok(text) => set_property(text, "tiff:Orientation", "1").into_bytes(),
        Err(_) => packet.to_vec(),
    }
}

/// Replaces each value of a property.
fn set_property(text: &str, property: &str, value: &str) -> String {
    change_property(text, property, |_| Some(value.to_owned()))
}

/// The first value of a property.
fn value_of(text: &str, property: &str) -> Option<String> {
    let mut found = None;
    change_property(text, property, |value| {
        found.get_or_insert_with(|| value.trim().to_owned());
        None
    });
    found
}

/// Changes each item of a property that is a list.
fn change_list(text: &str, property: &str, change: impl Fn(&str) -> Option<String>) -> String {
    let (opening, closing) = (format!("<{property}>"), format!("</{property}>"));
    let mut changed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(&opening)
        && let Some(length) = rest[start..].find(&closing)
    {
        let (before, list) = rest[..start + length].split_at(start);
        changed.push_str(before);
        changed.push_str(&change_property(list, "rdf:li", &change));
        rest = &rest[start + length..];
    }
    changed.push_str(rest);
    changed
}

/// Changes each value of a property, as attribute or as element, where there is something to change.
fn change_property(
    text: &str,
    property: &str,
    mut change: impl FnMut(&str) -> Option<String>,
) -> String {
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
        if let Some((start, end)) = old
            && let Some(value) = change(&after[start..end])
        {
            patched.push_str(&after[..start]);
            patched.push_str(&value);
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
    fn resolutions_and_the_subject_grow_with_the_pixels() {
        for (packet, expected) in [
            (
                "<d tiff:XResolution=\"300/1\" tiff:ResolutionUnit=\"2\"/>",
                "<d tiff:XResolution=\"600/1\" tiff:ResolutionUnit=\"2\"/>",
            ),
            (
                "<tiff:YResolution>72</tiff:YResolution><exif:FocalPlaneXResolution>5/3</e>",
                "<tiff:YResolution>144</tiff:YResolution><exif:FocalPlaneXResolution>10/3</e>",
            ),
            (
                "<exif:SubjectArea><rdf:Seq><rdf:li>10</rdf:li><rdf:li>7</rdf:li></rdf:Seq>\
                 </exif:SubjectArea><rdf:li>3</rdf:li>",
                "<exif:SubjectArea><rdf:Seq><rdf:li>20</rdf:li><rdf:li>14</rdf:li></rdf:Seq>\
                 </exif:SubjectArea><rdf:li>3</rdf:li>",
            ),
        ] {
            let found = String::from_utf8(enlarge(packet.as_bytes(), 2)).unwrap();
            assert_eq!(found, expected);
        }
        for packet in [
            "<d tiff:XResolution=\"3/2\" tiff:ResolutionUnit=\"1\"/>",
            "<d tiff:XResolution=\"many\" tiff:YResolution=\"1/0x\" exif:SubjectArea=\"3\"/>",
            "<exif:SubjectArea><rdf:li>10",
        ] {
            assert_eq!(enlarge(packet.as_bytes(), 2), packet.as_bytes());
        }
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
