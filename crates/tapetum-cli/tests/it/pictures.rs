//! Small generated photographs, as files.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum::{Channels, EncodeOptions, Format, Photo, Raster, Samples, encode};

/// The formats that hold everything.
pub(crate) const FORMATS: [Format; 4] = [Format::Jpeg, Format::Png, Format::Tiff, Format::WebP];

/// A dark photograph with noise; each seed gives another one.
pub(crate) fn dark(format: Format, seed: u64) -> Vec<u8> {
    sized(format, (48, 32), seed)
}

/// A dark photograph of another size.
pub(crate) fn sized(format: Format, (width, height): (u32, u32), seed: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let n_samples = width as usize * height as usize * 3;
    let values = (0..n_samples).map(|idx| random.random_range(0..24) + (idx % 13) as u8);
    let raster = Raster::new(width, height, Channels::Rgb, Samples::U8(values.collect())).unwrap();
    encode(&Photo::from_raster(raster, format), format, &EncodeOptions::default()).unwrap()
}

/// The usual ending of a format's files.
pub(crate) fn ending(format: Format) -> &'static str {
    format.extensions()[0]
}

/// A PNG whose header promises a size that its few bytes cannot hold.
pub(crate) fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1A\n\0\0\0\x0D".to_vec();
    png.extend(&header);
    png.extend(crc32(&header).to_be_bytes());
    png.extend(&[0, 0, 0, 8]);
    png.extend(b"IDAT\x78\x9C\x03\0\0\0\0\x01");
    png.extend(crc32(b"IDAT\x78\x9C\x03\0\0\0\0\x01").to_be_bytes());
    png
}

/// A TIFF whose directory promises another size than its pixels have.
pub(crate) fn tiff_of_size(width: u16, height: u16) -> Vec<u8> {
    let mut tiff = dark(Format::Tiff, 1);
    // Width, height and rows of a strip, little-endian, one SHORT or LONG each.
    for (tag, side) in [(0u8, width), (1, height), (22, height)] {
        let is_record = |record: &[u8]| {
            record[..2] == [tag, 1]
                && [3, 4].contains(&record[2])
                && record[3..8] == [0, 1, 0, 0, 0]
        };
        let at = tiff.windows(8).position(is_record).unwrap();
        tiff[at + 8..at + 10].copy_from_slice(&side.to_le_bytes());
    }
    tiff
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}
