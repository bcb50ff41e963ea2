//! Every metric by its name: facts, and the function behind it.

use crate::{
    BrisqueModel, BrisqueRanges, LoeVariant, NiqeModel, Provenance, SsimVariant, average_gradient,
    brisque, clipped_high, clipped_low, colourfulness, eme, entropy,
    error::MetricError,
    fsim, fsim_color, hue_shift_degrees, loe, luma_statistics, mae_255, mean_ciede2000,
    mean_delta_e76,
    metric::{Better, Metric, MetricCard, MetricFile, Needs},
    ms_ssim, newly_clipped, niqe, noise_gain, noise_immerkaer, noise_wavelet, psnr_channel_mean,
    psnr_rgb, psnr_y, rmse_255, ssim, uqi, vif,
};

const WANG: &str = "Wang et al., Image Quality Assessment: From Error Visibility to Structural \
                    Similarity, TIP 2004";
const FSIM: &str = "Zhang et al., FSIM: A Feature Similarity Index for Image Quality Assessment, \
                    TIP 2011";
const NPE: &str = "Wang et al., Naturalness Preserved Enhancement Algorithm for Non-Uniform \
                   Illumination Images, TIP 2013";
const NIQE: &str = "Mittal et al., Making a Completely Blind Image Quality Analyzer, SPL 2013";

/// Where most cards start: a number between 0 and 1 that compares with the reference.
const SIMILARITY: MetricCard = MetricCard {
    name: "",
    title: "",
    description: "",
    citation: "",
    needs: Needs::Reference,
    better: Better::Higher,
    n_digits: 4,
    unit: "",
    is_harm: false,
    files: &[],
};
const ERROR: MetricCard = MetricCard { better: Better::Lower, n_digits: 2, ..SIMILARITY };
const PSNR: MetricCard = MetricCard { n_digits: 2, unit: "dB", ..SIMILARITY };
const HARM: MetricCard = MetricCard {
    needs: Needs::Low,
    better: Better::Lower,
    n_digits: 2,
    is_harm: true,
    ..SIMILARITY
};
const OF_RESULT: MetricCard =
    MetricCard { needs: Needs::Nothing, better: Better::Neither, n_digits: 2, ..SIMILARITY };

/// The metrics that need no network, in the order they are listed to users.
static CLASSICAL: &[MetricCard] = &[
    MetricCard {
        name: "psnr",
        title: "PSNR",
        description: "peak signal-to-noise ratio of the joint error of red, green and blue",
        citation: "10 log10(255² / MSE)",
        ..PSNR
    },
    MetricCard {
        name: "psnr-y",
        title: "PSNR-Y",
        description: "peak signal-to-noise ratio of BT.601 luma, 16..235",
        citation: "MATLAB's rgb2ycbcr, as BasicSR has it",
        ..PSNR
    },
    MetricCard {
        name: "psnr-channel-mean",
        title: "PSNR, channel mean",
        description: "mean of the peak signal-to-noise ratios of red, green and blue",
        citation: "10 log10(255² / MSE)",
        ..PSNR
    },
    MetricCard {
        name: "ssim",
        title: "SSIM",
        description: "structural similarity, gauss-valid: Gaussian window 11x11 of sigma 1.5 inside the \
                      image, mean of red, green and blue",
        citation: WANG,
        ..SIMILARITY
    },
    MetricCard {
        name: "ssim-y",
        title: "SSIM-Y",
        description: "structural similarity, y-gauss: as ssim, on BT.601 luma",
        citation: WANG,
        ..SIMILARITY
    },
    MetricCard {
        name: "ssim-sk-uniform",
        title: "SSIM sk-uniform",
        description: "structural similarity, sk-uniform: scikit-image's default, uniform window 7x7 with \
                      sample covariance",
        citation: WANG,
        ..SIMILARITY
    },
    MetricCard {
        name: "ssim-sk-gauss",
        title: "SSIM sk-gauss",
        description: "structural similarity, sk-gauss: scikit-image's Gaussian setting, borders reflected \
                      and cut",
        citation: WANG,
        ..SIMILARITY
    },
    MetricCard {
        name: "ssim-torch-same",
        title: "SSIM torch-same",
        description: "structural similarity, torch-same: Gaussian window 11x11 with zeros around the image \
                      (pytorch-ssim)",
        citation: WANG,
        ..SIMILARITY
    },
    MetricCard {
        name: "ssim-torch-valid-auto",
        title: "SSIM torch-valid-auto",
        description: "structural similarity, torch-valid-auto: as ssim, its range guessed from the result's \
                      maximum",
        citation: WANG,
        ..SIMILARITY
    },
    MetricCard {
        name: "ms-ssim",
        title: "MS-SSIM",
        description: "multi-scale structural similarity over five scales",
        citation: "Wang et al., Multiscale Structural Similarity for Image Quality Assessment, Asilomar \
                   2003",
        ..SIMILARITY
    },
    MetricCard {
        name: "rmse",
        title: "RMSE",
        description: "root of the mean squared error, 0..255",
        citation: "all pixels and channels",
        ..ERROR
    },
    MetricCard {
        name: "mae",
        title: "MAE",
        description: "mean absolute error, 0..255",
        citation: "all pixels and channels",
        ..ERROR
    },
    MetricCard {
        name: "ciede2000",
        title: "ΔE00",
        description: "mean colour difference CIEDE2000 under D65",
        citation: "Sharma et al., The CIEDE2000 Color-Difference Formula, 2005",
        ..ERROR
    },
    MetricCard {
        name: "delta-e76",
        title: "ΔE76",
        description: "mean Euclidean distance in CIE L*a*b* under D65",
        citation: "CIE 1976",
        ..ERROR
    },
    MetricCard {
        name: "uqi",
        title: "UQI",
        description: "universal quality index, uniform window 8x8, mean of the channels",
        citation: "Wang and Bovik, A Universal Image Quality Index, SPL 2002",
        ..SIMILARITY
    },
    MetricCard {
        name: "vif",
        title: "VIFp",
        description: "visual information fidelity in the pixel domain, grey",
        citation: "Sheikh and Bovik, Image Information and Visual Quality, TIP 2006",
        ..SIMILARITY
    },
    MetricCard {
        name: "fsim",
        title: "FSIM",
        description: "feature similarity: phase congruency and gradient of luma",
        citation: FSIM,
        ..SIMILARITY
    },
    MetricCard {
        name: "fsimc",
        title: "FSIMc",
        description: "feature similarity with chroma",
        citation: FSIM,
        ..SIMILARITY
    },
    MetricCard {
        name: "niqe-tapetum",
        title: "NIQE-tapetum",
        description: "natural image quality evaluator with parameters fitted by this project: its numbers \
                      do not compare with published ones",
        citation: NIQE,
        better: Better::Lower,
        ..OF_RESULT
    },
    MetricCard {
        name: "niqe",
        title: "NIQE",
        description: "natural image quality evaluator, BasicSR's computation, with parameters from a file",
        citation: NIQE,
        better: Better::Lower,
        files: &[MetricFile {
            name: "niqe_pris_params.npz",
            what: "the pristine model, or what 'tapetum metrics fit-niqe' writes",
            source: "BasicSR, basicsr/metrics",
            licence: "Apache-2.0",
        }],
        ..OF_RESULT
    },
    MetricCard {
        name: "brisque",
        title: "BRISQUE",
        description: "blind image spatial quality evaluator with a regression model from files",
        citation: "Mittal et al., No-Reference Image Quality Assessment in the Spatial Domain, TIP 2012",
        better: Better::Lower,
        files: &[
            MetricFile {
                name: "svm.txt",
                what: "the regression model in libsvm's text format",
                source: "the Python package brisque 0.2.0 on PyPI",
                licence: "Apache-2.0",
            },
            MetricFile {
                name: "normalize.pickle",
                what: "the ranges of the features",
                source: "the Python package brisque 0.2.0 on PyPI",
                licence: "Apache-2.0",
            },
        ],
        ..OF_RESULT
    },
    MetricCard {
        name: "loe",
        title: "LOE",
        description: "lightness order error against the dark image, thinned to 50 pixels on the shorter \
                      side",
        citation: NPE,
        needs: Needs::Low,
        better: Better::Lower,
        n_digits: 1,
        ..SIMILARITY
    },
    MetricCard {
        name: "loe-local-max",
        title: "LOE local-max",
        description: "lightness order error after a local maximum of 11x11, on a fixed grid of 50x50 \
                      (Semi-LLIE's code)",
        citation: NPE,
        needs: Needs::Low,
        better: Better::Lower,
        n_digits: 1,
        ..SIMILARITY
    },
    MetricCard {
        name: "loe-full",
        title: "LOE full",
        description: "lightness order error of every pixel against every other, for at most 100,000 pixels",
        citation: NPE,
        needs: Needs::Low,
        better: Better::Lower,
        n_digits: 0,
        ..SIMILARITY
    },
    MetricCard {
        name: "entropy",
        title: "entropy",
        description: "entropy of the histogram of grey values",
        citation: "Shannon 1948",
        unit: "bit",
        ..OF_RESULT
    },
    MetricCard {
        name: "luma-mean",
        title: "mean luma",
        description: "mean grey value, 0..255",
        citation: "0.299 R + 0.587 G + 0.114 B",
        n_digits: 1,
        ..OF_RESULT
    },
    MetricCard {
        name: "luma-deviation",
        title: "luma deviation",
        description: "standard deviation of the grey values, 0..255",
        citation: "0.299 R + 0.587 G + 0.114 B",
        n_digits: 1,
        ..OF_RESULT
    },
    MetricCard {
        name: "colourfulness",
        title: "colourfulness",
        description: "spread and mean of the opponent colours",
        citation: "Hasler and Süsstrunk, Measuring Colourfulness in Natural Images, 2003",
        n_digits: 1,
        ..OF_RESULT
    },
    MetricCard {
        name: "average-gradient",
        title: "average gradient",
        description: "mean of the root of half the squared forward differences of grey",
        citation: "Cui et al. 2015",
        ..OF_RESULT
    },
    MetricCard {
        name: "eme",
        title: "EME",
        description: "measure of enhancement: contrast ratio of blocks",
        citation: "Agaian et al., Transform-Based Image Enhancement Algorithms, TIP 2001",
        ..OF_RESULT
    },
    MetricCard {
        name: "clipped-high",
        title: "clipped high",
        description: "share of pixels with a channel at its maximum",
        citation: "level 255 of 8 bits",
        n_digits: 4,
        ..OF_RESULT
    },
    MetricCard {
        name: "clipped-low",
        title: "clipped low",
        description: "share of pixels with all channels at 0",
        citation: "level 0 of 8 bits",
        n_digits: 4,
        ..OF_RESULT
    },
    MetricCard {
        name: "noise",
        title: "noise",
        description: "standard deviation of the noise, from the grey image's Laplacian, 0..255",
        citation: "Immerkær, Fast Noise Variance Estimation, CVIU 1996",
        ..OF_RESULT
    },
    MetricCard {
        name: "noise-wavelet",
        title: "noise, wavelet",
        description: "standard deviation of the noise, from the median of db2's diagonal details, 0..255",
        citation: "Donoho and Johnstone 1994, as scikit-image has it",
        ..OF_RESULT
    },
    MetricCard {
        name: "noise-gain",
        title: "noise gain",
        description: "noise of the result over that of the dark image, where the image is flat",
        citation: "docs/metrics.md",
        ..HARM
    },
    MetricCard {
        name: "hue-shift",
        title: "hue shift",
        description: "mean change of the CIE L*a*b* hue, weighted by chroma",
        citation: "docs/metrics.md",
        unit: "°",
        n_digits: 1,
        ..HARM
    },
    MetricCard {
        name: "newly-clipped",
        title: "newly clipped",
        description: "share of pixels with a channel at its maximum that were not clipped in the dark image",
        citation: "level 255 of 8 bits",
        n_digits: 4,
        ..HARM
    },
];

/// What compares a whole set, or a sequence, with what it came from; not metrics of one image.
pub static SET_METRICS: &[MetricCard] = &[
    MetricCard {
        name: "flicker",
        title: "flicker",
        description: "mean absolute change of brightness from image to image beyond what the input's own \
                      change explains, in 8-bit levels",
        citation: "docs/metrics.md",
        needs: Needs::Low,
        better: Better::Lower,
        n_digits: 2,
        is_harm: true,
        ..SIMILARITY
    },
    MetricCard {
        name: "fid",
        title: "FID",
        description: "Fréchet distance between the Inception features of the results and of a folder of \
                      references; depends on the number of images",
        citation: "Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017",
        files: &[MetricFile {
            name: "pt_inception-2015-12-05-6726825d.pth",
            what: "Inception v3 of TensorFlow, 2015-12-05, as a state dict, or torchvision's",
            source: "the releases of pytorch-fid",
            licence: "Apache-2.0; trained on ImageNet, whose pictures are for research",
        }],
        ..ERROR
    },
];

/// Every metric of one image, in the order they are listed to users.
pub fn metrics() -> impl Iterator<Item = &'static MetricCard> {
    #[cfg(feature = "learned")]
    let learned = crate::learned::cards::CARDS;
    #[cfg(not(feature = "learned"))]
    let learned: &[MetricCard] = &[];
    CLASSICAL.iter().chain(learned)
}

/// The card of a name.
pub fn find(name: &str) -> Option<&'static MetricCard> {
    metrics().find(|card| card.name == name)
}

/// A metric ready to score. `files` are the contents of what its card asks for, in that order;
/// `niqe-tapetum` takes the project's own parameters as one file.
///
/// # Errors
/// A file is missing or not what the card says.
///
/// # Panics
/// When the card is not one of [`metrics`].
pub fn load(card: &'static MetricCard, files: &[Vec<u8>]) -> Result<Metric, MetricError> {
    let file = |idx: usize| {
        files.get(idx).map(Vec::as_slice).ok_or_else(|| {
            let detail = match card.files.get(idx) {
                Some(MetricFile { name, what, source, licence }) => format!(
                    "expected a file with {what}, such as {name}; it comes from {source} ({licence})"
                ),
                None => "expected its parameters, got none".to_owned(),
            };
            MetricError::Parameters { metric: card.name, detail }
        })
    };
    #[cfg(feature = "learned")]
    {
        let files = (0..card.files.len()).map(file).collect::<Result<Vec<_>, _>>()?;
        if let Some(metric) = crate::learned::cards::load(card, &files) {
            return metric;
        }
    }
    let similarity = |variant| Metric::of_two(card, move |a, b| ssim(a, b, variant));
    let order = |variant| Metric::of_two(card, move |enhanced, low| loe(enhanced, low, variant));
    Ok(match card.name {
        "psnr" => Metric::of_two(card, psnr_rgb),
        "psnr-y" => Metric::of_two(card, psnr_y),
        "psnr-channel-mean" => Metric::of_two(card, psnr_channel_mean),
        "ssim" => similarity(SsimVariant::GaussValid),
        "ssim-y" => similarity(SsimVariant::YGauss),
        "ssim-sk-uniform" => similarity(SsimVariant::SkUniform),
        "ssim-sk-gauss" => similarity(SsimVariant::SkGauss),
        "ssim-torch-same" => similarity(SsimVariant::TorchSame),
        "ssim-torch-valid-auto" => similarity(SsimVariant::TorchValidAuto),
        "ms-ssim" => Metric::of_two(card, ms_ssim),
        "rmse" => Metric::of_two(card, rmse_255),
        "mae" => Metric::of_two(card, mae_255),
        "ciede2000" => Metric::of_two(card, mean_ciede2000),
        "delta-e76" => Metric::of_two(card, mean_delta_e76),
        "uqi" => Metric::of_two(card, uqi),
        "vif" => Metric::of_two(card, vif),
        "fsim" => Metric::of_two(card, fsim),
        "fsimc" => Metric::of_two(card, fsim_color),
        "niqe" | "niqe-tapetum" => {
            let model = niqe_model(file(0)?)?;
            Metric::of_result(card, move |picture| niqe(picture, &model))
        }
        "brisque" => {
            let text = std::str::from_utf8(file(0)?).map_err(|_| MetricError::Parameters {
                metric: "brisque",
                detail: "expected a model in libsvm's text format, got other bytes".to_owned(),
            })?;
            let model = BrisqueModel::from_libsvm(text, BrisqueRanges::from_pickle(file(1)?)?)?;
            Metric::of_result(card, move |picture| brisque(picture, &model))
        }
        "loe" => order(LoeVariant::Thinned),
        "loe-local-max" => order(LoeVariant::LocalMax),
        "loe-full" => order(LoeVariant::Full),
        "entropy" => Metric::of_result(card, entropy),
        "luma-mean" => Metric::of_result(card, |picture| Ok(luma_statistics(picture)?.0)),
        "luma-deviation" => Metric::of_result(card, |picture| Ok(luma_statistics(picture)?.1)),
        "colourfulness" => Metric::of_result(card, colourfulness),
        "average-gradient" => Metric::of_result(card, average_gradient),
        "eme" => Metric::of_result(card, eme),
        "clipped-high" => Metric::of_result(card, clipped_high),
        "clipped-low" => Metric::of_result(card, clipped_low),
        "noise" => Metric::of_result(card, noise_immerkaer),
        "noise-wavelet" => Metric::of_result(card, noise_wavelet),
        "noise-gain" => Metric::of_two(card, |enhanced, low| noise_gain(low, enhanced)),
        "hue-shift" => Metric::of_two(card, |enhanced, low| hue_shift_degrees(low, enhanced)),
        "newly-clipped" => Metric::of_two(card, |enhanced, low| newly_clipped(low, enhanced)),
        other => panic!("{other} has a card and no function"),
    })
}

/// Parameters as NumPy archive or as this project's JSON.
fn niqe_model(bytes: &[u8]) -> Result<NiqeModel, MetricError> {
    if bytes.starts_with(b"PK") {
        return NiqeModel::from_npz(bytes, Provenance::default());
    }
    NiqeModel::from_json(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metric::Views, picture::Picture};

    #[test]
    fn every_card_has_a_name_of_its_own_and_a_function() {
        let mut names: Vec<&str> = metrics().chain(SET_METRICS).map(|card| card.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two[0] != two[1]), "{names:?}");
        for card in metrics().filter(|card| card.files.is_empty()) {
            if card.name == "niqe-tapetum" {
                continue;
            }
            let metric = load(card, &[]).unwrap();
            let picture = |seed: usize| {
                let wave = |idx: usize| 0.5 + 0.4 * ((idx * (seed + 3)) as f32 * 0.13).sin();
                Picture::from_rgb(200, 180, &(0..108_000).map(wave).collect::<Vec<_>>())
            };
            let (low, enhanced, reference) = (picture(1), picture(2), picture(3));
            let views = Views { low: Some(&low), enhanced: &enhanced, reference: Some(&reference) };
            assert!(metric.applies(views), "{}", card.name);
            assert!(metric.score(views).is_ok_and(f64::is_finite), "{}", card.name);
        }
    }

    #[test]
    fn a_missing_file_says_what_is_wanted_and_where_to_get_it() {
        for card in metrics().filter(|card| !card.files.is_empty()) {
            let error = load(card, &[]).err().unwrap().to_string();
            let MetricFile { name, what, source, licence } = card.files[0];
            assert!(
                [name, what, source, licence].iter().all(|part| error.contains(part)),
                "{error}"
            );
        }
    }
}
