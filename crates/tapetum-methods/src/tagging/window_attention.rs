//! Attention among the tokens of each window of Swin.

use burn::tensor::Int;
use tapetum_nn::{prelude::*, weights::TensorValues};

use super::{
    parts::{Linear, Parts, attend, beside},
    windows::Windows,
};

/// `softmax(q kᵀ / √d + B) v` of every head in every window ([Liu 2021] Eq. 4).
#[derive(Debug)]
pub(super) struct WindowAttention {
    qkv: Linear,
    project: Linear,
    /// `B`: `[1, 1, heads, tokens, tokens]`.
    bias: Tensor<5>,
    n_heads: usize,
}

impl WindowAttention {
    pub(super) fn build(
        parts: &mut Parts,
        name: &str,
        bias_rows: &[usize],
        n_heads: usize,
    ) -> Self {
        let table = parts.take(&format!("{name}.relative_position_bias_table"));
        let bias = bias_of(&table, bias_rows, parts.device());
        Self {
            qkv: parts.linear(&format!("{name}.qkv")),
            project: parts.linear(&format!("{name}.proj")),
            bias,
            n_heads,
        }
    }

    /// # Shapes
    /// `windows` and result: `[batch · windows, tokens, channels]`.
    pub(super) fn forward(&self, windows: Tensor<3>, layout: &Layout) -> Tensor<3> {
        let [n_all, n_tokens, n_channels] = windows.dims();
        let (n_heads, width) = (self.n_heads, n_channels / self.n_heads);
        let device = windows.device();
        // `[3, batch · windows, heads, tokens, width]`.
        let qkv = self.qkv.forward(windows).reshape([n_all, n_tokens, 3, n_heads, width]);
        let qkv = qkv.permute([2, 0, 3, 1, 4]);
        let [query, key, value] = [0, 1, 2]
            .map(|part| qkv.clone().narrow(0, part, 1).reshape([n_all * n_heads, n_tokens, width]));
        let n_windows = layout.windows.n_windows();
        let biased = |scores: Tensor<3>| {
            let shape = [n_all / n_windows, n_windows, n_heads, n_tokens, n_tokens];
            let scores = scores.reshape(shape) + beside(&self.bias, &device);
            let scores = match &layout.mask {
                Some(mask) => scores + beside(mask, &device),
                None => scores,
            };
            scores.reshape([n_all * n_heads, n_tokens, n_tokens])
        };
        let attended = attend(query / (width as f32).sqrt(), [key, value], biased);
        let attended = attended.reshape([n_all, n_heads, n_tokens, width]).swap_dims(1, 2);
        self.project.forward(attended.reshape([n_all, n_tokens, n_channels]))
    }
}

/// The biases of all pairs of tokens.
///
/// # Shapes
/// `table`: `[distances, heads]`; result: `[1, 1, heads, tokens, tokens]`.
fn bias_of(table: &TensorValues, rows: &[usize], device: &Device) -> Tensor<5> {
    let n_heads = table.shape[1];
    let of_head = |head: usize| rows.iter().map(move |row| table.values[row * n_heads + head]);
    let values: Vec<f32> = (0..n_heads).flat_map(of_head).collect();
    let n_tokens = rows.len().isqrt();
    let shape = [1, 1, n_heads, n_tokens, n_tokens];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Windows as tensors.
#[derive(Debug)]
pub(super) struct Layout {
    windows: Windows,
    order: Tensor<1, Int>,
    order_back: Tensor<1, Int>,
    /// `[1, windows, 1, tokens, tokens]`.
    mask: Option<Tensor<5>>,
}

impl Layout {
    pub(super) fn new(windows: Windows, device: &Device) -> Self {
        let indices = |values: Vec<usize>| {
            let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect();
            let shape = [values.len()];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        let n_tokens = windows.tokens_per_window();
        let shape = [1, windows.n_windows(), 1, n_tokens, n_tokens];
        let mask = windows.mask();
        Self {
            windows,
            order: indices(windows.order()),
            order_back: indices(windows.order_back()),
            mask: mask.map(|mask| Tensor::from_data(TensorData::new(mask, shape), device)),
        }
    }

    /// # Shapes
    /// `tokens`: `[batch, side · side, channels]`; result: `[batch · windows, tokens, channels]`.
    pub(super) fn split(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [batch, _, n_channels] = tokens.dims();
        let shape =
            [batch * self.windows.n_windows(), self.windows.tokens_per_window(), n_channels];
        tokens.select(1, self.order.clone()).reshape(shape)
    }

    /// Undoes [`Self::split`].
    pub(super) fn join(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [n_windows, n_tokens, n_channels] = tokens.dims();
        let batch = n_windows / self.windows.n_windows();
        let n_all = self.windows.n_windows() * n_tokens;
        tokens.reshape([batch, n_all, n_channels]).select(1, self.order_back.clone())
    }
}
