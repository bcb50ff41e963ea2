//! From a photograph's own colour profile to sRGB and back, in `f32`.

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

use crate::{
    error::ImageError,
    image::{Image, Native, Srgb},
    photo::Photo,
    raster::Channels,
};

/// Half of one of 256 levels: the differences among published sRGB profiles are smaller.
const SRGB_TOLERANCE: f32 = 0.002;

type Transform = Arc<dyn TransformExecutor<f32> + Send + Sync>;

/// Two transforms, built once and cheap to call for each tile.
///
/// ICC profiles are tables and short formulas; the transforms hold about 14 bits, which is why the
/// pipeline adds differences to the native pixels instead of replacing them.
pub struct ColorConversion {
    transforms: Option<Transforms>,
}

struct Transforms {
    to_srgb: Transform,
    from_srgb: Transform,
    /// What the profile's side of the transforms looks like.
    channels: Channels,
}

impl ColorConversion {
    /// sRGB on both sides.
    pub fn identity() -> Self {
        Self { transforms: None }
    }

    /// From the photograph's profile; identity when there is none or it is sRGB. A profile that
    /// cannot be used is a warning and is treated as sRGB.
    ///
    /// # Errors
    /// None today: every obstacle is a warning.
    pub fn for_photo(photo: &Photo) -> Result<(Self, Option<String>), ImageError> {
        let Some(icc) = &photo.metadata.icc else { return Ok((Self::identity(), None)) };
        let built = ColorProfile::new_from_slice(icc)
            .map_err(|error| error.to_string())
            .and_then(|profile| Transforms::build(&profile, photo.raster.channels()));
        match built {
            Ok(transforms) if transforms.are_srgb() => Ok((Self::identity(), None)),
            Ok(transforms) => Ok((Self { transforms: Some(transforms) }, None)),
            Err(detail) => {
                let warning = format!("the colour profile is treated as sRGB: {detail}");
                Ok((Self::identity(), Some(warning)))
            }
        }
    }

    /// Whether pixels pass unchanged.
    pub fn is_identity(&self) -> bool {
        self.transforms.is_none()
    }

    /// Clamped to 0..1.
    pub fn to_srgb(&self, native: &Image<Native>) -> Image<Srgb> {
        let mut pixels = match &self.transforms {
            None => native.pixels.clone(),
            Some(transforms) => transforms.enter_srgb(&native.pixels),
        };
        for value in &mut pixels {
            *value = value.clamp(0.0, 1.0);
        }
        Image::new(native.width(), native.height(), pixels)
    }

    /// Back into the photograph's profile; grey is repeated three times.
    pub fn from_srgb(&self, srgb: &Image<Srgb>) -> Image<Native> {
        let pixels = match &self.transforms {
            None => srgb.pixels.clone(),
            Some(transforms) => transforms.leave_srgb(&srgb.pixels),
        };
        Image::new(srgb.width(), srgb.height(), pixels)
    }
}

impl Transforms {
    fn build(profile: &ColorProfile, raster: Channels) -> Result<Self, String> {
        let channels = match (profile.color_space, raster) {
            (DataColorSpace::Rgb, _) => Channels::Rgb,
            (DataColorSpace::Gray, Channels::Grey) => Channels::Grey,
            (space, _) => {
                return Err(format!("expected one for {raster:?}, got one for {space:?}"));
            }
        };
        let layout = match channels {
            Channels::Grey => Layout::Gray,
            Channels::Rgb => Layout::Rgb,
        };
        let text = |error: moxcms::CmsError| error.to_string();
        let srgb = ColorProfile::new_srgb();
        let options = TransformOptions {
            prefer_fixed_point: false,
            allow_extended_range_rgb_xyz: true,
            ..TransformOptions::default()
        };
        let to_srgb = profile.create_transform_f32(layout, &srgb, Layout::Rgb, options);
        let from_srgb = srgb.create_transform_f32(Layout::Rgb, profile, layout, options);
        let transforms =
            Self { to_srgb: to_srgb.map_err(text)?, from_srgb: from_srgb.map_err(text)?, channels };
        transforms.check_probes().map(|()| transforms)
    }

    /// A profile can be well formed and still lead nowhere.
    fn check_probes(&self) -> Result<(), String> {
        let probes = probes();
        let (srgb, native) = (self.enter_srgb(&probes), self.leave_srgb(&probes));
        match srgb.iter().chain(&native).find(|value| !value.is_finite()) {
            Some(value) => Err(format!("expected finite colours, got {value}")),
            None => Ok(()),
        }
    }

    /// Whether every probe stays where it is, to well within one of 256 levels.
    fn are_srgb(&self) -> bool {
        let probes = probes();
        let moved = self.enter_srgb(&probes);
        // Rounded colorants push pure colours a hair outside, which the clamp of every use undoes.
        let stays =
            |(before, after): (&f32, &f32)| (before - after.clamp(0.0, 1.0)).abs() < SRGB_TOLERANCE;
        probes.iter().zip(&moved).all(stays)
    }

    fn enter_srgb(&self, native: &[f32]) -> Vec<f32> {
        let mut srgb = vec![0.0; native.len()];
        match self.channels {
            Channels::Rgb => run(&self.to_srgb, native, &mut srgb),
            Channels::Grey => {
                let grey: Vec<f32> = native.iter().step_by(3).copied().collect();
                run(&self.to_srgb, &grey, &mut srgb);
            }
        }
        srgb
    }

    fn leave_srgb(&self, srgb: &[f32]) -> Vec<f32> {
        match self.channels {
            Channels::Rgb => {
                let mut native = vec![0.0; srgb.len()];
                run(&self.from_srgb, srgb, &mut native);
                native
            }
            Channels::Grey => {
                let mut grey = vec![0.0; srgb.len() / 3];
                run(&self.from_srgb, srgb, &mut grey);
                grey.into_iter().flat_map(|value| [value; 3]).collect()
            }
        }
    }
}

fn run(transform: &Transform, from: &[f32], to: &mut [f32]) {
    transform.transform(from, to).expect("both sides hold the same number of whole pixels");
}

/// Nine levels of grey and every mix of five levels of red, green and blue.
fn probes() -> Vec<f32> {
    let greys = (0..9).flat_map(|level| [level as f32 / 8.0; 3]);
    let mixes = (0..125).flat_map(|idx| [idx / 25, idx / 5 % 5, idx % 5].map(|v| v as f32 / 4.0));
    greys.chain(mixes).collect()
}
