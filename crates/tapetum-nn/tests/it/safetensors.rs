//! Safetensors in and out.

use tapetum_nn::{
    Weights,
    weights::{TensorValues, WeightReader, to_safetensors},
};

fn weights() -> Weights {
    let mut weights = Weights::default();
    let tensor = |shape: &[usize], first: f32| TensorValues {
        shape: shape.to_vec(),
        values: (0..shape.iter().product()).map(|idx: usize| first + idx as f32).collect(),
    };
    weights.insert("b".to_owned(), tensor(&[2, 3], 1.0));
    weights.insert("a".to_owned(), tensor(&[4], -0.5));
    for key in ["method", "licence", "recipe", "seed", "commit", "data"] {
        weights.header.insert(key.to_owned(), format!("{key} of \"it\"\nwith lines"));
    }
    weights
}

#[test]
fn tensors_and_header_come_back_and_equal_weights_give_equal_files() {
    let file = to_safetensors(&weights());
    assert_eq!(Weights::from_bytes(&file).unwrap(), weights());
    for _ in 0..20 {
        assert!(to_safetensors(&weights()) == file);
    }
}

#[test]
fn the_content_hash_follows_the_tensors_alone() {
    let (mut renamed, mut changed, mut noted) = (weights(), weights(), weights());
    let tensor = renamed.tensors.remove("a").unwrap();
    renamed.insert("c".to_owned(), tensor);
    changed.tensors.get_mut("a").unwrap().values[3] += 1e-6;
    noted.header.clear();
    assert_ne!(renamed.content_hash(), weights().content_hash());
    assert_ne!(changed.content_hash(), weights().content_hash());
    assert_eq!(noted.content_hash(), weights().content_hash());
}

#[test]
fn denormals_are_flushed_on_reading() {
    let mut tiny = weights();
    tiny.tensors.get_mut("a").unwrap().values = vec![1e-38, -1e-41, 1e-19, 0.0];
    let read = Weights::from_bytes(&to_safetensors(&tiny)).unwrap();
    assert_eq!(read.tensors["a"].values, [0.0, 0.0, 1e-19, 0.0]);
}

#[test]
fn cut_files_and_huge_headers_are_errors() {
    let file = to_safetensors(&weights());
    for length in 0..file.len() {
        assert!(Weights::from_bytes(&file[..length]).is_err(), "cut to {length}");
    }
    let mut huge = file.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(Weights::from_bytes(&huge).is_err());
}

#[test]
fn a_reader_lists_many_names_shortly() {
    let empty = Weights::default();
    let mut reader = WeightReader::new(&empty);
    for idx in 0..12 {
        reader.take(&format!("layer{idx}.weight"), &[1]);
    }
    let message = reader.finish("X").unwrap_err().to_string();
    assert!(message.contains("layer7.weight and 4 more"), "{message}");
}
