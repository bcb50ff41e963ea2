//! One network after another, and a filter for the size that is still missing.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use tapetum_image::{Filter, Image, Srgb, enlarge};

use super::{from_tensor, to_tensor};
use crate::{
    card::{MethodCard, Tiling},
    network::Network,
};

/// A network, perhaps a second one on its result, and an enlargement of what these give by a Lanczos-3
/// filter in sRGB-encoded values: what any method is compared with that brightens and enlarges at once.
/// Nothing is cut to 0..1 in between. Its card is that of the first network.
///
/// With tiles, what a network finds over the whole image is found on reduced copies: the second one's on what
/// the first makes of its own.
pub struct Cascade {
    first: Arc<dyn Network>,
    second: Option<Arc<dyn Network>>,
    /// What the filter enlarges by, 1 or more.
    factor: u32,
}

impl Cascade {
    /// Ends `scale` times as large as its input. `None` where that is not the product of the networks' own
    /// scales and a whole factor.
    pub fn new(
        first: Box<dyn Network>,
        second: Option<Box<dyn Network>>,
        scale: u32,
    ) -> Option<Self> {
        let own = first.scale() * second.as_ref().map_or(1, |second| second.scale());
        let is_whole = scale > 0 && scale.is_multiple_of(own);
        let second = second.map(Arc::from);
        is_whole.then(|| Self { first: Arc::from(first), second, factor: scale / own })
    }

    /// The same with other forms of its networks; `None` where neither has one.
    fn of_forms(
        &self,
        first: Option<Box<dyn Network>>,
        second: Option<Box<dyn Network>>,
    ) -> Option<Box<dyn Network>> {
        if first.is_none() && second.is_none() {
            return None;
        }
        let first = first.map_or_else(|| Arc::clone(&self.first), Arc::from);
        let second = second.map(Arc::from).or_else(|| self.second.clone());
        Some(Box::new(Self { first, second, factor: self.factor }))
    }

    /// What the networks give for one image, in order.
    fn before_filter(&self) -> impl Iterator<Item = &dyn Network> {
        std::iter::once(&*self.first).chain(self.second.as_deref())
    }

    /// The networks' own scale.
    fn networks_scale(&self) -> u32 {
        self.before_filter().map(Network::scale).product()
    }
}

impl Network for Cascade {
    fn card(&self) -> &'static MethodCard {
        self.first.card()
    }

    fn scale(&self) -> u32 {
        self.networks_scale() * self.factor
    }

    /// What cannot be cut wins over what can; radii and overlaps are added up in pixels of the input. A
    /// radius is half an overlap.
    fn tiling(&self) -> Tiling {
        let filter_px = if self.factor == 1 { 0 } else { Filter::Lanczos.radius_px() };
        let mut sum =
            Tiling::Exact { receptive_field_px: filter_px.div_ceil(self.networks_scale()) };
        let mut scale = 1;
        for network in self.before_filter() {
            sum = both(sum, network.tiling(), scale);
            scale *= network.scale();
        }
        sum
    }

    /// The networks run one after the other, the second on more pixels where the first enlarges.
    fn working_bytes_per_pixel(&self) -> u64 {
        let first = self.first.working_bytes_per_pixel();
        let area = u64::from(self.first.scale()).pow(2);
        let second =
            self.second.as_ref().map_or(0, |second| second.working_bytes_per_pixel() * area);
        first.max(second)
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let result = self.before_filter().fold(low, |image, network| network.enhance(image));
        if self.factor == 1 {
            return result;
        }
        let device = result.device();
        let [n_images, ..] = result.dims();
        let large = result.chunk(n_images, 0).into_iter().map(|image| {
            to_tensor(&enlarge(&from_tensor(image), self.factor, Filter::Lanczos), &device)
        });
        Tensor::cat(large.collect(), 0)
    }

    fn enhance_image(&self, low: &Image<Srgb>, device: &Device) -> Image<Srgb> {
        let result = self.first.enhance_image(low, device);
        let result = match &self.second {
            Some(second) => second.enhance_image(&result, device),
            None => result,
        };
        if self.factor == 1 { result } else { enlarge(&result, self.factor, Filter::Lanczos) }
    }

    fn for_tiles(&self, reduced: &Image<Srgb>, device: &Device) -> Option<Box<dyn Network>> {
        let first = self.first.for_tiles(reduced, device);
        let second = self.second.as_ref().and_then(|second| {
            second.for_tiles(&self.first.enhance_image(reduced, device), device)
        });
        self.of_forms(first, second)
    }

    fn sampled(&self, seed: u64) -> Option<Box<dyn Network>> {
        let second = self.second.as_ref().and_then(|second| second.sampled(seed));
        self.of_forms(self.first.sampled(seed), second)
    }

    fn n_parameters(&self) -> usize {
        self.before_filter().map(Network::n_parameters).sum()
    }
}

/// Of a chain whose further part sees an image `scale` times as large as the input.
fn both(chain: Tiling, further: Tiling, scale: u32) -> Tiling {
    use Tiling::{Approximate, Exact, WholeImageOnly};
    let overlap_px = |tiling: Tiling| match tiling {
        Exact { receptive_field_px } => receptive_field_px.saturating_mul(2),
        Approximate { overlap_px, .. } => overlap_px,
        WholeImageOnly => u32::MAX,
    };
    let step_px = |tiling: Tiling| match tiling {
        Approximate { step_px, .. } => step_px,
        Exact { .. } | WholeImageOnly => 1,
    };
    match (chain, further) {
        (WholeImageOnly, _) | (_, WholeImageOnly) => WholeImageOnly,
        (Exact { receptive_field_px: before }, Exact { receptive_field_px: here }) => {
            Exact { receptive_field_px: before.saturating_add(here.div_ceil(scale)) }
        }
        (chain, further) => {
            let here = overlap_px(further).div_ceil(scale);
            // Steps are powers of two, so the larger one is a multiple of the other.
            Approximate {
                overlap_px: overlap_px(chain).saturating_add(here),
                step_px: step_px(chain).max(step_px(further).div_ceil(scale)),
            }
        }
    }
}
