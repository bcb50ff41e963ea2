//! `cargo xtask check`: every gate in order, cheap ones first; the first failure stops.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    process::{capture, cargo, has_subcommand, run_plainly, run_watched},
    tally::Tally,
    tidy,
    workspace::Workspace,
};

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let root = workspace.root.as_path();
    let mut steps = Steps::default();
    steps.run("fmt", || run_plainly(cargo(root).args(["fmt", "--all", "--check"])))?;
    steps.run("clippy", || clippy(root, &[]))?;
    // Nobody needs a card or a toolkit to compile what is for cards.
    steps.run("clippy for cards", || clippy(root, &["--features", CARD_FEATURES]))?;
    steps.run("tidy", || tidy::report(&tidy::problems(&workspace)?))?;
    let unit = steps.run("tests", || unit_tests(root))?;
    let older = steps.run("tests without AVX-512", || tests_without_avx512(root))?;
    let doc = steps
        .run("doc tests", || run_watched(cargo(root).args(["test", "--doc", "--workspace"])))?;
    steps.run("docs", || rustdoc(root))?;
    steps.run("licences", || licences(root))?;
    steps.summarise(unit + older + doc)
}

/// Features with which the program computes on graphics cards.
const CARD_FEATURES: &str = "tapetum-cli/cuda,tapetum-cli/vulkan";

fn clippy(root: &Path, features: &[&str]) -> Result<()> {
    let mut command = cargo(root);
    command.args(["clippy", "--workspace", "--all-targets"]).args(features);
    run_plainly(command.args(["--", "-D", "warnings"]))
}

/// Runs every test but the documentation's and counts them; a run without a test is a failure.
fn unit_tests(root: &Path) -> Result<Tally> {
    let arguments: &[&str] = if has_subcommand(root, "nextest") {
        &["nextest", "run", "--workspace"]
    } else {
        println!("cargo-nextest is not installed: using cargo test");
        &["test", "--workspace", "--lib", "--bins", "--tests"]
    };
    let tally = run_watched(cargo(root).args(arguments))?;
    ensure!(tally.passed > 0, "expected tests to run, got none");
    Ok(tally)
}

/// Runs the tests of operations and methods once more as on an older machine.
fn tests_without_avx512(root: &Path) -> Result<Tally> {
    let filters = ["--", "ops::", "every_method::", "scl_lle::"];
    let mut tests = cargo(root);
    tests.args(["test", "--workspace", "--test", "it"]).args(filters);
    run_watched(tests.env("TAPETUM_INSTRUCTIONS", "avx2"))
}

fn rustdoc(root: &Path) -> Result<()> {
    let arguments = ["doc", "--no-deps", "--workspace"];
    run_plainly(cargo(root).args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The second opinion on licences and sources; tidy has already checked them without cargo-deny.
fn licences(root: &Path) -> Result<()> {
    if !has_subcommand(root, "deny") {
        println!("cargo-deny is not installed: skipped (tidy has checked licences and sources)");
        return Ok(());
    }
    let version = capture(cargo(root).args(["deny", "--version"])).context("cargo-deny")?;
    println!("{}", version.trim());
    run_plainly(cargo(root).args(["deny", "check", "licenses", "bans", "sources"]))
}

/// The steps that have passed, with the time each took.
#[derive(Default)]
struct Steps {
    passed: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn run<T>(&mut self, name: &'static str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("==> {name}");
        let start = Instant::now();
        let value = step().with_context(|| format!("check stopped at {name}"))?;
        let elapsed = start.elapsed();
        println!("==> {name}: ok, {:.1} s", elapsed.as_secs_f64());
        self.passed.push((name, elapsed));
        Ok(value)
    }

    /// Prints the steps once more and closes with the one line that counts all tests.
    fn summarise(&self, tests: Tally) -> Result<()> {
        println!();
        for (name, elapsed) in &self.passed {
            println!("{name:<10} {:>8.1} s", elapsed.as_secs_f64());
        }
        let total: Duration = self.passed.iter().map(|(_, elapsed)| elapsed).sum();
        println!("{:<10} {:>8.1} s", "total", total.as_secs_f64());
        println!("{tests}");
        Ok(())
    }
}
