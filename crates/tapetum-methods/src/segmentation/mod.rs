//! Segmentation: what is where in a street scene, as a judge of enhanced photographs.
//!
//! S. Mehta, M. Rastegari, A. Caspi, L. Shapiro, H. Hajishirzi, *ESPNet: Efficient Spatial Pyramid of
//! Dilated Convolutions for Semantic Segmentation*, ECCV 2018, arXiv 1803.06815. A network of 0.36 M
//! parameters that splits each convolution into a pyramid of dilated ones. It enhances nothing: a frozen
//! segmenter says how much of a dark photograph is recognised before and after it is brightened, and its
//! gradient can teach an enhancer.
//!
//! L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam, *Encoder-Decoder with Atrous Separable
//! Convolution for Semantic Image Segmentation*, ECCV 2018, arXiv 1802.02611, on the backbone of M. Sandler,
//! A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, *MobileNetV2: Inverted Residuals and Linear Bottlenecks*,
//! CVPR 2018, arXiv 1801.04381: 5.2 M parameters, the segmenter that SCL-LLE learns from.
//!
//! | paper or authors' code | here |
//! | --- | --- |
//! | network with decoder, §4, `ESPNet` of `Model.py` | [`espnet::Espnet`] |
//! | ESP module, §3, `DilatedParllelResidualBlockB` | `EspModule` |
//! | its strided form, `DownSamplerB` | `EspModule` |
//! | fusion of the dilated results, §3.1 | `fused_pyramid` |
//! | input reinforcement, §4, `InputProjectionA` | `halved` |
//! | batch normalisation and rectifier, `BR` | `NormalizedPrelu` |
//! | DeepLabv3+, Chen 2018 §3 | [`deeplab::Deeplab`] |
//! | atrous spatial pyramid pooling, Chen 2017 (arXiv 1706.05587) §3.3 | `Pyramid` |
//! | MobileNetV2, Sandler 2018 §3.3, §4 | `MobileNetV2` |
//! | convolution and batch normalisation folded into one | `FrozenLayer` |
//! | the same in training, Ioffe 2015 (arXiv 1502.03167) Alg. 1 and 2 | `TrainedLayer`, `RunningStatistics` |
//! | training DeepLabv3+, authors' `main.py` | [`training::Training`] |
//! | pixel-wise cross entropy | [`losses::cross_entropy`] |
//! | classes, mean and deviation of the training data | [`labelled_data::LabelledData`] |
//! | names of the released checkpoints | [`weights`] |
//!
//! # Deviations
//! - Images of any size from 1x1: a level is half of the one above, rounded up, and what the decoder
//!   doubles is cut to the size of the level it joins, at the right and at the bottom. For sizes that are
//!   multiples of 8 nothing is cut, which is all that the authors' code takes.
//! - DeepLabv3+ takes any size too: sides below 3 pixels are made 3 by repeating the last row or column, and
//!   the logits are cut. From 3 on it is the network of the released weights as it is: its first convolution
//!   pads nothing, and its blocks pad before they expand, so that what lies outside is not zero to the
//!   filters. Its pyramid and decoder use full convolutions, not separable ones, as those weights do.
//! - ESPNet is frozen. DeepLabv3+ is frozen or trained; only [`training`] changes parameters and statistics.
//! - Training starts its backbone from a classifier whose filters padded with zeros after expanding, not
//!   before; it gets used to the difference. The norm of the gradient is limited, and the backbone's running
//!   statistics follow its batches ten times as fast as the authors' do, which trainings of a few hundred
//!   steps need.
//! - The last step of the released Cityscapes network reads 16 channels where that of the CamVid
//!   network has 19; see [`espnet::DecoderInput`].
//! - The released CamVid network's mean and deviation were not published with it. They were measured on
//!   the 367 training images the way the authors' loader does. With them the network has a mean IoU of
//!   0.83 on every eighth of these images; with red first it has 0.36, with the deviation over the pixels
//!   of all images 0.81.

pub mod deeplab;
pub mod espnet;
pub mod labelled_data;
pub mod losses;
pub mod training;
pub mod weights;

mod esp_module;
mod frozen;
mod frozen_layer;
mod initial_weights;
mod layer;
mod mobilenet_v2;
mod running;
mod trained_layer;

pub use tapetum_nn::Segmenter;
