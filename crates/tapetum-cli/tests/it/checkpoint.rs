//! PyTorch checkpoints written by hand, in both containers.

use std::io::{Cursor, Write};

use tapetum::Weights;
use zip::{ZipWriter, write::SimpleFileOptions};

/// The file layouts of `torch.save`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Container {
    Legacy,
    Zip,
}

pub(crate) const CONTAINERS: [Container; 2] = [Container::Legacy, Container::Zip];

/// A state dict of these tensors.
pub(crate) fn checkpoint(weights: &Weights, container: Container) -> Vec<u8> {
    let (mut pickle, mut storages) = (b"\x80\x02".to_vec(), Vec::new());
    push_dict(&mut pickle, &mut storages, weights);
    pickle.push(b'.');
    contain(&pickle, &storages, container)
}

/// Several state dicts by their names.
pub(crate) fn checkpoint_of(dicts: &[(&str, &Weights)], container: Container) -> Vec<u8> {
    let (mut pickle, mut storages) = (b"\x80\x02}(".to_vec(), Vec::new());
    for (name, weights) in dicts {
        push_text(&mut pickle, name);
        push_dict(&mut pickle, &mut storages, weights);
    }
    pickle.extend(b"u.");
    contain(&pickle, &storages, container)
}

fn push_dict(pickle: &mut Vec<u8>, storages: &mut Vec<Vec<u8>>, weights: &Weights) {
    pickle.extend(b"ccollections\nOrderedDict\n)R(");
    for (name, tensor) in &weights.tensors {
        push_text(pickle, name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        push_text(pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        push_text(pickle, &storages.len().to_string());
        push_text(pickle, "cpu");
        push_int(pickle, tensor.values.len());
        pickle.extend(b"tQK\0");
        push_tuple(pickle, &tensor.shape);
        push_tuple(pickle, &strides(&tensor.shape));
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        storages.push(tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }
    pickle.push(b'u');
}

/// A pickle that asks to run a shell command when it is loaded: `GLOBAL` and `REDUCE`.
pub(crate) fn that_runs(module: &str, command: &str, container: Container) -> Vec<u8> {
    let mut pickle = b"\x80\x02c".to_vec();
    pickle.extend(format!("{module}\nsystem\n").bytes());
    push_text(&mut pickle, command);
    pickle.extend(b"\x85R.");
    contain(&pickle, &[], container)
}

/// The same, named by two strings on the stack, as protocol 4 does.
pub(crate) fn that_runs_by_stack(command: &str, container: Container) -> Vec<u8> {
    let mut pickle = b"\x80\x04".to_vec();
    push_text(&mut pickle, "os");
    push_text(&mut pickle, "system");
    pickle.push(0x93);
    push_text(&mut pickle, command);
    pickle.extend(b"\x85R.");
    contain(&pickle, &[], container)
}

fn contain(pickle: &[u8], storages: &[Vec<u8>], container: Container) -> Vec<u8> {
    match container {
        Container::Legacy => legacy(pickle, storages),
        Container::Zip => zip(pickle, storages),
    }
}

fn legacy(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    file.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    file.extend(pickle);
    file.extend(b"\x80\x02](");
    (0..storages.len()).for_each(|idx| push_text(&mut file, &idx.to_string()));
    file.extend(b"e.");
    for storage in storages {
        file.extend((storage.len() as u64 / 4).to_le_bytes());
        file.extend(storage);
    }
    file
}

fn zip(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: String, bytes: &[u8]| {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    };
    add("archive/data.pkl".to_owned(), pickle);
    for (idx, storage) in storages.iter().enumerate() {
        add(format!("archive/data/{idx}"), storage);
    }
    zip.finish().unwrap().into_inner()
}

fn push_text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.bytes());
}

fn push_int(pickle: &mut Vec<u8>, number: usize) {
    pickle.push(b'J');
    pickle.extend((number as i32).to_le_bytes());
}

fn push_tuple(pickle: &mut Vec<u8>, numbers: &[usize]) {
    pickle.push(b'(');
    numbers.iter().for_each(|&number| push_int(pickle, number));
    pickle.push(b't');
}

/// Of a row-major tensor.
fn strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
}
