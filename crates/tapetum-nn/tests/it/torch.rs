//! PyTorch checkpoints: what is read, and what is refused.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{Weights, WeightsError, weights::to_safetensors};

use crate::pickles::{Pickle, View, legacy, zip};

const VALUES: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
const PLAIN: View = View { offset: 0, shape: &[2, 3], strides: &[3, 1] };

/// `{name: tensor}`.
fn state_dict(name: &str, view: View) -> Pickle {
    Pickle::new().ordered_dict().text(name).tensor("0", 6, view).op(b"s")
}

fn containers(pickle: &[u8]) -> [Vec<u8>; 2] {
    [legacy(pickle, &VALUES), zip(pickle, &VALUES)]
}

fn read_both(pickle: Pickle) -> [Result<Weights, WeightsError>; 2] {
    containers(&pickle.stop()).map(|bytes| Weights::from_bytes(&bytes))
}

#[test]
fn both_containers_give_the_tensor_and_strip_the_prefix() {
    for name in ["conv.weight", "module.conv.weight"] {
        for weights in read_both(state_dict(name, PLAIN)) {
            let weights = weights.unwrap();
            let tensor = &weights.tensors["conv.weight"];
            assert_eq!((&tensor.shape[..], &tensor.values[..]), (&[2, 3][..], &VALUES[..]));
        }
    }
}

#[test]
fn strides_and_offsets_are_followed() {
    let transposed = View { offset: 0, shape: &[3, 2], strides: &[1, 3] };
    let tail = View { offset: 4, shape: &[2], strides: &[1] };
    let cases = [(transposed, vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]), (tail, vec![5.0, 6.0])];
    for (view, expected) in cases {
        for weights in read_both(state_dict("a", view)) {
            assert_eq!(weights.unwrap().tensors["a"].values, expected);
        }
    }
}

#[test]
fn ordered_dicts_of_python_2_are_lists_of_pairs() {
    let key = Pickle::new().global("collections", "OrderedDict").op(b"]]").text("a").op(b"a");
    let whole = key.clone().tensor("0", 6, PLAIN).op(b"aa\x85R");
    for weights in read_both(whole) {
        assert_eq!(weights.unwrap().tensors["a"].values, VALUES);
    }
    for result in read_both(key.op(b"a\x85R")) {
        let message = result.unwrap_err().to_string();
        assert!(message.contains("expected a key and a value, got 1 values"), "{message}");
    }
}

#[test]
fn wrappers_of_training_programs_are_opened() {
    let wrapped = Pickle::new().op(b"}").text("epoch").int(3).op(b"s").text("params_ema");
    let inner = wrapped.ordered_dict().text("a").tensor("0", 6, PLAIN).op(b"ss");
    for weights in read_both(inner) {
        assert_eq!(weights.unwrap().tensors.len(), 1);
    }
}

/// `{params: {a}, iter: 3, params_ema: {a}}` with other values in each.
fn two_dicts() -> Pickle {
    let first = View { offset: 0, shape: &[3], strides: &[1] };
    let second = View { offset: 3, shape: &[3], strides: &[1] };
    let inner = |pickle: Pickle, name: &str, view| {
        pickle.text(name).ordered_dict().text("a").tensor("0", 6, view).op(b"ss")
    };
    let pickle = inner(Pickle::new().op(b"}"), "params", first).text("iter").int(3).op(b"s");
    inner(pickle, "params_ema", second)
}

#[test]
fn of_several_dicts_the_one_is_read_that_is_asked_for() {
    for bytes in containers(&two_dicts().stop()) {
        for (wanted, name, values) in [
            (None, "params_ema", &VALUES[3..]),
            (Some("params_ema"), "params_ema", &VALUES[3..]),
            (Some("params"), "params", &VALUES[..3]),
        ] {
            let (weights, found) = Weights::from_dict(&bytes, wanted).unwrap();
            assert_eq!(weights.tensors["a"].values, values);
            assert_eq!(found.as_deref(), Some(name));
        }
        assert_eq!(Weights::from_bytes(&bytes).unwrap().tensors["a"].values, VALUES[3..]);
    }
}

#[test]
fn a_dict_that_is_not_there_is_refused_with_those_that_are() {
    for bytes in containers(&two_dicts().stop()) {
        for wanted in ["ema", "iter", ""] {
            let message = Weights::from_dict(&bytes, Some(wanted)).unwrap_err().to_string();
            let expected = format!("tensors: expected one of params, params_ema, got {wanted}");
            assert_eq!(message, expected);
        }
    }
    let plain = containers(&state_dict("a", PLAIN).stop());
    let safetensors = to_safetensors(&Weights::from_bytes(&plain[0]).unwrap());
    for bytes in plain.into_iter().chain([safetensors]) {
        assert_eq!(Weights::from_dict(&bytes, None).unwrap().1, None);
        let message = Weights::from_dict(&bytes, Some("params")).unwrap_err().to_string();
        assert!(message.starts_with("tensors: expected no name"), "{message}");
    }
}

#[test]
fn a_pickle_that_would_run_code_is_refused_by_name() {
    let call = |pickle: Pickle| pickle.op(b"(").text("touch owned").op(b"tR");
    let by_line = call(Pickle::new().global("os", "system"));
    let by_stack = call(Pickle::new().text("os").text("system").op(b"\x93"));
    let hidden = call(Pickle::new().ordered_dict().text("a").global("builtins", "eval")).op(b"s");
    for (pickle, name) in
        [(by_line, "os.system"), (by_stack, "os.system"), (hidden, "builtins.eval")]
    {
        for result in read_both(pickle) {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}

#[test]
fn views_beyond_their_storage_are_refused() {
    let cases = [
        View { offset: 5, shape: &[2], strides: &[1] },
        View { offset: 0, shape: &[7], strides: &[1] },
        View { offset: 0, shape: &[2, 2], strides: &[5, 5] },
        View { offset: 0, shape: &[2], strides: &[1, 1] },
        // A few bytes that would become gigabytes.
        View { offset: 0, shape: &[60_000, 60_000], strides: &[0, 0] },
        View { offset: 0, shape: &[u32::MAX / 2, u32::MAX / 2, 4], strides: &[1, 1, 1] },
    ];
    for view in cases {
        let shape = view.shape;
        for result in read_both(state_dict("a", view)) {
            assert!(result.is_err(), "{shape:?}");
        }
    }
}

#[test]
fn malformed_pickles_are_errors() {
    let cases: [(&str, Pickle); 9] = [
        ("no dict", Pickle::new().int(3)),
        ("no tensor", Pickle::new().op(b"}")),
        ("empty stack", Pickle::new()),
        ("no mark", Pickle::new().op(b"t")),
        ("a far memo slot", Pickle::new().op(b"}r\xff\xff\xff\x7f")),
        ("an empty memo slot", Pickle::new().op(b"h\x07")),
        ("an append to a dict", Pickle::new().op(b"}").int(1).op(b"a")),
        ("an unknown opcode", Pickle::new().op(b"}\xff")),
        ("a huge string", Pickle::new().op(b"X\xff\xff\xff\xff")),
    ];
    for (name, pickle) in cases {
        for result in read_both(pickle) {
            assert!(result.is_err(), "{name}");
        }
    }
}

#[test]
fn cut_and_damaged_files_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for whole in containers(&state_dict("conv.weight", PLAIN).stop()) {
        for length in 0..whole.len() {
            assert!(Weights::from_bytes(&whole[..length]).is_err(), "cut to {length}");
        }
        for _ in 0..3000 {
            let mut damaged = whole.clone();
            let idx = random.random_range(0..damaged.len());
            damaged[idx] ^= 1 << random.random_range(0..8);
            let _ = Weights::from_bytes(&damaged);
        }
    }
}
