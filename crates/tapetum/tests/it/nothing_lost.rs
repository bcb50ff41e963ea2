//! Depth, colours, profiles, alpha and greyness survive the whole way.

use std::collections::BTreeSet;

use moxcms::ColorProfile;
use tapetum::{Channels, Format, Raster, Samples, Strength};

use crate::pictures::{
    FORMATS, color_change, dark_scene, enhance, light_scene, photo, raster, read, write,
};

#[test]
fn sixteen_bit_ramps_come_back_with_all_their_levels() {
    for channels in [Channels::Grey, Channels::Rgb] {
        let n = channels.n_samples();
        let ramp = (0..=u16::MAX).flat_map(|level| std::iter::repeat_n(level, n)).collect();
        let ramp = Raster::new(256, 256, channels, Samples::U16(ramp)).unwrap();
        for format in [Format::Png, Format::Tiff] {
            let file = write(&photo(ramp.clone()), format);
            let found = read(&enhance(&file, Strength::Fixed(0.0)).bytes).raster;
            let Samples::U16(levels) = found.samples() else {
                panic!("{} bits", found.depth_bits())
            };
            let n_levels = levels.iter().collect::<BTreeSet<_>>().len();
            assert!(n_levels > 60_000, "{}: {n_levels} levels", format.name());
            assert_eq!(found, ramp, "{}", format.name());
        }
    }
}

#[test]
fn sixteen_bit_photographs_stay_so_when_they_are_brightened() {
    let dark = photo(raster((96, 64), Channels::Rgb, 16, dark_scene));
    for format in [Format::Png, Format::Tiff] {
        let bright = read(&enhance(&write(&dark, format), Strength::Auto).bytes).raster;
        let Samples::U16(levels) = bright.samples() else { panic!("{} bits", bright.depth_bits()) };
        let between = levels.iter().filter(|&&level| level % 257 != 0).count();
        assert!(
            between > levels.len() / 2,
            "{between} of {} lie between 8-bit levels",
            levels.len()
        );
    }
}

/// How a Display P3 photograph, colours outside sRGB among them, comes through.
fn check_p3(format: Format, strength: Strength, depth_bits: u8) {
    let what = format!("{} {strength:?} {depth_bits} bits", format.name());
    let icc = ColorProfile::new_display_p3().encode().unwrap();
    let saturated = |x: u32, y, channel| {
        if x % 16 < 4 && channel == 1 { 0.05 } else { light_scene(x, y, channel) }
    };
    let mut original = photo(raster((96, 64), Channels::Rgb, depth_bits, saturated));
    original.metadata.icc = Some(icc.clone());
    let file = write(&original, format);
    let enhanced = enhance(&file, strength);
    assert_eq!(enhanced.report.strength, 0.0, "{what}");
    let found = read(&enhanced.bytes);
    assert_eq!(found.metadata.icc, Some(icc), "{what}");
    let difference = color_change(&read(&file), &found);
    assert!(difference < 0.5, "{what}: {difference}");
    if format != Format::Jpeg {
        assert_eq!(found.raster, original.raster, "{what}");
    }
}

#[test]
fn display_p3_photographs_keep_colours_and_profile() {
    for format in FORMATS {
        for strength in [Strength::Fixed(0.0), Strength::Auto] {
            check_p3(format, strength, 8);
        }
    }
    for format in [Format::Png, Format::Tiff] {
        check_p3(format, Strength::Fixed(0.0), 16);
    }
}

#[test]
fn a_dark_display_p3_photograph_keeps_its_profile_and_gets_the_same_light() {
    let plain = photo(raster((96, 64), Channels::Rgb, 16, dark_scene));
    let mut wide = plain.clone();
    wide.metadata.icc = Some(ColorProfile::new_display_p3().encode().unwrap());
    let [plain, found] =
        [&plain, &wide].map(|photo| enhance(&write(photo, Format::Png), Strength::Auto));
    assert_eq!(read(&found.bytes).metadata.icc, wide.metadata.icc);
    // Nearly grey colours mean nearly the same in both; how much light they get is decided alike.
    let means = [plain, found].map(|enhanced| enhanced.report.mean_after);
    assert!((means[0] - means[1]).abs() < 0.02, "{means:?}");
}

#[test]
fn alpha_stays_bit_for_bit() {
    let random = |idx: usize| (idx as u32).wrapping_mul(2_654_435_761) >> 16;
    let eight = Samples::U8((0..60 * 40).map(|idx| random(idx) as u8).collect());
    let sixteen = Samples::U16((0..60 * 40).map(|idx| random(idx) as u16).collect());
    let cases = [
        (Format::Png, eight.clone()),
        (Format::Tiff, eight.clone()),
        (Format::WebP, eight),
        (Format::Png, sixteen.clone()),
        (Format::Tiff, sixteen),
    ];
    for (format, alpha) in cases {
        for channels in [Channels::Grey, Channels::Rgb] {
            let mut dark = photo(raster((60, 40), channels, alpha.depth_bits(), dark_scene));
            dark.alpha = Some(alpha.clone());
            let enhanced = enhance(&write(&dark, format), Strength::Auto);
            assert!(enhanced.report.strength > 0.0);
            let found = read(&enhanced.bytes).alpha;
            assert!(found.as_ref() == Some(&alpha), "{} {channels:?}", format.name());
        }
    }
}

#[test]
fn grey_photographs_stay_grey() {
    // WebP has no grey pixels; a grey photograph is a colour photograph there.
    for format in [Format::Jpeg, Format::Png, Format::Tiff] {
        let depth_bits = format.depth_bits_max().min(16);
        let dark = photo(raster((60, 40), Channels::Grey, depth_bits, dark_scene));
        let enhanced = enhance(&write(&dark, format), Strength::Auto);
        assert!(enhanced.report.mean_after > enhanced.report.mean_before);
        let found = read(&enhanced.bytes).raster;
        assert_eq!(found.channels(), Channels::Grey, "{}", format.name());
        assert_eq!(found.depth_bits(), depth_bits, "{}", format.name());
    }
}
