//! Schedules against their closed forms.

use super::settings;

fn check(settings_text: &str, n_steps: usize, expected: &[(usize, f64)]) {
    let config = settings(&format!("learning_rate = 2.0\n{settings_text}"));
    for &(step, factor) in expected {
        let found = config.learning_rate_at(step, n_steps);
        assert!((found - 2.0 * factor).abs() < 1e-12, "{found} at step {step}: {settings_text}");
    }
}

#[test]
fn a_constant_schedule_is_the_default() {
    for text in ["", "schedule = { kind = 'constant' }"] {
        check(text, 10, &[(0, 1.0), (9, 1.0), (1000, 1.0)]);
    }
}

#[test]
fn a_cosine_falls_from_one_to_its_end() {
    let half = 0.5_f64.sqrt();
    let expected = [(0, 1.0), (2, 0.5 + 0.5 * half), (4, 0.5), (8, 0.0), (99, 0.0)];
    check("schedule = { kind = 'cosine' }", 8, &expected);
    let expected = [(0, 1.0), (4, 0.6), (8, 0.2), (99, 0.2)];
    check("schedule = { kind = 'cosine', end = 0.2 }", 8, &expected);
}

#[test]
fn a_multi_step_schedule_drops_at_its_steps() {
    let expected = [(0, 1.0), (9, 1.0), (10, 0.1), (14, 0.1), (15, 0.01), (29, 0.01)];
    check("schedule = { kind = 'multi-step', steps = [10, 15] }", 30, &expected);
    let expected = [(9, 1.0), (10, 0.25), (29, 0.25)];
    check("schedule = { kind = 'multi-step', steps = [10, 10], factor = 0.5 }", 30, &expected);
    check("schedule = { kind = 'multi-step', steps = [0] }", 30, &[(0, 0.1)]);
}

#[test]
fn an_exponential_schedule_drops_every_so_many_steps() {
    let expected = [(0, 1.0), (1, 0.9), (2, 0.81), (3, 0.729)];
    check("schedule = { kind = 'exponential', factor = 0.9 }", 30, &expected);
    let expected = [(0, 1.0), (9, 1.0), (10, 0.9), (19, 0.9), (20, 0.81)];
    check("schedule = { kind = 'exponential', factor = 0.9, every = 10 }", 30, &expected);
}

#[test]
fn a_polynomial_schedule_reaches_its_end_with_the_run() {
    let expected = [(0, 1.0), (5, 0.5_f64.powf(0.9)), (10, 0.0), (11, 0.0)];
    check("schedule = { kind = 'poly' }", 10, &expected);
    let expected = [(0, 1.0), (5, 0.2 + 0.8 * 0.25), (10, 0.2)];
    check("schedule = { kind = 'poly', power = 2, end = 0.2 }", 10, &expected);
}

#[test]
fn a_warm_up_multiplies_the_schedule() {
    let expected = [(0, 0.25), (1, 0.5), (2, 0.75 * 0.1), (3, 0.1), (4, 0.1)];
    let text = "warmup_steps = 4\nschedule = { kind = 'multi-step', steps = [2] }";
    check(text, 10, &expected);
    check("warmup_steps = 1", 10, &[(0, 1.0)]);
}

#[test]
fn a_run_of_no_steps_has_a_finite_learning_rate() {
    for text in
        ["kind = 'cosine'", "kind = 'poly'", "kind = 'exponential', factor = 0.9, every = 0"]
    {
        let config = settings(&format!("learning_rate = 1\nschedule = {{ {text} }}"));
        assert!(config.learning_rate_at(0, 0).is_finite(), "{text}");
    }
}
