//! The command line: every command, option and help text.

mod data;
mod draws;
mod evaluate;

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser},
};
use clap_complete::Shell;
use tapetum::{
    Format, PrecisionMode, Strength, TilingMode,
    bench::{N_PIXELS_MAX, N_RUNS_MAX, Precision, SIDE_MAX, WORKS},
};

pub(crate) use self::data::{DataCommand, SynthesizeArguments};
pub(crate) use self::draws::DrawArguments;
pub(crate) use self::evaluate::{
    EvaluateArguments, LeaderboardArguments, MetricsCommand, RunningArguments,
};

/// Words that may stand first; any other first argument is an input of `enhance`.
pub(crate) const FIRST_WORDS: [&str; 19] = [
    "enhance",
    "methods",
    "models",
    "train",
    "evaluate",
    "leaderboard",
    "metrics",
    "cost",
    "data",
    "synthesize",
    "bench",
    "completions",
    "man",
    "help-markdown",
    "help",
    "-h",
    "--help",
    "-V",
    "--version",
];

/// Makes dark photographs bright.
///
/// `tapetum photo.jpg` is short for `tapetum enhance photo.jpg`: it writes photo-bright.jpg beside it.
#[derive(Debug, Parser)]
#[command(name = "tapetum", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print what was measured and decided for each file
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all done, 1 some files failed (listed), 2 wrong usage or \
                          unusable weights, 3 the environment lacks something.";

/// How much is printed to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

impl Arguments {
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Brighten photographs
    Enhance(EnhanceArguments),
    /// List the methods
    Methods(MethodsArguments),
    /// List, inspect, convert and check weights
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Train a recipe
    Train(TrainArguments),
    /// Score methods or results, with intervals, baselines and what they spoil
    Evaluate(Box<EvaluateArguments>),
    /// Write a page of scores from a request
    Leaderboard(LeaderboardArguments),
    /// List what can be measured; fit parameters
    #[command(subcommand)]
    Metrics(MetricsCommand),
    /// Look at data sets
    #[command(subcommand)]
    Data(DataCommand),
    /// Make dark photographs from well-lit ones, with the noise of a sensor, as pairs
    Synthesize(SynthesizeArguments),
    /// Measure how fast this machine is
    Bench(BenchArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    Man,
    /// Print the cost of a 600x400 image as JSON: milliseconds and bytes
    #[command(hide = true)]
    Cost {
        /// A method without weights, or weights by name or file
        model: PathBuf,
    },
    /// Print this reference as Markdown
    #[command(hide = true)]
    HelpMarkdown,
}

#[derive(Debug, Args)]
pub(crate) struct EnhanceArguments {
    /// Files, folders (searched in depth), patterns, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Output file, or folder in which the tree of the inputs is mirrored; - for standard output.
    /// Without it, photo.jpg becomes photo-bright.jpg and FOLDER becomes FOLDER-bright
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Method; see 'tapetum methods'
    #[arg(short, long)]
    pub(crate) method: Option<String>,
    /// Weights: a name from 'tapetum models list', or a .safetensors or .pth file
    #[arg(short, long, value_name = "NAME|FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Enlarge so many times on each side: by weights that brighten and enlarge where there are such, else by
    /// the method and a Lanczos filter on its result. The default is the network's own scale, mostly 1
    #[arg(short, long, value_name = "1|2|4", value_parser = parse_scale)]
    pub(crate) scale: Option<u32>,
    /// Weights of a second network, which runs on the result of the first: a name or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) then: Option<PathBuf>,
    /// How much of the change to apply: 0 (none) to 1 (all of it, everywhere), or auto (what the
    /// exposure asks for: dark regions are lifted, well-lit photographs stay as they are)
    #[arg(long, default_value = "auto", value_parser = parse_strength, value_name = "0..1|auto")]
    pub(crate) strength: Strength,
    /// Where to compute; what there is depends on how the program was built
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Estimate the change on a reduced copy: many times faster, for photographs of many megapixels, and
    /// close to the exact result
    #[arg(long)]
    pub(crate) fast: bool,
    /// Numbers to compute in: bf16 and f16 are faster and round factors
    #[arg(long, default_value = "auto")]
    pub(crate) precision: EnhancePrecision,
    /// Whether a photograph may be cut into tiles
    #[arg(long, default_value = "auto")]
    pub(crate) tiles: TilesChoice,
    /// Memory for a result and the work on it, beyond the decoded photograph, e.g. 500M or 2G
    #[arg(long, default_value = "1G", value_parser = parse_bytes, value_name = "BYTES")]
    pub(crate) memory: u64,
    /// Photographs in flight: loading, computing and saving overlap; each holds one decoded
    /// photograph in memory
    #[arg(short, long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Continue in an output folder: what is done and unchanged is skipped
    #[arg(long)]
    pub(crate) resume: bool,
    /// Replace existing output files
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Output format; the default is the input's own
    #[arg(long, value_parser = parse_format)]
    pub(crate) format: Option<Format>,
    /// Quality of JPEG files, 1 to 100
    #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: u8,
    /// Largest photograph that is read or enlarged to, in megapixels
    #[arg(long, default_value_t = 400, value_name = "MEGAPIXELS",
          value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub(crate) max_megapixels: u32,
    #[command(flatten)]
    pub(crate) draws: DrawArguments,
    /// Print a report of all files as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceChoice {
    /// The fastest that answers: an NVIDIA card, another card with a Vulkan driver, or the CPU, which also
    /// takes over where a card gives up
    Auto,
    /// The CPU
    Cpu,
    /// An NVIDIA card
    Cuda,
    /// A card with a Vulkan driver
    Vulkan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnhancePrecision {
    /// 32-bit floats; bf16 where the machine has a matrix unit for it and the photograph stays the same
    Auto,
    /// 32-bit floats
    F32,
    /// Factors of 8 significant bits, summed in 32 bits
    Bf16,
    /// The same with factors of 11 significant bits, on graphics cards
    F16,
}

impl From<EnhancePrecision> for PrecisionMode {
    fn from(choice: EnhancePrecision) -> Self {
        match choice {
            EnhancePrecision::Auto => Self::Auto,
            EnhancePrecision::F32 => Self::Fixed(Precision::F32),
            EnhancePrecision::Bf16 => Self::Fixed(Precision::Bf16),
            EnhancePrecision::F16 => Self::Fixed(Precision::F16),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TilesChoice {
    /// As the memory asks for. Where a method's tiles only come close to the whole, they are as large as
    /// the memory holds, and the report says that the result is approximate
    Auto,
    /// One for the whole photograph, or an error with the bytes that it needs
    Whole,
}

impl From<TilesChoice> for TilingMode {
    fn from(choice: TilesChoice) -> Self {
        match choice {
            TilesChoice::Auto => Self::Auto,
            TilesChoice::Whole => Self::Whole,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct MethodsArguments {
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Print the page docs/methods.md
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the weights in the program and those you imported
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print where weights come from and what they hold
    Show {
        /// A name from the list, or a file
        #[arg(value_name = "NAME|FILE")]
        model: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Convert a weight file (.pth or .safetensors) and add it to the list under a name
    Import(ImportArguments),
    /// Write weights to a safetensors file
    Export {
        /// A name from the list, or a file
        #[arg(value_name = "NAME|FILE")]
        model: PathBuf,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Check that weights are whole, fit their method and give a sane picture
    Verify {
        /// Names or files; all of the list if there are none
        #[arg(value_name = "NAME|FILE")]
        models: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The file
    pub(crate) file: PathBuf,
    /// The method it belongs to, where the file does not say
    #[arg(short, long)]
    pub(crate) method: Option<String>,
    /// The name in the list; the default is the file's own
    #[arg(short, long)]
    pub(crate) name: Option<String>,
    /// Write here instead of adding to the list
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The licence, as its authors state it
    #[arg(long, default_value = "not stated")]
    pub(crate) licence: String,
    /// The dict of tensors to read, such as params or params_ema, where a .pth file has several; the default is the
    /// averaged one
    #[arg(long, value_name = "NAME")]
    pub(crate) tensors: Option<String>,
    /// CollaBA's singular vectors: as they are in the file, or found anew from its weights. What either gives is
    /// printed; the default is stored
    #[arg(long)]
    pub(crate) spectral_norm: Option<SpectralNorm>,
}

/// Where the singular vectors of a spectral norm come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpectralNorm {
    /// As they are in the file
    Stored,
    /// Found by the power iteration
    Recompute,
}

#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// The recipe
    pub(crate) recipe: PathBuf,
    /// Folder that the recipe's folders are relative to
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Folder of the run: journal, checkpoints, samples and weights; an unfinished run there is continued
    #[arg(short, long, value_name = "RUN", required_unless_present = "print_config")]
    pub(crate) output: Option<PathBuf>,
    /// Change a setting of the recipe, such as run.n_steps=500
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Print the recipe with every setting, and do not train
    #[arg(long)]
    pub(crate) print_config: bool,
    /// A line for the header of the weights, such as data='485 pairs of LOL-v1'
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_note)]
    pub(crate) note: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// What to measure; everything that computes in the precision if there are none
    #[arg(value_name = "WORK", value_parser = works())]
    pub(crate) works: Vec<String>,
    /// List what can be measured: name, size, precisions
    #[arg(short, long)]
    pub(crate) list: bool,
    /// Runs that count, after a few to warm up
    #[arg(short, long, default_value_t = 15,
          value_parser = clap::value_parser!(u16).range(1..=i64::from(N_RUNS_MAX)))]
    pub(crate) runs: u16,
    /// Where to compute
    #[arg(long, default_value = "cpu")]
    pub(crate) device: DeviceChoice,
    /// Numbers to compute in
    #[arg(long, default_value = "f32")]
    pub(crate) precision: PrecisionChoice,
    /// Size of the picture; each has its own without it
    #[arg(long, value_parser = parse_size, value_name = "WIDTHxHEIGHT")]
    pub(crate) size: Option<(u32, u32)>,
    /// Threads to compute on; the default is as many as the machine offers
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// A photograph to load, process and save instead of a made-up one
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    /// Write what came out of the one work: little-endian 32-bit floats, row by row
    #[arg(long, value_name = "FILE")]
    pub(crate) dump: Option<PathBuf>,
    /// Print a JSON object a line for each
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionChoice {
    /// 32-bit floats
    F32,
    /// Factors of 8 significant bits, summed in 32 bits
    Bf16,
    /// The same with factors of 11 significant bits, on graphics cards
    F16,
}

impl From<PrecisionChoice> for Precision {
    fn from(choice: PrecisionChoice) -> Self {
        match choice {
            PrecisionChoice::F32 => Self::F32,
            PrecisionChoice::Bf16 => Self::Bf16,
            PrecisionChoice::F16 => Self::F16,
        }
    }
}

fn works() -> PossibleValuesParser {
    WORKS.iter().map(|work| PossibleValue::new(work.name).help(work.description)).into()
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=SIDE_MAX).contains(side));
    let sides =
        text.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
    let fits = |&(width, height): &(u32, u32)| u64::from(width) * u64::from(height) <= N_PIXELS_MAX;
    sides.filter(fits).ok_or_else(|| {
        format!(
            "expected a size such as 600x400, sides up to {SIDE_MAX} and {} megapixels together",
            N_PIXELS_MAX / 1_000_000
        )
    })
}

fn parse_strength(text: &str) -> Result<Strength, String> {
    if text == "auto" {
        return Ok(Strength::Auto);
    }
    match text.parse::<f32>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(Strength::Fixed(share)),
        _ => Err("expected a number from 0 to 1, or auto".to_owned()),
    }
}

fn parse_scale(text: &str) -> Result<u32, String> {
    let scale = [1, 2, 4].into_iter().find(|scale| scale.to_string() == text);
    scale.ok_or_else(|| "expected 1, 2 or 4".to_owned())
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let expected = || "expected a size such as 500M or 2G".to_owned();
    let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_alphabetic()).len());
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(expected()),
    };
    let number: f64 = number.trim().parse().map_err(|_| expected())?;
    let bytes = number * (1u64 << shift) as f64;
    if bytes.is_finite() && (1.0..=1e15).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(expected())
    }
}

fn parse_format(text: &str) -> Result<Format, String> {
    let writable = || Format::ALL.into_iter().filter(|format| format.can_write());
    let found = Format::from_extension(text).filter(|format| format.can_write());
    found.ok_or_else(|| {
        let names: Vec<_> = writable().map(|format| format.extensions()[0]).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn parse_note(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
        let commands = Arguments::command();
        for command in commands.get_subcommands() {
            assert!(FIRST_WORDS.contains(&command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn sizes_and_strengths_have_units_and_bounds() {
        assert_eq!(parse_bytes("500M"), Ok(500 << 20));
        assert_eq!(parse_bytes("1.5g"), Ok(3 << 29));
        for bad in ["", "G", "-1G", "nanM", "1X", "1e30"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_size("600x400"), Ok((600, 400)));
        assert_eq!(parse_size("16384x1"), Ok((16_384, 1)));
        for bad in ["", "600", "x400", "600x0", "16385x1", "16384x16384", "600x400x3", "-1x1"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_strength("0.5"), Ok(Strength::Fixed(0.5)));
        for bad in ["", "1.01", "-0.1", "nan", "full"] {
            assert!(parse_strength(bad).is_err(), "{bad}");
        }
    }
}
