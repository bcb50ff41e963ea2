//! The arguments of `tapetum enhance` for methods that draw.

use clap::{ArgGroup, Args};
use tapetum::Draws;

use crate::plan::Further;

/// Range of `--samples`, in the type that the parser takes.
const N_SAMPLES: std::ops::RangeInclusive<i64> =
    *Draws::N_SAMPLES.start() as i64..=*Draws::N_SAMPLES.end() as i64;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("drawn").multiple(true))]
pub(crate) struct DrawArguments {
    /// Also write this many variations of each photograph, as the method draws them:
    /// NAME-sample-1.EXT and so on beside NAME.EXT
    #[arg(long, group = "drawn", value_name = "N",
          value_parser = clap::value_parser!(u32).range(N_SAMPLES))]
    pub(crate) samples: Option<u32>,
    /// Also write NAME-uncertainty.png: how far variations lie apart at each pixel, white at a standard
    /// deviation of 0.1; over the variations of --samples, or over 8 that are not written
    #[arg(long, group = "drawn")]
    pub(crate) uncertainty: bool,
    /// Decides what is drawn
    #[arg(long, default_value_t = 0, requires = "drawn", value_name = "S")]
    pub(crate) seed: u64,
}

impl DrawArguments {
    /// What is written beside each result; `None` for nothing.
    pub(crate) fn further(&self) -> Option<Further> {
        let n_samples = self.samples.or(self.uncertainty.then_some(Draws::N_SAMPLES_DEFAULT))?;
        Some(Further {
            draws: Draws { n_samples, seed: self.seed },
            has_variations: self.samples.is_some(),
            has_map: self.uncertainty,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        draws: DrawArguments,
    }

    fn further(arguments: &[&str]) -> Option<Further> {
        let line = Line::try_parse_from(["line"].iter().chain(arguments));
        line.unwrap_or_else(|error| panic!("{arguments:?}: {error}")).draws.further()
    }

    #[test]
    fn variations_and_map_come_together_or_alone() {
        let of = |n_samples, seed, has_variations, has_map| {
            Some(Further { draws: Draws { n_samples, seed }, has_variations, has_map })
        };
        let cases: [(&[&str], _); 6] = [
            (&[], None),
            (&["--samples", "2"], of(2, 0, true, false)),
            (&["--samples", "64", "--seed", "9"], of(64, 9, true, false)),
            (&["--uncertainty"], of(8, 0, false, true)),
            (&["--uncertainty", "--seed", "18446744073709551615"], of(8, u64::MAX, false, true)),
            (&["--seed", "3", "--uncertainty", "--samples", "5"], of(5, 3, true, true)),
        ];
        for (arguments, expected) in cases {
            assert_eq!(further(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn a_seed_alone_decides_nothing_and_is_refused() {
        let error = Line::try_parse_from(["line", "--seed", "0"]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::MissingRequiredArgument);
    }
}
