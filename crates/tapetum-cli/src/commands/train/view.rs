//! A training as it goes, on standard error: a bar and a panel on a terminal, lines elsewhere.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tapetum::train::Event;

use super::progress::Progress;
use crate::{args::Verbosity, report::tell};

/// Shows the events of one run.
pub(crate) struct View {
    progress: Progress,
    manner: Manner,
    /// Hidden where there is no terminal.
    screen: MultiProgress,
}

/// How it is shown.
enum Manner {
    /// Only that it was interrupted.
    Quiet,
    Lines {
        /// When the last line of a step was told.
        told: Option<Duration>,
    },
    Screen {
        bar: ProgressBar,
        panel: Vec<ProgressBar>,
    },
}

impl View {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let screen = MultiProgress::new();
        let manner = match verbosity {
            Verbosity::Quiet => Manner::Quiet,
            _ if screen.is_hidden() => Manner::Lines { told: None },
            _ => Manner::Screen { bar: screen.add(bar()), panel: Vec::new() },
        };
        Self { progress: Progress::default(), manner, screen }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        self.progress.take(event);
        let stays = match &mut self.manner {
            Manner::Quiet => matches!(event, Event::Interrupted { .. } | Event::Warned { .. }),
            Manner::Lines { told } => is_due(told, event, self.progress.n_steps),
            Manner::Screen { bar, panel } => {
                draw(&self.progress, &self.screen, bar, panel);
                !matches!(
                    event,
                    Event::Step { .. }
                        | Event::Validated { .. }
                        | Event::Saved { .. }
                        | Event::Best { .. }
                )
            }
        };
        if stays {
            let lines = self.progress.lines(event);
            self.screen.suspend(|| lines.iter().for_each(tell));
        }
    }

    /// Tells a line from any thread, above the bar where there is one.
    pub(crate) fn speaker(&self) -> impl Fn(&str) + Send + 'static {
        let screen = self.screen.clone();
        move |line| screen.suspend(|| tell(line))
    }
}

/// The last numbers stay on the terminal.
impl Drop for View {
    fn drop(&mut self) {
        if let Manner::Screen { bar, panel } = &self.manner {
            bar.abandon();
            panel.iter().for_each(ProgressBar::abandon);
        }
    }
}

fn draw(
    progress: &Progress,
    screen: &MultiProgress,
    bar: &ProgressBar,
    panel: &mut Vec<ProgressBar>,
) {
    bar.set_length(progress.n_steps as u64);
    bar.set_position(progress.n_done as u64);
    bar.set_message(progress.pace());
    let mut lines = progress.panel();
    while panel.len() < lines.len() {
        panel.push(screen.add(ProgressBar::no_length().with_style(style("{wide_msg}"))));
    }
    lines.resize(panel.len(), String::new());
    panel.iter().zip(lines).for_each(|(place, line)| place.set_message(line));
}

fn bar() -> ProgressBar {
    ProgressBar::no_length().with_style(style("{wide_bar} {pos}/{len} steps  {msg}"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}

/// Whether an event is told where lines stay: everything but steps, and of those the first, the last and
/// one now and then. `told` then becomes its time.
fn is_due(told: &mut Option<Duration>, event: &Event, n_steps: usize) -> bool {
    let Event::Step { n_done, elapsed, .. } = *event else { return true };
    let is_due = n_done == n_steps || told.is_none_or(|told| elapsed >= told + pause(elapsed));
    if is_due {
        *told = Some(elapsed);
    }
    is_due
}

/// Time between two lines: ten seconds at first, a minute in long runs.
fn pause(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(Duration::from_secs(10), Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps, one a second, that get a line.
    fn told(n_steps: usize) -> Vec<usize> {
        let mut told = None;
        let is_told = |n_done: &usize| {
            let elapsed = Duration::from_secs(*n_done as u64);
            let event = Event::Step { n_done: *n_done, terms: &[], n_photographs: 1, elapsed };
            is_due(&mut told, &event, n_steps)
        };
        (1..=n_steps).filter(is_told).collect()
    }

    #[test]
    fn the_first_and_the_last_step_and_every_ten_seconds_get_a_line() {
        assert_eq!(told(25), [1, 11, 21, 25]);
    }

    #[test]
    fn lines_of_long_runs_are_a_minute_apart() {
        let told = told(4000);
        assert!(told[100..told.len() - 1].windows(2).all(|pair| pair[1] - pair[0] == 60));
    }

    #[test]
    fn everything_but_steps_is_always_told() {
        let mut told = Some(Duration::ZERO);
        assert!(is_due(&mut told, &Event::Interrupted { n_done: 1 }, 10));
        assert_eq!(told, Some(Duration::ZERO));
    }
}
