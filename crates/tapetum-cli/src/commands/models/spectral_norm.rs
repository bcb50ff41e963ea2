//! The singular vectors of imported weights: which are kept, and what either would give.

use tapetum::{IlluminationReport, MapStatistics, Model, Verdict, spectral_norm};

use crate::{
    args::{ImportArguments, SpectralNorm},
    failure::{Failure, Kind},
    report::tell,
};

/// The method that has such vectors.
const METHOD: &str = "collaba";
/// Header entry that says where the vectors come from.
const HEADER: &str = "spectral_norm";

/// Keeps the vectors of a model or finds them anew, and tells what either gives; of another method nothing may be
/// asked.
pub(super) fn settle(model: &mut Model, arguments: &ImportArguments) -> Result<(), Failure> {
    if model.method.name != METHOD {
        return match arguments.spectral_norm {
            None => Ok(()),
            Some(_) => {
                let message = format!("{} has no spectral norm", model.method.title);
                Err(Failure::new(Kind::Usage, message).with_hint("leave --spectral-norm out"))
            }
        };
    }
    let failure = |error| Failure::library(Kind::Usage, &arguments.file, &error);
    let report = spectral_norm::report(model).map_err(failure)?;
    text(&report).iter().for_each(tell);
    let kept = match arguments.spectral_norm.unwrap_or(SpectralNorm::Stored) {
        SpectralNorm::Stored => "stored",
        SpectralNorm::Recompute => {
            spectral_norm::recompute(model).map_err(failure)?;
            model.weights.header.remove(HEADER);
            "recomputed"
        }
    };
    model.weights.header.entry(HEADER.to_owned()).or_insert_with(|| kept.to_owned());
    Ok(())
}

fn text(report: &IlluminationReport) -> Vec<String> {
    let mut lines = vec![format!("{:<16} {:>9} {:>11}", "spectral norm", "stored σ", "largest σ")];
    lines.extend(report.layers.iter().enumerate().map(|(idx, layer)| {
        let name = format!("conv{}", idx + 1);
        format!("  {name:<14} {:>9.4} {:>11.4}", layer.stored, layer.largest)
    }));
    let [mean, std, min, max] = ["mean", "std", "min", "max"];
    lines.push(format!(
        "{:<16} {mean:>6} {std:>6} {min:>6} {max:>6}  saturated  with darkness",
        "illumination map"
    ));
    lines.push(line("stored", &report.stored));
    lines.push(line("recompute", &report.recomputed));
    lines.push(advice(report.verdict()).to_owned());
    lines
}

fn line(name: &str, map: &MapStatistics) -> String {
    let MapStatistics { mean, deviation, smallest, largest, saturated_share, with_darkness } = map;
    let percent = 100.0 * saturated_share;
    format!(
        "  {name:<14} {mean:>6.3} {deviation:>6.3} {smallest:>6.3} {largest:>6.3} {percent:>8.1} % \
         {with_darkness:>14.3}"
    )
}

fn advice(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "the stored vectors are those of the weights: both ways are the same",
        Verdict::Stored => "the map of the stored vectors looks sane: keep --spectral-norm stored",
        Verdict::Recompute => {
            "a saturated map, or one that does not follow darkness, comes of stored vectors that are not those \
             of the weights: use --spectral-norm recompute"
        }
        Verdict::Neither => {
            "neither map follows darkness: try other --tensors; these weights may not be trained"
        }
    }
}

#[cfg(test)]
mod tests {
    use tapetum::LayerNorm;

    use super::*;

    const SANE: MapStatistics = MapStatistics {
        mean: 0.5,
        deviation: 0.125,
        smallest: 0.25,
        largest: 0.75,
        saturated_share: 0.0,
        with_darkness: 0.9,
    };
    const SATURATED: MapStatistics =
        MapStatistics { saturated_share: 0.975, with_darkness: -0.5, ..SANE };

    fn lines(stored: f64, maps: [MapStatistics; 2]) -> Vec<String> {
        let [stored_map, recomputed] = maps;
        let layers = vec![LayerNorm { stored, largest: 0.75 }; 8];
        text(&IlluminationReport { layers, stored: stored_map, recomputed })
    }

    #[test]
    fn the_numbers_of_both_ways_stand_below_each_other() {
        let lines = lines(-0.0125, [SATURATED, SANE]);
        assert_eq!(lines.len(), 13);
        assert_eq!(lines[0], "spectral norm     stored σ   largest σ");
        assert_eq!(lines[1], "  conv1            -0.0125      0.7500");
        assert_eq!(
            lines[10],
            "  stored          0.500  0.125  0.250  0.750     97.5 %         -0.500"
        );
        assert_eq!(
            lines[11],
            "  recompute       0.500  0.125  0.250  0.750      0.0 %          0.900"
        );
    }

    #[test]
    fn the_last_line_says_which_way_looks_sane() {
        for (stored, maps, expected) in [
            (0.75, [SANE, SANE], "both ways are the same"),
            (0.75, [SATURATED, SATURATED], "both ways are the same"),
            (0.6, [SANE, SANE], "keep --spectral-norm stored"),
            (0.01, [SATURATED, SANE], "use --spectral-norm recompute"),
            (0.01, [SANE, SANE], "use --spectral-norm recompute"),
            (0.01, [SATURATED, SATURATED], "neither map follows darkness"),
        ] {
            let lines = lines(stored, maps);
            let last = lines.last().expect("there are lines");
            assert!(last.contains(expected), "{last}");
        }
    }
}
