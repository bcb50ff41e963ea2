//! `tapetum models`: weights in and out, and whether they are whole.

use tapetum::{Format, Model, Weights, from_safetensors, to_safetensors};

use crate::{
    checkpoint::{CONTAINERS, checkpoint, checkpoint_of},
    desk::{Desk, Ran},
    pictures::dark,
    train::{arguments, scenes, smoke_of},
};

/// The built-in tensors, without where they come from.
pub(crate) fn built_in() -> Weights {
    let Model { mut weights, .. } = Model::built_in("scl-lle").unwrap();
    weights.header.clear();
    weights
}

/// Puts weights there that give slightly other pictures.
pub(crate) fn other_weights(desk: &Desk, name: &str) {
    let mut weights = built_in();
    let curves = weights.tensors.get_mut("e_conv7.bias").unwrap();
    curves.values.iter_mut().for_each(|value| *value -= 0.05);
    desk.put(name, &to_safetensors(&weights));
}

/// Weights inside the program, which are listed first.
const N_BUILT_IN: usize = 5;

fn content_of(desk: &Desk, name: &str) -> String {
    let shown = desk.run(&["models", "show", name, "--json"]).exits(0).json();
    shown["content_sha256"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_built_in_is_listed_shown_and_whole() {
    let desk = Desk::new();
    let list = desk.run(&["models", "list", "--json"]).exits(0).json();
    assert_eq!(list.as_array().unwrap().len(), N_BUILT_IN);
    assert_eq!(tapetum::built_in_models().count(), N_BUILT_IN);
    assert_eq!((&list[0]["name"], &list[0]["place"]), (&"scl-lle".into(), &"built in".into()));
    assert_eq!(list[0]["n_values"], 79_416);
    assert!(desk.run(&["models", "list"]).exits(0).text().starts_with("scl-lle "));

    let shown = desk.run(&["models", "show", "scl-lle", "--json"]).exits(0).json();
    assert_eq!(shown["content_sha256"], built_in().content_hash());
    assert_eq!(shown["tensors"].as_array().unwrap().len(), 14);
    let text = desk.run(&["models", "show", "scl-lle"]).exits(0);
    assert!(text.text().contains("e_conv1.weight [32, 3, 3, 3]"));

    let ran = desk.run(&["models", "verify"]).exits(0);
    assert!(ran.text().starts_with("scl-lle: ok, "), "{}", ran.text());
}

#[test]
fn a_checkpoint_is_imported_from_both_containers() {
    for container in CONTAINERS {
        let desk = Desk::with("Weights_1.pth", &checkpoint(&built_in(), container));
        let ran = desk.run(&["models", "import", "Weights_1.pth", "--licence", "CC0"]).exits(0);
        ran.says("SCL-LLE weights, weights_1");
        let list = desk.run(&["models", "list", "--json"]).exits(0).json();
        assert_eq!(
            (&list[N_BUILT_IN]["name"], &list[N_BUILT_IN]["place"]),
            (&"weights_1".into(), &"imported".into())
        );
        assert_eq!(content_of(&desk, "weights_1"), built_in().content_hash(), "{container:?}");
        let header = desk.run(&["models", "show", "weights_1", "--json"]).exits(0).json();
        let header = &header["header"];
        assert_eq!((&header["licence"], &header["method"]), (&"CC0".into(), &"scl-lle".into()));
        assert_eq!(header["source_file"], "Weights_1.pth");
        let ran = desk.run(&["models", "verify"]).exits(0);
        assert!(ran.text().contains("weights_1: ok, content as stated"), "{}", ran.text());
        // Twice under one name is an error, under another it is not.
        let ran = desk.run(&["models", "import", "Weights_1.pth"]).exits(2);
        ran.fails_once(&["weights_1.safetensors: the file exists"]);
        desk.run(&["models", "import", "Weights_1.pth", "-n", "second"]).exits(0);
    }
}

/// A generator after a step, and what an average of its parameters alone would be: with other singular vectors.
fn generator_and_average(desk: &Desk) -> [Weights; 2] {
    let recipe = smoke_of("collaba");
    desk.run(&arguments(&recipe, "run", &["--set", "run.n_steps=1"])).exits(0);
    let weights = from_safetensors(&desk.read("run/weights.safetensors")).unwrap();
    let mut average = Weights { header: Default::default(), ..weights };
    for (name, tensor) in &mut average.tensors {
        if name.ends_with("weight_u") || name.ends_with("weight_v") {
            let wave = |(idx, value): (usize, &mut f32)| *value = (idx as f32 * 2.3).sin();
            tensor.values.iter_mut().enumerate().for_each(wave);
        }
    }
    desk.put("average.safetensors", &to_safetensors(&average));
    let import = ["models", "import", "average.safetensors", "-m", "collaba", "-o"];
    desk.run(&[&import[..], &["live.safetensors", "--spectral-norm", "recompute"]].concat())
        .exits(0);
    let mut live = from_safetensors(&desk.read("live.safetensors")).unwrap();
    live.header.clear();
    [live, average]
}

#[test]
fn of_a_checkpoint_either_network_is_imported_with_either_singular_vectors() {
    const SAME: &str = "the stored vectors are those of the weights";
    let mut desk = scenes();
    let [live, average] = generator_and_average(&desk);
    for container in CONTAINERS {
        let dicts = [("params", &live), ("params_ema", &average)];
        let file = format!("{container:?}.pth");
        desk.add(&file, &checkpoint_of(&dicts, container));
        let import = |name: &str, rest: &[&str]| -> (Ran, Weights) {
            let output = format!("{container:?}-{name}.safetensors");
            let arguments = ["models", "import", &file, "-m", "collaba", "-o", &output];
            let ran = desk.run(&[&arguments[..], rest].concat()).exits(0);
            for part in ["conv1 ", "conv8 ", "  stored ", "  recompute ", "with darkness"] {
                assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
            }
            (ran, from_safetensors(&desk.read(&output)).unwrap())
        };
        let header =
            |weights: &Weights| ["tensors", "spectral_norm"].map(|key| weights.header[key].clone());
        let (ran, found) = import("default", &[]);
        assert_eq!(found.tensors, average.tensors);
        assert_eq!(header(&found), ["params_ema", "stored"]);
        assert!(!ran.stderr.contains(SAME), "{}", ran.stderr);
        let (ran, found) = import("live", &["--tensors", "params", "--spectral-norm", "stored"]);
        assert_eq!(found.tensors, live.tensors);
        assert_eq!(header(&found), ["params", "stored"]);
        assert!(ran.stderr.contains(SAME), "{}", ran.stderr);
        let (_, found) = import("mended", &["--spectral-norm", "recompute"]);
        assert_eq!(header(&found), ["params_ema", "recomputed"]);
        assert_ne!(found.tensors, average.tensors);
        // What was recomputed stays known as such.
        let mended = format!("{container:?}-mended.safetensors");
        let ran = desk.run(&["models", "import", &mended, "-o", &format!("{container:?}-again")]);
        assert!(ran.exits(0).stderr.contains(SAME));
        let again = from_safetensors(&desk.read(&format!("{container:?}-again"))).unwrap();
        assert_eq!(header(&again), ["params_ema", "recomputed"]);
        let arguments = ["models", "import", &file, "-m", "collaba", "--tensors", "ema"];
        desk.run(&arguments)
            .exits(2)
            .fails_once(&["tensors: expected one of params, params_ema, got ema"]);
    }
}

#[test]
fn singular_vectors_are_asked_for_of_collaba_alone() {
    let desk = Desk::with("a.pth", &checkpoint(&built_in(), CONTAINERS[0]));
    for way in ["stored", "recompute"] {
        let ran = desk.run(&["models", "import", "a.pth", "--spectral-norm", way]).exits(2);
        ran.fails_once(&["SCL-LLE has no spectral norm"]);
    }
    let ran = desk.run(&["models", "import", "a.pth"]).exits(0);
    assert!(!ran.stderr.contains("spectral"), "{}", ran.stderr);
}

#[test]
fn weights_of_every_kind_give_the_same_picture() {
    let mut desk = Desk::with("photo.png", &dark(Format::Png, 1));
    for container in CONTAINERS {
        let name = format!("{container:?}.pth");
        desk.add(&name, &checkpoint(&built_in(), container));
    }
    desk.run(&["photo.png"]).exits(0);
    let expected = desk.read("photo-bright.png");
    desk.run(&["models", "import", "Zip.pth", "-n", "imported"]).exits(0);
    for weights in ["Legacy.pth", "Zip.pth", "imported", "scl-lle"] {
        desk.run(&["photo.png", "--overwrite", "-w", weights]).exits(0);
        assert!(desk.read("photo-bright.png") == expected, "{weights}");
    }
    other_weights(&desk, "other.safetensors");
    desk.run(&["photo.png", "--overwrite", "-w", "other.safetensors"]).exits(0);
    assert!(desk.read("photo-bright.png") != expected);
}

#[test]
fn export_and_import_keep_the_content() {
    let desk = Desk::new();
    desk.run(&["models", "export", "scl-lle", "-o", "out/a.safetensors"]).exits(0);
    desk.run(&["models", "import", "out/a.safetensors", "-n", "again"]).exits(0);
    desk.run(&["models", "export", "again", "-o", "b.safetensors"]).exits(0);
    desk.run(&["models", "import", "b.safetensors", "-o", "c d.safetensors"]).exits(0);
    let hash = built_in().content_hash();
    for name in ["out/a.safetensors", "again", "b.safetensors", "c d.safetensors"] {
        assert_eq!(content_of(&desk, name), hash, "{name}");
    }
    let ran = desk.run(&["models", "export", "scl-lle", "-o", "b.safetensors"]).exits(2);
    ran.fails_once(&["b.safetensors: the file exists"]);
    assert_eq!(desk.files(""), ["b.safetensors", "c d.safetensors", "out/a.safetensors"]);
}

#[test]
fn names_that_would_hide_or_leave_the_list_are_refused() {
    let desk = Desk::new();
    other_weights(&desk, "other.safetensors");
    for name in ["scl-lle", "../up", "a/b", ".hidden", "", "a b"] {
        let ran = desk.run(&["models", "import", "other.safetensors", "--name", name]).exits(2);
        ran.fails_once(&[&format!("'{name}' is ")]);
    }
    let list = desk.run(&["models", "list", "--json"]).exits(0).json();
    assert_eq!(list.as_array().unwrap().len(), N_BUILT_IN);
}

#[test]
fn a_flipped_byte_is_noticed_by_every_command() {
    let mut desk = Desk::with("photo.png", &dark(Format::Png, 1));
    desk.run(&["models", "export", "scl-lle", "-o", "whole.safetensors"]).exits(0);
    let mut bytes = desk.read("whole.safetensors");
    // The exponent of a value: a smaller change of a zero would be flushed to zero, and do no harm.
    let at = bytes.len() - 1001;
    bytes[at] ^= 0x40;
    desk.add("broken.safetensors", &bytes);
    let commands: [(&[&str], i32); 5] = [
        (&["models", "verify", "whole.safetensors", "broken.safetensors"], 1),
        (&["models", "import", "broken.safetensors"], 2),
        (&["models", "export", "broken.safetensors", "-o", "new.safetensors"], 2),
        (&["models", "show", "broken.safetensors"], 2),
        (&["photo.png", "-w", "broken.safetensors"], 2),
    ];
    for (arguments, code) in commands {
        let ran = desk.run(arguments).exits(code);
        ran.fails_once(&["broken.safetensors: expected content ", "found "]);
    }
    assert_eq!(desk.files("").len(), 3);
}

#[test]
fn verify_tells_what_loading_does_not() {
    let desk = Desk::new();
    let mut weights = built_in();
    weights.tensors.get_mut("e_conv3.bias").unwrap().values[5] = f32::NAN;
    desk.put("nan.safetensors", &to_safetensors(&weights));
    let mut weights = built_in();
    // Curves that make everything black.
    let curves = weights.tensors.get_mut("e_conv7.bias").unwrap();
    curves.values.iter_mut().for_each(|value| *value = 100.0);
    desk.put("dark.safetensors", &to_safetensors(&weights));
    let cases = [
        ("nan.safetensors", "non-finite values in e_conv3.bias"),
        ("dark.safetensors", "a constant image of value 0.000"),
        ("missing", "no such weights"),
    ];
    for (name, part) in cases {
        desk.run(&["models", "verify", name]).exits(1).fails_once(&[name, part]);
    }
    let ran = desk.run(&["models", "verify", "nan.safetensors", "scl-lle"]).exits(1);
    assert!(ran.text().starts_with("scl-lle: ok"), "the others are verified all the same");
}

#[test]
fn an_unusable_file_in_the_list_is_listed_as_such() {
    let desk = Desk::new();
    other_weights(&desk, "other.safetensors");
    desk.run(&["models", "import", "other.safetensors"]).exits(0);
    let path = desk.models().join("other.safetensors");
    let whole = std::fs::read(&path).unwrap();
    assert!(from_safetensors(&whole).unwrap().header.contains_key("content_sha256"));
    std::fs::write(&path, &whole[..100]).unwrap();
    let list = desk.run(&["models", "list", "--json"]).exits(0).json();
    assert!(list[N_BUILT_IN]["status"].as_str().unwrap().starts_with("unusable: "), "{list}");
    desk.run(&["models", "verify"]).exits(1).fails_once(&["other.safetensors"]);
}
