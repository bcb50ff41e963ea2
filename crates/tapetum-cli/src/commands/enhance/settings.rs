//! What the command line decides about the bytes of the outputs, so that a resumed run knows them again.

use tapetum::{Draws, Enhancer, Model, Strength, Tiling};

use crate::{args::EnhanceArguments, manifest::sha256, plan::Product};

/// What runs, beside its weights.
pub(super) struct Networks {
    method: &'static str,
    tiling: Tiling,
    scale: u32,
    /// Method and weights of the second network.
    second: Option<String>,
}

impl Networks {
    pub(super) fn of(enhancer: &Enhancer, second: Option<&Model>) -> Self {
        let describe =
            |model: &Model| format!("{} {}", model.method.name, model.weights.content_hash());
        Self {
            method: enhancer.method().name,
            tiling: enhancer.network().tiling(),
            scale: enhancer.scale(),
            second: second.map(describe),
        }
    }
}

/// Everything that decides the bytes of a result beside the input and the first network's weights. What
/// computes it is left out: devices agree to far less than an 8-bit level, and a folder that was begun on one
/// may be finished on another.
pub(super) fn settings_text(arguments: &EnhanceArguments, networks: &Networks) -> String {
    let strength = match arguments.strength {
        Strength::Auto => "auto".to_owned(),
        Strength::Fixed(share) => share.to_bits().to_string(),
    };
    let format = arguments.format.map_or("own", tapetum::Format::name);
    let version = env!("CARGO_PKG_VERSION");
    let EnhanceArguments { quality, precision, fast, .. } = arguments;
    let tiles = tiles_setting(arguments, networks.tiling);
    let size = size_setting(networks.scale, networks.second.as_deref());
    let method = networks.method;
    format!("{version} {method} {strength} {format} {quality} {precision:?} {fast}{tiles}{size}")
}

/// How large the result is, and the network that runs on the first one's, where that differs from one
/// network that keeps the size.
fn size_setting(scale: u32, second: Option<&str>) -> String {
    match (scale, second) {
        (1, None) => String::new(),
        (scale, None) => format!(" x{scale}"),
        (scale, Some(second)) => format!(" x{scale} {second}"),
    }
}

/// Of the settings and what is more for one of the files. What other files there are does not count.
pub(super) fn settings_hash(settings: &str, product: Product) -> String {
    let text = match product {
        Product::Result => settings.to_owned(),
        Product::Variation { number, seed } => format!("{settings} variation {number} {seed}"),
        Product::Uncertainty(Draws { n_samples, seed }) => {
            format!("{settings} uncertainty {n_samples} {seed}")
        }
    };
    sha256(text.as_bytes())
}

/// What decides about tiles, where tiles decide about the result.
fn tiles_setting(arguments: &EnhanceArguments, tiling: Tiling) -> String {
    match tiling {
        Tiling::Approximate { .. } => format!(" {:?} {}", arguments.tiles, arguments.memory),
        Tiling::Exact { .. } | Tiling::WholeImageOnly => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn networks(tiling: Tiling) -> Networks {
        Networks { method: "any", tiling, scale: 1, second: None }
    }

    fn settings(tiling: Tiling, more: &[&str]) -> String {
        settings_of(&networks(tiling), more)
    }

    fn settings_of(networks: &Networks, more: &[&str]) -> String {
        let all = ["tapetum", "enhance", "a.png"].iter().chain(more);
        let Command::Enhance(arguments) = Arguments::parse_from(all).command else {
            panic!("enhance was asked for")
        };
        settings_text(&arguments, networks)
    }

    #[test]
    fn a_size_and_a_second_network_outdate_a_result() {
        let plain = || networks(Tiling::WholeImageOnly);
        let second = |hash: &str| Some(format!("other {hash}"));
        let all = [
            plain(),
            Networks { scale: 2, ..plain() },
            Networks { scale: 4, ..plain() },
            Networks { second: second("a"), ..plain() },
            Networks { second: second("b"), ..plain() },
            Networks { scale: 2, second: second("a"), ..plain() },
        ];
        let found: BTreeSet<_> = all.iter().map(|networks| settings_of(networks, &[])).collect();
        assert_eq!(found.len(), all.len());
    }

    #[test]
    fn memory_and_tiles_outdate_a_result_only_where_they_change_it() {
        for (tiling, is_changed) in [
            (Tiling::Exact { receptive_field_px: 7 }, false),
            (Tiling::WholeImageOnly, false),
            (Tiling::Approximate { overlap_px: 64, step_px: 1 }, true),
        ] {
            let default = settings(tiling, &["--memory", "1G"]);
            for more in [["--memory", "2G"], ["--tiles", "whole"]] {
                assert_eq!(settings(tiling, &more) != default, is_changed, "{tiling:?} {more:?}");
            }
            assert_eq!(settings(tiling, &["--tiles", "auto"]), default);
        }
    }

    #[test]
    fn a_result_stays_whatever_is_drawn_beside_it() {
        let default = settings(Tiling::WholeImageOnly, &[]);
        for more in [&["--samples", "4"][..], &["--uncertainty", "--seed", "3"]] {
            assert_eq!(settings(Tiling::WholeImageOnly, more), default, "{more:?}");
        }
    }

    #[test]
    fn every_product_has_a_hash_of_its_own_and_a_variation_none_of_their_number() {
        let draws = |n_samples, seed| Draws { n_samples, seed };
        let products = [
            Product::Result,
            Product::Variation { number: 1, seed: 0 },
            Product::Variation { number: 2, seed: 0 },
            Product::Variation { number: 1, seed: 2 },
            Product::Uncertainty(draws(8, 0)),
            Product::Uncertainty(draws(8, 1)),
            Product::Uncertainty(draws(9, 0)),
        ];
        let hashes = |settings: &str| products.map(|product| settings_hash(settings, product));
        let all: BTreeSet<_> = [hashes("one"), hashes("other")].concat().into_iter().collect();
        assert_eq!(all.len(), 2 * products.len());
    }
}
