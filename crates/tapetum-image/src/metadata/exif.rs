//! EXIF kept true without moving anything: patched in place, grown at the end.
//!
//! Maker notes hold offsets counted from the start of the stream, so nothing that is there may
//! move. New values go into the room of the old ones or behind everything else.

use std::ops::Range;

use crate::metadata::ifd::{self, ASCII, ByteOrder, Entry, Ifd, LONG, RECORD_BYTES, SHORT};

pub(crate) const IMAGE_WIDTH: u16 = 0x0100;
pub(crate) const IMAGE_LENGTH: u16 = 0x0101;
pub(crate) const COMPRESSION: u16 = 0x0103;
pub(crate) const ORIENTATION: u16 = 0x0112;
pub(crate) const SOFTWARE: u16 = 0x0131;
const JPEG_OFFSET: u16 = 0x0201;
const JPEG_LENGTH: u16 = 0x0202;
pub(crate) const EXIF_IFD: u16 = 0x8769;
pub(crate) const GPS_IFD: u16 = 0x8825;
pub(crate) const INTEROPERABILITY_IFD: u16 = 0xA005;
const PIXEL_X_DIMENSION: u16 = 0xA002;
const PIXEL_Y_DIMENSION: u16 = 0xA003;
const JPEG_COMPRESSION: u32 = 6;

/// A readable EXIF stream.
#[derive(Debug)]
pub(crate) struct Exif {
    pub(super) bytes: Vec<u8>,
    pub(super) order: ByteOrder,
}

/// A JPEG picture to stand in the first directory after the main one.
pub(crate) struct Thumbnail {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) jpeg: Vec<u8>,
}

impl Exif {
    /// `None` unless the header and the main directory can be read.
    pub(crate) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let (order, main) = ifd::open(&bytes)?;
        ifd::read(&bytes, order, main)?;
        u32::try_from(bytes.len()).ok()?;
        Some(Self { bytes, order })
    }

    /// The smallest stream that holds an orientation.
    pub(crate) fn with_orientation(orientation: u16) -> Vec<u8> {
        let order = ByteOrder::Little;
        let [first, second] = order.bytes_u16(orientation);
        let record = ifd::record(order, ORIENTATION, SHORT, 1, [first, second, 0, 0]);
        [b"II*\0\x08\0\0\0".to_vec(), ifd::write(order, &mut [record], 0)].concat()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The orientation tag as it stands.
    pub(crate) fn orientation(&self) -> Option<u32> {
        self.main().entry(ORIENTATION)?.number(&self.bytes, self.order)
    }

    /// Sets the orientation to 1 where there is one.
    pub(crate) fn set_upright(&mut self) {
        let main = self.main();
        self.set_number(&main, ORIENTATION, 1);
    }

    /// Makes every record of the picture's size true; adds none.
    pub(crate) fn set_size(&mut self, width: u32, height: u32) {
        let main = self.main();
        self.set_number(&main, IMAGE_WIDTH, width);
        self.set_number(&main, IMAGE_LENGTH, height);
        if let Some(photo) = self.linked(&main, EXIF_IFD) {
            self.set_number(&photo, PIXEL_X_DIMENSION, width);
            self.set_number(&photo, PIXEL_Y_DIMENSION, height);
        }
    }

    /// Names the program that wrote the file.
    pub(crate) fn set_software(&mut self, name: &str) {
        let value = [name.as_bytes(), b"\0"].concat();
        let main = self.main();
        match main.entry(SOFTWARE) {
            Some(&entry) => self.replace_text(entry, &value),
            None => {
                let at = self.append(&value);
                let field = self.order.bytes_u32(at);
                let count = value.len() as u32;
                self.insert(&main, ifd::record(self.order, SOFTWARE, ASCII, count, field));
            }
        }
    }

    /// Whether a directory for a thumbnail follows the main one.
    pub(crate) fn has_thumbnail(&self) -> bool {
        self.main().next != 0
    }

    /// Cuts the old thumbnail's picture off where it is last, so that what grows now does not come
    /// to lie behind it; [`Exif::set_thumbnail`] or [`Exif::remove_thumbnail`] must follow.
    pub(crate) fn cut_thumbnail(&mut self) {
        if let Some((_, old)) = self.jpeg_thumbnail().filter(|(_, old)| self.is_last(old)) {
            self.bytes.truncate(old.start);
        }
    }

    /// Replaces the thumbnail, or takes it away when it was no JPEG.
    pub(crate) fn set_thumbnail(&mut self, thumbnail: &Thumbnail) {
        let Some((directory, old)) = self.jpeg_thumbnail() else {
            return self.remove_thumbnail();
        };
        let length = thumbnail.jpeg.len();
        let has_room = length <= old.len() && self.is_unshared(&old, None);
        let start = if has_room && !self.is_last(&old) {
            self.bytes[old.clone()].fill(0);
            self.put(old.start, &thumbnail.jpeg);
            old.start as u32
        } else {
            self.erase(&old);
            self.append(&thumbnail.jpeg)
        };
        self.set_number(&directory, JPEG_OFFSET, start);
        self.set_number(&directory, JPEG_LENGTH, length as u32);
        self.set_number(&directory, COMPRESSION, JPEG_COMPRESSION);
        self.set_number(&directory, ORIENTATION, 1);
        self.set_number(&directory, IMAGE_WIDTH, thumbnail.width);
        self.set_number(&directory, IMAGE_LENGTH, thumbnail.height);
    }

    /// Unlinks the thumbnail and erases its picture.
    pub(crate) fn remove_thumbnail(&mut self) {
        let old = self.jpeg_thumbnail().map(|(_, range)| range);
        let main = self.main();
        self.put(main.next_at(), &[0; 4]);
        if let Some(old) = old {
            self.erase(&old);
        }
    }

    /// The thumbnail's directory and as much of its picture as lies within the stream, when it is
    /// a JPEG.
    fn jpeg_thumbnail(&self) -> Option<(Ifd, Range<usize>)> {
        let directory = ifd::read(&self.bytes, self.order, self.main().next)?;
        let start = directory.entry(JPEG_OFFSET)?.number(&self.bytes, self.order)? as usize;
        let length = directory.entry(JPEG_LENGTH)?.number(&self.bytes, self.order)? as usize;
        let end = start.checked_add(length)?.min(self.bytes.len());
        (start <= end).then_some((directory, start..end))
    }

    pub(super) fn main(&self) -> Ifd {
        let opened = ifd::open(&self.bytes);
        opened
            .and_then(|(order, at)| ifd::read(&self.bytes, order, at))
            .expect("the main directory was read at parsing and every patch keeps it readable")
    }

    /// The directory that a record of another one points to.
    pub(super) fn linked(&self, ifd: &Ifd, tag: u16) -> Option<Ifd> {
        let at = ifd.entry(tag)?.number(&self.bytes, self.order)?;
        ifd::read(&self.bytes, self.order, at)
    }

    /// Sets a whole number where the record exists; SHORT becomes LONG when it must.
    fn set_number(&mut self, ifd: &Ifd, tag: u16, value: u32) {
        let Some(entry) = ifd.entry(tag).copied() else { return };
        let order = self.order;
        let (kind, field) = match u16::try_from(value) {
            Ok(short) if entry.kind != LONG => {
                let [first, second] = order.bytes_u16(short);
                (SHORT, [first, second, 0, 0])
            }
            _ => (LONG, order.bytes_u32(value)),
        };
        self.put(entry.at, &ifd::record(order, tag, kind, 1, field));
    }

    /// Writes text into the old value's room, or behind everything when that is too small.
    fn replace_text(&mut self, entry: Entry, value: &[u8]) {
        let old = entry.value_range(&self.bytes, self.order);
        let room = old
            .filter(|range| value.len() <= range.len() && self.is_unshared(range, Some(entry.at)));
        let at = match room {
            Some(range) => {
                self.bytes[range.clone()].fill(0);
                self.put(range.start, value);
                range.start as u32
            }
            None => self.append(value),
        };
        let field = self.order.bytes_u32(at);
        let count = value.len() as u32;
        self.put(entry.at, &ifd::record(self.order, entry.tag, ASCII, count, field));
    }

    /// Adds a record: the directory is written anew at the end, its values stay where they are.
    fn insert(&mut self, ifd: &Ifd, record: [u8; RECORD_BYTES]) {
        let mut records: Vec<[u8; RECORD_BYTES]> = ifd
            .entries
            .iter()
            .filter_map(|entry| self.bytes[entry.at..].first_chunk().copied())
            .collect();
        records.push(record);
        let directory = ifd::write(self.order, &mut records, ifd.next);
        let at = self.append(&directory);
        let field = self.order.bytes_u32(at);
        self.put(4, &field);
    }

    /// Adds bytes at an even offset behind everything else.
    pub(super) fn append(&mut self, value: &[u8]) -> u32 {
        if self.bytes.len() % 2 == 1 {
            self.bytes.push(0);
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        at
    }

    pub(super) fn put(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// Forgets bytes that nothing else uses; at the end of the stream they are cut off.
    fn erase(&mut self, range: &Range<usize>) {
        if self.is_last(range) {
            self.bytes.truncate(range.start);
        } else if self.is_unshared(range, None) {
            self.bytes[range.clone()].fill(0);
        }
    }

    /// Whether nothing but zeros follows the range.
    fn is_last(&self, range: &Range<usize>) -> bool {
        let is_padding = self.bytes[range.end..].iter().all(|&byte| byte == 0);
        is_padding && self.is_unshared(&(range.start..self.bytes.len()), None)
    }

    /// Whether no directory and no value but that of the record at `except` touches the range.
    pub(super) fn is_unshared(&self, range: &Range<usize>, except: Option<usize>) -> bool {
        let touches = |other: &Range<usize>| other.start < range.end && range.start < other.end;
        if touches(&(0..8)) {
            return false;
        }
        self.directories().iter().all(|ifd| {
            let values = ifd.entries.iter().filter(|entry| Some(entry.at) != except);
            let mut values = values.filter_map(|entry| entry.far_range(&self.bytes, self.order));
            !touches(&ifd.range()) && !values.any(|value| touches(&value))
        })
    }

    /// Every directory that EXIF knows.
    fn directories(&self) -> Vec<Ifd> {
        let main = self.main();
        let photo = self.linked(&main, EXIF_IFD);
        let interoperability =
            photo.as_ref().and_then(|photo| self.linked(photo, INTEROPERABILITY_IFD));
        let gps = self.linked(&main, GPS_IFD);
        let after = (main.next != 0).then(|| ifd::read(&self.bytes, self.order, main.next));
        let others = [photo, interoperability, gps, after.flatten()];
        std::iter::once(main).chain(others.into_iter().flatten()).collect()
    }
}
