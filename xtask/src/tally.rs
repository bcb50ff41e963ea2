//! Counts tests from the lines with which cargo's test runners close.

use std::{fmt, ops::Add};

/// How many tests did what, summed over all test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// What one line of output adds: zero for every line but a runner's closing one.
    ///
    /// `cargo test` closes each binary with `test result: ok. 3 passed; 0 failed; 1 ignored; …`,
    /// nextest the whole run with `Summary [ 0.1s] 3 tests run: 3 passed (1 slow), 1 skipped`.
    pub(crate) fn of_line(line: &str) -> Self {
        let line = line.trim();
        let counts = if let Some(rest) = line.strip_prefix("test result:") {
            rest
        } else if line.starts_with("Summary [") {
            line.split_once(" run:").map_or("", |(_, rest)| rest)
        } else {
            ""
        };
        let words: Vec<&str> = counts.split_whitespace().collect();
        words
            .windows(2)
            .map(|pair| Self::of_pair(pair[0], pair[1]))
            .fold(Self::default(), Self::add)
    }

    fn of_pair(count: &str, what: &str) -> Self {
        let n = count.parse().unwrap_or(0);
        match what.trim_end_matches([',', ';']) {
            "passed" => Self { passed: n, ..Self::default() },
            "failed" => Self { failed: n, ..Self::default() },
            "skipped" | "ignored" => Self { skipped: n, ..Self::default() },
            _ => Self::default(),
        }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_counted_and_no_others() {
        let cases = [
            ("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out", 3, 0, 1),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured", 3, 2, 0),
            ("     Summary [   0.014s] 12 tests run: 12 passed, 0 skipped", 12, 0, 0),
            (
                "Summary [ 9.1s] 7/9 tests run: 5 passed (1 slow, 1 flaky), 2 failed, 4 skipped",
                5,
                2,
                4,
            ),
            ("Summary [ 0.0s] 1 test run: 1 passed, 0 skipped", 1, 0, 0),
            ("running 5 tests", 0, 0, 0),
            ("the photograph was passed, 3 failed", 0, 0, 0),
        ];
        for (line, passed, failed, skipped) in cases {
            assert_eq!(Tally::of_line(line), Tally { passed, failed, skipped }, "{line}");
        }
    }

    #[test]
    fn tallies_add_up_and_print_as_one_line() {
        let one = Tally { passed: 3, failed: 0, skipped: 1 };
        let two = Tally { passed: 4, failed: 2, skipped: 0 };
        assert_eq!((one + two).to_string(), "7 passed, 2 failed, 1 skipped");
    }
}
