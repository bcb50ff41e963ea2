//! The columns of a table: every metric under every protocol, plain and GT-mean side by side.

use tapetum_metrics::{Better, MetricCard, Needs};
use tapetum_nn::Strength;

use crate::{
    contest::{Contest, Maker},
    report::Column,
    set::Kind,
};

/// Where a column's numbers come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Source {
    /// A metric under a protocol.
    Metric { metric_idx: usize, protocol_idx: usize, is_gt_mean: bool },
    /// How far a method changes references, which need no light.
    WellLit(Strength),
    /// How much the mean brightness jumps from image to image.
    Flicker,
    /// How far the results of a set are from a folder of references; a number of the whole set.
    Fid,
    /// How well a segmenter reads the results; a number of the whole set.
    MeanIou,
}

/// The columns of a contest with their sources.
pub(crate) fn columns(contest: &Contest) -> Vec<(Source, Column)> {
    let mut columns = Vec::new();
    for protocol_idx in 0..contest.protocols.len() {
        for (metric_idx, metric) in contest.metrics.iter().enumerate() {
            if metric.card.is_harm && protocol_idx > 0 {
                continue;
            }
            let ways: &[bool] = match metric.card.needs {
                Needs::Reference => &[false, true],
                _ => &[false],
            };
            for &is_gt_mean in ways {
                let source = Source::Metric { metric_idx, protocol_idx, is_gt_mean };
                columns.push((source, metric_column(contest, source, metric.card)));
            }
        }
    }
    columns.extend(special_columns(contest));
    columns
}

fn metric_column(contest: &Contest, source: Source, card: &MetricCard) -> Column {
    let Source::Metric { metric_idx, protocol_idx, is_gt_mean } = source else {
        unreachable!("only metrics come here")
    };
    let protocol = &contest.protocols[protocol_idx].name;
    let mut key = card.name.to_owned();
    let mut subtitle = protocol.clone();
    if is_gt_mean {
        key.push_str("@gt-mean");
        subtitle.push_str(", GT-mean");
    }
    if protocol_idx > 0 {
        key = format!("{key}/{protocol}");
    }
    let parameters = contest.metrics[metric_idx].parameters_sha256.as_ref();
    let parameters = parameters.map_or(String::new(), |hash| format!("; parameters {hash:.12}"));
    Column {
        key,
        title: card.title.to_owned(),
        subtitle,
        description: format!("{} ({}){parameters}", card.description, card.citation),
        better: card.better,
        n_digits: card.n_digits,
        unit: card.unit.to_owned(),
        is_harm: card.is_harm,
    }
}

fn special_columns(contest: &Contest) -> Vec<(Source, Column)> {
    let has = |kind| contest.sets.iter().any(|set| set.kind == kind);
    let runs_here = contest.contestants.iter().any(|c| matches!(c.maker, Maker::Network(_)));
    let protocol = &contest.protocols[0].name;
    let column = |key: &str, title: &str, subtitle: &str, description: &str| Column {
        key: key.to_owned(),
        title: title.to_owned(),
        subtitle: subtitle.to_owned(),
        description: description.to_owned(),
        better: Better::Lower,
        n_digits: 2,
        unit: String::new(),
        is_harm: true,
    };
    let mut columns = Vec::new();
    if has(Kind::Paired) && runs_here {
        let description = "mean CIEDE2000 between a reference, which needs no light, and what the \
                           method makes of it, at the strength named";
        for (strength, key, subtitle) in [
            (Strength::Auto, "well-lit-change", "automatic strength"),
            (Strength::Fixed(1.0), "well-lit-change-full", "full strength"),
        ] {
            let column = column(key, "change on well-lit", subtitle, description);
            columns.push((Source::WellLit(strength), column));
        }
    }
    if contest.flicker {
        let description = "mean absolute change of brightness from image to image beyond what the input's \
                           own change explains, in 8-bit levels";
        columns.push((Source::Flicker, column("flicker", "flicker", protocol, description)));
    }
    if let Some(fid) = &contest.fid {
        let description = format!("Fréchet distance of Inception features, {}", fid.description);
        let column = Column { is_harm: false, ..column("fid", "FID", protocol, &description) };
        columns.push((Source::Fid, column));
    }
    if let Some(segmenter) = contest.segmenter.as_ref().filter(|_| has(Kind::Labelled)) {
        let description = format!(
            "mean intersection over union of the whole set's confusion matrix, classes read by {}",
            segmenter.description
        );
        let column = Column {
            better: Better::Higher,
            n_digits: 4,
            ..column("miou", "mIoU", protocol, &description)
        };
        columns.push((Source::MeanIou, column));
    }
    columns
}
