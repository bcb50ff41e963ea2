//! `tapetum methods`: what there is to choose from.

use std::{fmt::Write, process::ExitCode};

use serde_json::json;
use tapetum::{MethodCard, SizeRule, Tiling, methods};

use super::generate::print;
use crate::{args::MethodsArguments, failure::Failure};

pub(crate) fn run(arguments: &MethodsArguments) -> Result<ExitCode, Failure> {
    let cards = methods();
    let text = if arguments.json {
        let cards: Vec<_> = cards.iter().map(|card| as_json(card)).collect();
        format!("{:#}\n", json!(cards))
    } else if arguments.markdown {
        as_page(&cards)
    } else {
        let line = |card: &&MethodCard| {
            let MethodCard { name, purpose, .. } = card;
            format!("{name:<22} {purpose} ({})\n", parameters(card))
        };
        cards.iter().map(line).collect()
    };
    print(text.as_bytes())
}

fn as_json(card: &MethodCard) -> serde_json::Value {
    json!({
        "name": card.name,
        "title": card.title,
        "citation": card.citation,
        "purpose": card.purpose,
        "n_parameters": card.n_parameters,
        "macs_per_pixel": card.macs_per_pixel,
        "sizes": sizes(card),
        "tiling": tiling(card),
        "default_weights": card.default_weights,
    })
}

fn as_page(cards: &[&MethodCard]) -> String {
    let mut page = "# Methods\n\nGenerated from the cards by `cargo xtask docs`.\n".to_owned();
    for card in cards {
        let MethodCard { name, title, citation, purpose, n_parameters, .. } = card;
        let macs = card.macs_per_pixel.map_or("not counted".to_owned(), |macs| macs.to_string());
        let weights = card.default_weights.map_or("none needed".to_owned(), |weights| {
            format!("[`{weights}`](model-cards/{weights}.md)")
        });
        write!(
            page,
            "\n## {title}\n\n{citation}.\n\nFor: {purpose}.\n\n| | |\n| --- | --- |\n\
             | name | `{name}` |\n| parameters | {n_parameters} |\n\
             | multiply-accumulates a pixel | {macs} |\n| sizes | {} |\n| tiles | {} |\n\
             | default weights | {weights} |\n",
            sizes(card),
            tiling(card),
        )
        .expect("writing to text does not fail");
    }
    page
}

fn parameters(card: &MethodCard) -> String {
    match card.default_weights {
        Some(_) => format!("{} parameters", card.n_parameters),
        None => "no weights".to_owned(),
    }
}

fn sizes(card: &MethodCard) -> &'static str {
    match card.size_rule {
        SizeRule::Any => "any, from 1x1",
    }
}

fn tiling(card: &MethodCard) -> String {
    match card.tiling {
        Tiling::Exact { receptive_field_px } => {
            format!("exact: equal to the whole image with {receptive_field_px} pixels of overlap")
        }
        Tiling::Approximate { overlap_px, .. } => {
            format!(
                "approximate: mixed over {overlap_px} pixels where they meet, where the memory does not \
                     hold the whole image"
            )
        }
        Tiling::WholeImageOnly => "none: the whole image is worked on at once".to_owned(),
    }
}
