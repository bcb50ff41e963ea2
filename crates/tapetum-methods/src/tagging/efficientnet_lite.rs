//! EfficientNet-Lite0: EfficientNet-B0 without squeeze and excitation, its rectifiers limited to 6.

use tapetum_nn::{
    Weights, WeightsError,
    backbones::{ChannelOrder, InputScale},
    prelude::Device,
    weights::WeightReader,
};

use super::{
    encoder::{EncoderOptions, Input},
    folded::{Halving, LayerHabits},
    inverted_residual::{MobileEncoder, NetworkPlan, Stage},
};

/// Among [`super::ENCODERS`].
pub(super) const NAME: &str = "efficientnet-lite0";
/// The side of the images that the weights were trained with (`efficientnet_params`).
const SIDE_PX: usize = 224;
/// `(image - 127) / 128` of 0..255 (`MEAN_RGB` and `STDDEV_RGB` of TensorFlow's `efficientnet_lite_builder`).
/// The running statistics of the released weights are those of photographs scaled so, not of photographs
/// scaled as torchvision's classifiers take them, which the package of those weights writes about.
const SCALE: InputScale =
    InputScale { scale: 255.0, mean: [127.0; 3], deviation: [128.0; 3], order: ChannelOrder::Rgb };

/// `efficientnet_lite` of `efficientnet_lite_pytorch` 0.1.0, [Tan 2019] Table 1 without its stem.
const STAGES: [Stage; 7] = [
    Stage { expansion: 1, n_out: 16, n_blocks: 1, stride: 1, kernel: 3 },
    Stage { expansion: 6, n_out: 24, n_blocks: 2, stride: 2, kernel: 3 },
    Stage { expansion: 6, n_out: 40, n_blocks: 2, stride: 2, kernel: 5 },
    Stage { expansion: 6, n_out: 80, n_blocks: 3, stride: 2, kernel: 3 },
    Stage { expansion: 6, n_out: 112, n_blocks: 3, stride: 1, kernel: 5 },
    Stage { expansion: 6, n_out: 192, n_blocks: 4, stride: 2, kernel: 5 },
    Stage { expansion: 6, n_out: 320, n_blocks: 1, stride: 1, kernel: 3 },
];

const PLAN: NetworkPlan = NetworkPlan {
    name: NAME,
    stages: &STAGES,
    // Trained with TensorFlow, whose borders and constant it keeps.
    habits: LayerHabits { epsilon: 1e-3, halving: Halving::Same },
    first_names: ["_conv_stem", "_bn0"],
    head_names: ["_conv_head", "_bn1"],
    block_names,
    classifier: Some(("_fc", 1000)),
};

/// Reads the tensors of `efficientnet-lite0-57934424.pth`, of which counters of batches need not be there.
///
/// # Errors
/// A tensor is missing, left over or of another shape.
pub(super) fn read(
    weights: &Weights,
    options: EncoderOptions,
    device: &Device,
) -> Result<MobileEncoder, WeightsError> {
    let mut reader = WeightReader::new(weights);
    let input = Input::new(options, SIDE_PX, SCALE)?;
    let encoder = MobileEncoder::read(&mut reader, &PLAN, input, device);
    reader.finish("EfficientNet-Lite0")?;
    Ok(encoder)
}

fn block_names(idx: usize, _is_expanding: bool) -> [[String; 2]; 3] {
    let layers = [["_expand_conv", "_bn0"], ["_depthwise_conv", "_bn1"], ["_project_conv", "_bn2"]];
    layers.map(|names| names.map(|name| format!("_blocks.{idx}.{name}")))
}
