//! A TIFF file's own tags as one EXIF stream.
//!
//! What describes the photograph is taken, what describes the storage of pixels is left. Where the
//! tags lie near the start of the file every offset is kept, so that maker notes stay readable;
//! otherwise the tags are packed together.

use std::ops::Range;

use crate::metadata::{
    exif::{COMPRESSION, EXIF_IFD, GPS_IFD, IMAGE_LENGTH, IMAGE_WIDTH, INTEROPERABILITY_IFD},
    ifd::{self, ByteOrder, Entry, Ifd, LONG, RECORD_BYTES},
};

/// Up to here a stream with holes is smaller than what JPEG allows, room for patches left.
const KEPT_OFFSETS_MAX: usize = 48 << 10;

/// No single description is larger; pictures hidden in private tags are.
const VALUE_BYTES_MAX: usize = 1 << 20;

const MAKER_NOTE: u16 = 0x927C;

pub(crate) const XMP: u16 = 700;
pub(crate) const IPTC: u16 = 33_723;
pub(crate) const PHOTOSHOP: u16 = 34_377;
pub(crate) const ICC: u16 = 34_675;

/// The EXIF stream, and whether a maker note had to move.
pub(crate) struct Gathered {
    pub(crate) exif: Vec<u8>,
    pub(crate) maker_note_moved: bool,
}

/// `None` when nothing describes the photograph or the first directory cannot be read.
pub(crate) fn gather(file: &[u8]) -> Option<Gathered> {
    let (order, main) = ifd::open(file)?;
    let main = ifd::read(file, order, main)?;
    let source = Source { file, order };
    let records = source.descriptions(&main);
    if records.is_empty() {
        return None;
    }
    let mut ranges = Vec::new();
    source.add_ranges(&records, 0, &mut ranges);
    if ranges.iter().map(Range::len).sum::<usize>() > file.len() {
        // Many records share one value: a file made to swell.
        return None;
    }
    let end = ranges.iter().map(|range| range.end).max().unwrap_or(8).max(8);
    if end <= KEPT_OFFSETS_MAX {
        let exif = source.keep_offsets(&records, &ranges, end);
        return Some(Gathered { exif, maker_note_moved: false });
    }
    let mut exif = file[..8].to_vec();
    let directory = source.pack(&records, 0, &mut exif);
    exif[4..8].copy_from_slice(&order.bytes_u32(directory));
    let photo = source.linked(&records, EXIF_IFD);
    let maker_note_moved = photo.is_some_and(|photo| photo.entry(MAKER_NOTE).is_some());
    Some(Gathered { exif, maker_note_moved })
}

/// Whether a tag of the main directory says how pixels are stored, or is carried on its own.
pub(crate) fn is_structural(tag: u16) -> bool {
    matches!(tag,
        254 | 255 | IMAGE_WIDTH | IMAGE_LENGTH | 258 | COMPRESSION | 262..=266 | 273 | 277..=281
        | 284 | 288..=293 | 301 | 317 | 320..=325 | 330..=334 | 336..=347 | 400..=404 | 433..=435
        | 512..=521 | 529..=532 | XMP | IPTC | PHOTOSHOP | ICC | 37_724 | 50_215 | 50_255)
}

struct Source<'a> {
    file: &'a [u8],
    order: ByteOrder,
}

/// Directories within directories: EXIF in the main one, interoperability in EXIF.
const DEPTH_MAX: usize = 2;

fn is_directory(tag: u16) -> bool {
    matches!(tag, EXIF_IFD | GPS_IFD | INTEROPERABILITY_IFD)
}

impl Source<'_> {
    /// The describing records of the main directory whose values can be read.
    fn descriptions(&self, main: &Ifd) -> Vec<Entry> {
        let describes = |entry: &&Entry| !is_structural(entry.tag);
        self.readable(main).into_iter().filter(|entry| describes(&entry)).collect()
    }

    fn readable(&self, ifd: &Ifd) -> Vec<Entry> {
        let is_readable = |entry: &&Entry| {
            let value = entry.value_range(self.file, self.order);
            value.is_some_and(|range| range.len() <= VALUE_BYTES_MAX)
        };
        let mut entries: Vec<Entry> = ifd.entries.iter().filter(is_readable).copied().collect();
        entries.sort_by_key(|entry| entry.tag);
        entries.dedup_by_key(|entry| entry.tag);
        entries
    }

    fn linked(&self, records: &[Entry], tag: u16) -> Option<Ifd> {
        let entry = records.iter().find(|entry| entry.tag == tag)?;
        self.directory(entry)
    }

    fn directory(&self, entry: &Entry) -> Option<Ifd> {
        ifd::read(self.file, self.order, entry.number(self.file, self.order)?)
    }

    /// Everything that lies outside the records themselves.
    fn add_ranges(&self, records: &[Entry], depth: usize, ranges: &mut Vec<Range<usize>>) {
        for entry in records {
            ranges.extend(entry.far_range(self.file, self.order));
            if is_directory(entry.tag)
                && depth < DEPTH_MAX
                && let Some(ifd) = self.directory(entry)
            {
                ranges.push(ifd.range());
                self.add_ranges(&self.readable(&ifd), depth + 1, ranges);
            }
        }
    }

    /// The start of the file with everything else blanked, and a new main directory behind it.
    fn keep_offsets(&self, records: &[Entry], ranges: &[Range<usize>], end: usize) -> Vec<u8> {
        let mut exif = vec![0; end.next_multiple_of(2)];
        exif[..4].copy_from_slice(&self.file[..4]);
        for range in ranges {
            exif[range.clone()].copy_from_slice(&self.file[range.clone()]);
        }
        let directory = exif.len() as u32;
        exif[4..8].copy_from_slice(&self.order.bytes_u32(directory));
        let mut records: Vec<_> = records.iter().map(|entry| self.record(entry)).collect();
        exif.extend(ifd::write(self.order, &mut records, 0));
        exif
    }

    fn record(&self, entry: &Entry) -> [u8; RECORD_BYTES] {
        *self.file[entry.at..].first_chunk().expect("a record was read whole")
    }

    /// Writes values, then the directories below, then this one; returns its offset.
    fn pack(&self, records: &[Entry], depth: usize, exif: &mut Vec<u8>) -> u32 {
        let mut packed = Vec::with_capacity(records.len());
        for entry in records {
            if is_directory(entry.tag) {
                let Some(ifd) = self.directory(entry).filter(|_| depth < DEPTH_MAX) else {
                    continue;
                };
                let at = self.pack(&self.readable(&ifd), depth + 1, exif);
                let field = self.order.bytes_u32(at);
                packed.push(ifd::record(self.order, entry.tag, LONG, 1, field));
            } else if let Some(range) = entry.far_range(self.file, self.order) {
                let field = self.order.bytes_u32(append(exif, &self.file[range]));
                packed.push(ifd::record(self.order, entry.tag, entry.kind, entry.count, field));
            } else {
                packed.push(self.record(entry));
            }
        }
        let directory = ifd::write(self.order, &mut packed, 0);
        append(exif, &directory)
    }
}

fn append(stream: &mut Vec<u8>, value: &[u8]) -> u32 {
    if stream.len() % 2 == 1 {
        stream.push(0);
    }
    let at = stream.len() as u32;
    stream.extend_from_slice(value);
    at
}
