//! Image file directories: the lists of tags that TIFF and EXIF are made of.
//!
//! Only what patching in place needs: where a record lies, where its value lies, small numbers.
//! Every offset comes from outside, so every access is checked and a failed one is `None`.

use std::ops::Range;

pub(crate) const BYTE: u16 = 1;
pub(crate) const ASCII: u16 = 2;
pub(crate) const SHORT: u16 = 3;
pub(crate) const LONG: u16 = 4;
pub(crate) const UNDEFINED: u16 = 7;

/// Bytes of one record: tag, kind, count, value or offset.
pub(crate) const RECORD_BYTES: usize = 12;

/// `II` or `MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    pub(crate) fn get_u16(self, stream: &[u8], at: usize) -> Option<u16> {
        let bytes = stream.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(crate) fn get_u32(self, stream: &[u8], at: usize) -> Option<u32> {
        let bytes = stream.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
    }

    pub(crate) fn bytes_u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn bytes_u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// One record and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tag: u16,
    pub(crate) kind: u16,
    pub(crate) count: u32,
    /// Offset of the record.
    pub(crate) at: usize,
}

impl Entry {
    /// Where the value lies; `None` for unknown kinds and values outside the stream.
    pub(crate) fn value_range(&self, stream: &[u8], order: ByteOrder) -> Option<Range<usize>> {
        let n_bytes = kind_bytes(self.kind)?.checked_mul(self.count as usize)?;
        let start =
            if n_bytes <= 4 { self.at + 8 } else { order.get_u32(stream, self.at + 8)? as usize };
        let end = start.checked_add(n_bytes)?;
        (end <= stream.len()).then_some(start..end)
    }

    /// Like [`Entry::value_range`], but only for values outside the record.
    pub(crate) fn far_range(&self, stream: &[u8], order: ByteOrder) -> Option<Range<usize>> {
        self.value_range(stream, order).filter(|range| range.len() > 4)
    }

    /// The first number of a BYTE, SHORT or LONG value.
    pub(crate) fn number(&self, stream: &[u8], order: ByteOrder) -> Option<u32> {
        let range = self.value_range(stream, order)?;
        match self.kind {
            BYTE => stream.get(range.start).copied().map(u32::from).filter(|_| self.count > 0),
            SHORT if self.count > 0 => order.get_u16(stream, range.start).map(u32::from),
            LONG if self.count > 0 => order.get_u32(stream, range.start),
            _ => None,
        }
    }
}

/// A directory and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ifd {
    pub(crate) at: usize,
    pub(crate) entries: Vec<Entry>,
    /// Offset of the following directory, 0 when there is none.
    pub(crate) next: u32,
}

impl Ifd {
    pub(crate) fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// Where the offset of the following directory lies.
    pub(crate) fn next_at(&self) -> usize {
        self.at + 2 + self.entries.len() * RECORD_BYTES
    }

    /// The directory's own bytes.
    pub(crate) fn range(&self) -> Range<usize> {
        self.at..self.next_at() + 4
    }
}

/// The header of a classic TIFF stream: its byte order and the offset of the first directory.
pub(crate) fn open(stream: &[u8]) -> Option<(ByteOrder, u32)> {
    let order = match stream.get(..4)? {
        b"II*\0" => ByteOrder::Little,
        b"MM\0*" => ByteOrder::Big,
        _ => return None,
    };
    Some((order, order.get_u32(stream, 4)?))
}

/// The directory at an offset, complete or not at all.
pub(crate) fn read(stream: &[u8], order: ByteOrder, at: u32) -> Option<Ifd> {
    let at = at as usize;
    let n_entries = usize::from(order.get_u16(stream, at)?);
    let entry = |idx| {
        let at = at + 2 + idx * RECORD_BYTES;
        let count = order.get_u32(stream, at + 4)?;
        order.get_u32(stream, at + 8)?;
        Some(Entry {
            tag: order.get_u16(stream, at)?,
            kind: order.get_u16(stream, at + 2)?,
            count,
            at,
        })
    };
    let entries = (0..n_entries).map(entry).collect::<Option<Vec<_>>>()?;
    let mut ifd = Ifd { at, entries, next: 0 };
    ifd.next = order.get_u32(stream, ifd.next_at())?;
    Some(ifd)
}

/// A record whose value lies within it, or whose value is the offset `field`.
pub(crate) fn record(
    order: ByteOrder,
    tag: u16,
    kind: u16,
    count: u32,
    field: [u8; 4],
) -> [u8; 12] {
    let mut record = [0; RECORD_BYTES];
    record[..2].copy_from_slice(&order.bytes_u16(tag));
    record[2..4].copy_from_slice(&order.bytes_u16(kind));
    record[4..8].copy_from_slice(&order.bytes_u32(count));
    record[8..].copy_from_slice(&field);
    record
}

/// A directory of these records, sorted, with no directory after it unless `next` says so.
pub(crate) fn write(order: ByteOrder, records: &mut [[u8; RECORD_BYTES]], next: u32) -> Vec<u8> {
    records.sort_by_key(|record| order.get_u16(record, 0));
    let n_entries = u16::try_from(records.len()).expect("a directory holds at most 65535 records");
    let mut bytes = order.bytes_u16(n_entries).to_vec();
    bytes.extend(records.iter().flatten());
    bytes.extend(order.bytes_u32(next));
    bytes
}

/// Bytes of one value; TIFF 6.0 §2 and the IFD kind of its supplement.
fn kind_bytes(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 => Some(8),
        _ => None,
    }
}
