//! What every low-light method needs and no method defines: the card a method hands in, the
//! operations its network is written with, its weights on disk, and the enhancement pipeline.

pub mod backbones;
pub mod card;
pub mod device;
pub mod enhance;
pub mod gradients;
pub mod layers;
pub mod network;
pub mod ops;
pub mod prelude;
pub mod recipe;
pub mod segmenter;
pub mod training;
pub mod weights;

pub use tapetum_kernels as kernels;

pub use crate::{
    card::{MethodCard, SizeRule, Tiling},
    enhance::{
        EnhanceError, EnhanceOptions, EnhanceReport, Quality, Strength, TilingMode, enhance,
        enhance_unguarded,
    },
    network::{FastEnhancer, Network},
    segmenter::Segmenter,
    weights::{Weights, WeightsError},
};
