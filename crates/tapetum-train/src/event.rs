//! What a run tells whoever watches it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tapetum_nn::recipe::TermValue;

use crate::validate::Score;

/// Something that happened in a run.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// All data was found; the first step begins.
    Started {
        /// Steps that a checkpoint brought.
        n_done: usize,
        /// Steps of the whole run.
        n_steps: usize,
        /// Photographs of each part of the data.
        n_photographs: &'a [(String, usize)],
    },
    /// A step was made.
    Step {
        /// Steps so far, of all processes.
        n_done: usize,
        /// Each term of the loss, and other numbers of the step.
        terms: &'a [TermValue],
        /// Photographs in the step.
        n_photographs: usize,
        /// Since [`Event::Started`].
        elapsed: Duration,
    },
    /// The method has noticed something about the run.
    Warned {
        /// Steps so far.
        n_done: usize,
        /// One sentence.
        message: &'a str,
    },
    /// The network was validated.
    Validated {
        /// Steps so far.
        n_done: usize,
        /// Of each set.
        scores: &'a [Score],
        /// Enhanced photographs, as files.
        samples: &'a [SampleFile],
    },
    /// A checkpoint was written.
    Saved {
        /// Steps so far.
        n_done: usize,
        /// The checkpoint.
        path: &'a Path,
    },
    /// The weights are the best so far and were written.
    Best {
        /// Steps so far.
        n_done: usize,
        /// The weights.
        path: &'a Path,
        /// What they were chosen by.
        score: f64,
    },
    /// The run was asked to stop, and stopped after a checkpoint.
    Interrupted {
        /// Steps so far.
        n_done: usize,
    },
}

/// A picture that a validation saved: dark, enhanced and, where there is one, the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleFile {
    /// The picture.
    pub path: PathBuf,
    /// Of the enhanced photograph against the reference, where there is one, as in [`Score`].
    pub psnr_db: Option<f64>,
}
