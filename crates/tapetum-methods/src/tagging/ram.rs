//! RAM, the Recognize Anything Model: Swin-L and a head for 4585 tags ([Zhang 2023]).

use tapetum_nn::{Weights, WeightsError, backbones::InputScale, prelude::*, weights::WeightReader};

use super::{
    encoder::{EncoderOptions, Input, SemanticEncoder, Semantics, with_mean, wrong_side},
    parts::{Linear, Parts, Shapes, linear_shapes},
    swin::{Swin, SwinConfig},
    tag_head::TagHead,
};

/// Among [`super::ENCODERS`].
pub(super) const NAME: &str = "ram";
/// Of the image encoder's tensors.
const SWIN: &str = "visual_encoder";

/// Widths and depths of RAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RamConfig {
    /// The image encoder.
    pub swin: SwinConfig,
    /// Tags that are recognised.
    pub n_tags: usize,
    /// Channels of the image's tokens and of the tags' embeddings.
    pub token_width: usize,
    /// Channels of what a tag asks.
    pub query_width: usize,
    /// Hidden channels of the head's layers.
    pub hidden_width: usize,
    /// Layers of the head.
    pub n_query_layers: usize,
    /// Heads of each, which share the query width evenly.
    pub n_query_heads: usize,
}

impl RamConfig {
    /// `ram_swin_large_14m.pth`: `config_swinL_384.json` and `q2l_config.json` of the authors' code.
    pub fn swin_large() -> Self {
        Self {
            swin: SwinConfig {
                side_px: 384,
                n_channels: 192,
                depths: [2, 2, 18, 2],
                n_heads: [6, 12, 24, 48],
                window: 12,
            },
            n_tags: 4585,
            token_width: 512,
            query_width: 768,
            hidden_width: 3072,
            n_query_layers: 2,
            n_query_heads: 4,
        }
    }

    /// Name and shape of every tensor that is read.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Shapes::new();
        self.swin.shapes(&mut shapes, SWIN);
        linear_shapes(&mut shapes, "image_proj", [self.token_width, self.swin.n_last()]);
        TagHead::shapes(self, &mut shapes);
        shapes
    }
}

/// Builds RAM from its released checkpoint, or from a file with those of its tensors that
/// [`RamConfig::tensors`] lists.
///
/// Of the checkpoint's other tensors these are ignored, as tagging has no use for them or they follow from
/// the configuration:
/// - the encoder and the decoder of captions, `tag_encoder.*` and `text_decoder.*`;
/// - what the head has from BERT and does without: `tagging_head.embeddings.*` and the attention among
///   queries, `tagging_head.encoder.layer.N.attention.*`;
/// - `attn.relative_position_index` and `attn_mask` of the blocks of the image encoder.
///
/// `vision_multi.*` is an older name for `tagging_head.*`. Any other tensor is refused, and so are the weights
/// of RAM++, whose tags have several embeddings each.
///
/// The checkpoint itself, of some 5.6 GB, is above the limit of
/// [`FILE_BYTES_MAX`](tapetum_nn::weights::FILE_BYTES_MAX); `tools/convert_ram.py` writes what is read of it,
/// 0.9 GB, as safetensors.
///
/// # Errors
/// Images of the side that is asked for do not fall into whole windows, or a tensor is missing, left over or
/// of another shape.
pub fn read_ram(
    weights: &Weights,
    config: &RamConfig,
    options: EncoderOptions,
    device: &Device,
) -> Result<Box<dyn SemanticEncoder>, WeightsError> {
    let input = Input::new(options, config.swin.side_px, InputScale::TORCHVISION)?;
    let windows = config.swin.windows(input.side_px).ok_or_else(|| {
        let expected = format!("a side that windows of {} tokens fill", config.swin.window);
        wrong_side(expected, input.side_px)
    })?;
    let weights = of_tagging(weights);
    let mut reader = WeightReader::new(&weights);
    let mut parts = Parts::read(&mut reader, config.tensors(), device);
    reader.finish("RAM")?;
    drop(weights);
    let swin = Swin::build(&config.swin, &windows, &mut parts, SWIN);
    let project = parts.linear("image_proj");
    let head = TagHead::build(config, &mut parts);
    Ok(Box::new(Ram { input, swin, project, head, n_tags: config.n_tags }))
}

/// The tensors that are not ignored, under the names of today.
fn of_tagging(weights: &Weights) -> Weights {
    let mut kept = Weights { header: weights.header.clone(), ..Weights::default() };
    for (name, tensor) in &weights.tensors {
        let today = name.strip_prefix("vision_multi.").map(|rest| format!("tagging_head.{rest}"));
        // A file with both names keeps the older one, which is left over then.
        let today = today.filter(|today| !weights.tensors.contains_key(today));
        let name = today.as_ref().unwrap_or(name);
        if !is_ignored(name) {
            kept.insert(name.clone(), tensor.clone());
        }
    }
    kept
}

fn is_ignored(name: &str) -> bool {
    let unused = ["tag_encoder.", "text_decoder.", "tagging_head.embeddings."];
    let is_of_layer = |part: &str| {
        let rest = name.strip_prefix("tagging_head.encoder.layer.");
        rest.and_then(|rest| rest.split_once('.')).is_some_and(|(_, rest)| rest.starts_with(part))
    };
    let is_of_block = |part: &str| name.starts_with(SWIN) && name.ends_with(part);
    unused.iter().any(|prefix| name.starts_with(prefix))
        || is_of_layer("attention.")
        || is_of_block(".attn.relative_position_index")
        || is_of_block(".attn_mask")
}

/// RAM with frozen weights.
#[derive(Debug)]
struct Ram {
    input: Input,
    swin: Swin,
    project: Linear,
    head: TagHead,
    n_tags: usize,
}

impl SemanticEncoder for Ram {
    fn encode(&self, image: Tensor<4>) -> Semantics {
        let (places, pyramid) = self.swin.forward(self.input.prepare(image));
        let tokens = self.project.forward(with_mean(places));
        Semantics { logits: self.head.forward(&tokens), tokens, pyramid }
    }

    fn pyramid(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        self.swin.pyramid(self.input.prepare(image))
    }

    fn n_tags(&self) -> usize {
        self.n_tags
    }

    fn name(&self) -> &'static str {
        NAME
    }
}
