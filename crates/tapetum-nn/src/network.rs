//! The one trait a network implements to be used by the pipeline.

use burn::tensor::{Device, Tensor};
use tapetum_image::{Image, Srgb};

use crate::{
    card::{MethodCard, Tiling},
    enhance::{from_tensor, to_tensor},
};

/// A network with its weights, ready to enhance.
///
/// Validation during training and inference for users run this same function.
pub trait Network: Send + Sync {
    /// The facts about the method that the pipeline plans with.
    fn card(&self) -> &'static MethodCard;

    /// How many times larger a result is on each side.
    fn scale(&self) -> u32 {
        1
    }

    /// What cutting an image into tiles does to the result; the card's word unless this network differs.
    fn tiling(&self) -> Tiling {
        self.card().tiling
    }

    /// Working memory of one forward pass in bytes per pixel of the tile, halo included and without the
    /// larger result of an enlarging network; the card's number unless this network differs.
    fn working_bytes_per_pixel(&self) -> u64 {
        self.card().working_bytes_per_pixel
    }

    /// Maps a dark image to a bright one, [`Network::scale`] times as large on each side.
    ///
    /// # Shapes
    /// `low`: `[batch, 3, height, width]`; result: `[batch, 3, scale height, scale width]`; sRGB-encoded,
    /// 0..1. Any height and width from 1 that the card's size rule allows. A result may reach beyond, and is
    /// cut where it is written.
    fn enhance(&self, low: Tensor<4>) -> Tensor<4>;

    /// [`Network::enhance`] for one image. A network that has a faster way on the CPU than through
    /// tensors takes it here; the two agree to 1e-5.
    fn enhance_image(&self, low: &Image<Srgb>, device: &Device) -> Image<Srgb> {
        from_tensor(self.enhance(to_tensor(low, device)))
    }

    /// A fast way to about the result of [`Network::enhance_image`] on a large image, from its means
    /// `reduced` over blocks of `factor` times `factor` pixels. At factor 1, where the copy is the image,
    /// the two agree to 1e-5. `None` where a method has no such way; a network that enlarges has none.
    fn fast(&self, _reduced: &Image<Srgb>, _factor: u32) -> Option<Box<dyn FastEnhancer>> {
        None
    }

    /// A form of the network for the tiles of a large image, holding what it found on a reduced copy of
    /// the whole: statistics over the whole image are taken once, never per tile. The pipeline asks for
    /// it where it cuts an image into tiles that are [`Tiling::Approximate`],
    /// with means over blocks of pixels, 200,000 of them or as many as the memory allows. `None` where a
    /// tile needs nothing of the rest.
    fn for_tiles(&self, _reduced: &Image<Srgb>, _device: &Device) -> Option<Box<dyn Network>> {
        None
    }

    /// A form of the network that draws what the method leaves open, such as a latent, where
    /// [`Network::enhance`] takes its mean. One seed and one image give one result; another seed stands
    /// for another draw. `None` where a method leaves nothing open.
    fn sampled(&self, _seed: u64) -> Option<Box<dyn Network>> {
        None
    }

    /// Number of learned values.
    fn n_parameters(&self) -> usize;
}

/// What a network found on a reduced copy of one image, ready to enhance the image part by part.
pub trait FastEnhancer: Send + Sync {
    /// Enhances the part whose upper left pixel is the image's at `x` and `y`. Where parts meet or how
    /// large they are makes no difference to the result.
    fn enhance_part(&self, part: &Image<Srgb>, x: u32, y: u32) -> Image<Srgb>;
}
