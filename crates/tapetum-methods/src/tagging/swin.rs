//! The Swin transformer, [Liu 2021]: attention in windows, on ever coarser tokens.

use tapetum_nn::{
    ops::{Activation, ConvOptions},
    prelude::*,
};

use super::{
    parts::{Linear, Norm, Parts, Shapes, linear_shapes, matrix_shape, norm_shapes},
    window_attention::{Layout, WindowAttention},
    windows::{Windows, bias_rows},
};

/// Pixels along each axis of a patch ([Liu 2021] §3.1).
const PATCH_PX: usize = 4;
/// Added to the variance of a normalisation (PyTorch's default).
const EPSILON: f32 = 1e-5;
/// Hidden channels of a block for each channel of its tokens, `α` of §3.1.
const EXPANSION: usize = 4;

/// Widths and depths of a Swin transformer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwinConfig {
    /// The side of the images that it was trained with, in pixels.
    pub side_px: usize,
    /// Channels of the first stage, `C`; each stage doubles them.
    pub n_channels: usize,
    /// Blocks of each stage.
    pub depths: [usize; 4],
    /// Heads of each stage, which share its channels evenly.
    pub n_heads: [usize; 4],
    /// Tokens along each axis of a window, `M`.
    pub window: usize,
}

impl SwinConfig {
    fn stage_channels(&self, stage: usize) -> usize {
        self.n_channels << stage
    }

    /// Channels of the last stage.
    pub(super) fn n_last(&self) -> usize {
        self.stage_channels(self.depths.len() - 1)
    }

    /// The windows of each stage's even and odd blocks for images of that side, unless a stage's tokens do
    /// not fall into whole windows or cannot be merged. Where a stage has no more tokens than a window, it is
    /// one window and nothing is shifted.
    pub(super) fn windows(&self, side_px: usize) -> Option<Vec<[Windows; 2]>> {
        let n_stages = self.depths.len();
        if side_px == 0 || !side_px.is_multiple_of(PATCH_PX << (n_stages - 1)) {
            return None;
        }
        let stages = (0..n_stages).map(|stage| {
            let side = side_px / (PATCH_PX << stage);
            let window = self.window.min(side);
            let shift = if side > self.window { window / 2 } else { 0 };
            let pair = [0, shift].map(|shift| Windows { side, window, shift });
            side.is_multiple_of(window).then_some(pair)
        });
        stages.collect()
    }

    /// Adds the tensors whose names begin with `prefix`.
    pub(super) fn shapes(&self, shapes: &mut Shapes, prefix: &str) {
        let n_channels = self.n_channels;
        let embedding = format!("{prefix}.patch_embed");
        let shape = vec![n_channels, 3, PATCH_PX, PATCH_PX];
        shapes.push((format!("{embedding}.proj.weight"), shape));
        shapes.push((format!("{embedding}.proj.bias"), vec![n_channels]));
        norm_shapes(shapes, &format!("{embedding}.norm"), n_channels);
        for (stage, &depth) in self.depths.iter().enumerate() {
            let n_channels = self.stage_channels(stage);
            for block in 0..depth {
                let name = format!("{prefix}.layers.{stage}.blocks.{block}");
                self.block_shapes(shapes, &name, stage);
            }
            if stage + 1 < self.depths.len() {
                let name = format!("{prefix}.layers.{stage}.downsample");
                norm_shapes(shapes, &format!("{name}.norm"), 4 * n_channels);
                let shape = [2 * n_channels, 4 * n_channels];
                matrix_shape(shapes, &format!("{name}.reduction"), shape);
            }
        }
        norm_shapes(shapes, &format!("{prefix}.norm"), self.n_last());
    }

    fn block_shapes(&self, shapes: &mut Shapes, name: &str, stage: usize) {
        let (n, n_heads) = (self.stage_channels(stage), self.n_heads[stage]);
        let n_distances = (2 * self.window - 1).pow(2);
        let table = format!("{name}.attn.relative_position_bias_table");
        shapes.push((table, vec![n_distances, n_heads]));
        norm_shapes(shapes, &format!("{name}.norm1"), n);
        linear_shapes(shapes, &format!("{name}.attn.qkv"), [3 * n, n]);
        linear_shapes(shapes, &format!("{name}.attn.proj"), [n, n]);
        norm_shapes(shapes, &format!("{name}.norm2"), n);
        linear_shapes(shapes, &format!("{name}.mlp.fc1"), [EXPANSION * n, n]);
        linear_shapes(shapes, &format!("{name}.mlp.fc2"), [n, EXPANSION * n]);
    }
}

/// A Swin transformer with frozen weights.
#[derive(Debug)]
pub(super) struct Swin {
    embedding: PatchEmbedding,
    fine: Vec<Stage>,
    last: Stage,
    norm: Norm,
}

impl Swin {
    /// For images that `windows`, of [`SwinConfig::windows`], were made for.
    pub(super) fn build(
        config: &SwinConfig,
        windows: &[[Windows; 2]],
        parts: &mut Parts,
        prefix: &str,
    ) -> Self {
        let embedding = PatchEmbedding::build(parts, &format!("{prefix}.patch_embed"));
        let mut merging = None;
        let stages = windows.iter().enumerate().map(|(stage, pair)| {
            let name = format!("{prefix}.layers.{stage}");
            let merging_before = merging.take();
            let has_next = stage + 1 < windows.len();
            merging = has_next.then(|| PatchMerging::build(parts, &format!("{name}.downsample")));
            Stage::build(config, (stage, merging_before), *pair, parts, &name)
        });
        let mut fine: Vec<Stage> = stages.collect();
        let last = fine.pop().expect("a transformer has stages");
        Self { embedding, fine, last, norm: parts.norm(&format!("{prefix}.norm"), EPSILON) }
    }

    /// The normalised tokens of the last stage, `[batch, tokens, channels]`, and the [`Self::pyramid`].
    pub(super) fn forward(&self, image: Tensor<4>) -> (Tensor<3>, Vec<Tensor<4>>) {
        let (tokens, pyramid) = self.climb(image);
        (self.norm.forward(self.last.forward(tokens)), pyramid)
    }

    /// What comes out of the last block of each stage but the last, as images of tokens.
    pub(super) fn pyramid(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        self.climb(image).1
    }

    /// The tokens of the last stage but one, and the pyramid.
    fn climb(&self, image: Tensor<4>) -> (Tensor<3>, Vec<Tensor<4>>) {
        let mut tokens = self.embedding.forward(image);
        let mut pyramid = Vec::with_capacity(self.fine.len());
        for stage in &self.fine {
            tokens = stage.forward(tokens);
            pyramid.push(as_image(tokens.clone(), stage.side));
        }
        (tokens, pyramid)
    }
}

/// # Shapes
/// `tokens`: `[batch, side · side, channels]`; result: `[batch, channels, side, side]`.
fn as_image(tokens: Tensor<3>, side: usize) -> Tensor<4> {
    let [batch, _, n_channels] = tokens.dims();
    tokens.reshape([batch, side, side, n_channels]).permute([0, 3, 1, 2])
}

/// Makes a token of every patch.
#[derive(Debug)]
struct PatchEmbedding {
    weight: Tensor<4>,
    bias: Tensor<1>,
    norm: Norm,
}

impl PatchEmbedding {
    fn build(parts: &mut Parts, name: &str) -> Self {
        Self {
            weight: parts.tensor(&format!("{name}.proj.weight")),
            bias: parts.tensor(&format!("{name}.proj.bias")),
            norm: parts.norm(&format!("{name}.norm"), EPSILON),
        }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<3> {
        let options =
            ConvOptions { stride: [PATCH_PX; 2], padding: [0, 0], ..ConvOptions::same(PATCH_PX) };
        let (weight, bias) = (self.weight.clone(), Some(self.bias.clone()));
        let patches = ops::conv2d(image, weight, bias, &options, Activation::Identity);
        let [batch, n_channels, height, width] = patches.dims();
        let tokens = patches.permute([0, 2, 3, 1]).reshape([batch, height * width, n_channels]);
        self.norm.forward(tokens)
    }
}

/// Blocks on tokens of one size.
#[derive(Debug)]
struct Stage {
    side: usize,
    /// How four tokens of the stage before become one; absent in the first.
    merging: Option<PatchMerging>,
    /// Of even and of odd blocks.
    layouts: [Layout; 2],
    blocks: Vec<Block>,
}

impl Stage {
    fn build(
        config: &SwinConfig,
        (stage, merging): (usize, Option<PatchMerging>),
        windows: [Windows; 2],
        parts: &mut Parts,
        name: &str,
    ) -> Self {
        let layouts = windows.map(|windows| Layout::new(windows, parts.device()));
        let rows = bias_rows(windows[0].window, config.window);
        let blocks = (0..config.depths[stage]).map(|block| {
            let name = format!("{name}.blocks.{block}");
            Block::build(parts, &name, &rows, config.n_heads[stage])
        });
        let blocks = blocks.collect();
        Self { side: windows[0].side, merging, layouts, blocks }
    }

    fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let tokens = match &self.merging {
            Some(merging) => merging.forward(tokens, self.side),
            None => tokens,
        };
        let blocks = self.blocks.iter().enumerate();
        blocks.fold(tokens, |tokens, (idx, block)| block.forward(tokens, &self.layouts[idx % 2]))
    }
}

/// Attention within windows, then two layers on every token ([Liu 2021] Eq. 3).
#[derive(Debug)]
struct Block {
    norm1: Norm,
    attention: WindowAttention,
    norm2: Norm,
    expand: Linear,
    project: Linear,
}

impl Block {
    fn build(parts: &mut Parts, name: &str, bias_rows: &[usize], n_heads: usize) -> Self {
        Self {
            norm1: parts.norm(&format!("{name}.norm1"), EPSILON),
            attention: WindowAttention::build(parts, &format!("{name}.attn"), bias_rows, n_heads),
            norm2: parts.norm(&format!("{name}.norm2"), EPSILON),
            expand: parts.linear(&format!("{name}.mlp.fc1")),
            project: parts.linear(&format!("{name}.mlp.fc2")),
        }
    }

    fn forward(&self, tokens: Tensor<3>, layout: &Layout) -> Tensor<3> {
        let windows = layout.split(self.norm1.forward(tokens.clone()));
        let attended = layout.join(self.attention.forward(windows, layout));
        let tokens = ops::add(tokens, attended);
        let hidden = self.expand.forward(self.norm2.forward(tokens.clone()));
        ops::add(tokens, self.project.forward(ops::activate(hidden, Activation::Gelu)))
    }
}

/// Makes one token of each 2x2 ([Liu 2021] §3.1).
#[derive(Debug)]
struct PatchMerging {
    norm: Norm,
    reduction: Linear,
}

impl PatchMerging {
    fn build(parts: &mut Parts, name: &str) -> Self {
        let norm = parts.norm(&format!("{name}.norm"), EPSILON);
        Self { norm, reduction: parts.matrix(&format!("{name}.reduction")) }
    }

    /// # Shapes
    /// `tokens`: `[batch, 4 · side · side, channels]`; result: `[batch, side · side, 2 · channels]`.
    fn forward(&self, tokens: Tensor<3>, side: usize) -> Tensor<3> {
        let [batch, _, n_channels] = tokens.dims();
        // `[batch, rows, row of two, columns, column of two, channels]`: the left column's channels first.
        let pairs = tokens.reshape([batch, side, 2, side, 2, n_channels]);
        let merged = pairs.permute([0, 1, 3, 4, 2, 5]);
        let merged = merged.reshape([batch, side * side, 4 * n_channels]);
        self.reduction.forward(self.norm.forward(merged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(window: usize) -> SwinConfig {
        let [depths, n_heads] = [[2; 4], [1, 2, 4, 8]];
        SwinConfig { side_px: 384, n_channels: 8, depths, n_heads, window }
    }

    #[test]
    fn only_sides_that_fall_into_whole_windows_are_taken() {
        let sides = |window: usize| -> Vec<usize> {
            (0..=400).filter(|side| config(window).windows(*side).is_some()).collect()
        };
        assert_eq!(sides(12), [32, 96, 192, 384]);
        assert_eq!(sides(7), [224]);
    }

    #[test]
    fn windows_shrink_to_their_stage_and_are_shifted_only_where_there_are_several() {
        let windows = config(12).windows(192).unwrap();
        let of = |value: fn(&Windows) -> usize| {
            windows.iter().map(|[_, odd]| value(odd)).collect::<Vec<_>>()
        };
        assert_eq!(of(|windows| windows.side), [48, 24, 12, 6]);
        assert_eq!(of(|windows| windows.window), [12, 12, 12, 6]);
        assert_eq!(of(|windows| windows.shift), [6, 6, 0, 0]);
        assert!(windows.iter().all(|[even, _]| even.shift == 0));
    }
}
