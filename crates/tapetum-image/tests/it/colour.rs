//! Profiles: into sRGB for the work and back into the photograph's own.

use moxcms::ColorProfile;
use tapetum_image::{Channels, ColorConversion, Format, Image, Native, Raster, Samples};

use crate::samples::{photo, picture, read, write};

fn conversion(icc: Option<Vec<u8>>, channels: Channels) -> (ColorConversion, Option<String>) {
    let mut photo = photo(picture(2, 2, channels));
    photo.metadata.icc = icc;
    ColorConversion::for_photo(&photo).unwrap()
}

/// Every mix of nine levels, within `least..=most`.
fn colours(least: f32, most: f32) -> Image<Native> {
    let level = |idx: usize| least + (most - least) * idx as f32 / 8.0;
    let pixels = (0..729).flat_map(|idx| [idx / 81, idx / 9 % 9, idx % 9].map(level)).collect();
    Image::new(729, 1, pixels)
}

fn peak(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn colours_inside_srgb_come_back_through_every_usual_profile() {
    let profiles = [
        ("Display P3", ColorProfile::new_display_p3()),
        ("Adobe RGB", ColorProfile::new_adobe_rgb()),
        ("ProPhoto", ColorProfile::new_pro_photo_rgb()),
        ("Rec. 2020", ColorProfile::new_bt2020()),
    ];
    for (name, profile) in profiles {
        let (conversion, warning) = conversion(Some(profile.encode().unwrap()), Channels::Rgb);
        assert_eq!(warning, None, "{name}");
        assert!(!conversion.is_identity(), "{name}");
        // Pale colours lie inside sRGB, whatever the primaries.
        let native = colours(0.5, 0.6);
        let srgb = conversion.to_srgb(&native);
        assert!(srgb.pixels.iter().all(|&v| v > 0.0 && v < 1.0), "{name} leaves sRGB");
        let back = conversion.from_srgb(&srgb);
        let peak = peak(&native.pixels, &back.pixels);
        assert!(peak < 1e-3, "{name}: {peak}");
    }
}

#[test]
fn display_p3_red_means_what_it_should() {
    let icc = ColorProfile::new_display_p3().encode().unwrap();
    let (conversion, _) = conversion(Some(icc), Channels::Rgb);
    // sRGB red lies at (0.9175, 0.2003, 0.1386) in Display P3.
    let native = conversion.from_srgb(&Image::new(1, 1, vec![1.0, 0.0, 0.0]));
    assert!(peak(&native.pixels, &[0.9175, 0.2003, 0.1386]) < 2e-3, "{:?}", native.pixels);
    let srgb = conversion.to_srgb(&Image::new(1, 1, vec![1.0, 0.0, 0.0]));
    assert_eq!(srgb.pixels, [1.0, 0.0, 0.0], "out of gamut is clamped");
}

#[test]
fn srgb_and_no_profile_are_the_identity() {
    let srgb = ColorProfile::new_srgb().encode().unwrap();
    for icc in [None, Some(srgb)] {
        let (conversion, warning) = conversion(icc, Channels::Rgb);
        assert!(conversion.is_identity());
        assert_eq!(warning, None);
        let native = colours(0.0, 1.0);
        assert_eq!(conversion.to_srgb(&native).pixels, native.pixels);
    }
}

#[test]
fn srgb_with_colorants_rounded_by_another_maker_is_still_srgb() {
    // The four digits of the profile that most cameras and scanners embed.
    let mut profile = ColorProfile::new_srgb();
    let colorant = |[x, y, z]: [f64; 3]| moxcms::Xyzd { x, y, z };
    profile.red_colorant = colorant([0.4361, 0.2225, 0.0139]);
    profile.green_colorant = colorant([0.3851, 0.7169, 0.0971]);
    profile.blue_colorant = colorant([0.1431, 0.0606, 0.7141]);
    profile.cicp = None;
    let (conversion, _) = conversion(Some(profile.encode().unwrap()), Channels::Rgb);
    assert!(conversion.is_identity());
}

#[test]
fn grey_profiles_serve_grey_photographs_only() {
    let icc = ColorProfile::new_gray_with_gamma(1.8).encode().unwrap();
    let (grey, warning) = conversion(Some(icc.clone()), Channels::Grey);
    assert_eq!(warning, None);
    assert!(!grey.is_identity());
    let native = Image::new(2, 1, vec![0.25, 0.25, 0.25, 0.7, 0.7, 0.7]);
    let srgb = grey.to_srgb(&native);
    // 0.25 to the power 1.8 is 0.0825 of the light, 0.3182 in sRGB.
    assert!((srgb.pixels[0] - 0.3182).abs() < 2e-3, "{:?}", srgb.pixels);
    assert!(peak(&grey.from_srgb(&srgb).pixels, &native.pixels) < 1e-3);

    let (rgb, warning) = conversion(Some(icc), Channels::Rgb);
    assert!(rgb.is_identity());
    assert!(warning.unwrap().contains("expected one for Rgb, got one for Gray"));
}

#[test]
fn a_broken_profile_is_a_warning_and_its_bytes_stay() {
    let mut broken = photo(picture(4, 4, Channels::Rgb));
    broken.metadata.icc = Some(b"no profile at all".to_vec());
    let (conversion, warning) = ColorConversion::for_photo(&broken).unwrap();
    assert!(conversion.is_identity());
    assert!(warning.unwrap().starts_with("the colour profile is treated as sRGB"));
    for format in [Format::Jpeg, Format::Png, Format::Tiff, Format::WebP] {
        assert_eq!(read(&write(&broken, format)).metadata.icc, broken.metadata.icc);
    }
}

#[test]
fn mutilated_profiles_never_panic() {
    let whole = ColorProfile::new_adobe_rgb().encode().unwrap();
    let mut random = crate::samples::Random(11);
    for _ in 0..300 {
        let mut icc = whole.clone();
        for _ in 0..3 {
            let at = random.below(icc.len());
            icc[at] ^= 1 << random.below(8);
        }
        icc.truncate(icc.len() - random.below(3) * 50);
        let (conversion, _) = conversion(Some(icc), Channels::Rgb);
        assert!(conversion.to_srgb(&colours(0.0, 1.0)).pixels.iter().all(|v| v.is_finite()));
    }
}

/// A PNG of one grey level that describes its colours without a profile.
fn described(
    change: impl Fn(&mut png::Encoder<'_, &mut Vec<u8>>),
    color: png::ColorType,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(color);
    change(&mut encoder);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[128; 3][..color.samples()]).unwrap();
    writer.finish().unwrap();
    bytes
}

fn check_gamma(scaled: u32, color: png::ColorType, expected_srgb: Option<f32>) {
    let gamma = png::ScaledFloat::from_scaled(scaled);
    let photo = read(&described(|encoder| encoder.set_source_gamma(gamma), color));
    assert_eq!(photo.warnings, Vec::<String>::new());
    assert_eq!(photo.metadata.icc.is_some(), expected_srgb.is_some());
    let (conversion, warning) = ColorConversion::for_photo(&photo).unwrap();
    assert_eq!(warning, None);
    let srgb = conversion.to_srgb(&photo.raster.read_rgb(photo.raster.rect()));
    let expected = expected_srgb.unwrap_or(128.0 / 255.0);
    assert!((srgb.pixels[0] - expected).abs() < 3e-3, "{scaled}: {:?}", srgb.pixels);
}

#[test]
fn png_gamma_becomes_a_profile_unless_it_is_that_of_srgb() {
    for color in [png::ColorType::Grayscale, png::ColorType::Rgb] {
        check_gamma(45_455, color, None);
        // Linear light: 0.502 is 0.736 in sRGB.
        check_gamma(100_000, color, Some(0.7369));
        // 0.502 to the power 1.8 is 0.2892, 0.575 in sRGB.
        check_gamma(55_556, color, Some(0.5745));
    }
}

#[test]
fn png_chromaticities_become_a_profile() {
    let scaled = png::ScaledFloat::from_scaled;
    let p3 = png::SourceChromaticities {
        white: (scaled(31_270), scaled(32_900)),
        red: (scaled(68_000), scaled(32_000)),
        green: (scaled(26_500), scaled(69_000)),
        blue: (scaled(15_000), scaled(6_000)),
    };
    let photo =
        read(&described(|encoder| encoder.set_source_chromaticities(p3), png::ColorType::Rgb));
    let (conversion, _) = ColorConversion::for_photo(&photo).unwrap();
    let native = conversion.from_srgb(&Image::new(1, 1, vec![1.0, 0.0, 0.0]));
    // The light of the test above through the plain power 2.2 that PNG means.
    assert!(peak(&native.pixels, &[0.9148, 0.2125, 0.1572]) < 2e-3, "{:?}", native.pixels);

    let flat = png::SourceChromaticities { green: p3.red, ..p3 };
    let photo =
        read(&described(|encoder| encoder.set_source_chromaticities(flat), png::ColorType::Rgb));
    assert_eq!(photo.metadata.icc, None);
    assert_eq!(
        photo.warnings,
        ["the colours are treated as sRGB: its chromaticities span no colours"]
    );
}

#[test]
fn a_difference_of_nothing_changes_no_sample() {
    let icc = ColorProfile::new_pro_photo_rgb().encode().unwrap();
    let (conversion, _) = conversion(Some(icc), Channels::Rgb);
    let samples = (0..65_536 * 3u32).map(|v| (v.wrapping_mul(2_654_435_761) >> 16) as u16);
    let raster = Raster::new(256, 256, Channels::Rgb, Samples::U16(samples.collect())).unwrap();
    let native = raster.read_rgb(raster.rect());
    let srgb = conversion.to_srgb(&native);
    let (before, after) = (conversion.from_srgb(&srgb), conversion.from_srgb(&srgb));
    let sums = native.pixels.iter().zip(before.pixels.iter().zip(&after.pixels));
    let pixels = sums.map(|(native, (before, after))| native + (after - before)).collect();
    let mut copy = raster.clone();
    copy.write_rgb(0, 0, &Image::new(256, 256, pixels));
    assert_eq!(copy, raster);
}
