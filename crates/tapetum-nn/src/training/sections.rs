//! Several named byte strings in one, with a checksum: how the parts of a training's state are kept
//! together. Sections can hold sections.

use sha2::{Digest, Sha256};

use crate::recipe::RecipeError;

const SIGNATURE: &[u8; 8] = b"tapstat1";
const N_CHECKSUM_BYTES: usize = 32;

/// One byte string that [`split`] takes apart. Layout: signature, SHA-256 of what follows, and for
/// each section the length of its name, its name, its length (both as 64-bit little-endian numbers)
/// and its bytes.
pub fn join(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in sections {
        for part in [name.as_bytes(), bytes] {
            body.extend((part.len() as u64).to_le_bytes());
            body.extend(part);
        }
    }
    [SIGNATURE, Sha256::digest(&body).as_slice(), &body].concat()
}

/// The sections that were joined, which must be exactly those of these names, in this order.
///
/// # Errors
/// The bytes are cut short or otherwise changed, or hold other sections.
pub fn split<'a, const N: usize>(
    bytes: &'a [u8],
    names: [&str; N],
) -> Result<[&'a [u8]; N], RecipeError> {
    let mut body = checked_body(bytes)?;
    let mut sections = [&[] as &[u8]; N];
    for (expected, section) in names.iter().zip(&mut sections) {
        let name = take(&mut body)?;
        if name != expected.as_bytes() {
            let found = String::from_utf8_lossy(&name[..name.len().min(64)]);
            return Err(bad(format!("expected its part '{expected}', found '{found}'")));
        }
        *section = take(&mut body)?;
    }
    match body.len() {
        0 => Ok(sections),
        n_left => Err(bad(format!("expected {N} parts, found {n_left} bytes after them"))),
    }
}

fn checked_body(bytes: &[u8]) -> Result<&[u8], RecipeError> {
    let (signature, rest) = bytes.split_at_checked(SIGNATURE.len()).unwrap_or((bytes, &[]));
    if signature != SIGNATURE {
        return Err(bad(format!(
            "expected it to start with the bytes {SIGNATURE:02x?}, found {signature:02x?}"
        )));
    }
    let (checksum, body) = rest.split_at_checked(N_CHECKSUM_BYTES).ok_or_else(|| {
        bad(format!("expected {N_CHECKSUM_BYTES} bytes of checksum, found {}", rest.len()))
    })?;
    match Sha256::digest(body).as_slice() == checksum {
        true => Ok(body),
        false => Err(bad("expected another checksum: it was cut short or changed".to_owned())),
    }
}

/// The next byte string and its length before it.
fn take<'a>(body: &mut &'a [u8]) -> Result<&'a [u8], RecipeError> {
    let (length, rest) = body
        .split_first_chunk()
        .ok_or_else(|| bad(format!("expected a length of 8 bytes, found {}", body.len())))?;
    let length = u64::from_le_bytes(*length);
    let (part, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| bad(format!("expected {length} bytes, found {}", rest.len())))?;
    *body = rest;
    Ok(part)
}

fn bad(detail: String) -> RecipeError {
    RecipeError::Checkpoint(detail)
}
