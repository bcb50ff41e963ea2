//! What is told about each file: a line for people, an object for programs.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;
use tapetum::{Enhanced, Strength};

use crate::{
    args::Verbosity,
    failure::Failure,
    plan::{Job, Product},
};

/// Prints a line for people. Where nobody listens any more, the work still goes on.
pub(crate) fn tell(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What became of one input.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FileReport {
    pub(crate) input: String,
    /// `None` for a photograph that failed.
    #[serde(flatten)]
    pub(crate) files: Option<Files>,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// The files that come of one input.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Files {
    output: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uncertainty: Option<String>,
}

/// Done, skipped or failed.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Outcome {
    Done(Done),
    /// The output was there, made from the same input with the same settings and weights.
    Skipped,
    Failed {
        error: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// What was measured and decided for one photograph.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Done {
    pub(crate) format: &'static str,
    /// Of the result.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How many times larger the result is on each side.
    pub(crate) scale: u32,
    /// `auto` or `fixed`.
    pub(crate) strength_mode: &'static str,
    pub(crate) strength: f32,
    pub(crate) mean_before: f64,
    pub(crate) mean_after: f64,
    pub(crate) geometric_mean: f64,
    pub(crate) dark_share: f64,
    pub(crate) n_tiles: usize,
    /// Whether they give about what the whole photograph would.
    pub(crate) is_approximate: bool,
    /// Numbers that the network computed in.
    pub(crate) precision: &'static str,
    /// What computed it.
    pub(crate) device: &'static str,
    pub(crate) seconds: f64,
    pub(crate) warnings: Vec<String>,
}

/// The report of a whole command.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    pub(crate) version: &'static str,
    pub(crate) method: &'a str,
    /// `None`, as the hash, for a method without weights.
    pub(crate) weights: Option<&'a str>,
    pub(crate) weights_sha256: Option<&'a str>,
    /// How many times larger results are on each side.
    pub(crate) scale: u32,
    /// Weights of the second network, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) then: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) then_sha256: Option<&'a str>,
    /// How many variations were drawn of each photograph, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) n_samples: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    pub(crate) n_done: usize,
    pub(crate) n_skipped: usize,
    pub(crate) n_failed: usize,
    pub(crate) n_ignored: usize,
    pub(crate) files: &'a [FileReport],
}

impl FileReport {
    pub(crate) fn failed(input: String, failure: &Failure) -> Self {
        let outcome =
            Outcome::Failed { error: failure.message.clone(), hint: failure.hint.clone() };
        Self { input, files: None, outcome }
    }

    /// Prints what people want to know of it.
    pub(crate) fn tell(&self, verbosity: Verbosity) {
        match &self.outcome {
            Outcome::Failed { error, hint } => {
                tell(format_args!("error: {error}"));
                hint.iter().for_each(|hint| tell(format_args!("hint: {hint}")));
            }
            Outcome::Skipped if verbosity == Verbosity::Verbose => {
                tell(format_args!("{}: unchanged", self.input));
            }
            Outcome::Done(done) if verbosity > Verbosity::Quiet => {
                let files = self.files.as_ref().map(Files::line).unwrap_or_default();
                tell(done.line(&self.input, &files));
                for warning in &done.warnings {
                    tell(format_args!("warning: {}: {warning}", self.input));
                }
                if verbosity == Verbosity::Verbose {
                    let dark = (100.0 * done.dark_share).round();
                    tell(format_args!(
                        "  {} tiles; {dark} % of the pixels were dark",
                        done.n_tiles
                    ));
                }
            }
            _ => {}
        }
    }
}

impl Files {
    pub(crate) fn of(job: &Job) -> Self {
        let (mut variations, mut uncertainty) = (Vec::new(), None);
        for (product, path) in job.files() {
            let name = path.display().to_string();
            match product {
                Product::Result => {}
                Product::Variation { .. } => variations.push(name),
                Product::Uncertainty(_) => uncertainty = Some(name),
            }
        }
        Self { output: job.output.name(), variations, uncertainty }
    }

    /// The result by name, and what is beside it.
    fn line(&self) -> String {
        let variations = match self.variations.len() {
            0 => String::new(),
            n_variations => format!(" with {n_variations} variations"),
        };
        let map = self.uncertainty.iter().map(|name| format!(" and {name}"));
        format!("{}{variations}{}", self.output, map.collect::<String>())
    }
}

impl Done {
    pub(crate) fn new(enhanced: &Enhanced, strength: Strength, seconds: f64) -> Self {
        let report = &enhanced.report;
        Self {
            format: enhanced.format.name(),
            width: enhanced.width,
            height: enhanced.height,
            scale: report.scale,
            strength_mode: if strength == Strength::Auto { "auto" } else { "fixed" },
            strength: report.strength,
            mean_before: report.mean_before,
            mean_after: report.mean_after,
            geometric_mean: report.exposure.geometric_mean,
            dark_share: report.exposure.dark_share,
            n_tiles: report.n_tiles,
            is_approximate: report.is_approximate,
            precision: report.precision.name(),
            device: report.device.name(),
            seconds,
            warnings: enhanced.warnings.clone(),
        }
    }

    /// One line: what was done, and why.
    pub(crate) fn line(&self, input: &str, output: &str) -> String {
        let percent = |share: f64| (100.0 * share).round();
        let Self { width, height, scale, .. } = self;
        let size = match scale {
            1 => format!("{width}x{height}"),
            _ => format!("{}x{} → {width}x{height}", width / scale, height / scale),
        };
        let did = match (self.strength_mode, self.strength) {
            ("auto", 0.0) if *scale > 1 => "well lit, only enlarged".to_owned(),
            ("auto", 0.0) => "well lit, left as it is".to_owned(),
            (mode, strength) => format!(
                "brightness {} % → {} %, strength {strength:.2} ({mode})",
                percent(self.mean_before),
                percent(self.mean_after),
            ),
        };
        let tiles = match (self.n_tiles, self.is_approximate) {
            (0 | 1, _) => String::new(),
            (n_tiles, false) => format!(", {n_tiles} tiles"),
            (n_tiles, true) => format!(", {n_tiles} tiles (approximate)"),
        };
        format!("{input} → {output}: {size}, {did}{tiles}, {:.1} s", self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tapetum::Draws;

    use super::*;
    use crate::plan::{Further, Place};

    #[test]
    fn what_is_beside_the_result_is_listed_for_people_and_programs() {
        let job = |has_variations, has_map| Job {
            input: Place::Pipe,
            output: Place::File("a.jpg".into()),
            format: None,
            further: Some(Further {
                draws: Draws { n_samples: 2, seed: 0 },
                has_variations,
                has_map,
            }),
        };
        let files = |has_variations, has_map| Files::of(&job(has_variations, has_map));
        let variations = ["a-sample-1.jpg", "a-sample-2.jpg"];
        for (files, line, json) in [
            (files(false, false), "a.jpg", json!({"output": "a.jpg"})),
            (
                files(true, false),
                "a.jpg with 2 variations",
                json!({"output": "a.jpg", "variations": variations}),
            ),
            (
                files(true, true),
                "a.jpg with 2 variations and a-uncertainty.png",
                json!({
                    "output": "a.jpg",
                    "variations": variations,
                    "uncertainty": "a-uncertainty.png",
                }),
            ),
        ] {
            assert_eq!(files.line(), line);
            let report =
                FileReport { input: "b".into(), files: Some(files), outcome: Outcome::Skipped };
            let mut expected = json;
            expected["input"] = "b".into();
            expected["status"] = "skipped".into();
            assert_eq!(serde_json::to_value(report).unwrap(), expected);
        }
    }

    #[test]
    fn an_enlarged_result_is_told_with_both_sizes() {
        let line = |strength| {
            let done = Done {
                format: "PNG",
                width: 96,
                height: 64,
                scale: 2,
                strength_mode: "auto",
                strength,
                mean_before: 0.1,
                mean_after: 0.4,
                geometric_mean: 0.1,
                dark_share: 1.0,
                n_tiles: 1,
                is_approximate: false,
                precision: "f32",
                device: "CPU",
                seconds: 2.0,
                warnings: Vec::new(),
            };
            done.line("a", "b")
        };
        assert_eq!(line(0.0), "a → b: 48x32 → 96x64, well lit, only enlarged, 2.0 s");
        assert!(line(1.0).starts_with("a → b: 48x32 → 96x64, brightness 10 % → 40 %"));
    }

    #[test]
    fn a_result_that_is_only_close_to_the_whole_photographs_is_said_to_be() {
        let line = |n_tiles, is_approximate| {
            let done = Done {
                format: "PNG",
                width: 48,
                height: 32,
                scale: 1,
                strength_mode: "fixed",
                strength: 1.0,
                mean_before: 0.1,
                mean_after: 0.4,
                geometric_mean: 0.1,
                dark_share: 1.0,
                n_tiles,
                is_approximate,
                precision: "f32",
                device: "CPU",
                seconds: 2.0,
                warnings: Vec::new(),
            };
            done.line("a", "b").replace("a → b: 48x32, brightness 10 % → 40 %, strength 1.00 ", "")
        };
        assert_eq!(line(1, false), "(fixed), 2.0 s");
        assert_eq!(line(6, false), "(fixed), 6 tiles, 2.0 s");
        assert_eq!(line(6, true), "(fixed), 6 tiles (approximate), 2.0 s");
    }
}
