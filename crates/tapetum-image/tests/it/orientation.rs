//! The eight orientations through every format that can ask for one.

use tapetum_image::{Channels, Format, Metadata, Raster, Samples};

use crate::samples::{
    WITH_METADATA, bytes_of, camera_exif, file_with, orientation_in, picture, read, write,
};

/// Where the upright pixel `(x, y)` lies among `width` x `height` stored ones, after EXIF 2.32.
fn stored_place(orientation: u16, (x, y): (u32, u32), (width, height): (u32, u32)) -> (u32, u32) {
    match orientation {
        1 => (x, y),
        2 => (width - 1 - x, y),
        3 => (width - 1 - x, height - 1 - y),
        4 => (x, height - 1 - y),
        5 => (y, x),
        6 => (y, height - 1 - x),
        7 => (width - 1 - y, height - 1 - x),
        _ => (width - 1 - y, x),
    }
}

fn turned(stored: &Raster, orientation: u16) -> Raster {
    let Samples::U8(values) = stored.samples() else { panic!("expected 8 bits") };
    let size = (stored.width(), stored.height());
    let (width, height) = if orientation < 5 { size } else { (size.1, size.0) };
    let mut upright = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (column, row) = stored_place(orientation, (x, y), size);
            let start = (row * size.0 + column) as usize * 3;
            upright.extend_from_slice(&values[start..start + 3]);
        }
    }
    Raster::new(width, height, Channels::Rgb, Samples::U8(upright)).unwrap()
}

fn check(format: Format, orientation: u16, is_big: bool) {
    let what = format!("{} orientation {orientation} big {is_big}", format.name());
    let stored = picture(24, 16, Channels::Rgb);
    let plain = read(&file_with(&stored, &Metadata::default(), format)).raster;
    let exif = Some(camera_exif(is_big, orientation, 600).stream);
    let file = file_with(&stored, &Metadata { exif, ..Metadata::default() }, format);

    let photo = read(&file);
    assert_eq!(photo.warnings, Vec::<String>::new(), "{what}");
    assert_eq!(photo.raster, turned(&plain, orientation), "{what}");
    assert_eq!(orientation_in(photo.metadata.exif.as_ref().unwrap()), Some(1), "{what}");

    let again = read(&write(&photo, format));
    assert_eq!(orientation_in(again.metadata.exif.as_ref().unwrap()), Some(1), "{what}");
    assert_eq!((again.raster.width(), again.raster.height()), size(&photo.raster), "{what}");
    // Quality 95 on a smooth picture: a few levels; every other format is lossless.
    let tolerance = if format == Format::Jpeg { 6 } else { 0 };
    let pairs = bytes_of(&photo).iter().zip(bytes_of(&again));
    let peak = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(peak <= tolerance, "{what}: off by {peak}");
}

fn size(raster: &Raster) -> (u32, u32) {
    (raster.width(), raster.height())
}

#[test]
fn every_orientation_is_undone_once_and_reset() {
    for format in WITH_METADATA {
        for orientation in 1..=8 {
            for is_big in [false, true] {
                check(format, orientation, is_big);
            }
        }
    }
}

#[test]
fn alpha_turns_with_the_picture() {
    let raster = Raster::new(3, 1, Channels::Grey, Samples::U8(vec![10, 20, 30])).unwrap();
    let mut photo = crate::samples::photo(raster);
    photo.alpha = Some(Samples::U8(vec![1, 2, 3]));
    photo.metadata.exif = Some(camera_exif(false, 1, 0).stream);
    let mut bytes = write(&photo, Format::Tiff);
    // The record of the only SHORT orientation in the file's last directory.
    let record = [0x12, 0x01, 3, 0, 1, 0, 0, 0, 1, 0];
    let at = bytes.windows(record.len()).rposition(|window| window == record).unwrap();
    bytes[at + 8] = 8;
    let turned = read(&bytes);
    assert_eq!((turned.raster.width(), turned.raster.height()), (1, 3));
    assert_eq!(turned.raster.samples(), &Samples::U8(vec![30, 20, 10]));
    assert_eq!(turned.alpha, Some(Samples::U8(vec![3, 2, 1])));
}

#[test]
fn an_impossible_orientation_is_upright_with_a_warning() {
    let exif = Some(camera_exif(false, 77, 0).stream);
    let stored = picture(5, 4, Channels::Rgb);
    let photo = read(&file_with(&stored, &Metadata { exif, ..Metadata::default() }, Format::Png));
    assert_eq!(photo.raster, stored);
    assert_eq!(photo.warnings, ["orientation is 1 to 8, got 77: taken as upright"]);
}
