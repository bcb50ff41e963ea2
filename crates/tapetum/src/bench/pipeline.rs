//! Works of the pipeline around a network: from the bytes of a photograph to its bytes.

use tapetum_image::{ColorConversion, EncodeOptions, Limits, Photo, decode, encode};
use tapetum_nn::{
    EnhanceOptions, Strength,
    enhance::{PrecisionMode, enhance},
};

use super::{Prepared, Setup, synthetic};
use crate::{enhancer::writable, error::Error, model::Model};

pub(super) fn load(setup: &Setup) -> Result<Prepared, Error> {
    let bytes = photo_bytes(setup)?;
    let size = size(&decode(&bytes, &Limits::default())?);
    let run = move |_: &mut Vec<f32>| {
        decode(&bytes, &Limits::default())?;
        Ok(())
    };
    Ok(Prepared { size, n_pictures: 1, n_macs: None, run: Box::new(run), on_card: None })
}

pub(super) fn process(setup: &Setup) -> Result<Prepared, Error> {
    let photo = photo(setup)?;
    let (size, device) = (size(&photo), setup.device.device.clone());
    let model = Model::built_in("scl-lle")?;
    let network = tapetum_methods::load(model.method, &model.weights, &device)?;
    let (conversion, _) = ColorConversion::for_photo(&photo)?;
    // What depends on the exposure would make the time depend on it, too.
    let options = EnhanceOptions {
        strength: Strength::Fixed(1.0),
        precision: PrecisionMode::Fixed(setup.precision),
        ..EnhanceOptions::default()
    };
    let n_pixels = u64::from(size.0) * u64::from(size.1);
    let n_macs = model.method.macs_per_pixel.map(|macs| macs * n_pixels);
    let run = move |_: &mut Vec<f32>| {
        enhance(&*network, &photo.raster, &conversion, &options, &device)?;
        Ok(())
    };
    Ok(Prepared { size, n_pictures: 1, n_macs, run: Box::new(run), on_card: None })
}

pub(super) fn save(setup: &Setup) -> Result<Prepared, Error> {
    let photo = photo(setup)?;
    let (size, format) = (size(&photo), writable(photo.format));
    let run = move |_: &mut Vec<f32>| {
        encode(&photo, format, &EncodeOptions::default())?;
        Ok(())
    };
    Ok(Prepared { size, n_pictures: 1, n_macs: None, run: Box::new(run), on_card: None })
}

fn photo(setup: &Setup) -> Result<Photo, Error> {
    Ok(decode(&photo_bytes(setup)?, &Limits::default())?)
}

fn photo_bytes(setup: &Setup) -> Result<Vec<u8>, Error> {
    match setup.photo {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Ok(synthetic::jpeg(setup.size.0, setup.size.1)?),
    }
}

fn size(photo: &Photo) -> (u32, u32) {
    (photo.raster.width(), photo.raster.height())
}
