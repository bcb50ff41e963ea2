//! Arguments of the commands about data sets.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Report what lies in folders: layout, parts, counts, and photographs that train and test parts share
    Check {
        /// Folders of data sets
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
        /// Folders of data sets that must share nothing with those
        #[arg(long, value_name = "DIR")]
        against: Vec<PathBuf>,
        /// How many of 64 bits of the perceptual hash may differ
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=32))]
        bits: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SynthesizeArguments {
    /// Folders of well-lit photographs
    #[arg(required = true, value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    /// Folder for the pairs: low/, high/ and synthesis.jsonl, which says how each was made
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Where the numbers are drawn from, in TOML: exposure, gamma, cast, iso, jpeg_share, jpeg_quality
    #[arg(long, value_name = "FILE")]
    pub(crate) range: Option<PathBuf>,
    /// How many times smaller the dark photographs are on each side
    #[arg(short, long, value_parser = ["1", "2", "4"])]
    pub(crate) scale: Option<String>,
    /// The same seed gives the same pairs
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Replace existing files
    #[arg(long)]
    pub(crate) overwrite: bool,
}
