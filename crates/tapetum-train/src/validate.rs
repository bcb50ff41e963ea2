//! Validation on pairs, through the code that users enhance with.

use std::path::Path;

use burn::tensor::Device;
use tapetum_image::{ColorConversion, Raster};
use tapetum_metrics::{Picture, psnr_rgb};
use tapetum_nn::{EnhanceError, EnhanceOptions, Network, Strength, enhance};

use crate::{error::TrainError, files};

/// The mean score of one folder of pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The folder, relative to the data root.
    pub set: String,
    /// Mean PSNR of the images in dB: RGB, 8-bit results, the network's full strength.
    pub psnr_db: f64,
    /// Number of pairs.
    pub n_pairs: usize,
}

/// Scores a network on a folder that holds `low` and `high`. The reference of `low/NAME_K` is
/// `high/NAME_K` or, where several dark photographs share one, `high/NAME`.
///
/// # Errors
/// A file cannot be read or has no partner.
pub fn validate(
    network: &dyn Network,
    folder: &Path,
    set: &str,
    device: &Device,
) -> Result<Score, TrainError> {
    let low_paths = files::list(&folder.join("low"))?;
    let mut sum = 0.0;
    for path in &low_paths {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let high = folder.join("high");
        let scene = stem.rsplit_once('_').map_or(&*stem, |(scene, _)| scene);
        let reference =
            files::partner(path, &high, &stem).or_else(|_| files::partner(path, &high, scene))?;
        let (low, reference) = (files::read(path)?, files::read(&reference)?);
        let enhanced = enhance_fully(network, &low, device);
        let enhanced =
            enhanced.map_err(|source| TrainError::Enhance { path: path.clone(), source })?;
        if enhanced.rect() != reference.rect() {
            return Err(TrainError::data(path, "expected the size of its reference"));
        }
        let picture = |raster: &Raster| {
            let image = raster.read_rgb(raster.rect());
            Picture::from_rgb(image.width() as usize, image.height() as usize, &image.pixels)
        };
        sum += psnr_rgb(&picture(&enhanced), &picture(&reference)).expect("sizes are equal");
    }
    let n_pairs = low_paths.len();
    Ok(Score { set: set.to_owned(), psnr_db: sum / n_pairs as f64, n_pairs })
}

/// A network that darkens is scored as it is: with its input, which is the better image.
fn enhance_fully(
    network: &dyn Network,
    low: &Raster,
    device: &Device,
) -> Result<Raster, EnhanceError> {
    let options = EnhanceOptions { strength: Strength::Fixed(1.0), ..EnhanceOptions::default() };
    match enhance(network, low, &ColorConversion::identity(), &options, device) {
        Err(EnhanceError::Darker { .. } | EnhanceError::Constant { .. }) => Ok(low.clone()),
        result => result.map(|(raster, _)| raster),
    }
}
