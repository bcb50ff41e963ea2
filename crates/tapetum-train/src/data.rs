//! Photographs in memory and the batches drawn from them.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_image::{Image, Linear, Native, Raster, Rect, Samples, Srgb, resize};
use tapetum_nn::recipe::Batch;

use crate::{
    config::{DataConfig, LabelledConfig, RunConfig},
    error::TrainError,
    files,
};

/// All photographs of a run, decoded.
pub(crate) struct Data {
    low: Vec<Raster>,
    positive: Vec<Image<Srgb>>,
    negative_under: Vec<Image<Srgb>>,
    negative_over: Vec<Image<Srgb>>,
    labelled: Vec<(Raster, Raster)>,
    exposure: [f32; 2],
}

impl Data {
    /// Decodes everything that `config` names below `root`.
    pub(crate) fn load(config: &DataConfig, root: &Path, crop_px: u32) -> Result<Self, TrainError> {
        let rasters = |folders: &[PathBuf]| -> Result<Vec<Raster>, TrainError> {
            let mut rasters = Vec::new();
            for folder in folders {
                for path in files::list(&root.join(folder))? {
                    let raster = files::read(&path)?;
                    expect_at_least(crop_px, &raster, &path)?;
                    rasters.push(raster);
                }
            }
            Ok(rasters)
        };
        let resized = |folders: &[PathBuf]| -> Result<Vec<Image<Srgb>>, TrainError> {
            let whole = |raster: &Raster| resize(&srgb(raster, raster.rect()), crop_px, crop_px);
            Ok(rasters(folders)?.iter().map(whole).collect())
        };
        let labelled = config.labelled.as_ref();
        Ok(Self {
            low: rasters(&config.low)?,
            positive: resized(&config.positive)?,
            negative_under: resized(&config.negative_under)?,
            negative_over: resized(&config.negative_over)?,
            labelled: labelled.map_or(Ok(vec![]), |l| load_labelled(l, root, crop_px))?,
            exposure: labelled.map_or([1.0; 2], |l| [l.exposure_min, l.exposure_max]),
        })
    }

    /// The batch of a step: the same for the same seed and step, whatever ran before.
    pub(crate) fn batch(&self, config: &RunConfig, step: usize, device: &Device) -> Batch {
        let mut random = ChaCha8Rng::seed_from_u64(config.seed);
        random.set_stream(step as u64 + 1);
        let n_images = config.n_low + config.n_labelled;
        let low = (0..config.n_low).map(|_| {
            let raster = pick(&self.low, &mut random);
            let crop = random_crop(raster, config.crop_px, &mut random);
            let crop = flipped(srgb(raster, crop), random.random());
            permuted(crop, permutation(config, &mut random))
        });
        let low = tensor(&low.collect::<Vec<_>>(), device);
        let labelled = (config.n_labelled > 0 && !self.labelled.is_empty())
            .then(|| self.labelled_batch(config, &mut random, device));
        let positive: Vec<_> =
            (0..n_images).map(|_| pick(&self.positive, &mut random).clone()).collect();
        // Under- and over-exposed ones in turn, so that each batch holds both.
        let negative = (0..n_images).map(|idx| match idx % 2 {
            0 => pick(&self.negative_under, &mut random).clone(),
            _ => pick(&self.negative_over, &mut random).clone(),
        });
        let negative: Vec<_> = negative.collect();
        Batch {
            low,
            labelled,
            positive: tensor(&positive, device),
            negative: tensor(&negative, device),
        }
    }

    fn labelled_batch(
        &self,
        config: &RunConfig,
        random: &mut ChaCha8Rng,
        device: &Device,
    ) -> (Tensor<4>, Tensor<3, Int>) {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..config.n_labelled {
            let (image, label) = pick(&self.labelled, random);
            let crop = random_crop(image, config.crop_px, random);
            let [lowest, highest] = self.exposure.map(f32::ln);
            let exposure = (lowest + (highest - lowest) * random.random::<f32>()).exp();
            let flip = random.random();
            let darkened = flipped(darkened(&srgb(image, crop), exposure), flip);
            images.push(permuted(darkened, permutation(config, random)));
            let classes = flipped(srgb(label, crop), flip);
            let (classes, _) = classes.pixels.as_chunks::<3>();
            labels.extend(classes.iter().map(|pixel| (pixel[0] * 255.0).round() as i64));
        }
        let side = config.crop_px as usize;
        let shape = [config.n_labelled, side, side];
        (tensor(&images, device), Tensor::from_data(TensorData::new(labels, shape), device))
    }
}

fn load_labelled(
    config: &LabelledConfig,
    root: &Path,
    crop_px: u32,
) -> Result<Vec<(Raster, Raster)>, TrainError> {
    let mut pairs = Vec::new();
    for path in files::list(&root.join(&config.images))? {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let label_path = files::partner(&path, &root.join(&config.labels), &stem)?;
        let (image, label) = (files::read(&path)?, files::read(&label_path)?);
        expect_at_least(crop_px, &image, &path)?;
        if (image.width(), image.height()) != (label.width(), label.height()) {
            return Err(TrainError::data(&label_path, "expected the size of its photograph"));
        }
        if !matches!(label.samples(), Samples::U8(_)) {
            return Err(TrainError::data(&label_path, "expected 8-bit class indices"));
        }
        pairs.push((image, label));
    }
    Ok(pairs)
}

fn expect_at_least(crop_px: u32, raster: &Raster, path: &Path) -> Result<(), TrainError> {
    let (width, height) = (raster.width(), raster.height());
    if width.min(height) >= crop_px {
        return Ok(());
    }
    let detail = format!("expected at least {crop_px} pixels a side, found {width}x{height}");
    Err(TrainError::data(path, detail))
}

fn pick<'a, T>(items: &'a [T], random: &mut ChaCha8Rng) -> &'a T {
    &items[random.random_range(0..items.len())]
}

/// A square of `side` somewhere in an image that is at least as large.
fn random_crop(raster: &Raster, side: u32, random: &mut ChaCha8Rng) -> Rect {
    let x = random.random_range(0..=raster.width() - side);
    let y = random.random_range(0..=raster.height() - side);
    Rect { x, y, width: side, height: side }
}

fn srgb(raster: &Raster, rect: Rect) -> Image<Srgb> {
    let native: Image<Native> = raster.read_rgb(rect);
    Image::new(rect.width, rect.height, native.pixels)
}

fn flipped(image: Image<Srgb>, flip: bool) -> Image<Srgb> {
    if !flip {
        return image;
    }
    let width = image.width() as usize;
    let rows = image.pixels.chunks_exact(width * 3);
    let pixels = rows.flat_map(|row| row.chunks_exact(3).rev().flatten().copied()).collect();
    Image::new(image.width(), image.height(), pixels)
}

/// Which channel becomes red, green and blue: each order is as likely where the recipe shuffles.
fn permutation(config: &RunConfig, random: &mut ChaCha8Rng) -> [usize; 3] {
    const ORDERS: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    if config.shuffle_channels { *pick(&ORDERS, random) } else { ORDERS[0] }
}

fn permuted(mut image: Image<Srgb>, order: [usize; 3]) -> Image<Srgb> {
    let (pixels, _) = image.pixels.as_chunks_mut::<3>();
    pixels.iter_mut().for_each(|pixel| *pixel = order.map(|channel| pixel[channel]));
    image
}

/// Less light: linear values times `exposure`, back to sRGB.
fn darkened(image: &Image<Srgb>, exposure: f32) -> Image<Srgb> {
    let mut linear: Image<Linear> = image.to_linear();
    linear.pixels.iter_mut().for_each(|value| *value *= exposure);
    linear.to_srgb()
}

fn tensor(images: &[Image<Srgb>], device: &Device) -> Tensor<4> {
    let (width, height) = images.first().map_or((0, 0), |image| (image.width(), image.height()));
    let values: Vec<f32> = images.iter().flat_map(|image| image.pixels.iter().copied()).collect();
    let shape = [images.len(), height as usize, width as usize, 3];
    Tensor::<4>::from_data(TensorData::new(values, shape), device).permute([0, 3, 1, 2])
}
