//! What is known of a training so far, and the texts that say it. No clock: times come with the events.

use std::{collections::VecDeque, time::Duration};

use tapetum::train::{Event, SampleFile, Score, TermValue};

use super::text;

/// Steps that a mean and the speed look back on.
const N_STEPS_BACK: usize = 50;

/// Everything that events have told.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) n_done: usize,
    pub(super) n_steps: usize,
    /// Steps that were done before this process.
    n_done_before: usize,
    elapsed: Duration,
    /// When recent steps ended, and how many photographs they saw.
    recent: VecDeque<(Duration, usize)>,
    terms: Vec<Term>,
    validation: Validation,
    checkpoint: Option<String>,
    best: Option<String>,
}

/// A number of a step, and its exponential mean.
#[derive(Debug)]
struct Term {
    name: &'static str,
    value: f64,
    mean: f64,
}

/// The last validation.
#[derive(Debug, Default)]
struct Validation {
    n_done: usize,
    scores: Vec<Standing>,
    samples: Vec<SampleFile>,
}

/// The score of a set, beside the best that it had in this process.
#[derive(Debug)]
struct Standing {
    /// The set, and what was measured where its unit does not say it.
    set: String,
    metric: &'static str,
    value: f64,
    /// The score and its step; none while all were no numbers.
    best: Option<(f64, usize)>,
}

impl Progress {
    /// Learns what happened.
    pub(super) fn take(&mut self, event: &Event) {
        match *event {
            Event::Started { n_done, n_steps, .. } => {
                *self = Self { n_done, n_steps, n_done_before: n_done, ..Self::default() };
                self.recent.push_back((Duration::ZERO, 0));
            }
            Event::Step { n_done, terms, n_photographs, elapsed } => {
                (self.n_done, self.elapsed) = (n_done, elapsed);
                self.recent.push_back((elapsed, n_photographs));
                if self.recent.len() > N_STEPS_BACK + 1 {
                    self.recent.pop_front();
                }
                self.take_terms(terms);
            }
            Event::Validated { n_done, scores, samples } => {
                let standing = |score| standing(score, n_done, &self.validation.scores);
                let scores = scores.iter().map(standing).collect();
                self.validation = Validation { n_done, scores, samples: samples.to_vec() };
            }
            Event::Warned { .. } => {}
            Event::Saved { .. } => self.checkpoint = Some(line_of(event)),
            Event::Best { .. } => self.best = Some(line_of(event)),
            Event::Interrupted { n_done } => self.n_done = n_done,
        }
    }

    /// A term that a step leaves out keeps its place.
    fn take_terms(&mut self, terms: &[TermValue]) {
        for &TermValue { name, value } in terms {
            match self.terms.iter_mut().find(|term| term.name == name) {
                None => self.terms.push(Term { name, value, mean: value }),
                Some(term) => {
                    term.value = value;
                    term.mean += (value - term.mean) / N_STEPS_BACK as f64;
                }
            }
        }
    }

    /// Speed of the last steps, validations between them included; time left as this process went so far.
    pub(super) fn pace(&self) -> String {
        let from = self.recent.front().map_or(Duration::ZERO, |&(ended, _)| ended);
        let seconds = (self.elapsed - from).as_secs_f64();
        let n_images: usize = self.recent.iter().skip(1).map(|&(_, n_images)| n_images).sum();
        let speed = (seconds > 0.0).then(|| n_images as f64 / seconds);
        let n_made = self.n_done - self.n_done_before;
        let n_left = self.n_steps.saturating_sub(self.n_done);
        let left =
            (n_made > 0 && n_left > 0).then(|| self.elapsed.mul_f64(n_left as f64 / n_made as f64));
        text::pace(speed, left)
    }

    /// What stands below the bar on a terminal, a line each.
    pub(super) fn panel(&self) -> Vec<String> {
        let names = self.terms.iter().map(|term| term.name.len());
        let sets = self.validation.scores.iter().map(|score| score.set.len() + 2);
        let width = names.chain(sets).max().unwrap_or_default();
        let mut lines: Vec<_> = self.terms.iter().map(|term| term.row(width)).collect();
        let Validation { n_done, scores, samples } = &self.validation;
        if !scores.is_empty() {
            lines.push(format!("validated at step {n_done}"));
            lines.extend(scores.iter().map(|score| {
                format!("  {:<width$} {}", score.set, score.text(*n_done), width = width - 2)
            }));
        }
        if !samples.is_empty() {
            lines.push(text::samples(samples));
        }
        lines.extend(self.checkpoint.iter().chain(&self.best).cloned());
        lines
    }

    /// What an event is told as where lines stay; `take` has been called with it.
    pub(super) fn lines(&self, event: &Event) -> Vec<String> {
        match event {
            Event::Step { .. } => vec![self.step_line()],
            Event::Validated { n_done, samples, .. } => {
                let scores = &self.validation.scores;
                let scores = scores.iter().map(|s| format!("{} {}", s.set, s.text(*n_done)));
                let scores = scores.collect::<Vec<_>>().join("; ");
                let samples = (!samples.is_empty()).then(|| text::samples(samples));
                let has_scores = !scores.is_empty();
                let validated = has_scores.then(|| format!("step {n_done}: validated: {scores}"));
                validated.into_iter().chain(samples).collect()
            }
            _ => vec![line_of(event)],
        }
    }

    fn step_line(&self) -> String {
        let percent = 100 * self.n_done / self.n_steps.max(1);
        let terms = self.terms.iter().map(Term::text).collect::<Vec<_>>().join(", ");
        format!("step {}/{} ({percent} %): {terms}; {}", self.n_done, self.n_steps, self.pace())
    }
}

/// What is said of an event without looking back.
fn line_of(event: &Event) -> String {
    match event {
        Event::Started { n_done, n_steps, n_photographs } => {
            let parts = n_photographs.iter().map(|(part, n)| format!("{n} {part}"));
            let parts = parts.collect::<Vec<_>>().join(", ");
            match n_done {
                0 => format!("training for {n_steps} steps on {parts}"),
                _ => format!("continuing after step {n_done} of {n_steps} on {parts}"),
            }
        }
        Event::Step { n_done, .. } => format!("step {n_done}"),
        Event::Warned { n_done, message } => format!("step {n_done}: warning: {message}"),
        Event::Validated { n_done, .. } => format!("step {n_done}: validated"),
        Event::Saved { n_done, path } => format!("step {n_done}: checkpoint {}", path.display()),
        Event::Best { n_done, path, score } => {
            format!("step {n_done}: best so far, {}: {}", text::number(*score), path.display())
        }
        Event::Interrupted { n_done } => {
            format!("interrupted after step {n_done}: the same command continues")
        }
    }
}

fn standing(score: &Score, n_done: usize, before: &[Standing]) -> Standing {
    let Score { metric, value, .. } = *score;
    let set = match metric {
        "psnr_db" => score.set.clone(),
        "ssim" => format!("{} SSIM", score.set),
        "mean_iou" => format!("{} mean IoU", score.set),
        other => format!("{} {other}", score.set),
    };
    let best = before.iter().find(|other| other.set == set).and_then(|other| other.best);
    let best = match best {
        // The first of equals stays the best.
        Some((best_value, _)) if best_value >= value => best,
        _ if value.is_nan() => best,
        _ => Some((value, n_done)),
    };
    Standing { set, metric, value, best }
}

impl Term {
    /// A learning rate is set and not measured: it has no mean.
    fn is_measured(&self) -> bool {
        !self.name.ends_with("learning_rate")
    }

    fn row(&self, width: usize) -> String {
        let (name, value) = (self.name, text::number(self.value));
        match self.is_measured() {
            true => format!("{name:<width$} {value:>10}  mean {}", text::number(self.mean)),
            false => format!("{name:<width$} {value:>10}"),
        }
    }

    fn text(&self) -> String {
        let (name, value) = (self.name, text::number(self.value));
        match self.is_measured() {
            true => format!("{name} {value} (mean {})", text::number(self.mean)),
            false => format!("{name} {value}"),
        }
    }
}

impl Standing {
    fn text(&self, n_done: usize) -> String {
        let number = |value: f64| match self.metric {
            "psnr_db" => format!("{value:.2} dB"),
            _ => format!("{value:.3}"),
        };
        let value = number(self.value);
        match self.best {
            None => value,
            Some((_, best)) if best == n_done => format!("{value}, best"),
            Some((best_value, best)) => {
                format!("{value} (best {}, step {best})", number(best_value))
            }
        }
    }
}

#[cfg(test)]
mod tests;
