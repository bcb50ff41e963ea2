//! Classical methods: formulas without learned weights, one file each. Baselines to compare with.
//!
//! | paper | here |
//! | --- | --- |
//! | none: the photograph as it is | [`none`] |
//! | C. Poynton, *Rehabilitation of Gamma*, SPIE 3299, 1998, doi 10.1117/12.320126 | [`gamma`] |
//! | R. Hummel, *Image Enhancement by Histogram Transformation*, CGIP 6 (1977), doi 10.1016/S0146-664X(77)80011-7 | [`histogram_equalization`] |
//! | S. Pizer et al., *Adaptive Histogram Equalization and Its Variations*, CVGIP 39 (1987), doi 10.1016/S0734-189X(87)80186-X; K. Zuiderveld, *Contrast Limited Adaptive Histogram Equalization*, Graphics Gems IV, 1994 | [`clahe`] |
//! | D. Jobson, Z. Rahman, G. Woodell, *A Multiscale Retinex for Bridging the Gap Between Color Images and the Human Observation of Scenes*, IEEE TIP 6(7), 1997, doi 10.1109/83.597272 | [`msrcr`] |
//! | X. Guo, Y. Li, H. Ling, *LIME: Low-Light Image Enhancement via Illumination Map Estimation*, IEEE TIP 26(2), 2017, doi 10.1109/TIP.2016.2639450 | [`lime`] |
//!
//! # Deviations
//! - Histogram equalisation and CLAHE work on one channel of brightness, as the field uses them on
//!   colour, and their curves run on between the 256 levels, so that deeper photographs keep their
//!   depth. On whole levels they are OpenCV's.
//! - MSRCR: the surround near a border is the mean of the pixels that exist; the gain and offset of the
//!   last step are chosen for each image, since those of the paper belong to its own display range.
//! - LIME: the optional denoising by BM3D is left out.

pub mod clahe;
pub mod gamma;
pub mod histogram_equalization;
pub mod lime;
pub mod msrcr;
pub mod none;

mod lab;
mod levels;
mod multigrid;
mod surround;
mod weighted_least_squares;

use tapetum_image::{Image, Srgb};
use tapetum_nn::{
    enhance::{from_tensor, to_tensor},
    prelude::*,
};

/// A method that is a function of the image.
#[derive(Debug, Clone, Copy)]
pub struct Classical {
    card: &'static MethodCard,
    run: fn(&Image<Srgb>) -> Image<Srgb>,
}

/// All of them, from the simplest on.
static METHODS: [Classical; 6] = [
    Classical { card: &none::CARD, run: none::enhance },
    Classical { card: &gamma::CARD, run: gamma::enhance },
    Classical { card: &histogram_equalization::CARD, run: histogram_equalization::enhance },
    Classical { card: &clahe::CARD, run: clahe::enhance },
    Classical { card: &msrcr::CARD, run: msrcr::enhance },
    Classical { card: &lime::CARD, run: lime::enhance },
];

/// The classical method called `name`.
pub fn find(name: &str) -> Option<Classical> {
    METHODS.into_iter().find(|method| method.card.name == name)
}

impl Network for Classical {
    fn card(&self) -> &'static MethodCard {
        self.card
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let [n_images, _, _, _] = low.dims();
        let enhance = |idx| {
            let image = from_tensor(low.clone().narrow(0, idx, 1));
            to_tensor(&(self.run)(&image), &low.device())
        };
        Tensor::cat((0..n_images).map(enhance).collect(), 0)
    }

    fn enhance_image(&self, low: &Image<Srgb>, _device: &Device) -> Image<Srgb> {
        (self.run)(low)
    }

    fn n_parameters(&self) -> usize {
        0
    }
}
