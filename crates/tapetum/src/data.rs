//! Data sets: what lies in a folder, and dark photographs made from well-lit ones.

pub use tapetum_data::{
    Classes, DataError, DataSet, Entries, Pair, Part, Split, Synthesis, SynthesisError,
    SynthesisRange, detect, images, near_duplicates,
};
use tapetum_data::{apply, draw, random_stream};
use tapetum_image::{
    Channels, ColorConversion, EncodeOptions, Format, Image, Limits, Photo, Raster, Rect, Samples,
    Srgb, decode, encode,
};

use crate::error::Error;

/// A dark photograph and the well-lit one it was made from, as 8-bit PNG files in sRGB.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticPair {
    /// The dark one.
    pub low: Vec<u8>,
    /// The well-lit one, cut to whole pixels of the dark one.
    pub reference: Vec<u8>,
    /// How the one came from the other.
    pub synthesis: Synthesis,
}

/// Makes a pair from a well-lit photograph. The same seed and name give the same bytes, whatever else is
/// made.
///
/// # Errors
/// The file is no readable image, or the range is wrong.
pub fn synthesize(
    photo: &[u8],
    name: &str,
    range: &SynthesisRange,
    seed: u64,
    limits: &Limits,
) -> Result<SyntheticPair, Error> {
    range.check()?;
    let photo = decode(photo, limits)?;
    let (conversion, _) = ColorConversion::for_photo(&photo)?;
    let whole = |side: u32| side - side % range.shrink;
    let raster = &photo.raster;
    let (width, height) = (whole(raster.width()), whole(raster.height()));
    let reference = conversion.to_srgb(&raster.read_rgb(Rect { x: 0, y: 0, width, height }));
    let mut random = random_stream(seed, name);
    let synthesis = draw(range, &mut random)?;
    let low = apply(&synthesis, &reference, &mut random)?;
    Ok(SyntheticPair { low: png(&low)?, reference: png(&reference)?, synthesis })
}

fn png(image: &Image<Srgb>) -> Result<Vec<u8>, Error> {
    let n_samples = image.pixels.len();
    let mut raster =
        Raster::new(image.width(), image.height(), Channels::Rgb, Samples::U8(vec![0; n_samples]))?;
    raster.write_rgb(0, 0, &Image::new(image.width(), image.height(), image.pixels.clone()));
    let photo = Photo::from_raster(raster, Format::Png);
    Ok(encode(&photo, Format::Png, &EncodeOptions::default())?)
}
