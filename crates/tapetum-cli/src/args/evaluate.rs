//! Arguments of the commands that measure how good results are.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tapetum::{Strength, evaluate::SEGMENTERS};

use super::{EnhancePrecision, parse_bytes, parse_strength};

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// Folder of a data set: low/ and high/ (or input/ and gt/ and the like) are pairs, image/ and label/
    /// are labelled, images alone are unpaired
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Vec<PathBuf>,
    /// Folder of references, where no data set names them
    #[arg(short, long, value_name = "DIR", conflicts_with = "data")]
    pub(crate) references: Option<PathBuf>,
    /// Folder of the dark images that belong to the references
    #[arg(short, long, value_name = "DIR", requires = "references")]
    pub(crate) inputs: Option<PathBuf>,
    /// Folder of results to score; their names are those of the dark images or of the references
    #[arg(short = 't', long, value_name = "DIR")]
    pub(crate) outputs: Vec<PathBuf>,
    /// Methods to run, see 'tapetum methods'; none and clahe always take part
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) method: Vec<String>,
    /// Weights to run: names from 'tapetum models list', or .safetensors or .pth files
    #[arg(short, long, value_name = "NAME|FILE,...", value_delimiter = ',')]
    pub(crate) weights: Vec<PathBuf>,
    /// What to measure, see 'tapetum metrics list'; what a method spoils is always measured
    #[arg(
        short,
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        default_value = "psnr,ssim,ciede2000,loe,niqe-tapetum"
    )]
    pub(crate) metrics: Vec<String>,
    /// A file that a metric asks for, such as niqe=niqe_pris_params.npz; in the order it asks for several
    #[arg(long, value_name = "METRIC=FILE", value_parser = parse_metric_file)]
    pub(crate) metric_file: Vec<(String, PathBuf)>,
    /// What is done to images before they are compared: saved-8bit, truncated-8bit, float, unclamped,
    /// border-4, resized-256, gt-mean-swapped; several stand side by side
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "saved-8bit")]
    pub(crate) protocol: Vec<String>,
    /// How much of a method's change is applied: 1 is the network's own output, auto what users get
    #[arg(long, default_value = "1", value_parser = parse_strength, value_name = "0..1|auto")]
    pub(crate) strength: Strength,
    /// A network that names the class of each pixel, for sets with labels: espnet-camvid=FILE,
    /// espnet-cityscapes, deeplab-camvid or deeplab-cityscapes
    #[arg(long, value_name = "NAME=FILE", value_parser = parse_segmenter)]
    pub(crate) segmenter: Option<(String, PathBuf)>,
    /// Folder that the metric fid compares with
    #[arg(long, value_name = "DIR")]
    pub(crate) fid_references: Option<PathBuf>,
    /// Darken the photographs of labelled and unpaired sets to this share of their light first
    #[arg(long, value_name = "0..1", value_parser = parse_exposure)]
    pub(crate) exposure: Option<f32>,
    /// Folder for report.html, table.md, images.csv and report.json
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Continue in the output folder: scores that are there are not computed again
    #[arg(long, requires = "output")]
    pub(crate) resume: bool,
    /// Replace the reports in the output folder
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
    /// Title of the report
    #[arg(long, default_value = "Evaluation")]
    pub(crate) title: String,
    /// The day that the report states
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
    /// Print the report as JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) running: RunningArguments,
}

/// How methods run while they are measured.
#[derive(Debug, Args)]
pub(crate) struct RunningArguments {
    /// Numbers to compute in: bf16 is faster and rounds its operands
    #[arg(long, default_value = "auto")]
    pub(crate) precision: EnhancePrecision,
    /// Memory for a result and the work on it, e.g. 500M or 2G
    #[arg(long, default_value = "4G", value_parser = parse_bytes, value_name = "BYTES")]
    pub(crate) memory: u64,
    /// Images in flight; the default is as many as the machine has threads
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Largest image that is read, in megapixels
    #[arg(long, default_value_t = 400, value_name = "MEGAPIXELS",
          value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub(crate) max_megapixels: u32,
}

#[derive(Debug, Args)]
pub(crate) struct LeaderboardArguments {
    /// The request: sets, methods, weights, metrics and protocols, in TOML
    pub(crate) request: PathBuf,
    /// Folder that the paths in the request are relative to
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The page to write, in Markdown
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The same as one HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// The day that the page states
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
    /// Do not time the methods
    #[arg(long)]
    pub(crate) no_cost: bool,
    #[command(flatten)]
    pub(crate) running: RunningArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MetricsCommand {
    /// List the metrics: name, direction, what they compare, files they ask for
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fit the parameters of NIQE to a folder of clean, well-lit photographs
    FitNiqe {
        /// Folders of photographs
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
        /// The JSON file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// What the photographs are, for the file
        #[arg(long, default_value = "not stated")]
        data: String,
        /// The commit of this program, for the file
        #[arg(long, default_value = "")]
        commit: String,
    },
}

fn parse_metric_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("expected METRIC=FILE")?;
    Ok((name.to_owned(), path.into()))
}

fn parse_segmenter(text: &str) -> Result<(String, PathBuf), String> {
    let known = SEGMENTERS.join(", ");
    match text.split_once('=') {
        Some((name, path)) if SEGMENTERS.contains(&name) => Ok((name.to_owned(), path.into())),
        _ => Err(format!("expected NAME=FILE with one of the names {known}")),
    }
}

fn parse_exposure(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a number above 0, at most 1".to_owned()),
    }
}
