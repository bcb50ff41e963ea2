//! SKFF, selective-kernel feature fusion, and where it and all else that looks at the whole image take that from.

use tapetum_nn::{
    layers::{Builder, Convolution},
    ops::Activation,
    prelude::*,
};

use super::layers::unbiased;

const LEAKY: Activation = Activation::LeakyRelu(0.2);
/// Channels that the fusion squeezes to: an eighth, but not fewer than these.
const N_SQUEEZED_MIN: usize = 4;

/// Where values that depend on the whole image come from, in the order of the network.
#[derive(Default)]
pub(super) enum Statistics {
    /// The image itself.
    #[default]
    Own,
    /// The same, and they are kept.
    Kept(Vec<Tensor<4>>),
    /// Another image, of which this one is a part.
    Given(std::vec::IntoIter<Tensor<4>>),
}

impl Statistics {
    /// The next value.
    pub(super) fn next(&mut self, own: impl FnOnce() -> Tensor<4>) -> Tensor<4> {
        match self {
            Self::Own => own(),
            Self::Kept(kept) => {
                let value = own();
                kept.push(value.clone());
                value
            }
            Self::Given(given) => given.next().expect("a value for every place"),
        }
    }
}

/// A sum of features, each channel of them weighted as their means say; the weights of a channel sum to 1.
#[derive(Module, Debug)]
pub(super) struct Fusion {
    squeeze: Convolution,
    excite: Vec<Convolution>,
}

impl Fusion {
    /// Of so many features of `n` channels.
    pub(super) fn build(builder: &mut Builder, name: &str, n: usize, n_sources: usize) -> Self {
        let few = (n / 8).max(N_SQUEEZED_MIN);
        let squeeze = unbiased(builder, &format!("{name}.conv_du.0"), [few, n, 1, 1]);
        let excite = (0..n_sources)
            .map(|idx| unbiased(builder, &format!("{name}.fcs.{idx}"), [n, few, 1, 1]))
            .collect();
        Self { squeeze, excite }
    }

    /// # Shapes
    /// Each of `sources` and the result: `[batch, n, height, width]`.
    pub(super) fn forward(
        &self,
        sources: Vec<Tensor<4>>,
        statistics: &mut Statistics,
    ) -> Tensor<4> {
        let weights = statistics.next(|| self.weights(&sources));
        let n = sources[0].dims()[1];
        let weight = |idx: usize| weights.clone().narrow(1, idx * n, n);
        let mut sources = sources.into_iter().enumerate();
        let (Some((_, first)), Some((_, second))) = (sources.next(), sources.next()) else {
            panic!("a fusion of two features at least")
        };
        let sum = ops::weighted_sum([first, second], [weight(0), weight(1)]);
        sources.fold(sum, |sum, (idx, source)| {
            let one = Tensor::ones([1, n, 1, 1], &source.device().inner());
            ops::weighted_sum([sum, source], [one, weight(idx)])
        })
    }

    /// Of two sources, of which the second is interpolated to twice its size: its mean is that of the doubled one, as every
    /// pixel has as much a part in it.
    ///
    /// # Shapes
    /// `source` and result: `[batch, n, 2 height, 2 width]`; `half`: `[batch, n, height, width]`.
    pub(super) fn forward_of_doubled(
        &self,
        source: Tensor<4>,
        half: Tensor<4>,
        statistics: &mut Statistics,
    ) -> Tensor<4> {
        let sources = [source, half];
        let weights = statistics.next(|| self.weights(&sources));
        let [source, half] = sources;
        let n = source.dims()[1];
        let weights = [0, 1].map(|idx| weights.clone().narrow(1, idx * n, n));
        ops::weighted_sum_of_doubled(source, half, weights)
    }

    /// Those of all sources, one behind the other, `[batch, sources · n, 1, 1]`.
    fn weights(&self, sources: &[Tensor<4>]) -> Tensor<4> {
        let means = sources.iter().map(|source| ops::global_average_pool(source.clone()));
        let mean = means.reduce(|sum, mean| sum + mean).expect("there are sources");
        let squeezed = self.squeeze.forward(mean, LEAKY);
        let scores = self.excite.iter().map(|layer| {
            let scores = layer.forward(squeezed.clone(), Activation::Identity);
            let [batch, n, _, _] = scores.dims();
            scores.reshape([batch, 1, n])
        });
        let scores = Tensor::cat(scores.collect(), 1);
        let [batch, n_sources, n] = scores.dims();
        ops::softmax(scores, 1).reshape([batch, n_sources * n, 1, 1])
    }
}
