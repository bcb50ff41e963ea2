//! RCAM, the region-calibrated attention module: half of the channels see the whole image through a
//! transformer on a grid of regions, the other half their neighbours.

use tapetum_nn::{
    layers::{Builder, Convolution, LayerNorm, Linear},
    ops::{Activation, Interpolation},
    prelude::*,
};

use super::{
    config::Positions,
    layers::{TRANSFORMER, convolution, linear, norm, of_squares},
};

/// Channels of a token.
const N_TOKEN: usize = 64;
/// Channels in the middle of the transformer's two layers.
const N_HIDDEN: usize = 256;
/// Side of a region in pixels.
const REGION_PX: usize = 4;
/// `ε` of the norms after a convolution, and of those of the transformer.
const EPSILONS: [f32; 2] = [1e-5, 1e-6];
/// Scores of queries and keys that are computed at once: few enough to stay in the cache.
const N_SCORES_MAX: usize = 1 << 20;

/// How the transformer of a stage sees the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    /// `S`: side in pixels of the square that [`Positions::Fixed`] resizes to.
    pub(super) side: usize,
    /// `ρ`: side in tokens of the square that becomes one key.
    pub(super) reduction: usize,
    pub(super) n_heads: usize,
    pub(super) positions: Positions,
}

/// The module of a stage (LRCR-Net `RCRB`; the reading as RCAM is our reconstruction).
#[derive(Module, Debug)]
pub(super) struct RegionAttention {
    embed: Convolution,
    embed_norm: LayerNorm,
    /// `[(S / 4)², channels]`.
    position: Param<Tensor<2>>,
    norm1: LayerNorm,
    q: Linear,
    kv: Linear,
    reduce: Option<Convolution>,
    reduce_norm: Option<LayerNorm>,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    restore: Convolution,
    local: Convolution,
    calibrate: Option<Convolution>,
    fuse: Convolution,
    #[module(skip)]
    grid: Grid,
}

impl RegionAttention {
    pub(super) fn build(
        builder: &mut Builder,
        name: &str,
        n_channels: usize,
        grid: Grid,
        is_calibrating: bool,
    ) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let (half, t) = (n_channels / 2, N_TOKEN);
        let [after_convolution, of_transformer] = EPSILONS;
        let n_positions = (grid.side / REGION_PX).pow(2);
        let reduces = grid.reduction > 1;
        let reducing = [t, t, grid.reduction, grid.reduction];
        Self {
            embed: of_squares(builder, &at("embed"), [t, half, REGION_PX, REGION_PX]),
            embed_norm: norm(builder, &at("embed_norm"), t, after_convolution),
            position: builder.parameter(at("position"), [n_positions, t], TRANSFORMER),
            norm1: norm(builder, &at("norm1"), t, of_transformer),
            q: linear(builder, &at("q"), [t, t]),
            kv: linear(builder, &at("kv"), [2 * t, t]),
            reduce: reduces.then(|| of_squares(builder, &at("reduce"), reducing)),
            reduce_norm: reduces.then(|| norm(builder, &at("reduce_norm"), t, after_convolution)),
            proj: linear(builder, &at("proj"), [t, t]),
            norm2: norm(builder, &at("norm2"), t, of_transformer),
            fc1: linear(builder, &at("fc1"), [N_HIDDEN, t]),
            fc2: linear(builder, &at("fc2"), [t, N_HIDDEN]),
            restore: convolution(builder, &at("restore"), [half, t, 3, 3]),
            local: convolution(builder, &at("local"), [half, half, 3, 3]),
            calibrate: is_calibrating
                .then(|| convolution(builder, &at("calibrate"), [half, half, 1, 1])),
            fuse: convolution(builder, &at("fuse"), [n_channels, n_channels, 3, 3]),
            grid,
        }
    }

    /// `relu(x + fuse(relu(global ‖ local)))`.
    ///
    /// # Shapes
    /// `image` and result: `[batch, channels, height, width]`.
    pub(super) fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let half = image.dims()[1] / 2;
        let [seen_whole, seen_near] = [0, half].map(|first| image.clone().narrow(1, first, half));
        let (whole, near) = match &self.calibrate {
            None => {
                let whole = self.global(seen_whole, Activation::Relu);
                (whole, self.local.forward(seen_near, Activation::Relu))
            }
            Some(calibrate) => {
                let whole = self.global(seen_whole, Activation::Identity);
                let gate = calibrate.forward(whole.clone(), Activation::Identity);
                let near = self.local.forward(seen_near, Activation::Identity);
                let near = ops::gated(near, gate, Activation::Sigmoid);
                let relu = |image| ops::activate(image, Activation::Relu);
                (relu(whole), relu(near))
            }
        };
        let fused = self.fuse.forward_of_two([whole, near], Activation::Identity);
        ops::activate(ops::add(image, fused), Activation::Relu)
    }

    /// What each pixel gets from the whole image.
    fn global(&self, image: Tensor<4>, activation: Activation) -> Tensor<4> {
        let [_, _, height, width] = image.dims();
        let size = self.grid.size([height, width]);
        let tokens = self.embed.forward(resized(image, size), Activation::Identity);
        let tokens = self.embed_norm.forward(tokens);
        let tokens = self.transformed(tokens.clone() + self.positions(&tokens));
        self.restore.forward(resized(tokens, [height, width]), activation)
    }

    /// The table of positions for these tokens, `[1, channels, rows, columns]`.
    fn positions(&self, tokens: &Tensor<4>) -> Tensor<4> {
        let [_, _, rows, columns] = tokens.dims();
        let side = self.grid.side / REGION_PX;
        let table = self.position.val().reshape([1, side, side, N_TOKEN]).permute([0, 3, 1, 2]);
        match [rows, columns] == [side, side] {
            true => table,
            false => ops::resize2d(table, [rows, columns], Interpolation::Bilinear),
        }
    }

    /// Attention and two layers on every token, each beside a residual connection and after a norm.
    fn transformed(&self, tokens: Tensor<4>) -> Tensor<4> {
        let attended = self.attended(self.norm1.forward(tokens.clone()));
        let tokens = ops::add(tokens, self.proj.forward(attended, Activation::Identity));
        let hidden = self.fc1.forward(self.norm2.forward(tokens.clone()), Activation::GeluTanh);
        ops::add(tokens, self.fc2.forward(hidden, Activation::Identity))
    }

    /// Every token's mean of the values, weighted by how well its query fits their keys. Keys and values
    /// are those of squares of tokens.
    fn attended(&self, tokens: Tensor<4>) -> Tensor<4> {
        let [batch, _, rows, columns] = tokens.dims();
        let squares = match (&self.reduce, &self.reduce_norm) {
            (Some(reduce), Some(norm)) => {
                norm.forward(reduce.forward(tokens.clone(), Activation::Identity))
            }
            _ => tokens.clone(),
        };
        let both = self.kv.forward(squares, Activation::Identity);
        let [keys, values] =
            [0, N_TOKEN].map(|first| self.heads(both.clone().narrow(1, first, N_TOKEN)));
        let n_head = N_TOKEN / self.grid.n_heads;
        let queries = self.heads(self.q.forward(tokens, Activation::Identity));
        let keys = keys.swap_dims(1, 2) * (n_head as f64).powf(-0.5);
        let [n_images, n_queries, _] = queries.dims();
        let n_at_once = (N_SCORES_MAX / (n_images * keys.dims()[2])).clamp(1, n_queries);
        let attended = (0..n_queries).step_by(n_at_once).map(|first| {
            let n = n_at_once.min(n_queries - first);
            let scores = ops::matmul(queries.clone().narrow(1, first, n), keys.clone());
            ops::matmul(ops::softmax(scores, 2), values.clone())
        });
        let attended = Tensor::cat(attended.collect(), 1);
        let attended = attended.reshape([batch, self.grid.n_heads, rows * columns, n_head]);
        let attended = attended.swap_dims(1, 2).reshape([batch, rows, columns, N_TOKEN]);
        attended.permute([0, 3, 1, 2])
    }

    /// `[batch · heads, tokens, channels / heads]`.
    fn heads(&self, tokens: Tensor<4>) -> Tensor<3> {
        let [batch, n_channels, rows, columns] = tokens.dims();
        let (n_heads, n_tokens) = (self.grid.n_heads, rows * columns);
        let n_head = n_channels / n_heads;
        let tokens = tokens.permute([0, 2, 3, 1]).reshape([batch, n_tokens, n_heads, n_head]);
        tokens.swap_dims(1, 2).reshape([batch * n_heads, n_tokens, n_head])
    }
}

impl Grid {
    /// The size at which an image of `size` is cut into regions.
    fn size(&self, size: [usize; 2]) -> [usize; 2] {
        match self.positions {
            Positions::Fixed => [self.side; 2],
            // A square of tokens for one key at least.
            Positions::Interpolated => {
                size.map(|side| REGION_PX * side.div_ceil(REGION_PX).max(self.reduction))
            }
        }
    }
}

/// The nearest pixel each.
fn resized(image: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    match image.dims()[2..] == size {
        true => image,
        false => ops::resize2d(image, size, Interpolation::Nearest),
    }
}
