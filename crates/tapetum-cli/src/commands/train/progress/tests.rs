//! What is said of a training, word for word.

use std::path::Path;

use super::*;

const NO_TERMS: &[TermValue] = &[];

fn started(n_done: usize, n_steps: usize) -> Progress {
    let mut progress = Progress::default();
    progress.take(&Event::Started { n_done, n_steps, n_photographs: &[] });
    progress
}

fn terms(values: [f64; 3]) -> [TermValue; 3] {
    let names = ["exposure", "gradient_norm", "learning_rate"];
    std::array::from_fn(|idx| TermValue { name: names[idx], value: values[idx] })
}

fn step(progress: &mut Progress, n_done: usize, terms: &[TermValue], seconds: f64) -> Vec<String> {
    let elapsed = Duration::from_secs_f64(seconds);
    tell(progress, &Event::Step { n_done, terms, n_photographs: 8, elapsed })
}

fn tell(progress: &mut Progress, event: &Event) -> Vec<String> {
    progress.take(event);
    progress.lines(event)
}

fn validate(progress: &mut Progress, n_done: usize, values: [f64; 2]) -> Vec<String> {
    let score =
        |set: &str, value| Score { set: set.to_owned(), metric: "psnr_db", value, n_images: 15 };
    let scores = [score("lol-v1", values[0]), score("mit", values[1])];
    let samples = [SampleFile { path: "run/samples/1.png".into(), psnr_db: None }];
    tell(progress, &Event::Validated { n_done, scores: &scores, samples: &samples })
}

#[test]
fn a_run_says_what_it_begins_with() {
    let parts = [("low".to_owned(), 485), ("positive".to_owned(), 30)];
    let event = |n_done| Event::Started { n_done, n_steps: 2000, n_photographs: &parts };
    let mut progress = Progress::default();
    let first = tell(&mut progress, &event(0));
    assert_eq!(first, ["training for 2000 steps on 485 low, 30 positive"]);
    let again = tell(&mut progress, &event(500));
    assert_eq!(again, ["continuing after step 500 of 2000 on 485 low, 30 positive"]);
}

#[test]
fn a_step_is_told_with_its_terms_its_speed_and_the_time_left() {
    let mut progress = started(0, 200);
    step(&mut progress, 1, &terms([0.5, 2.0, 1e-4]), 2.0);
    let lines = step(&mut progress, 2, &terms([0.4, 3.0, 1e-4]), 4.0);
    let expected = "step 2/200 (1 %): exposure 0.4000 (mean 0.4980), gradient_norm 3.000 (mean 2.020), \
                    learning_rate 1.000e-4; 4.00 images/s, 6 min 36 s left";
    assert_eq!(lines, [expected]);
}

#[test]
fn a_continued_run_reckons_with_its_own_steps_only() {
    let mut progress = started(100, 110);
    step(&mut progress, 101, NO_TERMS, 3.0);
    assert_eq!(progress.pace(), "2.67 images/s, 27 s left");
}

#[test]
fn nothing_is_said_of_the_pace_before_the_first_step() {
    assert_eq!(started(0, 10).pace(), "");
}

#[test]
fn the_speed_is_that_of_the_last_fifty_steps() {
    let mut progress = started(0, 110);
    (1..=50).for_each(|n_done| drop(step(&mut progress, n_done, NO_TERMS, n_done as f64)));
    assert_eq!(progress.pace(), "8.00 images/s, 1 min 00 s left");
    for n_done in 51..=100 {
        step(&mut progress, n_done, NO_TERMS, 50.0 + (n_done - 50) as f64 * 2.0);
    }
    assert_eq!(progress.pace(), "4.00 images/s, 15 s left");
    step(&mut progress, 110, NO_TERMS, 152.0);
    assert_eq!(progress.pace(), "4.00 images/s");
}

#[test]
fn a_mean_follows_over_about_fifty_steps() {
    let mut progress = started(0, 1000);
    step(&mut progress, 1, &terms([1.0, 0.0, 0.0]), 1.0);
    (2..=51).for_each(|n| drop(step(&mut progress, n, &terms([0.0, 0.0, 0.0]), n as f64)));
    // 0.98 to the power of 50.
    assert_eq!(progress.panel()[0], "exposure               0  mean 0.3642");
}

#[test]
fn each_set_is_compared_with_its_own_best() {
    let mut progress = started(0, 1000);
    let lines = validate(&mut progress, 100, [15.0, f64::NAN]);
    let samples = "samples in run/samples: 1.png";
    let expected = "step 100: validated: lol-v1 15.00 dB, best; mit NaN dB";
    assert_eq!(lines, [expected, samples]);
    let lines = validate(&mut progress, 200, [14.0, 20.5]);
    let expected =
        "step 200: validated: lol-v1 14.00 dB (best 15.00 dB, step 100); mit 20.50 dB, best";
    assert_eq!(lines, [expected, samples]);
    let lines = validate(&mut progress, 300, [15.5, f64::NAN]);
    let expected =
        "step 300: validated: lol-v1 15.50 dB, best; mit NaN dB (best 20.50 dB, step 200)";
    assert_eq!(lines, [expected, samples]);
}

#[test]
fn files_and_an_interruption_are_told_with_their_step() {
    let mut progress = started(0, 1000);
    let path = Path::new("run/checkpoint");
    let lines = tell(&mut progress, &Event::Saved { n_done: 500, path });
    assert_eq!(lines, ["step 500: checkpoint run/checkpoint"]);
    let path = Path::new("run/best.safetensors");
    let lines = tell(&mut progress, &Event::Best { n_done: 500, path, score: 18.234 });
    assert_eq!(lines, ["step 500: best so far, 18.23: run/best.safetensors"]);
    let lines = tell(&mut progress, &Event::Interrupted { n_done: 512 });
    assert_eq!(lines, ["interrupted after step 512: the same command continues"]);
}

#[test]
fn the_panel_has_a_line_for_everything_that_is_known() {
    let mut progress = started(0, 1000);
    assert!(progress.panel().is_empty());
    step(&mut progress, 1, &terms([0.012_345, 2.0, 1e-4]), 1.0);
    validate(&mut progress, 1, [15.0, 20.5]);
    let path = Path::new("run/checkpoint");
    progress.take(&Event::Saved { n_done: 1, path });
    validate(&mut progress, 2, [14.0, 21.0]);
    let expected = [
        "exposure         0.01235  mean 0.01235",
        "gradient_norm      2.000  mean 2.000",
        "learning_rate   1.000e-4",
        "validated at step 2",
        "  lol-v1      14.00 dB (best 15.00 dB, step 1)",
        "  mit         21.00 dB, best",
        "samples in run/samples: 1.png",
        "step 1: checkpoint run/checkpoint",
    ];
    assert_eq!(progress.panel(), expected);
}
