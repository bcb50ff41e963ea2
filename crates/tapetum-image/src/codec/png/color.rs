//! A colour profile for PNG files that describe their colours without one.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, LocalizableString,
    MatrixCoefficients, ProfileText, TransferCharacteristics,
};
use png::{CodingIndependentCodePoints, ColorType, Info, ScaledFloat, SourceChromaticities};

/// 1/2.2 as PNG writes it; stands for the sRGB curve.
const GAMMA_SRGB: u32 = 45_455;

/// The chromaticities of sRGB as PNG writes them: white, red, green, blue.
const CHROMATICITIES_SRGB: [u32; 8] =
    [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];

/// Below this difference, in hundred-thousandths, numbers mean the same.
const TOLERANCE: u32 = 100;

/// An ICC profile made of `cICP`, or of `gAMA` and `cHRM`, when they say something other than
/// sRGB; an error is a warning: the colours are then treated as sRGB.
pub(crate) fn described_profile(info: &Info<'_>) -> Result<Option<Vec<u8>>, String> {
    if let Some(points) = info.coding_independent_code_points {
        return from_code_points(points);
    }
    if info.srgb.is_some() {
        return Ok(None);
    }
    let gamma = info.gama_chunk.filter(|gamma| differs(gamma.into_scaled(), GAMMA_SRGB));
    let chromaticities = info
        .chrm_chunk
        .filter(|found| scaled(found).iter().zip(CHROMATICITIES_SRGB).any(|(&a, b)| differs(a, b)));
    let is_grey = matches!(info.color_type, ColorType::Grayscale | ColorType::GrayscaleAlpha);
    match (gamma, chromaticities) {
        (None, None) => Ok(None),
        (None, Some(_)) if is_grey => Ok(None),
        (gamma, _) if is_grey => encoded(&grey_profile(decoding_gamma(gamma)?)).map(Some),
        (gamma, chromaticities) => {
            encoded(&rgb_profile(decoding_gamma(gamma)?, chromaticities)?).map(Some)
        }
    }
}

fn from_code_points(points: CodingIndependentCodePoints) -> Result<Option<Vec<u8>>, String> {
    let CodingIndependentCodePoints { color_primaries, transfer_function, .. } = points;
    let treated = format!("code points {color_primaries}/{transfer_function}");
    if !points.is_video_full_range_image || points.matrix_coefficients != 0 {
        return Err(format!("{treated} are not full-range RGB"));
    }
    let known = CicpColorPrimaries::try_from(color_primaries).and_then(|primaries| {
        Ok((primaries, TransferCharacteristics::try_from(transfer_function)?))
    });
    match known {
        Ok((CicpColorPrimaries::Bt709, TransferCharacteristics::Srgb)) => Ok(None),
        Ok((_, TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg)) => {
            Err(format!("{treated} mean high dynamic range"))
        }
        Ok((color_primaries, transfer_characteristics)) => {
            let profile = ColorProfile::new_from_cicp(CicpProfile {
                color_primaries,
                transfer_characteristics,
                matrix_coefficients: MatrixCoefficients::Identity,
                full_range: true,
            });
            if profile.red_trc.is_none() {
                return Err(format!("{treated} are unknown"));
            }
            encoded(&profile).map(Some)
        }
        Err(_) => Err(format!("{treated} are unknown")),
    }
}

/// The exponent from file to light.
fn decoding_gamma(gamma: Option<ScaledFloat>) -> Result<f32, String> {
    let encoding = gamma.map_or(GAMMA_SRGB, ScaledFloat::into_scaled);
    match encoding {
        5_000..=1_000_000 => Ok(100_000.0 / encoding as f32),
        _ => Err(format!("expected a gamma of 5000 to 1000000, got {encoding}")),
    }
}

fn grey_profile(gamma: f32) -> ColorProfile {
    let mut profile = ColorProfile::new_gray_with_gamma(gamma);
    profile.description = description();
    profile
}

fn rgb_profile(
    gamma: f32,
    chromaticities: Option<SourceChromaticities>,
) -> Result<ColorProfile, String> {
    let values = chromaticities.map_or(CHROMATICITIES_SRGB, |found| scaled(&found));
    let [white, red, green, blue] = [0, 2, 4, 6].map(|idx| Chromaticity {
        x: values[idx] as f32 / 100_000.0,
        y: values[idx + 1] as f32 / 100_000.0,
    });
    let twice_area = (green.x - red.x) * (blue.y - red.y) - (blue.x - red.x) * (green.y - red.y);
    let smallest_y = [white.y, red.y, green.y, blue.y].into_iter().fold(1.0, f32::min);
    if twice_area.abs() < 1e-3 || smallest_y < 1e-3 {
        return Err("its chromaticities span no colours".to_owned());
    }
    let mut profile = ColorProfile::new_srgb();
    profile.update_rgb_colorimetry(white.to_xyyb(), ColorPrimaries { red, green, blue });
    let curve = ColorProfile::new_gray_with_gamma(gamma).gray_trc;
    profile.red_trc.clone_from(&curve);
    profile.green_trc.clone_from(&curve);
    profile.blue_trc = curve;
    profile.description = description();
    Ok(profile)
}

fn description() -> Option<ProfileText> {
    let text = "From PNG gAMA and cHRM".to_owned();
    Some(ProfileText::Localizable(vec![LocalizableString::new("en".into(), "US".into(), text)]))
}

fn encoded(profile: &ColorProfile) -> Result<Vec<u8>, String> {
    profile.encode().map_err(|error| error.to_string())
}

fn scaled(found: &SourceChromaticities) -> [u32; 8] {
    let SourceChromaticities { white, red, green, blue } = found;
    [white.0, white.1, red.0, red.1, green.0, green.1, blue.0, blue.1].map(ScaledFloat::into_scaled)
}

fn differs(a: u32, b: u32) -> bool {
    a.abs_diff(b) > TOLERANCE
}
