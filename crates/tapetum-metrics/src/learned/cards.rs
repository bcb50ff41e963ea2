//! The learned metrics by their names.

use tapetum_nn::{Weights, prelude::Device};

use super::{Dists, Lpips, PerceptualNet, StLpips, dists, lpips, st_lpips, unfit};
use crate::{
    MetricError,
    metric::{Better, Metric, MetricCard, Needs},
};

const DISTANCE: MetricCard = MetricCard {
    name: "",
    title: "",
    description: "",
    citation: "",
    needs: Needs::Reference,
    better: Better::Lower,
    n_digits: 4,
    unit: "",
    is_harm: false,
    files: &[],
};
const ZHANG: &str = "Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual \
                     Metric, CVPR 2018";
const GHILDYAL: &str = "Ghildyal and Liu, Shift-Tolerant Perceptual Similarity Metric, ECCV 2022";

/// In the order they are listed to users.
pub(crate) static CARDS: &[MetricCard] = &[
    MetricCard {
        name: "lpips-alex",
        title: "LPIPS-Alex",
        description: "learned perceptual distance, version 0.1, through AlexNet",
        citation: ZHANG,
        files: &lpips::ALEX_FILES,
        ..DISTANCE
    },
    MetricCard {
        name: "lpips-vgg",
        title: "LPIPS-VGG",
        description: "learned perceptual distance, version 0.1, through VGG-16",
        citation: ZHANG,
        files: &lpips::VGG_FILES,
        ..DISTANCE
    },
    MetricCard {
        name: "st-lpips-alex",
        title: "ST-LPIPS-Alex",
        description: "shift-tolerant perceptual distance, vST0.0, through AlexNet",
        citation: GHILDYAL,
        files: &st_lpips::ALEX_FILES,
        ..DISTANCE
    },
    MetricCard {
        name: "st-lpips-vgg",
        title: "ST-LPIPS-VGG",
        description: "shift-tolerant perceptual distance, vST0.0, through VGG-16",
        citation: GHILDYAL,
        files: &st_lpips::VGG_FILES,
        ..DISTANCE
    },
    MetricCard {
        name: "dists",
        title: "DISTS",
        description: "distance of structure and texture through VGG-16, at the image's own size",
        citation: "Ding et al., Image Quality Assessment: Unifying Structure and Texture Similarity, \
                   TPAMI 2022",
        files: &dists::FILES,
        ..DISTANCE
    },
];

/// A learned metric from the contents of its files, in the order of its card; `None` for a card that is
/// none of [`CARDS`].
pub(crate) fn load(
    card: &'static MetricCard,
    files: &[&[u8]],
) -> Option<Result<Metric, MetricError>> {
    let device = Device::flex();
    let weights = |idx: usize| Weights::from_bytes(files[idx]).map_err(unfit(card.name));
    let lpips = |net| {
        let metric = Lpips::read(net, &weights(0)?, &weights(1)?, &device)?;
        Ok(Metric::of_two(card, move |enhanced, reference| metric.score(enhanced, reference)))
    };
    let st_lpips = |net| {
        let metric = StLpips::read(net, &weights(0)?, &device)?;
        Ok(Metric::of_two(card, move |enhanced, reference| metric.score(enhanced, reference)))
    };
    let dists = || {
        let metric = Dists::read(&weights(0)?, &weights(1)?, &device)?;
        Ok(Metric::of_two(card, move |enhanced, reference| metric.score(enhanced, reference)))
    };
    Some(match card.name {
        "lpips-alex" => lpips(PerceptualNet::Alex),
        "lpips-vgg" => lpips(PerceptualNet::Vgg),
        "st-lpips-alex" => st_lpips(PerceptualNet::Alex),
        "st-lpips-vgg" => st_lpips(PerceptualNet::Vgg),
        "dists" => dists(),
        _ => return None,
    })
}
