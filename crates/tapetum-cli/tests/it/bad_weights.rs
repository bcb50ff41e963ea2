//! Weight files that cannot be used are refused with their name, and nothing in them is run.

use tapetum::{Format, Weights, to_safetensors};

use crate::{
    checkpoint::{CONTAINERS, Container, checkpoint, that_runs, that_runs_by_stack},
    desk::Desk,
    models::built_in,
    pictures::dark,
};

/// Every command that loads weights refuses the file.
fn check(name: &str, bytes: &[u8], parts: &[&str]) {
    let mut desk = Desk::with("photo.png", &dark(Format::Png, 1));
    desk.add(name, bytes);
    let parts = [&[name], parts].concat();
    let commands: [(&[&str], i32); 3] = [
        (&["photo.png", "-w", name], 2),
        (&["models", "import", name], 2),
        (&["models", "verify", name], 1),
    ];
    for (arguments, code) in commands {
        desk.run(arguments).exits(code).fails_once(&parts);
    }
    assert_eq!(desk.files("").len(), 2, "{name} made a file");
    assert_eq!(std::fs::read_dir(desk.models()).unwrap().count(), 0);
}

#[test]
fn files_that_are_no_weights_are_refused() {
    let whole = to_safetensors(&built_in());
    let mut long_header = whole.clone();
    long_header[..8].copy_from_slice(&(1u64 << 62).to_le_bytes());
    let cases: [(&str, &[u8]); 6] = [
        ("empty.safetensors", b""),
        ("garbage.safetensors", b"no weights but a line of text"),
        ("cut.safetensors", &whole[..whole.len() / 2]),
        ("cut in the header.safetensors", &whole[..100]),
        ("long header.safetensors", &long_header),
        ("photo.safetensors", &dark(Format::Png, 2)),
    ];
    for (name, bytes) in cases {
        check(name, bytes, &["not a readable safetensors file"]);
    }
    for container in CONTAINERS {
        let whole = checkpoint(&built_in(), container);
        for end in [40, whole.len() / 2, whole.len() - 30] {
            check("cut.pth", &whole[..end], &["not a readable "]);
        }
    }
}

#[test]
fn a_checkpoint_that_asks_to_run_a_command_is_refused_and_runs_nothing() {
    for container in CONTAINERS {
        let marker = tempfile::tempdir().unwrap();
        let marker = marker.path().join("it ran");
        let command = format!("touch '{}'", marker.display());
        for module in ["os", "posix", "nt"] {
            let asked = format!("{module}.system");
            check("evil.pth", &that_runs(module, &command, container), &[&asked]);
        }
        check("evil.pth", &that_runs_by_stack(&command, container), &["os.system"]);
        assert!(!marker.exists(), "the pickle ran its command");
    }
}

/// The built-in weights with one change.
fn changed(change: impl Fn(&mut Weights)) -> Weights {
    let mut weights = built_in();
    change(&mut weights);
    weights
}

#[test]
fn tensors_that_do_not_fit_are_listed_with_both_sides() {
    let renamed = changed(|weights| {
        let tensor = weights.tensors.remove("e_conv2.bias").unwrap();
        weights.insert("conv2.bias".to_owned(), tensor);
    });
    let reshaped = changed(|weights| {
        weights.tensors.get_mut("e_conv7.weight").unwrap().shape = vec![24, 64, 9, 1];
    });
    let short = changed(|weights| {
        weights.tensors.remove("e_conv1.weight");
        weights.tensors.remove("e_conv1.bias");
    });
    let cases: [(&Weights, &[&str]); 3] = [
        (&renamed, &["missing: e_conv2.bias", "unexpected: conv2.bias"]),
        (&reshaped, &["e_conv7.weight (expected [24, 64, 3, 3], found [24, 64, 9, 1])"]),
        (&short, &["missing: e_conv1.weight, e_conv1.bias"]),
    ];
    for (weights, parts) in cases {
        check("unfit.safetensors", &to_safetensors(weights), parts);
        check("unfit.pth", &checkpoint(weights, Container::Zip), parts);
        check("unfit.pth", &checkpoint(weights, Container::Legacy), parts);
    }
}

#[test]
fn weights_of_another_method_are_refused() {
    let stranger = changed(|weights| {
        weights.header.insert("method".to_owned(), "retinex".to_owned());
    });
    check("stranger.safetensors", &to_safetensors(&stranger), &["retinex"]);
}

#[test]
fn a_folder_and_a_device_are_no_weights() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    desk.put("folder/file", b"");
    let names: &[&str] = if cfg!(unix) { &["folder", "/dev/zero"] } else { &["folder"] };
    for name in names {
        let ran = desk.run(&["photo.png", "-w", name]).exits(2);
        ran.fails_once(&[name, "expected a weight file of at most 4 GiB"]);
    }
}
