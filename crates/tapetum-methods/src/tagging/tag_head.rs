//! RAM's tag head: every tag asks the image's tokens whether it is there ([Zhang 2023] §3.2, after Query2Label).

use tapetum_nn::{ops::Activation, prelude::*};

use super::{
    parts::{Linear, Norm, Parts, Shapes, attend, beside, linear_shapes, norm_shapes},
    ram::RamConfig,
};

/// Added to the variance of a normalisation (`layer_norm_eps` of `q2l_config.json`).
const EPSILON: f32 = 1e-12;

/// The head with frozen weights.
#[derive(Debug)]
pub(super) struct TagHead {
    /// What each tag asks, the same for all images: `[1, tags, query width]`.
    queries: Tensor<3>,
    layers: Vec<CrossAttentionLayer>,
    score: Linear,
}

impl TagHead {
    pub(super) fn shapes(config: &RamConfig, shapes: &mut Shapes) {
        let RamConfig { token_width, query_width, hidden_width, .. } = *config;
        shapes.push(("label_embed".to_owned(), vec![config.n_tags, token_width]));
        linear_shapes(shapes, "wordvec_proj", [query_width, token_width]);
        for layer in 0..config.n_query_layers {
            let [attention, name] = names(layer);
            linear_shapes(shapes, &format!("{attention}.self.query"), [query_width, query_width]);
            linear_shapes(shapes, &format!("{attention}.self.key"), [query_width, token_width]);
            linear_shapes(shapes, &format!("{attention}.self.value"), [query_width, token_width]);
            let output = format!("{attention}.output");
            linear_shapes(shapes, &format!("{output}.dense"), [query_width, query_width]);
            norm_shapes(shapes, &format!("{output}.LayerNorm"), query_width);
            let (narrow, wide) = (query_width, hidden_width);
            linear_shapes(shapes, &format!("{name}.intermediate.dense"), [wide, narrow]);
            linear_shapes(shapes, &format!("{name}.output.dense"), [narrow, wide]);
            norm_shapes(shapes, &format!("{name}.output.LayerNorm"), narrow);
        }
        linear_shapes(shapes, "fc", [1, query_width]);
    }

    pub(super) fn build(config: &RamConfig, parts: &mut Parts) -> Self {
        let embedding: Tensor<2> = parts.tensor("label_embed");
        let queries = parts.linear("wordvec_proj").forward(embedding.unsqueeze());
        let queries = ops::activate(queries, Activation::Relu);
        let layers = (0..config.n_query_layers)
            .map(|layer| CrossAttentionLayer::build(parts, layer, config.n_query_heads));
        let layers = layers.collect();
        Self { queries, layers, score: parts.linear("fc") }
    }

    /// # Shapes
    /// `tokens`: `[batch, tokens, token width]`; result: `[batch, tags]`.
    pub(super) fn forward(&self, tokens: &Tensor<3>) -> Tensor<2> {
        let [batch, ..] = tokens.dims();
        let [_, n_tags, _] = self.queries.dims();
        let queries = beside(&self.queries, &tokens.device()).repeat_dim(0, batch);
        let answer = |queries, layer: &CrossAttentionLayer| layer.forward(queries, tokens);
        let answers = self.layers.iter().fold(queries, answer);
        self.score.forward(answers).reshape([batch, n_tags])
    }
}

/// Of a layer's attention and of the layer.
fn names(layer: usize) -> [String; 2] {
    let name = format!("tagging_head.encoder.layer.{layer}");
    [format!("{name}.crossattention"), name]
}

/// A layer of BERT without attention among the queries; it normalises after each sum.
#[derive(Debug)]
struct CrossAttentionLayer {
    query: Linear,
    key: Linear,
    value: Linear,
    project: Linear,
    attention_norm: Norm,
    expand: Linear,
    contract: Linear,
    norm: Norm,
    n_heads: usize,
}

impl CrossAttentionLayer {
    fn build(parts: &mut Parts, layer: usize, n_heads: usize) -> Self {
        let [attention, name] = names(layer);
        Self {
            query: parts.linear(&format!("{attention}.self.query")),
            key: parts.linear(&format!("{attention}.self.key")),
            value: parts.linear(&format!("{attention}.self.value")),
            project: parts.linear(&format!("{attention}.output.dense")),
            attention_norm: parts.norm(&format!("{attention}.output.LayerNorm"), EPSILON),
            expand: parts.linear(&format!("{name}.intermediate.dense")),
            contract: parts.linear(&format!("{name}.output.dense")),
            norm: parts.norm(&format!("{name}.output.LayerNorm"), EPSILON),
            n_heads,
        }
    }

    fn forward(&self, queries: Tensor<3>, tokens: &Tensor<3>) -> Tensor<3> {
        let attended = self.project.forward(self.attend(queries.clone(), tokens));
        let attended = self.attention_norm.forward(ops::add(queries, attended));
        let hidden = ops::activate(self.expand.forward(attended.clone()), Activation::Gelu);
        self.norm.forward(ops::add(attended, self.contract.forward(hidden)))
    }

    /// `softmax(q kᵀ / √d) v` of every head, heads side by side.
    fn attend(&self, queries: Tensor<3>, tokens: &Tensor<3>) -> Tensor<3> {
        let [batch, n_queries, n_channels] = queries.dims();
        let (n_heads, width) = (self.n_heads, n_channels / self.n_heads);
        let heads = |values: Tensor<3>| {
            let [_, n, _] = values.dims();
            let values = values.reshape([batch, n, n_heads, width]).swap_dims(1, 2);
            values.reshape([batch * n_heads, n, width])
        };
        let query = heads(self.query.forward(queries)) / (width as f32).sqrt();
        let [key, value] = [&self.key, &self.value].map(|part| heads(part.forward(tokens.clone())));
        let attended = attend(query, [key, value], |scores| scores);
        let attended = attended.reshape([batch, n_heads, n_queries, width]).swap_dims(1, 2);
        attended.reshape([batch, n_queries, n_channels])
    }
}
