//! The files that come of one photograph: the result, and what is drawn beside it.

use std::path::{Path, PathBuf};

use tapetum::Draws;

use super::{Job, Place, target::with_ending};

/// What is written beside each result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Further {
    pub(crate) draws: Draws,
    /// Whether the variations themselves are written.
    pub(crate) has_variations: bool,
    /// Whether the map of how far they lie apart is.
    pub(crate) has_map: bool,
}

/// What a file is, and what beside the photograph and the settings decides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Result,
    Variation {
        /// From 1 on.
        number: u32,
        seed: u64,
    },
    /// The map of how far variations lie apart.
    Uncertainty(Draws),
}

impl Further {
    /// In the order in which they are made.
    fn products(&self) -> impl Iterator<Item = Product> {
        let Self { draws, .. } = *self;
        let n_variations = if self.has_variations { draws.n_samples } else { 0 };
        let variation = move |number| Product::Variation { number, seed: draws.seed };
        let map = self.has_map.then_some(Product::Uncertainty(draws));
        (1..=n_variations).map(variation).chain(map)
    }
}

/// How many files come of one photograph.
pub(super) fn n_files(further: Option<Further>) -> usize {
    1 + further.map_or(0, |further| further.products().count())
}

impl Job {
    /// Its files: the result, then what is beside it; none for a pipe.
    pub(crate) fn files(&self) -> Vec<(Product, PathBuf)> {
        let Place::File(result) = &self.output else { return Vec::new() };
        let further = self.further.iter().flat_map(Further::products);
        let products = std::iter::once(Product::Result).chain(further);
        products.map(|product| (product, path(result, product))).collect()
    }
}

fn path(result: &Path, product: Product) -> PathBuf {
    match product {
        Product::Result => result.to_owned(),
        Product::Variation { number, .. } => with_ending(result, &format!("-sample-{number}")),
        Product::Uncertainty(_) => with_ending(result, "-uncertainty").with_extension("png"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: &str, has_variations: bool, has_map: bool, expected: &[&str]) {
        let draws = Draws { n_samples: 3, seed: 7 };
        let further = Some(Further { draws, has_variations, has_map });
        let output = Place::File(PathBuf::from(result));
        let job = Job { input: Place::Pipe, output, format: None, further };
        let files = job.files();
        let paths: Vec<_> = files.iter().map(|(_, path)| path.to_str().unwrap()).collect();
        assert_eq!(paths, expected);
        assert_eq!(n_files(further), files.len());
        for (product, path) in files {
            let expected = match path.to_str().unwrap() {
                path if path == result => Product::Result,
                path if path.ends_with("-uncertainty.png") => Product::Uncertainty(draws),
                path => {
                    let stem = path.split('.').next().unwrap();
                    let number = stem.rsplit('-').next().unwrap().parse().unwrap();
                    Product::Variation { number, seed: 7 }
                }
            };
            assert_eq!(product, expected);
        }
    }

    #[test]
    fn names_follow_the_result_and_the_map_is_a_png() {
        let samples =
            ["out/a.jpg", "out/a-sample-1.jpg", "out/a-sample-2.jpg", "out/a-sample-3.jpg"];
        check("out/a.jpg", true, false, &samples);
        check("out/a.jpg", true, true, &[&samples[..], &["out/a-uncertainty.png"]].concat());
        check("out/a.jpg", false, true, &["out/a.jpg", "out/a-uncertainty.png"]);
        check(
            "b",
            true,
            true,
            &["b", "b-sample-1", "b-sample-2", "b-sample-3", "b-uncertainty.png"],
        );
    }

    #[test]
    fn a_name_with_several_points_keeps_all_but_its_ending() {
        check("a.b.tif", false, true, &["a.b.tif", "a.b-uncertainty.png"]);
    }

    #[test]
    fn a_pipe_has_no_files() {
        let draws = Draws { n_samples: 3, seed: 7 };
        let further = Some(Further { draws, has_variations: true, has_map: true });
        let job = Job { input: Place::Pipe, output: Place::Pipe, format: None, further };
        assert_eq!(job.files(), []);
    }
}
