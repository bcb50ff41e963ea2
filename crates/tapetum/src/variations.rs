//! Variations of a photograph: what a method that draws makes of it, draw by draw, and how far these lie
//! apart.

use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};
use tapetum_image::{ColorConversion, Format, Photo};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, EnhanceReport,
    enhance::{Spread, check_size, enhance},
};

use crate::{enhancer::Enhancer, error::Error};

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// How many variations, one of [`Draws::N_SAMPLES`].
    pub n_samples: u32,
    /// Decides all of them.
    pub seed: u64,
}

/// Variations of one photograph, computed one at a time as they are asked for; none is kept.
///
/// Variation `k`, from 1 on, is what [`Enhancer::enhance`] gives with
/// [`Network::sampled`](crate::Network::sampled) for [`Draws::seed_of`] `k`: guards, tiles and an automatic
/// strength are its own. It does not depend on how many there are.
pub struct Variations<'a> {
    enhancer: &'a Enhancer,
    photo: &'a Photo,
    options: EnhanceOptions,
    draws: Draws,
    conversion: ColorConversion,
    warning: Option<String>,
    spread: Spread,
    has_failed: bool,
}

impl Draws {
    /// A spread takes two; from 64 it is known to a tenth of itself.
    pub const N_SAMPLES: RangeInclusive<u32> = 2..=64;
    /// Enough for a map to look at: its values are known to a quarter of themselves.
    pub const N_SAMPLES_DEFAULT: u32 = 8;

    /// The seed of variation `number`, from 1 on: the first eight bytes, read as a little-endian number,
    /// of the SHA-256 of the seed (eight bytes, little-endian) and the text `sample <number>`.
    pub fn seed_of(&self, number: u32) -> u64 {
        let hash = Sha256::new().chain_update(self.seed.to_le_bytes());
        let hash = hash.chain_update(format!("sample {number}")).finalize();
        u64::from_le_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
    }
}

impl Enhancer {
    /// Whether the method draws, so that there are [`Enhancer::variations`].
    pub fn can_draw(&self) -> bool {
        self.network.sampled(0).is_some()
    }

    /// Variations of a decoded photograph. Of the memory in the options, 8 bytes a pixel are kept for the
    /// map.
    ///
    /// # Errors
    /// [`Error::CannotDraw`] where the method gives one result only, [`Error::SampleCount`] outside of
    /// [`Draws::N_SAMPLES`]; the results would be larger than the options allow. What cannot be enhanced is an
    /// error of the variation.
    pub fn variations<'a>(
        &'a self,
        photo: &'a Photo,
        options: &EnhanceOptions,
        draws: Draws,
    ) -> Result<Variations<'a>, Error> {
        if !self.can_draw() {
            return Err(Error::CannotDraw { method: self.method().name });
        }
        if !Draws::N_SAMPLES.contains(&draws.n_samples) {
            return Err(Error::SampleCount { found: draws.n_samples });
        }
        let scale = self.scale();
        check_size(&photo.raster, scale, &options.limits)?;
        let (conversion, warning) = ColorConversion::for_photo(photo)?;
        let (width, height) = (photo.raster.width() * scale, photo.raster.height() * scale);
        Ok(Variations {
            enhancer: self,
            photo,
            options: options.clone(),
            draws,
            conversion,
            warning,
            spread: Spread::new(width, height),
            has_failed: false,
        })
    }
}

impl Variations<'_> {
    /// The map of how far they lie apart, once all are drawn: those that were not asked for are drawn
    /// now.
    ///
    /// A pixel is the standard deviation of the luma (`0.299 R + 0.587 G + 0.114 B`, sRGB-encoded, 0..1)
    /// of the variations' samples, with one less than their number as the divisor: in 16-bit grey, linear,
    /// 0 where all agree and 65,535 at 0.1 and above, rounded half up. It has no profile and nothing of
    /// the photograph's metadata.
    ///
    /// # Errors
    /// See [`EnhanceError`]; there is no map without all variations.
    pub fn uncertainty(&mut self) -> Result<Photo, Error> {
        while self.spread.n_images() < self.draws.n_samples {
            self.draw()?;
        }
        Ok(Photo::from_raster(self.spread.map(), Format::Png))
    }

    fn draw(&mut self) -> Result<(Photo, EnhanceReport), Error> {
        let seed = self.draws.seed_of(self.spread.n_images() + 1);
        let area = u64::from(self.enhancer.scale()).pow(2);
        let map_bytes = self.photo.raster.n_pixels() * area * Spread::BYTES_PER_PX;
        let memory_bytes_max = self.options.memory_bytes_max.saturating_sub(map_bytes);
        let options = EnhanceOptions { memory_bytes_max, ..self.options.clone() };
        let attempted = self.enhancer.run(self.photo, &options, |network, options, device| {
            let network = network.sampled(seed).expect("a network that draws was asked for");
            enhance(&*network, &self.photo.raster, &self.conversion, options, device)
        });
        let attempted =
            attempted.map_err(|error| with_map(error, self.options.memory_bytes_max, map_bytes))?;
        let (raster, report) = attempted.result;
        self.spread.add(&raster, &self.conversion);
        let mut photo = self.photo.clone().enlarged_as(raster, report.scale);
        photo.warnings.extend(self.warning.clone());
        photo.warnings.extend(attempted.notes);
        Ok((photo, report))
    }
}

impl Iterator for Variations<'_> {
    type Item = Result<(Photo, EnhanceReport), Error>;

    /// Ends after the last variation, and after one that failed.
    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed || self.spread.n_images() == self.draws.n_samples {
            return None;
        }
        let drawn = self.draw();
        self.has_failed = drawn.is_err();
        Some(drawn)
    }
}

/// A lack of memory in the caller's numbers, which count the map.
fn with_map(error: EnhanceError, budget_bytes: u64, map_bytes: u64) -> EnhanceError {
    match error {
        EnhanceError::Memory { needed_bytes, tiles_fit, .. } => {
            EnhanceError::Memory { budget_bytes, needed_bytes: needed_bytes + map_bytes, tiles_fit }
        }
        other => other,
    }
}
