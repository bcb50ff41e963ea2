//! Photographs of a turned camera come out upright, with everything that was said about them.

use moxcms::ColorProfile;
use tapetum::{Channels, Format, Metadata, Photo, Raster, Samples, Strength};

use crate::pictures::{FORMATS, dark_scene, enhance, peak_levels, photo, raster, read, write};

const XMP: &[u8] = b"<?xpacket begin=\"\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
    <rdf:Description dc:title=\"Cats\"/></x:xmpmeta>";

/// An orientation record of a little-endian EXIF stream, or of a TIFF itself.
fn record(orientation: u8) -> [u8; 10] {
    [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0]
}

/// A little-endian stream of a maker and an orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let mut stream = b"II*\0\x08\0\0\0\x02\0".to_vec();
    stream.extend(b"\x0F\x01\x02\0\x0A\0\0\0\x26\0\0\0");
    stream.extend(record(orientation));
    stream.extend([0; 6]);
    stream.extend(b"Catcamera\0");
    stream
}

/// A dark photograph with EXIF, XMP and a profile, as stored by the camera.
fn stored() -> Photo {
    let mut stored = photo(raster((48, 32), Channels::Rgb, 8, dark_scene));
    stored.metadata = Metadata {
        exif: Some(exif(1)),
        xmp: Some(XMP.to_vec()),
        icc: Some(ColorProfile::new_display_p3().encode().unwrap()),
        iptc: None,
    };
    stored
}

/// The file of a camera that was held in another way: the upright file with its tag changed.
fn turned_file(stored: &Photo, format: Format, orientation: u8) -> Vec<u8> {
    let mut file = write(stored, format);
    let upright = record(1);
    // The last one counts: a directory that grew is written anew behind the old one.
    let at = file.windows(upright.len()).rposition(|window| window == upright).unwrap();
    file[at + 8] = orientation;
    if format == Format::Png {
        mend_checksum(&mut file, b"eXIf");
    }
    file
}

/// Writes the checksum of a PNG chunk anew.
fn mend_checksum(png: &mut [u8], chunk: &[u8; 4]) {
    let at = png.windows(4).position(|window| window == chunk).unwrap();
    let length = u32::from_be_bytes(png[at - 4..at].try_into().unwrap()) as usize;
    let end = at + 4 + length;
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    let crc = png[at..end].iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step));
    png[end..end + 4].copy_from_slice(&(!crc).to_be_bytes());
}

/// The picture as the person behind the camera saw it (EXIF 2.32, tag 274).
fn turned(stored: &Raster, orientation: u8) -> Raster {
    let Samples::U8(values) = stored.samples() else { panic!("expected 8 bits") };
    let (width, height) = (stored.width(), stored.height());
    let size = if orientation < 5 { (width, height) } else { (height, width) };
    let place = |x: u32, y: u32| match orientation {
        1 => (x, y),
        2 => (width - 1 - x, y),
        3 => (width - 1 - x, height - 1 - y),
        4 => (x, height - 1 - y),
        5 => (y, x),
        6 => (y, height - 1 - x),
        7 => (width - 1 - y, height - 1 - x),
        _ => (width - 1 - y, x),
    };
    let pixels = (0..size.1).flat_map(|y| (0..size.0).map(move |x| place(x, y)));
    let starts = pixels.map(|(x, y)| (y * width + x) as usize * 3);
    let samples = starts.flat_map(|start| values[start..start + 3].iter().copied());
    Raster::new(size.0, size.1, Channels::Rgb, Samples::U8(samples.collect())).unwrap()
}

fn check(format: Format, orientation: u8) {
    let what = format!("{} orientation {orientation}", format.name());
    let original = stored();
    let enhanced = enhance(&turned_file(&original, format, orientation), Strength::Auto);
    assert!(enhanced.report.strength > 0.0, "{what}");
    assert_eq!(enhanced.warnings, Vec::<String>::new(), "{what}");

    // The same pixels, turned by hand before they were enhanced.
    let mut upright = original.clone();
    upright.raster = turned(&read(&write(&original, format)).raster, orientation);
    let expected = read(&enhance(&write(&upright, Format::Png), Strength::Auto).bytes);
    let found = read(&enhanced.bytes);
    // JPEG at quality 95 is off by a few levels; a picture turned wrongly is off by dozens.
    let tolerance = if format == Format::Jpeg { 12.0 } else { 0.0 };
    let peak = peak_levels(&found, &expected);
    assert!(peak <= tolerance, "{what}: off by {peak} levels");

    check_metadata(&enhanced.bytes, &found, &original, &what);
}

fn check_metadata(file: &[u8], found: &Photo, original: &Photo, what: &str) {
    let orientations: Vec<u8> = file
        .windows(10)
        .filter(|window| window[..8] == record(1)[..8] && window[9] == 0)
        .map(|window| window[8])
        .collect();
    assert!(!orientations.is_empty() && orientations.iter().all(|&o| o == 1), "{what}");
    let contains = |block: &Option<Vec<u8>>, part: &[u8]| {
        block.as_ref().is_some_and(|block| block.windows(part.len()).any(|window| window == part))
    };
    assert!(contains(&found.metadata.exif, b"Catcamera"), "{what}");
    assert!(contains(&found.metadata.exif, &record(1)), "{what}");
    assert!(contains(&found.metadata.xmp, b"dc:title=\"Cats\""), "{what}");
    assert_eq!(found.metadata.icc, original.metadata.icc, "{what}");
}

#[test]
fn every_orientation_comes_out_upright_with_its_metadata() {
    for format in FORMATS {
        for orientation in 1..=8 {
            check(format, orientation);
        }
    }
}
