//! Event files as TensorBoard reads them: scalars and images over the steps of a run.
//!
//! A file is a sequence of `TFRecord`s: length as `u64`, its checksum, bytes, their checksum, all little
//! endian. The bytes of each are a protocol-buffers message `Event`; of its fields only the few that are
//! written here are spelled out in [`message`].

use std::{
    fs::File,
    io::{self, BufWriter, ErrorKind, Write},
    path::Path,
};

/// What the first event of a file says; from 2 on, TensorBoard heeds the second, the start.
const VERSION: &[u8] = b"brain.Event:2";
/// Runs that may begin within one second.
const N_NAMES_MAX: u64 = 1000;

/// A file that grows while a run goes on. What is not flushed may be missing after a kill; what is there
/// stays readable.
#[derive(Debug)]
pub(crate) struct EventFile {
    writer: BufWriter<File>,
}

impl EventFile {
    /// Starts `events.out.tfevents.SECONDS.SUFFIX` in `folder` for a run of which `n_done` steps are done.
    /// Points of later steps in earlier files of the folder belong to what was lost and are no longer
    /// shown. TensorBoard reads files in the order of their names, so the next free second is taken where
    /// one is taken already.
    ///
    /// # Errors
    /// The file cannot be written, or no second is free.
    pub(crate) fn create(
        folder: &Path,
        wall_time_s: f64,
        suffix: &str,
        n_done: usize,
    ) -> io::Result<Self> {
        let seconds = wall_time_s as u64;
        let mut file = Err(ErrorKind::AlreadyExists.into());
        for seconds in seconds..seconds + N_NAMES_MAX {
            file = File::create_new(
                folder.join(format!("events.out.tfevents.{seconds:010}.{suffix}")),
            );
            if !matches!(&file, Err(error) if error.kind() == ErrorKind::AlreadyExists) {
                break;
            }
        }
        let mut events = Self { writer: BufWriter::new(file?) };
        events.write(&message::event(wall_time_s, 0, message::FILE_VERSION, VERSION))?;
        // TensorBoard drops the points from the step of a start on, when it saw a start before: every
        // file has one. A run that begins anew drops all.
        let step = if n_done == 0 { 0 } else { n_done + 1 };
        let start = message::session_start();
        events.write(&message::event(wall_time_s, step, message::SESSION_LOG, &start))?;
        Ok(events)
    }

    /// Writes a point of each curve.
    pub(crate) fn scalars(
        &mut self,
        step: usize,
        wall_time_s: f64,
        values: &[(&str, f32)],
    ) -> io::Result<()> {
        let values: Vec<u8> =
            values.iter().flat_map(|(tag, value)| message::scalar(tag, *value)).collect();
        self.write(&message::event(wall_time_s, step, message::SUMMARY, &values))
    }

    /// Writes an RGB image, as the bytes of a PNG file.
    pub(crate) fn image(
        &mut self,
        step: usize,
        wall_time_s: f64,
        tag: &str,
        png: &[u8],
        (width, height): (u32, u32),
    ) -> io::Result<()> {
        let image = message::image(tag, png, width, height);
        self.write(&message::event(wall_time_s, step, message::SUMMARY, &image))
    }

    /// Hands everything to the system, so that who watches sees it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// Writes one record.
    fn write(&mut self, event: &[u8]) -> io::Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        self.writer.write_all(&length)?;
        self.writer.write_all(&masked_checksum(&length).to_le_bytes())?;
        self.writer.write_all(event)?;
        self.writer.write_all(&masked_checksum(event).to_le_bytes())
    }
}

/// CRC-32C, turned and shifted, so that the checksum of bytes that hold checksums stays a good one.
fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The messages of TensorFlow's `event.proto` and `summary.proto`, by field number.
mod message {
    /// Fields of `Event`, of which each holds one.
    pub(super) const FILE_VERSION: u64 = 3;
    pub(super) const SUMMARY: u64 = 5;
    pub(super) const SESSION_LOG: u64 = 7;

    /// How a field is written, as its key says.
    const VARINT: u64 = 0;
    const FIXED_64: u64 = 1;
    const DELIMITED: u64 = 2;
    const FIXED_32: u64 = 5;

    const RGB: u64 = 3;

    /// `Event { wall_time = 1, step = 2, [field] }`.
    pub(super) fn event(wall_time_s: f64, step: usize, field: u64, content: &[u8]) -> Vec<u8> {
        let mut event = Vec::with_capacity(content.len() + 32);
        put_key(&mut event, 1, FIXED_64);
        event.extend(wall_time_s.to_le_bytes());
        // Zero is the default, which is not written.
        if step > 0 {
            put_number(&mut event, 2, step as u64);
        }
        put_bytes(&mut event, field, content);
        event
    }

    /// `SessionLog { status = 1: START }`.
    pub(super) fn session_start() -> Vec<u8> {
        let mut log = Vec::new();
        put_number(&mut log, 1, 1);
        log
    }

    /// `Summary { value = 1: Value { tag = 1, simple_value = 2 } }`; several make one summary when joined.
    pub(super) fn scalar(tag: &str, value: f32) -> Vec<u8> {
        let mut inner = Vec::new();
        put_bytes(&mut inner, 1, tag.as_bytes());
        put_key(&mut inner, 2, FIXED_32);
        inner.extend(value.to_le_bytes());
        summary(&inner)
    }

    /// `Summary { value = 1: Value { tag = 1, image = 4 } }` with
    /// `Image { height = 1, width = 2, colorspace = 3, encoded_image_string = 4 }`.
    pub(super) fn image(tag: &str, png: &[u8], width: u32, height: u32) -> Vec<u8> {
        let mut image = Vec::with_capacity(png.len() + 32);
        put_number(&mut image, 1, height.into());
        put_number(&mut image, 2, width.into());
        put_number(&mut image, 3, RGB);
        put_bytes(&mut image, 4, png);
        let mut inner = Vec::with_capacity(image.len() + tag.len() + 16);
        put_bytes(&mut inner, 1, tag.as_bytes());
        put_bytes(&mut inner, 4, &image);
        summary(&inner)
    }

    fn summary(value: &[u8]) -> Vec<u8> {
        let mut summary = Vec::with_capacity(value.len() + 8);
        put_bytes(&mut summary, 1, value);
        summary
    }

    fn put_bytes(message: &mut Vec<u8>, field: u64, content: &[u8]) {
        put_key(message, field, DELIMITED);
        put_varint(message, content.len() as u64);
        message.extend(content);
    }

    fn put_number(message: &mut Vec<u8>, field: u64, value: u64) {
        put_key(message, field, VARINT);
        put_varint(message, value);
    }

    fn put_key(message: &mut Vec<u8>, field: u64, form: u64) {
        put_varint(message, field << 3 | form);
    }

    /// Seven bits a byte, lowest first; the eighth says that more follow.
    fn put_varint(message: &mut Vec<u8>, mut value: u64) {
        while value > 0x7f {
            message.push(value as u8 | 0x80);
            value >>= 7;
        }
        message.push(value as u8);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    /// The same events, written by TensorBoard's own classes; see `tools/check_event_file.py`.
    const FIRST: &[u8] =
        include_bytes!("../tests/event_files/events.out.tfevents.1700000000.golden");
    const CONTINUED: &[u8] =
        include_bytes!("../tests/event_files/events.out.tfevents.1700000100.golden");
    const PHOTO: &[u8] = include_bytes!("../tests/event_files/photo.png");

    fn read(folder: &Path, seconds: &str) -> Vec<u8> {
        std::fs::read(folder.join(format!("events.out.tfevents.{seconds}.golden"))).unwrap()
    }

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c::crc32c(&ascending), 0x46dd_794e);
    }

    #[test]
    fn a_file_is_what_tensorboard_itself_writes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(folder.path(), 1_700_000_000.25, "golden", 0).unwrap();
        let terms = [("loss/exposure", 0.5), ("loss/total", -1.25e-3), ("learning_rate", 0.0)];
        file.scalars(0, 1_700_000_001.0, &terms).unwrap();
        file.scalars(300, 1_700_000_002.5, &[("loss/total", f32::INFINITY)]).unwrap();
        file.image(300, 1_700_000_003.0, "samples/1", PHOTO, (200, 3)).unwrap();
        file.scalars(301, 1_700_000_004.0, &[("loss/total", 7.0)]).unwrap();
        file.flush().unwrap();
        assert_eq!(read(folder.path(), "1700000000"), FIRST);
    }

    #[test]
    fn a_continued_run_drops_the_steps_after_its_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(folder.path(), 1_700_000_100.0, "golden", 300).unwrap();
        file.scalars(301, 1_700_000_101.0, &[("loss/total", 2.0)]).unwrap();
        file.flush().unwrap();
        assert_eq!(read(folder.path(), "1700000100"), CONTINUED);
    }

    #[test]
    fn files_of_one_second_do_not_replace_each_other() {
        let folder = tempfile::tempdir().unwrap();
        for time_s in [5.5, 5.75, 6.0] {
            EventFile::create(folder.path(), time_s, "golden", 0).unwrap();
        }
        let times = ["0000000005", "0000000006", "0000000007"];
        let written = times.map(|seconds| {
            f64::from_le_bytes(read(folder.path(), seconds)[13..21].try_into().unwrap())
        });
        assert_eq!(written, [5.5, 5.75, 6.0]);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = EventFile::create(&folder.path().join("none"), 5.0, "golden", 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
