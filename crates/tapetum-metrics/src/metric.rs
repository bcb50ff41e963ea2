//! What every metric tells about itself, and the one way to call it.

use serde::{Deserialize, Serialize};

use crate::{error::MetricError, picture::Picture};

/// The facts about a metric that tables and documentation read.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricCard {
    /// The name on the command line, e.g. `ssim`.
    pub name: &'static str,
    /// The heading in tables, e.g. `SSIM`.
    pub title: &'static str,
    /// What it is, in one sentence.
    pub description: &'static str,
    /// Where it comes from.
    pub citation: &'static str,
    /// What it looks at beside the result.
    pub needs: Needs,
    /// Which scores are better.
    pub better: Better,
    /// Digits after the point in tables.
    pub n_digits: usize,
    /// Unit; empty if there is none.
    pub unit: &'static str,
    /// Whether it says what a method spoils, rather than how good it is.
    pub is_harm: bool,
    /// Files that the user supplies, in the order they are asked for.
    pub files: &'static [MetricFile],
}

/// A file of parameters or weights that does not come with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricFile {
    /// The file's usual name.
    pub name: &'static str,
    /// What it holds.
    pub what: &'static str,
    /// Where people get it.
    pub source: &'static str,
    /// Under what terms, as far as its publisher says.
    pub licence: &'static str,
}

/// What a metric looks at beside the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The well-lit reference.
    Reference,
    /// The dark image.
    Low,
    /// Nothing.
    Nothing,
}

/// Which scores are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Higher ones.
    Higher,
    /// Lower ones.
    Lower,
    /// Neither: the number describes.
    Neither,
}

impl Better {
    /// An arrow that points where the better scores are; empty if neither are better.
    pub fn arrow(self) -> &'static str {
        match self {
            Self::Higher => "\u{2191}",
            Self::Lower => "\u{2193}",
            Self::Neither => "",
        }
    }

    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Higher => "higher is better",
            Self::Lower => "lower is better",
            Self::Neither => "neither is better",
        }
    }

    /// `value` such that higher is better; none where no order is meant.
    pub fn merit(self, value: f64) -> Option<f64> {
        match self {
            Self::Higher => Some(value),
            Self::Lower => Some(-value),
            Self::Neither => None,
        }
        .filter(|merit| !merit.is_nan())
    }
}

/// What there is to look at, all of one size.
#[derive(Debug, Clone, Copy)]
pub struct Views<'a> {
    /// The dark image.
    pub low: Option<&'a Picture>,
    /// The result.
    pub enhanced: &'a Picture,
    /// The well-lit reference.
    pub reference: Option<&'a Picture>,
}

type Measure = dyn Fn(Views) -> Result<f64, MetricError> + Send + Sync;

/// A metric with its parameters, ready to score.
pub struct Metric {
    /// What it tells about itself.
    pub card: &'static MetricCard,
    /// SHA-256 of the parameters it was given, where it has any.
    pub parameters_sha256: Option<String>,
    measure: Box<Measure>,
}

impl Metric {
    /// States which parameters it was given.
    pub fn with_parameters(self, sha256: String) -> Self {
        Self { parameters_sha256: Some(sha256), ..self }
    }

    /// A metric that looks at the result alone.
    pub fn of_result(
        card: &'static MetricCard,
        measure: impl Fn(&Picture) -> Result<f64, MetricError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            card,
            parameters_sha256: None,
            measure: Box::new(move |views| measure(views.enhanced)),
        }
    }

    /// A metric that compares the result (first) with what its card says it needs (second).
    pub fn of_two(
        card: &'static MetricCard,
        measure: impl Fn(&Picture, &Picture) -> Result<f64, MetricError> + Send + Sync + 'static,
    ) -> Self {
        let missing = || MetricError::Undefined {
            metric: card.name,
            detail: "there is nothing to compare the result with".to_owned(),
        };
        let measure = move |views: Views<'_>| {
            let other = match card.needs {
                Needs::Low => views.low,
                _ => views.reference,
            };
            measure(views.enhanced, other.ok_or_else(missing)?)
        };
        Self { card, parameters_sha256: None, measure: Box::new(measure) }
    }

    /// Whether there is all that it looks at.
    pub fn applies(&self, views: Views) -> bool {
        match self.card.needs {
            Needs::Reference => views.reference.is_some(),
            Needs::Low => views.low.is_some(),
            Needs::Nothing => true,
        }
    }

    /// The score.
    ///
    /// # Errors
    /// Sizes differ, the image is too small for the metric, or the metric is not defined for it.
    pub fn score(&self, views: Views) -> Result<f64, MetricError> {
        let first = views.enhanced;
        let others = [views.low, views.reference].into_iter().flatten();
        for second in others {
            if (first.width(), first.height()) != (second.width(), second.height()) {
                return Err(MetricError::Sizes {
                    first_width: first.width(),
                    first_height: first.height(),
                    second_width: second.width(),
                    second_height: second.height(),
                });
            }
        }
        (self.measure)(views)
    }
}
