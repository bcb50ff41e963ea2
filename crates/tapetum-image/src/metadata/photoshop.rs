//! Photoshop image resources, the usual wrapping of IPTC.

use std::ops::Range;

const SIGNATURE: &[u8] = b"8BIM";
const IPTC: u16 = 0x0404;
/// Pixels to an inch across and down, as 16 bits before and 16 behind the point, each with two units of
/// display behind it.
const RESOLUTION: u16 = 0x03ED;
const RESOLUTION_BYTES: usize = 16;

/// The IPTC records among image resources.
pub(crate) fn iptc(resources: &[u8]) -> Option<&[u8]> {
    all(resources).find(|(id, _)| *id == IPTC).map(|(_, data)| &resources[data])
}

/// Keeps the size in print of a photograph with `scale` times as many pixels on each side.
pub(crate) fn enlarge(resources: &mut [u8], scale: u32) {
    let is_resolution =
        |(id, data): &(u16, Range<usize>)| *id == RESOLUTION && data.len() >= RESOLUTION_BYTES;
    let found: Vec<_> = all(resources).filter(is_resolution).collect();
    for (_, data) in found {
        for at in [data.start, data.start + RESOLUTION_BYTES / 2] {
            if let Some(field) = resources[at..].first_chunk_mut::<4>() {
                *field = u32::from_be_bytes(*field).saturating_mul(scale).to_be_bytes();
            }
        }
    }
}

/// IPTC records as image resources; resources pass as they are.
pub(crate) fn wrap_iptc(records: &[u8]) -> Vec<u8> {
    if records.starts_with(SIGNATURE) {
        return records.to_vec();
    }
    let mut resources = SIGNATURE.to_vec();
    resources.extend(IPTC.to_be_bytes());
    resources.extend([0, 0]);
    resources.extend((records.len() as u32).to_be_bytes());
    resources.extend_from_slice(records);
    if records.len() % 2 == 1 {
        resources.push(0);
    }
    resources
}

/// The number of each resource and where its data lie, up to the first that is broken.
fn all(resources: &[u8]) -> impl Iterator<Item = (u16, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (id, data) = resource(resources, at)?;
        at = data.end + data.len() % 2;
        Some((id, data))
    })
}

/// Signature, number, padded Pascal name, length, data.
fn resource(resources: &[u8], at: usize) -> Option<(u16, Range<usize>)> {
    let bytes = resources.get(at..)?.strip_prefix(SIGNATURE)?;
    let id = u16::from_be_bytes(*bytes.first_chunk()?);
    let name_bytes = usize::from(*bytes.get(2)?) + 1;
    let header_bytes = 2 + name_bytes.next_multiple_of(2);
    let length = u32::from_be_bytes(*bytes.get(header_bytes..)?.first_chunk()?) as usize;
    let start = at + SIGNATURE.len() + header_bytes + 4;
    let end = start.checked_add(length)?;
    (end <= resources.len()).then_some((id, start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iptc_is_found_behind_other_resources() {
        let mut resources = b"8BIM\x03\xED\x03abc\0\0\0\x03xyz\0".to_vec();
        resources.extend(wrap_iptc(b"\x1C\x02\x78"));
        assert_eq!(iptc(&resources), Some(&b"\x1C\x02\x78"[..]));
        assert_eq!(wrap_iptc(&resources), resources);
    }

    #[test]
    fn the_resolution_grows_with_the_pixels() {
        // 72.5 and 300 pixels to an inch, shown in centimetres; then another resource.
        let resolution = |x: [u8; 4], y: [u8; 4]| {
            let data = [x, [0, 2, 0, 2], y, [0, 2, 0, 2]].concat();
            [b"8BIM\x03\xED\0\0\0\0\0\x10".to_vec(), data, wrap_iptc(b"\x1C\x02\x78")].concat()
        };
        let mut resources = resolution([0, 72, 0x80, 0], [1, 44, 0, 0]);
        enlarge(&mut resources, 2);
        assert_eq!(resources, resolution([0, 145, 0, 0], [2, 88, 0, 0]));
        let mut short = b"8BIM\x03\xED\0\0\0\0\0\x04\x12\x34\x56\x78".to_vec();
        enlarge(&mut short, 2);
        assert!(short.ends_with(b"\x12\x34\x56\x78"), "not what it should be, and left alone");
    }

    #[test]
    fn broken_resources_hold_no_iptc() {
        for broken in [&b""[..], b"8BIM", b"8BIM\x04\x04\0\0\xFF\xFF\xFF\xFFa", b"9BIM\x04\x04"] {
            assert_eq!(iptc(broken), None);
        }
    }
}
