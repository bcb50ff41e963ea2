//! What an enlarged photograph says of itself.

use exif::{In, Tag, Value};
use tapetum_image::{Channels, Filter, Format, Photo, Samples};

use crate::samples::{Builder, WITH_METADATA, field, photo, picture, read, write};

/// An EXIF stream with resolutions, where the second one of the main directory shares its value with the
/// first, and with the subject's place, which large numbers bring beyond 16 bits.
fn printed_exif(is_big: bool, unit: u16, subject_x: u16) -> Vec<u8> {
    let mut builder = Builder::new(is_big);
    let fraction = |builder: &Builder, numbers: [u32; 2]| -> Vec<u8> {
        numbers.iter().flat_map(|&number| builder.long(number)).collect()
    };
    let focal_plane = [fraction(&builder, [17_856_000, 4096]), fraction(&builder, [5, 3])];
    let subject: Vec<u8> =
        [subject_x, 30, 8, 6].iter().flat_map(|&number| builder.short(number)).collect();
    let directory = vec![
        builder.tag(0x9214, 3, 4, &subject),
        builder.tag(0xA002, 4, 1, &builder.long(60)),
        builder.tag(0xA20E, 5, 1, &focal_plane[0]),
        builder.tag(0xA20F, 5, 1, &focal_plane[1]),
        builder.tag(0xA210, 3, 1, &builder.short(unit)),
        builder.tag(0xA214, 3, 2, &subject[..4]),
    ];
    let details = builder.directory(directory, 0);
    let resolution = fraction(&builder, [300, 1]);
    let resolution = builder.append(&resolution);
    let directory = vec![
        builder.pointer(0x011A, 5, 1, resolution),
        builder.pointer(0x011B, 5, 1, resolution),
        builder.tag(0x0128, 3, 1, &builder.short(unit)),
        builder.pointer(0x8769, 4, 1, details),
    ];
    let main = builder.directory(directory, 0);
    let at = builder.long(main);
    builder.stream[4..8].copy_from_slice(&at);
    builder.stream
}

fn enlarged(photo: Photo, scale: u32) -> Photo {
    let raster = photo.raster.enlarged(scale, Filter::Bicubic);
    photo.enlarged_as(raster, scale)
}

/// The numbers of a field as another reader finds them, fractions as two.
fn numbers(stream: &[u8], tag: Tag) -> Vec<u32> {
    let exif = exif::Reader::new().read_raw(stream.to_vec()).unwrap();
    let found = exif.get_field(tag, In::PRIMARY).unwrap();
    match &found.value {
        Value::Rational(values) => values.iter().flat_map(|v| [v.num, v.denom]).collect(),
        other => (0..).map_while(|idx| other.get_uint(idx)).collect(),
    }
}

#[test]
fn the_size_in_print_and_on_the_sensor_stays_in_every_format() {
    for format in WITH_METADATA {
        for (is_big, unit, scale) in [(false, 2, 2), (true, 3, 4), (false, 1, 2)] {
            let what = format!("{} big {is_big} unit {unit}", format.name());
            let mut photo = photo(picture(60, 40, Channels::Rgb));
            photo.metadata.exif = Some(printed_exif(is_big, unit, 40));
            let photo = read(&write(&photo, format));
            let file = read(&write(&enlarged(photo, scale), format));
            assert_eq!((file.raster.width(), file.raster.height()), (60 * scale, 40 * scale));
            let exif = file.metadata.exif.unwrap();
            let density = if unit == 1 { 1 } else { scale };
            for tag in [Tag::XResolution, Tag::YResolution] {
                assert_eq!(numbers(&exif, tag), [300 * density, 1], "{what} {tag}");
            }
            let x = numbers(&exif, Tag::FocalPlaneXResolution);
            assert_eq!(x, [17_856_000 * density, 4096], "{what}");
            assert_eq!(numbers(&exif, Tag::FocalPlaneYResolution), [5 * density, 3], "{what}");
            assert_eq!(field(&exif, Tag::ResolutionUnit, In::PRIMARY), Some(unit.into()));
            assert_eq!(field(&exif, Tag::PixelXDimension, In::PRIMARY), Some(60 * scale));
            let subject = [40, 30, 8, 6].map(|number| number * scale);
            assert_eq!(numbers(&exif, Tag::SubjectArea), subject, "{what}");
            assert_eq!(numbers(&exif, Tag::SubjectLocation), subject[..2], "{what}");
        }
    }
}

#[test]
fn a_subject_beyond_16_bits_is_still_told() {
    let mut photo = photo(picture(6, 4, Channels::Rgb));
    photo.metadata.exif = Some(printed_exif(true, 2, 40_000));
    let exif = enlarged(photo, 2).metadata.exif.unwrap();
    assert_eq!(numbers(&exif, Tag::SubjectArea), [80_000, 60, 16, 12]);
    assert_eq!(numbers(&exif, Tag::SubjectLocation), [80_000, 60]);
}

#[test]
fn xmp_and_image_resources_of_an_enlarged_photograph_are_true() {
    let mut photo = photo(picture(60, 40, Channels::Rgb));
    let xmp = "<d exif:PixelXDimension=\"60\" tiff:XResolution=\"300/1\" dc:title=\"Mäuse\"/>";
    photo.metadata.xmp = Some(xmp.as_bytes().to_vec());
    let resolution = [0, 72, 0, 0, 0, 1, 0, 1];
    photo.metadata.iptc =
        Some([&b"8BIM\x03\xED\0\0\0\0\0\x10"[..], &resolution, &resolution].concat());
    let file = read(&write(&enlarged(photo, 2), Format::Jpeg)).metadata;
    let xmp = String::from_utf8(file.xmp.unwrap()).unwrap();
    let expected = "exif:PixelXDimension=\"120\" tiff:XResolution=\"600/1\" dc:title=\"Mäuse\"";
    assert!(xmp.contains(expected), "{xmp}");
    let doubled = [0, 144, 0, 0, 0, 1, 0, 1];
    assert!(file.iptc.unwrap().ends_with(&[doubled, doubled].concat()));
}

#[test]
fn nothing_is_added_and_what_cannot_be_read_stays() {
    let plain = enlarged(photo(picture(6, 4, Channels::Rgb)), 2);
    assert_eq!(plain.metadata, tapetum_image::Metadata::default());
    let mut odd = photo(picture(6, 4, Channels::Rgb));
    odd.metadata.exif = Some(b"garbage".to_vec());
    odd.metadata.xmp = Some(vec![0xFF, 0xFE]);
    odd.metadata.iptc = Some(b"8BIM\x03\xED".to_vec());
    let before = odd.metadata.clone();
    assert_eq!(enlarged(odd, 2).metadata, before);
}

#[test]
fn alpha_is_enlarged_and_stays_in_range() {
    let edge = |n: usize| (0..n).map(|idx| if idx % 6 < 3 { 0 } else { 255u8 }).collect();
    for depth_bits in [8, 16, 32] {
        let mut photo = photo(picture(6, 4, Channels::Rgb));
        photo.alpha = Some(Samples::U8(edge(24)).to_depth(depth_bits));
        let alpha = enlarged(photo, 2).alpha.unwrap();
        assert_eq!((alpha.len(), alpha.depth_bits()), (96, depth_bits));
        let Samples::F32(values) = alpha.to_depth(32) else { panic!("floats were asked for") };
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        let row = &values[..12];
        assert!(row[0] < 0.05 && row[11] > 0.95 && row[5] < row[6], "{row:?}");
    }
}
