//! Checkpoints of a learner: resuming from them, and what damage does.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    recipe::RecipeError,
    training::{Learner, join, split},
};

use super::{Net, learner, train};

const SETTINGS: [&str; 3] = [
    "optimizer = { kind = 'adam', weight_decay = 1e-3 }\naverage = { decay = 0.9, ramp = true }",
    "optimizer = { kind = 'adam-p', weight_decay = 1e-2 }\naverage = { decay = 0.5 }",
    "optimizer = { kind = 'sgd', momentum = 0.9, nesterov = true }\ngradient_norm_max = 0.1",
];

fn with(settings: &str) -> String {
    let schedule = "schedule = { kind = 'cosine', end = 0.1 }\nwarmup_steps = 2";
    format!("learning_rate = 0.03\n{schedule}\n{settings}")
}

const NAMES: [&str; 4] = ["progress", "network", "average", "optimizer"];

#[test]
fn a_resumed_training_gives_the_bits_of_one_that_never_stopped() {
    for settings in SETTINGS {
        let settings = with(settings);
        let mut straight = learner(1, &settings);
        (0..3).for_each(|seed| train(&mut straight, seed));
        let checkpoint = straight.checkpoint();
        (3..6).for_each(|seed| train(&mut straight, seed));

        // Other values and identities, as in a new process; one has been trained already.
        let (fresh, mut used) = (learner(2, &settings), learner(3, &settings));
        train(&mut used, 9);
        for mut resumed in [fresh, used] {
            resumed.restore(&checkpoint).unwrap();
            (3..6).for_each(|seed| train(&mut resumed, seed));
            assert_eq!(resumed.step(), 6);
            assert_eq!(resumed.module().values(), straight.module().values(), "{settings}");
            assert_eq!(resumed.averaged().values(), straight.averaged().values(), "{settings}");
        }
    }
}

#[test]
fn a_checkpoint_can_be_taken_before_the_first_step() {
    for settings in SETTINGS {
        let checkpoint = learner(1, &with(settings)).checkpoint();
        let mut resumed = learner(2, &with(settings));
        resumed.restore(&checkpoint).unwrap();
        assert_eq!(resumed.module().values(), learner(1, &with(settings)).module().values());
    }
}

/// Restoring fails, and leaves the learner as it was.
fn refused(learner: &mut Learner<Net>, checkpoint: &[u8]) -> RecipeError {
    let before = learner.checkpoint();
    let error = learner.restore(checkpoint).unwrap_err();
    assert!(learner.checkpoint() == before, "the learner has changed after: {error}");
    error
}

fn trained(settings: &str) -> Learner<Net> {
    let mut learner = learner(1, &with(settings));
    (0..2).for_each(|seed| train(&mut learner, seed));
    learner
}

#[test]
fn a_checkpoint_cut_short_anywhere_is_an_error() {
    let checkpoint = trained(SETTINGS[0]).checkpoint();
    let mut other = learner(2, &with(SETTINGS[0]));
    let around_parts = (0..200).chain((200..checkpoint.len()).step_by(191));
    for length in around_parts.chain([checkpoint.len() - 1]) {
        refused(&mut other, &checkpoint[..length]);
    }
    let longer = [checkpoint.as_slice(), &[0]].concat();
    refused(&mut other, &longer);
}

#[test]
fn a_flipped_bit_anywhere_is_an_error() {
    let checkpoint = trained(SETTINGS[0]).checkpoint();
    let mut other = learner(2, &with(SETTINGS[0]));
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..200 {
        let mut damaged = checkpoint.clone();
        damaged[random.random_range(0..checkpoint.len())] ^= 1 << random.random_range(0..8);
        refused(&mut other, &damaged);
    }
}

/// Damage under a checksum that fits it, as a forger could make it.
#[test]
fn damage_inside_a_part_is_never_a_panic() {
    for settings in SETTINGS {
        let checkpoint = trained(settings).checkpoint();
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let n_parts = split(&checkpoint, NAMES).unwrap().len();
        for part in 0..n_parts {
            for round in 0..150 {
                let mut parts = split(&checkpoint, NAMES).unwrap().map(<[u8]>::to_vec);
                let bytes = &mut parts[part];
                // The headers are at the start, and there is little else in a small file.
                let reach = if round % 2 == 0 { 600 } else { usize::MAX };
                let n_bytes = bytes.len().min(reach);
                if n_bytes == 0 {
                    continue;
                }
                match round % 3 {
                    0 => bytes.truncate(random.random_range(0..n_bytes)),
                    1 => bytes[random.random_range(0..n_bytes)] ^= 1 << random.random_range(0..8),
                    _ => bytes[random.random_range(0..n_bytes)] = random.random(),
                }
                let named: Vec<_> =
                    NAMES.into_iter().zip(parts.iter().map(Vec::as_slice)).collect();
                let mut other = learner(2, &with(settings));
                let before = other.checkpoint();
                if other.restore(&join(&named)).is_err() {
                    assert!(other.checkpoint() == before, "part {part}, round {round}");
                }
            }
        }
    }
}

#[test]
fn errors_say_what_was_expected_and_found() {
    let checkpoint = trained(SETTINGS[0]).checkpoint();
    let [progress, network, average, optimizer] = split(&checkpoint, NAMES).unwrap();
    let mut other = learner(2, &with(SETTINGS[0]));
    let mut check = |parts: [&[u8]; 4], words: &[&str]| {
        let named: Vec<_> = NAMES.into_iter().zip(parts).collect();
        let message = refused(&mut other, &join(&named)).to_string();
        for word in words {
            assert!(message.contains(word), "no '{word}' in: {message}");
        }
    };
    let text = String::from_utf8(progress.to_vec()).unwrap();
    let faster = text.replace("0.03", "0.04");
    check([faster.as_bytes(), network, average, optimizer], &["settings", "0.03", "0.04"]);
    check([progress, network, &[], optimizer], &["safetensors"]);
    let no_state = learner(1, &with(SETTINGS[0])).checkpoint();
    let [foreign_progress, _, _, no_state] = split(&no_state, NAMES).unwrap();
    check([foreign_progress, network, average, optimizer], &["found"]);
    // State of no parameter is what a first step starts from, and fits any.
    let named: Vec<_> = NAMES.into_iter().zip([progress, network, average, no_state]).collect();
    other.restore(&join(&named)).unwrap();

    let message = refused(&mut other, b"no checkpoint").to_string();
    assert!(message.contains("expected it to start with"), "{message}");
    let message = split(&join(&[("a", b"1")]), ["b"]).unwrap_err().to_string();
    assert!(message.contains("expected its part 'b', found 'a'"), "{message}");
}

#[test]
fn two_learners_live_in_one_checkpoint() {
    let (a, b) = (trained(SETTINGS[0]), trained(SETTINGS[2]));
    let both = join(&[("generator", &a.checkpoint()), ("discriminator", &b.checkpoint())]);
    let [generator, discriminator] = split(&both, ["generator", "discriminator"]).unwrap();
    assert!(generator == a.checkpoint() && discriminator == b.checkpoint());
    assert!(split(&both, ["generator"]).is_err());
    assert!(split(&both, ["generator", "discriminator", "third"]).is_err());
}
