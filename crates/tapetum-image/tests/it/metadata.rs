//! EXIF, XMP, IPTC and ICC from file to file.

use exif::{In, Tag};
use moxcms::ColorProfile;
use tapetum_image::{Channels, Format, Metadata, Photo, Samples, losses};

use crate::samples::{
    WITH_METADATA, camera_exif, field, file_with, orientation_in, photo, picture, read, write,
};

const PROGRAM: &str = concat!("Tapetum ", env!("CARGO_PKG_VERSION"));

const XMP: &str = "<?xpacket begin=\"\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:Description \
    xmp:CreatorTool=\"Camera\" tiff:Orientation=\"6\" exif:PixelXDimension=\"9999\" \
    dc:title=\"Mäuse\"/></x:xmpmeta>";

fn iptc() -> Vec<u8> {
    // Another resource first, then one IPTC record: 2:120, the caption.
    let mut resources = b"8BIM\x03\xED\0\0\0\0\0\x04\x12\x34\x56\x78".to_vec();
    resources.extend(b"8BIM\x04\x04\0\0\0\0\0\x09\x1C\x02\x78\0\x04Mice\0");
    resources
}

/// A photograph with all four blocks.
fn rich_photo(is_big: bool) -> Photo {
    let mut photo = photo(picture(200, 120, Channels::Rgb));
    photo.metadata = Metadata {
        exif: Some(camera_exif(is_big, 1, 3000).stream),
        xmp: Some(XMP.as_bytes().to_vec()),
        iptc: Some(iptc()),
        icc: Some(ColorProfile::new_display_p3().encode().unwrap()),
    };
    photo
}

fn check_blocks(found: &Photo, original: &Photo, is_big: bool, what: &str) {
    let exif = found.metadata.exif.as_ref().expect(what);
    let camera = camera_exif(is_big, 1, 3000);
    let note = camera.maker_note.clone();
    assert_eq!(exif[note.clone()], camera.stream[note.clone()], "{what}: maker note");
    let reader = exif::Reader::new().read_raw(exif.clone()).unwrap();
    let text = |tag| reader.get_field(tag, In::PRIMARY).map(|f| f.display_value().to_string());
    assert_eq!(orientation_in(exif), Some(1), "{what}");
    assert_eq!(text(Tag::Software), Some(format!("\"{PROGRAM}\"")), "{what}");
    assert_eq!(text(Tag::Make).as_deref(), Some("\"Catcamera\""), "{what}");
    assert_eq!(text(Tag::ExposureTime).as_deref(), Some("1/8"), "{what}");
    assert_eq!(text(Tag::GPSLatitude).as_deref(), Some("48 deg 12 min 30 sec"), "{what}");
    assert_eq!(text(Tag::InteroperabilityIndex).as_deref(), Some("\"R98\""), "{what}");
    assert_eq!(field(exif, Tag::PixelXDimension, In::PRIMARY), Some(200), "{what}");
    assert_eq!(field(exif, Tag::PixelYDimension, In::PRIMARY), Some(120), "{what}");

    let xmp = String::from_utf8(found.metadata.xmp.clone().expect(what)).unwrap();
    assert!(xmp.contains("tiff:Orientation=\"1\""), "{what}: {xmp}");
    assert!(xmp.contains("exif:PixelXDimension=\"200\""), "{what}: {xmp}");
    assert!(xmp.contains(&format!("xmp:CreatorTool=\"{PROGRAM}\"")), "{what}: {xmp}");
    assert!(xmp.contains("dc:title=\"Mäuse\""), "{what}: {xmp}");
    assert_eq!(found.metadata.icc, original.metadata.icc, "{what}");
}

#[test]
fn all_four_blocks_survive_every_pair_of_formats() {
    for from in WITH_METADATA {
        for to in WITH_METADATA {
            for is_big in [false, true] {
                let what = format!("{} to {}, big {is_big}", from.name(), to.name());
                let original = rich_photo(is_big);
                let first = read(&write(&original, from));
                let second = read(&write(&first, to));
                check_blocks(&second, &original, is_big, &what);
                let iptc_passes = from != Format::WebP && to != Format::WebP;
                let expected = iptc_passes.then(iptc);
                assert_eq!(second.metadata.iptc, expected, "{what}");
                assert_eq!(second.warnings, Vec::<String>::new(), "{what}");
            }
        }
    }
}

#[test]
fn a_thumbnail_shows_the_new_pixels() {
    for format in [Format::Jpeg, Format::Png, Format::WebP] {
        // Room for the new thumbnail in the old one's place, and no room.
        for old_bytes in [20_000, 20_001, 50] {
            let mut photo = photo(picture(400, 300, Channels::Rgb));
            photo.metadata.exif = Some(camera_exif(true, 1, old_bytes).stream);
            let exif = read(&write(&photo, format)).metadata.exif.unwrap();
            let number = |tag| field(&exif, tag, In::THUMBNAIL).unwrap() as usize;
            let start = number(Tag::JPEGInterchangeFormat);
            let length = number(Tag::JPEGInterchangeFormatLength);
            let thumbnail = read(&exif[start..start + length]);
            assert_eq!((thumbnail.raster.width(), thumbnail.raster.height()), (160, 120));
            assert_eq!(field(&exif, Tag::Orientation, In::THUMBNAIL), Some(1));
            let Samples::U8(values) = thumbnail.raster.samples() else { panic!("8 bits") };
            let right_bottom = &values[values.len() - 3..];
            for (value, expected) in right_bottom.iter().zip([199, 159, 40]) {
                assert!(value.abs_diff(expected) < 12, "{right_bottom:?}");
            }
        }
    }
}

#[test]
fn a_tiff_keeps_no_thumbnail_as_a_second_page() {
    let written = write(&rich_photo(false), Format::Tiff);
    assert!(read(&written).warnings.is_empty());
    assert!(!written.windows(64).any(|window| window == [0xEE; 64]), "the old thumbnail is erased");
}

#[test]
fn a_photo_without_exif_gets_none() {
    for format in WITH_METADATA {
        let plain = photo(picture(9, 7, Channels::Rgb));
        assert_eq!(read(&write(&plain, format)).metadata, Metadata::default(), "{}", format.name());
    }
}

#[test]
fn writing_again_and_again_does_not_grow_the_exif() {
    let mut photo = rich_photo(false);
    let mut lengths = Vec::new();
    for _ in 0..4 {
        photo = read(&write(&photo, Format::Jpeg));
        lengths.push(photo.metadata.exif.as_ref().unwrap().len());
    }
    // The thumbnail, encoded anew each time, may differ by a few bytes.
    // After the first time it lies last.
    assert!(lengths.iter().all(|length| length.abs_diff(lengths[1]) < 2000), "{lengths:?}");
    assert!(lengths[1..].iter().all(|length| length.abs_diff(lengths[1]) < 50), "{lengths:?}");
}

#[test]
fn exif_without_software_learns_it_without_moving_anything() {
    // One record: orientation 1.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
    let mut photo = photo(picture(4, 4, Channels::Rgb));
    photo.metadata.exif = Some(exif);
    let exif = read(&write(&photo, Format::Png)).metadata.exif.unwrap();
    let reader = exif::Reader::new().read_raw(exif).unwrap();
    assert_eq!(reader.fields().count(), 2);
    let software = reader.get_field(Tag::Software, In::PRIMARY).unwrap();
    assert_eq!(software.display_value().to_string(), format!("\"{PROGRAM}\""));
}

#[test]
fn malformed_exif_is_dropped_with_a_warning() {
    for broken in [&b"garbage"[..], b"II*\0\xFF\xFF\0\0", b"MM\0*\0\0\0\x08\xFF\xFF", b""] {
        let exif = Some(broken.to_vec());
        let stored = picture(5, 4, Channels::Rgb);
        let file = file_with(&stored, &Metadata { exif, ..Metadata::default() }, Format::Png);
        let photo = read(&file);
        assert_eq!(photo.raster, stored);
        assert_eq!(photo.metadata.exif, None);
        assert_eq!(photo.warnings, ["the EXIF block is malformed and is dropped"]);
    }
}

#[test]
fn oversized_blocks_are_named_and_left_out_of_a_jpeg() {
    let mut photo = photo(picture(8, 8, Channels::Rgb));
    photo.metadata.xmp = Some(vec![b' '; 70_000]);
    let mut exif = camera_exif(false, 1, 0).stream;
    exif.resize(66_000, 0);
    photo.metadata.exif = Some(exif);
    photo.metadata.iptc = Some([iptc(), vec![7; 100_000]].concat());
    let named = losses(&photo, Format::Jpeg);
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named[1].starts_with("JPEG cannot hold EXIF of 66"), "{named:?}");
    assert_eq!(named[2], "JPEG cannot hold XMP of 70000 bytes, at most 65504");
    let found = read(&write(&photo, Format::Jpeg)).metadata;
    assert_eq!((found.exif, found.xmp), (None, None));
    assert_eq!(found.iptc, photo.metadata.iptc, "several segments");
}

#[test]
fn a_thumbnail_gives_way_where_the_rest_of_the_exif_needs_the_room() {
    let mut photo = photo(picture(400, 300, Channels::Rgb));
    let mut exif = camera_exif(false, 1, 500).stream;
    exif.resize(64_900, 0x55);
    photo.metadata.exif = Some(exif);
    let named = losses(&photo, Format::Jpeg);
    assert_eq!(named, ["JPEG cannot hold the EXIF thumbnail beside so much EXIF"]);
    let exif = read(&write(&photo, Format::Jpeg)).metadata.exif.unwrap();
    assert_eq!(field(&exif, Tag::JPEGInterchangeFormat, In::THUMBNAIL), None);
    assert_eq!(field(&exif, Tag::PixelXDimension, In::PRIMARY), Some(400));
    assert_eq!(losses(&photo, Format::Png), Vec::<String>::new());
}

#[test]
fn a_large_old_thumbnail_leaves_its_room() {
    let mut photo = photo(picture(8, 8, Channels::Rgb));
    photo.metadata.exif = Some(camera_exif(false, 1, 70_001).stream);
    assert_eq!(losses(&photo, Format::Jpeg), Vec::<String>::new());
    let exif = read(&write(&photo, Format::Jpeg)).metadata.exif.unwrap();
    assert!(exif.len() < 2000, "{} bytes", exif.len());
    assert!(field(&exif, Tag::JPEGInterchangeFormat, In::THUMBNAIL).is_some());
}

#[test]
fn formats_without_a_place_say_what_they_lose() {
    let photo = rich_photo(false);
    assert_eq!(losses(&photo, Format::WebP), ["WebP cannot hold IPTC"]);
    assert_eq!(losses(&photo, Format::Jpeg), Vec::<String>::new());
    assert_eq!(
        losses(&photo, Format::Qoi),
        [
            "QOI cannot hold EXIF",
            "QOI cannot hold XMP",
            "QOI cannot hold IPTC",
            "QOI cannot hold the ICC profile"
        ]
    );
}

#[test]
fn metadata_spelled_out_as_png_text_is_read() {
    let camera = camera_exif(false, 1, 0);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let spelled = [b"Exif\0\0".to_vec(), camera.stream.clone()].concat();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    let text = format!("\nexif\n{:8}\n{}\n", spelled.len(), hex(&spelled));
    encoder.add_ztxt_chunk("Raw profile type exif".to_owned(), text).unwrap();
    let records = b"\x1C\x02\x78\0\x04Mice";
    let text = format!("\niptc\n{:8}\n{}\n", records.len(), hex(records));
    encoder.add_text_chunk("Raw profile type iptc".to_owned(), text).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[7]).unwrap();
    writer.finish().unwrap();
    let found = read(&bytes).metadata;
    assert_eq!(found.exif.unwrap(), camera.stream);
    assert!(found.iptc.unwrap().starts_with(b"8BIM\x04\x04\0\0\0\0\0\x09\x1C\x02\x78"));
}

#[test]
fn tags_far_into_a_tiff_are_packed_and_a_moved_maker_note_is_named() {
    // A TIFF of another hand: the directory and the maker note lie behind 100 kB of pixels.
    let mut far = rich_photo(true);
    far.raster = picture(300, 200, Channels::Rgb);
    let mut bytes = write(&far, Format::Tiff);
    let note = camera_exif(true, 1, 3000).maker_note;
    let old = bytes[note.clone()].to_vec();
    let moved_to = 100_000u32.max(bytes.len() as u32).next_multiple_of(2);
    bytes.resize(moved_to as usize, 0);
    bytes.extend_from_slice(&old);
    let record = [0x92, 0x7C, 0, 7, 0, 0, 0, 64];
    let at = bytes.windows(8).position(|window| window == record).unwrap();
    bytes[at + 8..at + 12].copy_from_slice(&moved_to.to_be_bytes());
    let photo = read(&bytes);
    assert_eq!(photo.warnings, ["the maker note moved, some programs may not read it any more"]);
    let exif = photo.metadata.exif.unwrap();
    assert!(exif.len() < 1000, "{} bytes", exif.len());
    let reader = exif::Reader::new().read_raw(exif).unwrap();
    let text = |tag| reader.get_field(tag, In::PRIMARY).unwrap().display_value().to_string();
    assert_eq!(text(Tag::Make), "\"Catcamera\"");
    assert_eq!(text(Tag::GPSLatitude), "48 deg 12 min 30 sec");
    let found = reader.get_field(Tag::MakerNote, In::PRIMARY).unwrap();
    let exif::Value::Undefined(ref found, _) = found.value else { panic!("undefined bytes") };
    assert_eq!(found, &old);
}
