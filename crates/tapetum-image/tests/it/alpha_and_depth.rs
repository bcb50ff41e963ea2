//! Depth, alpha and grey stay what they were.

use tapetum_image::{Channels, EncodeOptions, Format, ImageError, Raster, Samples, encode, losses};

use crate::samples::{WRITABLE, photo, picture, read, write};

fn ramp() -> Samples {
    Samples::U16((0..=65_535).collect())
}

#[test]
fn every_16_bit_level_survives() {
    for format in [Format::Png, Format::Tiff, Format::Pnm] {
        let raster = Raster::new(256, 256, Channels::Grey, ramp()).unwrap();
        assert_eq!(
            read(&write(&photo(raster.clone()), format)).raster,
            raster,
            "{}",
            format.name()
        );
        let rgb = (0..=65_535u16).flat_map(|v| [v, !v, v.rotate_left(5)]).collect();
        let raster = Raster::new(128, 512, Channels::Rgb, Samples::U16(rgb)).unwrap();
        assert_eq!(
            read(&write(&photo(raster.clone()), format)).raster,
            raster,
            "{}",
            format.name()
        );
    }
}

#[test]
fn floats_survive_in_a_tiff_and_are_rounded_elsewhere() {
    let values = vec![-0.5, 0.0, 1e-7, 0.5, 1.0, 1234.5];
    let floats = photo(Raster::new(2, 1, Channels::Rgb, Samples::F32(values)).unwrap());
    assert_eq!(read(&write(&floats, Format::Tiff)).raster, floats.raster);
    let rounded = read(&write(&floats, Format::Png)).raster;
    assert_eq!(rounded.samples(), &Samples::U16(vec![0, 0, 0, 32_768, 65_535, 65_535]));
    assert_eq!(
        losses(&floats, Format::Png),
        ["PNG holds 16 bits a sample, the photograph's 32 are rounded"]
    );
}

#[test]
fn sixteen_bits_round_to_eight_where_they_must() {
    let raster = Raster::new(3, 1, Channels::Grey, Samples::U16(vec![128, 129, 65_406])).unwrap();
    let written = read(&write(&photo(raster), Format::Qoi)).raster;
    assert_eq!(written.samples(), &Samples::U8(vec![0, 0, 0, 1, 1, 1, 254, 254, 254]));
}

#[test]
fn alpha_survives_bit_for_bit() {
    for format in WRITABLE.into_iter().filter(|format| format.has_alpha()) {
        for channels in [Channels::Grey, Channels::Rgb] {
            let mut opaque = photo(picture(16, 16, channels));
            opaque.alpha = Some(Samples::U8((0..=255).collect()));
            let found = read(&write(&opaque, format));
            assert_eq!(found.alpha, opaque.alpha, "{} {channels:?}", format.name());
        }
    }
    for format in [Format::Png, Format::Tiff, Format::Pnm] {
        let raster = Raster::new(256, 256, Channels::Grey, ramp()).unwrap();
        let mut deep = photo(raster);
        deep.alpha = Some(Samples::U16((0..=65_535).rev().collect()));
        let found = read(&write(&deep, format));
        assert_eq!((found.raster, found.alpha), (deep.raster, deep.alpha), "{}", format.name());
    }
}

#[test]
fn transparency_is_never_lost_silently() {
    let mut seen_through = photo(picture(2, 2, Channels::Rgb));
    seen_through.alpha = Some(Samples::U8(vec![255, 255, 254, 255]));
    let error = encode(&seen_through, Format::Jpeg, &EncodeOptions::default()).unwrap_err();
    assert!(matches!(error, ImageError::CannotHold { format: Format::Jpeg, .. }));
    assert!(error.hint().unwrap().contains("PNG"));
    seen_through.alpha = Some(Samples::U8(vec![255; 4]));
    assert_eq!(read(&write(&seen_through, Format::Jpeg)).alpha, None);
}

#[test]
fn grey_stays_grey() {
    for format in [Format::Jpeg, Format::Png, Format::Tiff, Format::Pnm] {
        let grey = photo(picture(20, 10, Channels::Grey));
        let found = read(&write(&grey, format)).raster;
        assert_eq!(found.channels(), Channels::Grey, "{}", format.name());
        if format != Format::Jpeg {
            assert_eq!(found, grey.raster, "{}", format.name());
        }
    }
}

#[test]
fn one_pixel_is_a_photograph() {
    for format in WRITABLE {
        for channels in [Channels::Grey, Channels::Rgb] {
            let one = photo(picture(1, 1, channels));
            let found = read(&write(&one, format));
            assert_eq!((found.raster.width(), found.raster.height()), (1, 1), "{}", format.name());
            assert_eq!(found.format, format);
        }
    }
}

#[test]
fn odd_sizes_survive_lossless_formats() {
    for format in WRITABLE.into_iter().filter(|&format| format != Format::Jpeg) {
        for (width, height) in [(1, 9), (7, 1), (13, 5), (257, 3)] {
            let raster = picture(width, height, Channels::Rgb);
            let found = read(&write(&photo(raster.clone()), format)).raster;
            assert_eq!(found, raster, "{} {width}x{height}", format.name());
        }
    }
}

#[test]
fn quality_trades_size_for_closeness() {
    let noisy = (0..64 * 64 * 3u32).map(|v| (v.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let raster = Raster::new(64, 64, Channels::Rgb, Samples::U8(noisy)).unwrap();
    let size = |quality| {
        encode(&photo(raster.clone()), Format::Jpeg, &EncodeOptions { quality }).unwrap().len()
    };
    assert!(size(30) < size(75) && size(75) < size(95) && size(95) < size(100));
}

#[test]
fn sides_beyond_a_format_are_refused_with_a_hint() {
    let long = photo(picture(66_000, 1, Channels::Grey));
    for format in [Format::Jpeg, Format::WebP] {
        let error = encode(&long, format, &EncodeOptions::default()).unwrap_err();
        assert!(matches!(error, ImageError::CannotHold { .. }), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn formats_that_are_only_read_refuse_to_write() {
    for format in [Format::Gif, Format::Avif] {
        let one = photo(picture(1, 1, Channels::Rgb));
        let error = encode(&one, format, &EncodeOptions::default()).unwrap_err();
        assert!(matches!(error, ImageError::Unsupported { .. }), "{error}");
    }
}
