//! Reads the one kind of NumPy array that metric parameters come in: little-endian f64.
//!
//! The crates that read `.npy` bring a parser of Python literals with native code along; the header is
//! a line of text of which three facts matter.

const MAGIC: &[u8] = b"\x93NUMPY";

/// The numbers of a version 1 to 3 `.npy` file in the order of the file.
pub(crate) fn read_npy(bytes: &[u8]) -> Result<Vec<f64>, String> {
    let (header, data) = split(bytes).ok_or("expected a NumPy array, got something else")?;
    let header: String = header.chars().filter(|letter| !letter.is_whitespace()).collect();
    if !header.contains("'descr':'<f8'") {
        return Err(format!("expected little-endian f64, got {header}"));
    }
    let expected = n_values(&header).ok_or_else(|| format!("expected a shape, got {header}"))?;
    let (values, rest) = data.as_chunks::<8>();
    if values.len() != expected || !rest.is_empty() {
        return Err(format!("expected {expected} numbers, got {} bytes", data.len()));
    }
    Ok(values.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect())
}

/// Header text and data.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (version, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<2>()?;
    let (length, rest) = match version[0] {
        1 => {
            rest.split_first_chunk::<2>().map(|(n, rest)| (u16::from_le_bytes(*n).into(), rest))?
        }
        2 | 3 => rest.split_first_chunk::<4>().map(|(n, rest)| (u32::from_le_bytes(*n), rest))?,
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length as usize)?;
    Some((str::from_utf8(header).ok()?, data))
}

/// The product of the shape in a header without blanks.
fn n_values(header: &str) -> Option<usize> {
    let (_, shape) = header.split_once("'shape':(")?;
    let (shape, _) = shape.split_once(')')?;
    let sides = shape.split(',').filter(|side| !side.is_empty());
    sides.map(|side| side.parse::<usize>().ok()).try_fold(1usize, |n, side| n.checked_mul(side?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, values: &[f64]) -> Vec<u8> {
        let mut bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes()].concat();
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    #[test]
    fn an_array_reads_back_and_damage_is_refused() {
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }      \n";
        let whole = file(header, &[1.5, -2.0, 1e-9]);
        assert_eq!(read_npy(&whole).unwrap(), [1.5, -2.0, 1e-9]);
        for length in 0..whole.len() {
            assert!(read_npy(&whole[..length]).is_err(), "cut at {length}");
        }
        for wrong in ["{'descr': '<f4', 'shape': (3,)}", "{'descr': '<f8', 'shape': (x,)}"] {
            assert!(read_npy(&file(wrong, &[0.0; 3])).is_err(), "{wrong}");
        }
        let huge = "{'descr': '<f8', 'shape': (9999999999999, 9999999999999)}";
        assert!(read_npy(&file(huge, &[])).is_err());
    }
}
