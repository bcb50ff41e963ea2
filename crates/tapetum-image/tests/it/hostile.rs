//! Damaged, lying and enormous files: an error that names its format or limit, never a panic.

use std::collections::BTreeMap;

use tapetum_image::{Channels, Format, ImageError, Limits, Samples, decode};

use crate::samples::{Random, WRITABLE, camera_exif, photo, picture, write};

/// A small valid file of each format that is read.
fn valid_files() -> Vec<(Format, Vec<u8>)> {
    let mut files: Vec<(Format, Vec<u8>)> = WRITABLE
        .into_iter()
        .map(|format| {
            let mut rich = photo(picture(21, 13, Channels::Rgb));
            rich.metadata.exif = Some(camera_exif(true, 1, 300).stream);
            rich.metadata.xmp = Some(b"<x tiff:Orientation=\"1\"/>".to_vec());
            if format.has_alpha() {
                rich.alpha = Some(Samples::U8((0..273).map(|v| v as u8).collect()));
            }
            (format, write(&rich, format))
        })
        .collect();
    let mut gif = Vec::new();
    let mut encoder = gif::Encoder::new(&mut gif, 9, 9, &[1, 2, 3, 4, 5, 6]).unwrap();
    let buffer = (0..81).map(|idx| idx % 2).collect::<Vec<u8>>().into();
    encoder.write_frame(&gif::Frame { width: 9, height: 9, buffer, ..Default::default() }).unwrap();
    drop(encoder);
    files.push((Format::Gif, gif));
    let mut progressive = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut progressive, 80);
    encoder.set_progressive(true);
    let raster = picture(40, 30, Channels::Rgb);
    let Samples::U8(values) = raster.samples() else { panic!("8 bits") };
    encoder.encode(values, 40, 30, jpeg_encoder::ColorType::Rgb).unwrap();
    files.push((Format::Jpeg, progressive));
    let mut inks = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut inks, 80);
    encoder.encode(&[90; 16 * 16 * 4], 16, 16, jpeg_encoder::ColorType::CmykAsYcck).unwrap();
    files.push((Format::Jpeg, inks));
    files
}

fn check_speaks(error: &ImageError, format: Format) {
    let text = error.to_string();
    let named = text.contains(format.name()) || matches!(error, ImageError::Limit { .. });
    assert!(named, "{} is not named: {text}", format.name());
    assert!(error.hint().is_some(), "{text}");
}

#[test]
fn nothing_and_garbage_are_unknown() {
    let mut random = Random(3);
    let noise: Vec<u8> = (0..4096).map(|_| random.below(256) as u8).collect();
    for bytes in [&b""[..], b"\0", b"hello, world", &noise] {
        let error = decode(bytes, &Limits::default()).unwrap_err();
        assert_eq!(error, ImageError::UnknownFormat { looks_like: None });
        assert!(error.hint().is_some());
    }
}

#[test]
fn avif_and_heic_are_named() {
    let avif = decode(b"\0\0\0\x1Cftypavif\0\0\0\0", &Limits::default()).unwrap_err();
    assert!(matches!(avif, ImageError::Unsupported { format: Format::Avif, .. }), "{avif}");
    check_speaks(&avif, Format::Avif);
    let heic = decode(b"\0\0\0\x1Cftypheic\0\0\0\0", &Limits::default()).unwrap_err();
    assert_eq!(heic.to_string(), "HEIC files are not read");
}

#[test]
fn a_file_cut_short_is_an_error_and_never_a_partial_picture() {
    for (format, bytes) in valid_files() {
        let whole = decode(&bytes, &Limits::default()).unwrap();
        for end in 0..bytes.len() {
            match decode(&bytes[..end], &Limits::default()) {
                // What little is missing held no pixels: an end marker or metadata.
                Ok(photo) => {
                    let what = format!("{} cut at {end} of {}", format.name(), bytes.len());
                    assert_eq!(
                        (&photo.raster, &photo.alpha),
                        (&whole.raster, &whole.alpha),
                        "{what}"
                    );
                }
                Err(ImageError::UnknownFormat { .. }) => assert!(end < 16, "{}", format.name()),
                Err(error) => check_speaks(&error, format),
            }
        }
    }
}

#[test]
fn garbage_behind_a_signature_is_an_error() {
    let mut random = Random(5);
    for (format, bytes) in valid_files() {
        for _ in 0..50 {
            let mut broken = bytes[..12.min(bytes.len())].to_vec();
            broken.extend((0..300).map(|_| random.below(256) as u8));
            match decode(&broken, &Limits::default()) {
                Ok(_) => {}
                Err(error) => check_speaks(&error, format),
            }
        }
    }
}

#[test]
fn flipped_bits_never_panic_outwards_nor_break_limits() {
    let limits =
        Limits { n_pixels_max: 4_000_000, decoded_bytes_max: 16_000_000, ..Limits::default() };
    let mut n_panics: BTreeMap<&str, usize> = BTreeMap::new();
    let mut random = Random(7);
    for (format, bytes) in valid_files() {
        for _ in 0..400 {
            let mut broken = bytes.clone();
            for _ in 0..=random.below(4) {
                // Half of the damage goes into the headers.
                let range = if random.below(2) == 0 { broken.len() } else { broken.len().min(64) };
                let at = random.below(range);
                broken[at] ^= 1 << random.below(8);
            }
            match decode(&broken, &limits) {
                Ok(photo) => assert!(photo.raster.n_pixels() <= limits.n_pixels_max),
                Err(ImageError::Panicked { .. }) => {
                    *n_panics.entry(format.name()).or_default() += 1;
                }
                Err(error) => assert!(error.hint().is_some(), "{error}"),
            }
        }
    }
    // Panics of codecs are stopped at the border; many would mean that a codec is unfit.
    assert!(n_panics.values().sum::<usize>() < 40, "{n_panics:?}");
}

fn check_limit(bytes: &[u8], limits: &Limits, expected: &str) {
    match decode(bytes, limits) {
        Err(error @ ImageError::Limit { name, limit, found }) => {
            assert_eq!(name, expected, "{error}");
            assert!(found > limit, "{error}");
            assert!(error.hint().unwrap().contains(expected));
        }
        other => panic!("expected limit {expected}, got {other:?}"),
    }
}

#[test]
fn each_limit_is_named_by_each_format() {
    for (_, bytes) in valid_files() {
        let all = Limits::default();
        check_limit(&bytes, &Limits { n_pixels_max: 80, ..all }, "n_pixels_max");
        check_limit(&bytes, &Limits { width_max: 8, ..all }, "width_max");
        check_limit(&bytes, &Limits { height_max: 8, ..all }, "height_max");
        check_limit(&bytes, &Limits { file_bytes_max: 20, ..all }, "file_bytes_max");
        check_limit(&bytes, &Limits { decoded_bytes_max: 100, ..all }, "decoded_bytes_max");
    }
}

/// The first place of `old` in the file, replaced.
fn patched(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

#[test]
fn enormous_sizes_in_headers_are_refused_before_anything_is_allocated() {
    let all = Limits::default();
    let of = |wanted| valid_files().into_iter().find(|(format, _)| *format == wanted).unwrap().1;

    let header = [b"IHDR".as_slice(), &60_000u32.to_be_bytes(), &60_000u32.to_be_bytes()].concat();
    let old = [b"IHDR".as_slice(), &21u32.to_be_bytes(), &13u32.to_be_bytes()].concat();
    let mut png = patched(&of(Format::Png), &old, &header);
    let checksum = {
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        crc.sum()
    };
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    check_limit(&png, &all, "n_pixels_max");

    let gif = patched(&of(Format::Gif), b"GIF89a\x09\0\x09\0", b"GIF89a\xFF\xFF\xFF\xFF");
    check_limit(&gif, &all, "n_pixels_max");

    let qoi = patched(&of(Format::Qoi), b"\0\0\0\x15\0\0\0\x0D", b"\0\x01\0\0\0\0\0\x0D");
    check_limit(&qoi, &all, "width_max");

    check_limit(b"P6 60000 60000 255 ", &all, "n_pixels_max");

    let tiff = patched(
        &of(Format::Tiff),
        b"\x01\x01\0\x04\0\0\0\x01\0\0\0\x0D",
        b"\x01\x01\0\x04\0\0\0\x01\x7F\0\0\0",
    );
    assert!(decode(&tiff, &all).is_err());

    let mut bmp = of(Format::Bmp);
    bmp[18..26].copy_from_slice(&[0x60, 0xEA, 0, 0, 0x60, 0xEA, 0, 0]);
    check_limit(&bmp, &all, "n_pixels_max");

    let mut webp = b"RIFF\x1A\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0".to_vec();
    webp.extend([0xFF, 0x7F, 0, 0xFF, 0x7F, 0]);
    assert!(decode(&webp, &all).is_err());
}

#[test]
fn a_tiny_jpeg_cannot_claim_a_huge_picture() {
    let bytes = write(&photo(picture(16, 16, Channels::Rgb)), Format::Jpeg);
    let huge =
        patched(&bytes, b"\xFF\xC0\0\x11\x08\0\x10\0\x10", b"\xFF\xC0\0\x11\x08\x40\0\x40\0");
    let error = decode(&huge, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("bytes of picture data"), "{error}");
}

/// A JPEG of noise that loses its second half but not the end marker behind it.
fn half_a_scan(color: jpeg_encoder::ColorType, restart_interval: u16) -> Vec<u8> {
    let mut random = Random(17);
    let noise: Vec<u8> = (0..64 * 64 * 3).map(|_| random.below(256) as u8).collect();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    if restart_interval > 0 {
        encoder.set_restart_interval(restart_interval);
    }
    encoder.encode(&noise, 64, 64, color).unwrap();
    let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    let half = (scan + bytes.len()) / 2;
    [&bytes[..half], &[0, 0xFF, 0xD9]].concat()
}

#[test]
fn a_jpeg_with_missing_rows_is_an_error_even_with_its_end_marker() {
    for color in [jpeg_encoder::ColorType::Luma, jpeg_encoder::ColorType::Rgb] {
        for restart_interval in [0, 1, 4, 8] {
            let bytes = half_a_scan(color, restart_interval);
            let result = decode(&bytes, &Limits::default());
            let error = result.map(drop).unwrap_err();
            check_speaks(&error, Format::Jpeg);
        }
    }
}

#[test]
fn complete_jpegs_of_every_restart_interval_and_content_are_read() {
    let mut random = Random(19);
    for (width, height) in [(1, 1), (8, 8), (17, 64), (200, 9)] {
        for restart_interval in [0, 1, 3, 8] {
            for noise in [1, 256] {
                let n_samples = usize::from(width) * usize::from(height) * 3;
                let values: Vec<u8> = (0..n_samples).map(|_| random.below(noise) as u8).collect();
                let mut bytes = Vec::new();
                let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 85);
                if restart_interval > 0 {
                    encoder.set_restart_interval(restart_interval);
                }
                encoder.encode(&values, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
                assert!(decode(&bytes, &Limits::default()).is_ok(), "{width} {restart_interval}");
            }
        }
    }
}

#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
    encoder.set_progressive(true);
    encoder.encode(&[77; 64], 8, 8, jpeg_encoder::ColorType::Luma).unwrap();
    let scan = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    let last_scan = bytes[scan..bytes.len() - 2].to_vec();
    bytes.truncate(bytes.len() - 2);
    for _ in 0..200 {
        bytes.extend_from_slice(&last_scan);
    }
    bytes.extend([0xFF, 0xD9]);
    check_limit(&bytes, &Limits::default(), "jpeg_scans_max");
}

#[test]
fn zero_sides_are_errors() {
    let all = Limits::default();
    for bytes in [&b"P6 0 5 255 "[..], b"GIF89a\0\0\0\0\0\0\0\x3B", b"qoif\0\0\0\0\0\0\0\x01\x03\0"]
    {
        let error = decode(bytes, &all).unwrap_err();
        assert!(matches!(error, ImageError::BadData { .. }), "{error}");
    }
}

#[test]
fn exif_with_flipped_bits_is_patched_or_dropped_but_never_panics() {
    let whole = camera_exif(false, 6, 400).stream;
    let mut random = Random(13);
    for _ in 0..2000 {
        let mut exif = whole.clone();
        for _ in 0..=random.below(5) {
            let at = random.below(exif.len());
            exif[at] ^= 1 << random.below(8);
        }
        exif.truncate(exif.len() - random.below(2) * random.below(exif.len()));
        let mut damaged = photo(picture(2, 2, Channels::Grey));
        damaged.metadata.exif = Some(exif);
        let again = decode(&write(&damaged, Format::Tiff), &Limits::default());
        assert!(again.is_ok(), "{again:?}");
        write(&damaged, Format::Png);
    }
}
