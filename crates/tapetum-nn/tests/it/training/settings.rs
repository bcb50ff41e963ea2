//! Settings as users write them.

use tapetum_nn::training::{
    AdamOptions, AdamPOptions, AverageConfig, LearnerConfig, OptimizerConfig, Schedule, SgdOptions,
};

use super::settings;

#[test]
fn only_the_learning_rate_has_no_default() {
    assert_eq!(settings("learning_rate = 1e-4"), LearnerConfig::new(1e-4));
    assert!(toml::from_str::<LearnerConfig>("").is_err());
}

#[test]
fn every_kind_of_optimizer_is_read_with_the_usual_defaults() {
    let adam = AdamOptions { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 1e-4 };
    let adam_p = AdamPOptions {
        beta_1: 0.5,
        beta_2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        delta: 0.1,
        weight_decay_ratio: 0.1,
    };
    let sgd = SgdOptions { momentum: 0.9, nesterov: true, weight_decay: 0.0 };
    let cases = [
        ("kind = 'adam', weight_decay = 1e-4", OptimizerConfig::Adam(adam)),
        ("kind = 'adam-p', beta_1 = 0.5", OptimizerConfig::AdamP(adam_p)),
        ("kind = 'sgd', momentum = 0.9, nesterov = true", OptimizerConfig::Sgd(sgd)),
    ];
    for (text, expected) in cases {
        let found = settings(&format!("learning_rate = 1\noptimizer = {{ {text} }}"));
        assert_eq!(found.optimizer, expected);
        let again: LearnerConfig = toml::from_str(&toml::to_string(&found).unwrap()).unwrap();
        assert_eq!(again, found);
    }
}

#[test]
fn unknown_keys_are_refused_everywhere() {
    let cases = [
        "lr = 1",
        "optimizer = { kind = 'adam', beta = 0.9 }",
        "optimizer = { kind = 'adam-p', momentum = 0.9 }",
        "optimizer = { kind = 'sgd', dampening = 0.1 }",
        "optimizer = { kind = 'lion' }",
        "schedule = { kind = 'constant', end = 0 }",
        "schedule = { kind = 'cosine', factor = 0.1 }",
        "schedule = { kind = 'multi-step', steps = [1], every = 1 }",
        "schedule = { kind = 'exponential', factor = 0.1, end = 0 }",
        "schedule = { kind = 'poly', steps = [1] }",
        "average = { decay = 0.9, warm = true }",
    ];
    for text in cases {
        let read = toml::from_str::<LearnerConfig>(&format!("learning_rate = 1\n{text}"));
        assert!(read.is_err(), "{text}");
    }
}

#[test]
fn a_ramped_average_starts_as_a_copy_and_slows_down_to_its_decay() {
    let ramped = AverageConfig { decay: 0.75, ramp: true };
    let expected = [0.0, 0.5, 2.0 / 3.0, 0.75, 0.75];
    for (t, expected) in expected.into_iter().enumerate() {
        assert!((ramped.decay_at(t) - expected).abs() < 1e-15);
        assert_eq!(AverageConfig { ramp: false, ..ramped }.decay_at(t), 0.75);
    }
    assert_eq!(Schedule::default().factor_at(3, 10), 1.0);
}

#[test]
fn numbers_that_cannot_train_are_refused_by_their_key() {
    assert_eq!(settings("learning_rate = 1e-3").check(), Ok(()));
    let cases = [
        ("learning_rate = -1", "learning_rate"),
        ("learning_rate = nan", "learning_rate"),
        ("learning_rate = 1\noptimizer = { kind = 'adam', beta_2 = 1 }", "optimizer.beta_2"),
        ("learning_rate = 1\noptimizer = { kind = 'adam-p', delta = -1 }", "optimizer.delta"),
        ("learning_rate = 1\noptimizer = { kind = 'sgd', momentum = 1.5 }", "optimizer.momentum"),
        ("learning_rate = 1\nschedule = { kind = 'poly', power = -1 }", "schedule.power"),
        ("learning_rate = 1\nschedule = { kind = 'cosine', end = inf }", "schedule.end"),
        ("learning_rate = 1\ngradient_norm_max = 0", "gradient_norm_max"),
        ("learning_rate = 1\naverage = { decay = 1.1 }", "average.decay"),
    ];
    for (text, key) in cases {
        assert_eq!(settings(text).check().unwrap_err().key, key, "{text}");
    }
}
