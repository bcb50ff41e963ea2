//! TIFF as other programs write it: byte orders, tiles, planes, inks, compressions.

use tapetum_image::{Channels, Format, Limits, Samples, decode};

use crate::samples::{bytes_of, picture, read, write};

/// A TIFF by hand: the given records (tag, kind, values) behind the given pixels at offset 8.
fn tiff(is_big: bool, pixels: &[u8], records: &[(u16, u16, &[u32])]) -> Vec<u8> {
    let short = |v: u16| if is_big { v.to_be_bytes() } else { v.to_le_bytes() };
    let long = |v: u32| if is_big { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut bytes = if is_big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    bytes.extend([0; 4]);
    bytes.extend_from_slice(pixels);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let mut directory = short(records.len() as u16).to_vec();
    for (tag, kind, values) in records {
        let value: Vec<u8> = values
            .iter()
            .flat_map(|&v| if *kind == 3 { short(v as u16).to_vec() } else { long(v).to_vec() })
            .collect();
        let mut field = value.clone();
        if value.len() > 4 {
            field = long(bytes.len() as u32).to_vec();
            bytes.extend(&value);
        }
        field.resize(4, 0);
        directory.extend(short(*tag));
        directory.extend(short(*kind));
        directory.extend(long(values.len() as u32));
        directory.extend(field);
    }
    directory.extend(long(0));
    let at = long(bytes.len() as u32);
    bytes[4..8].copy_from_slice(&at);
    bytes.extend(directory);
    bytes
}

#[test]
fn tiffs_of_both_byte_orders_hold_16_bits() {
    for is_big in [false, true] {
        let values = [0u16, 1, 256, 65_535];
        let order = |v: &u16| if is_big { v.to_be_bytes() } else { v.to_le_bytes() };
        let pixels: Vec<u8> = values.iter().flat_map(order).collect();
        let records: [(u16, u16, &[u32]); 9] = [
            (256, 4, &[2]),
            (257, 4, &[2]),
            (258, 3, &[16]),
            (259, 3, &[1]),
            (262, 3, &[1]),
            (273, 4, &[8, 12]),
            (277, 3, &[1]),
            (278, 4, &[1]),
            (279, 4, &[4, 4]),
        ];
        let photo = read(&tiff(is_big, &pixels, &records));
        assert_eq!(photo.raster.samples(), &Samples::U16(values.to_vec()));
    }
}

#[test]
fn tiff_tiles_are_put_together() {
    // Two tiles of 16x16 for a picture of 20x16.
    let mut pixels = vec![10u8; 256];
    pixels.extend([20u8; 256]);
    let records: [(u16, u16, &[u32]); 10] = [
        (256, 4, &[20]),
        (257, 4, &[16]),
        (258, 3, &[8]),
        (259, 3, &[1]),
        (262, 3, &[1]),
        (277, 3, &[1]),
        (322, 4, &[16]),
        (323, 4, &[16]),
        (324, 4, &[8, 264]),
        (325, 4, &[256, 256]),
    ];
    let photo = read(&tiff(true, &pixels, &records));
    let expected: Vec<u8> = (0..320).map(|idx| if idx % 20 < 16 { 10 } else { 20 }).collect();
    assert_eq!(bytes_of(&photo), expected);
}

/// Records of a small 8-bit TIFF in one strip.
fn strip_tiff(
    width: u32,
    pixels: &[u8],
    photometric: u32,
    n: u32,
    more: &[(u16, u16, &[u32])],
) -> Vec<u8> {
    let depths = vec![8; n as usize];
    let length = [pixels.len() as u32];
    let (width, photometric, n) = ([width], [photometric], [n]);
    let mut records: Vec<(u16, u16, &[u32])> = vec![
        (256, 4, &width),
        (257, 4, &[1]),
        (258, 3, &depths),
        (259, 3, &[1]),
        (262, 3, &photometric),
        (273, 4, &[8]),
        (277, 3, &n),
        (278, 4, &[1]),
        (279, 4, &length),
    ];
    records.extend_from_slice(more);
    records.sort_by_key(|record| record.0);
    records.dedup_by_key(|record| record.0);
    tiff(false, pixels, &records)
}

#[test]
fn tiff_planes_are_interleaved() {
    let records: [(u16, u16, &[u32]); 10] = [
        (256, 4, &[2]),
        (257, 4, &[1]),
        (258, 3, &[8, 8, 8]),
        (259, 3, &[1]),
        (262, 3, &[2]),
        (273, 4, &[8, 10, 12]),
        (277, 3, &[3]),
        (278, 4, &[1]),
        (279, 4, &[2, 2, 2]),
        (284, 3, &[2]),
    ];
    let photo = read(&tiff(false, &[1, 2, 3, 4, 5, 6], &records));
    assert_eq!(bytes_of(&photo), [1, 3, 5, 2, 4, 6]);
}

#[test]
fn inverted_grey_and_cmyk_and_premultiplied_tiffs_become_what_they_show() {
    let white_is_zero = read(&strip_tiff(2, &[0, 200], 0, 1, &[]));
    assert_eq!(bytes_of(&white_is_zero), [255, 55]);

    let cmyk = read(&strip_tiff(2, &[255, 0, 0, 0, 0, 0, 0, 255], 5, 4, &[]));
    assert_eq!(bytes_of(&cmyk), [0, 255, 255, 0, 0, 0]);
    assert!(cmyk.warnings[0].starts_with("CMYK colours are approximate"));

    let associated: (u16, u16, &[u32]) = (338, 3, &[1]);
    let pixels = [50, 100, 0, 128, 9, 9, 9, 0];
    let premultiplied = read(&strip_tiff(2, &pixels, 2, 4, &[associated]));
    assert_eq!(bytes_of(&premultiplied), [100, 199, 0, 0, 0, 0]);
    assert_eq!(premultiplied.alpha, Some(Samples::U8(vec![128, 0])));
}

#[test]
fn a_tiff_of_single_bits_is_grey() {
    let records: [(u16, u16, &[u32]); 9] = [
        (256, 4, &[10]),
        (257, 4, &[2]),
        (258, 3, &[1]),
        (259, 3, &[1]),
        (262, 3, &[1]),
        (273, 4, &[8]),
        (277, 3, &[1]),
        (278, 4, &[2]),
        (279, 4, &[4]),
    ];
    let photo = read(&tiff(false, &[0b1010_0000, 0b0100_0000, 0b1000_0000, 0], &records));
    let mut expected = [0; 20];
    for set in [0, 2, 9, 10] {
        expected[set] = 255;
    }
    assert_eq!(bytes_of(&photo), expected);
}

#[test]
fn camera_raw_files_are_refused_rather_than_their_preview_taken() {
    let preview: (u16, u16, &[u32]) = (254, 4, &[1]);
    let dng: (u16, u16, &[u32]) = (50_706, 4, &[0x0104]);
    for record in [preview, dng] {
        let error = decode(&strip_tiff(1, &[5], 1, 1, &[record]), &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "unsupported TIFF feature: camera raw data");
        assert!(error.hint().unwrap().contains("16-bit TIFF"));
    }
}

#[test]
fn a_big_tiff_keeps_pixels_colour_and_orientation() {
    use tiff::{
        encoder::{TiffEncoder, colortype::Gray16},
        tags::Tag,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new_big(&mut bytes).unwrap();
    let mut image = encoder.new_image::<Gray16>(3, 1).unwrap();
    image.encoder().write_tag(Tag::Orientation, 8u16).unwrap();
    image.encoder().write_tag(Tag::IccProfile, &[7u8; 150][..]).unwrap();
    image.write_data(&[1, 500, 65_535]).unwrap();
    let photo = read(bytes.get_ref());
    assert_eq!((photo.raster.width(), photo.raster.height()), (1, 3));
    assert_eq!(photo.raster.samples(), &Samples::U16(vec![65_535, 500, 1]));
    assert_eq!(photo.metadata.icc, Some(vec![7; 150]));
    assert_eq!(
        photo.warnings,
        ["of a BigTIFF file's metadata only colour and orientation are kept"]
    );
    assert_eq!(read(&write(&photo, Format::Tiff)).raster, photo.raster);
}

#[test]
fn tiffs_of_other_compressions_are_read() {
    use tiff::encoder::{Compression, TiffEncoder, colortype::RGB8};
    let raster = picture(30, 20, Channels::Rgb);
    let Samples::U8(values) = raster.samples() else { panic!("8 bits") };
    let compressions = [Compression::Lzw, Compression::Packbits, Compression::Uncompressed];
    for (idx, compression) in compressions.into_iter().enumerate() {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).unwrap().with_compression(compression);
        encoder.write_image::<RGB8>(30, 20, values).unwrap();
        assert_eq!(read(bytes.get_ref()).raster, raster, "compression {idx}");
    }
}
