//! Four inks to RGB, through the photograph's own profile where there is one.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::raster::Samples;

/// sRGB from interleaved cyan, magenta, yellow and black, full scale being full ink; and a warning
/// when the colours are approximate for want of a usable profile.
pub(crate) fn to_rgb(inks: &Samples, icc: Option<&[u8]>) -> (Samples, Option<String>) {
    let converted = match icc {
        None => Err("none is embedded".to_owned()),
        Some(icc) => through_profile(inks, icc),
    };
    match converted {
        Ok(rgb) => (rgb, None),
        Err(detail) => {
            let warning = format!("CMYK colours are approximate, no usable profile: {detail}");
            (plainly(inks), Some(warning))
        }
    }
}

fn through_profile(inks: &Samples, icc: &[u8]) -> Result<Samples, String> {
    let text = |error: moxcms::CmsError| error.to_string();
    let profile = ColorProfile::new_from_slice(icc).map_err(text)?;
    if profile.color_space != DataColorSpace::Cmyk {
        return Err(format!("expected one for CMYK, got one for {:?}", profile.color_space));
    }
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    // Four channels of any meaning are `Rgba` to moxcms.
    let (from, to) = (Layout::Rgba, Layout::Rgb);
    match inks {
        Samples::U8(values) => {
            let mut rgb = vec![0; values.len() / 4 * 3];
            let transform =
                profile.create_transform_8bit(from, &srgb, to, options).map_err(text)?;
            transform.transform(values, &mut rgb).map_err(text)?;
            Ok(Samples::U8(rgb))
        }
        Samples::U16(values) => {
            let mut rgb = vec![0; values.len() / 4 * 3];
            let transform =
                profile.create_transform_16bit(from, &srgb, to, options).map_err(text)?;
            transform.transform(values, &mut rgb).map_err(text)?;
            Ok(Samples::U16(rgb))
        }
        Samples::F32(_) => Err("inks are whole numbers".to_owned()),
    }
}

/// Each ink and black take their share of the light: `R = (1 - C)(1 - K)`.
fn plainly(inks: &Samples) -> Samples {
    match inks {
        Samples::U8(values) => Samples::U8(per_pixel(values, |ink, black| {
            let (ink, black) = (u32::from(ink), u32::from(black));
            (((255 - ink) * (255 - black) + 127) / 255) as u8
        })),
        Samples::U16(values) => Samples::U16(per_pixel(values, |ink, black| {
            let (ink, black) = (u64::from(ink), u64::from(black));
            (((65_535 - ink) * (65_535 - black) + 32_767) / 65_535) as u16
        })),
        Samples::F32(values) => {
            Samples::F32(per_pixel(values, |ink, black| (1.0 - ink) * (1.0 - black)))
        }
    }
}

fn per_pixel<T: Copy>(values: &[T], light: impl Fn(T, T) -> T) -> Vec<T> {
    let pixels = values.chunks_exact(4);
    pixels.flat_map(|inks| [0, 1, 2].map(|idx| light(inks[idx], inks[3]))).collect()
}

/// JFIF 1.02: full-range Rec. 601.
pub(crate) fn ycbcr_to_rgb(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let (luma, blue, red) = (f32::from(luma), f32::from(blue) - 128.0, f32::from(red) - 128.0);
    let rgb = [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue];
    rgb.map(|value| (value + 0.5) as u8)
}
