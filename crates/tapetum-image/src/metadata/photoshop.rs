//! Photoshop image resources, the usual wrapping of IPTC.

const SIGNATURE: &[u8] = b"8BIM";
const IPTC: u16 = 0x0404;

/// The IPTC records among image resources.
pub(crate) fn iptc(resources: &[u8]) -> Option<&[u8]> {
    let mut rest = resources;
    loop {
        let (id, data, after) = next_resource(rest)?;
        if id == IPTC {
            return Some(data);
        }
        rest = after;
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

/// Signature, number, padded Pascal name, length, padded data.
fn next_resource(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let bytes = bytes.strip_prefix(SIGNATURE)?;
    let id = u16::from_be_bytes(*bytes.first_chunk()?);
    let name_bytes = usize::from(*bytes.get(2)?) + 1;
    let rest = bytes.get(2 + name_bytes + name_bytes % 2..)?;
    let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
    let data = rest.get(4..4usize.checked_add(length)?)?;
    let after = rest.get(4 + length + length % 2..).unwrap_or_default();
    Some((id, data, after))
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
    fn broken_resources_hold_no_iptc() {
        for broken in [&b""[..], b"8BIM", b"8BIM\x04\x04\0\0\xFF\xFF\xFF\xFFa", b"9BIM\x04\x04"] {
            assert_eq!(iptc(broken), None);
        }
    }
}
