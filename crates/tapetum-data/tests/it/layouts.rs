//! Published data sets, recognised by their folders.

use std::{fmt::Write, path::Path};

use tapetum_data::{DataSet, Entries, Pair, detect};

use crate::make;

/// Layout, then one line a split: name, part, scale, kind and files.
fn described(files: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), files);
    let root = folder.path().display().to_string();
    match detect(folder.path()) {
        Ok(set) => text(&set, folder.path()),
        Err(error) => error.to_string().replace(&root, "DIR"),
    }
}

fn text(set: &DataSet, root: &Path) -> String {
    let relative = |path: &Path| {
        let path = path.strip_prefix(root).unwrap();
        path.iter().map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("/")
    };
    let pairs = |pairs: &[Pair]| {
        let pair = |pair: &Pair| {
            format!("{}: {} {}", pair.name, relative(&pair.first), relative(&pair.second))
        };
        pairs.iter().map(pair).collect::<Vec<_>>().join("; ")
    };
    let mut text = set.layout.to_owned();
    for split in &set.splits {
        let entries = match &split.entries {
            Entries::Paired(found) => format!("Paired {}", pairs(found)),
            Entries::Overexposed(found) => format!("Overexposed {}", pairs(found)),
            Entries::Unpaired(found) => {
                let names: Vec<String> = found.iter().map(|path| relative(path)).collect();
                format!("Unpaired {}", names.join("; "))
            }
            Entries::Labelled { pairs: found, classes } => {
                format!("Labelled {classes:?} {}", pairs(found))
            }
        };
        let (name, part, scale) = (&split.name, split.part, split.scale);
        write!(text, "\n{name}, {part:?}, x{scale}: {entries}").unwrap();
    }
    text
}

fn check(files: &[&str], expected: &[&str]) {
    assert_eq!(described(files), expected.join("\n"));
}

#[test]
fn lol_v1() {
    check(
        &["our485/low/2.png", "our485/high/2.png", "eval15/low/1.png", "eval15/high/1.png"],
        &[
            "LOL-v1",
            "our485, Train, x1: Paired 2: our485/low/2.png our485/high/2.png",
            "eval15, Test, x1: Paired 1: eval15/low/1.png eval15/high/1.png",
        ],
    );
}

#[test]
fn lol_v2() {
    check(
        &[
            "Real_captured/Train/Low/low00001.png",
            "Real_captured/Train/Normal/normal00001.png",
            "Real_captured/Test/Low/low00690.png",
            "Real_captured/Test/Normal/normal00690.png",
            "Synthetic/Train/Low/r0a.png",
            "Synthetic/Train/Normal/r0a.png",
        ],
        &[
            "LOL-v2",
            "Real_captured/Train, Train, x1: Paired low00001: \
             Real_captured/Train/Low/low00001.png Real_captured/Train/Normal/normal00001.png",
            "Real_captured/Test, Test, x1: Paired low00690: \
             Real_captured/Test/Low/low00690.png Real_captured/Test/Normal/normal00690.png",
            "Synthetic/Train, Train, x1: Paired r0a: \
             Synthetic/Train/Low/r0a.png Synthetic/Train/Normal/r0a.png",
        ],
    );
}

#[test]
fn lsrw() {
    check(
        &[
            "Training data/Huawei/low/1.jpg",
            "Training data/Huawei/high/1.jpg",
            "Eval/Nikon/low/3001.jpg",
            "Eval/Nikon/high/3001.jpg",
        ],
        &[
            "LSRW",
            "Training data/Huawei, Train, x1: Paired 1: \
             Training data/Huawei/low/1.jpg Training data/Huawei/high/1.jpg",
            "Eval/Nikon, Test, x1: Paired 3001: \
             Eval/Nikon/low/3001.jpg Eval/Nikon/high/3001.jpg",
        ],
    );
    check(
        &["Nikon/low/7.jpg", "Nikon/high/7.jpg"],
        &["LSRW", "Nikon, Unstated, x1: Paired 7: Nikon/low/7.jpg Nikon/high/7.jpg"],
    );
}

#[test]
fn sice_in_sequences() {
    check(
        &[
            "Dataset_Part1/2/1.JPG",
            "Dataset_Part1/2/2.JPG",
            "Dataset_Part1/2/3.JPG",
            "Dataset_Part1/10/1.JPG",
            "Dataset_Part1/10/2.JPG",
            "Dataset_Part1/10/10.JPG",
            "Dataset_Part1/10/9.JPG",
            "Dataset_Part1/Label/2.JPG",
            "Dataset_Part1/Label/010.PNG",
        ],
        &[
            "SICE",
            "Dataset_Part1/under, Unstated, x1: Paired \
             2_1: Dataset_Part1/2/1.JPG Dataset_Part1/Label/2.JPG; \
             10_1: Dataset_Part1/10/1.JPG Dataset_Part1/Label/010.PNG; \
             10_2: Dataset_Part1/10/2.JPG Dataset_Part1/Label/010.PNG",
            "Dataset_Part1/over, Unstated, x1: Overexposed \
             2_3: Dataset_Part1/2/3.JPG Dataset_Part1/Label/2.JPG; \
             10_9: Dataset_Part1/10/9.JPG Dataset_Part1/Label/010.PNG; \
             10_10: Dataset_Part1/10/10.JPG Dataset_Part1/Label/010.PNG",
        ],
    );
    let alone = ["1/1.JPG", "1/2.JPG", "Label/1.JPG", "Label/3.JPG", "4/1.JPG"];
    let expected = "expected a partner for each file, found none for DIR/4/1.JPG, DIR/Label/3.JPG";
    assert_eq!(described(&alone), expected);
}

#[test]
fn sice_flattened_and_other_pairs() {
    check(
        &["low/s1_0.jpg", "low/s1_1.jpg", "high/s1.jpg"],
        &[
            "low and high",
            "all, Unstated, x1: Paired s1_0: low/s1_0.jpg high/s1.jpg; \
             s1_1: low/s1_1.jpg high/s1.jpg",
        ],
    );
    check(
        &["train/low/1.png", "train/normal/1.png", "test/low/2.png", "test/normal/2.png"],
        &[
            "low and high",
            "train, Train, x1: Paired 1: train/low/1.png train/normal/1.png",
            "test, Test, x1: Paired 2: test/low/2.png test/normal/2.png",
        ],
    );
    check(
        &["input/1.png", "GT/1.jpg"],
        &["input and GT", "all, Unstated, x1: Paired 1: input/1.png GT/1.jpg"],
    );
    check(
        &["train/input/1.png", "train/target/1.png", "val/input/2.png", "val/target/2.png"],
        &[
            "input and GT",
            "train, Train, x1: Paired 1: train/input/1.png train/target/1.png",
            "val, Validation, x1: Paired 2: val/input/2.png val/target/2.png",
        ],
    );
}

#[test]
fn rellisur() {
    check(
        &[
            "Train/LLLR/00001-2.5.png",
            "Train/LLLR/00001-3.0.png",
            "Train/NLHR/X1/00001.png",
            "Train/NLHR/X4/00001.png",
            "Train/NLHR-Duplicates/X2/00001-2.5.png",
            "Train/NLHR-Duplicates/X2/00001-3.0.png",
            "Train/NLHR-Duplicates/X4/00001-2.5.png",
            "Train/NLHR-Duplicates/X4/00001-3.0.png",
        ],
        &[
            "RELLISUR",
            "Train/X1, Train, x1: Paired \
             00001-2.5: Train/LLLR/00001-2.5.png Train/NLHR/X1/00001.png; \
             00001-3.0: Train/LLLR/00001-3.0.png Train/NLHR/X1/00001.png",
            "Train/X2, Train, x2: Paired \
             00001-2.5: Train/LLLR/00001-2.5.png Train/NLHR-Duplicates/X2/00001-2.5.png; \
             00001-3.0: Train/LLLR/00001-3.0.png Train/NLHR-Duplicates/X2/00001-3.0.png",
            "Train/X4, Train, x4: Paired \
             00001-2.5: Train/LLLR/00001-2.5.png Train/NLHR/X4/00001.png; \
             00001-3.0: Train/LLLR/00001-3.0.png Train/NLHR/X4/00001.png",
        ],
    );
}

#[test]
fn cityscapes() {
    let photographs = [
        "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png",
        "leftImg8bit/test/bonn/bonn_000001_000019_leftImg8bit.png",
        "gtFine/train/ulm/ulm_000000_000019_gtFine_color.png",
        "gtFine/train/ulm/ulm_000000_000019_gtFine_polygons.json",
    ];
    let ids = "gtFine/train/ulm/ulm_000000_000019_gtFine_labelIds.png";
    let train_ids = "gtFine/train/ulm/ulm_000000_000019_gtFine_labelTrainIds.png";
    let test = "test, Test, x1: Unpaired leftImg8bit/test/bonn/bonn_000001_000019_leftImg8bit.png";
    let cases = [
        (vec![ids], "CityscapesIds", ids),
        (vec![ids, train_ids], "CityscapesTrainIds", train_ids),
    ];
    for (labels, classes, expected) in cases {
        let train = format!(
            "train, Train, x1: Labelled {classes} ulm_000000_000019_leftImg8bit: {} {expected}",
            photographs[0]
        );
        check(&[&photographs, labels.as_slice()].concat(), &["Cityscapes", &train, test]);
    }
    let expected =
        format!("expected a partner for each file, found none for DIR/{}", photographs[0]);
    assert_eq!(described(&photographs), expected);
}

#[test]
fn nasa() {
    check(
        &["NASA/1.jpg", "NASA/2.jpg", "NASA-high/1.jpg", "NASA-high/2.png"],
        &[
            "NASA",
            "all, Test, x1: Paired 1: NASA/1.jpg NASA-high/1.jpg; 2: NASA/2.jpg NASA-high/2.png",
        ],
    );
    // Beside other dark photographs it is one of several folders.
    let unknown = described(&["NASA/1.jpg", "DICM/1.jpg"]);
    assert!(unknown.starts_with("DIR: expected images, or our485/low/"), "{unknown}");
}

#[test]
fn labels() {
    check(
        &["image/a.jpg", "label/a.png"],
        &["image and label", "all, Unstated, x1: Labelled Own a: image/a.jpg label/a.png"],
    );
    check(
        &["images/1.jpg", "labels/1.png"],
        &["images and labels", "all, Unstated, x1: Labelled Own 1: images/1.jpg labels/1.png"],
    );
    check(
        &["train/a.png", "trainannot/a.png", "val/b.png", "valannot/b.png"],
        &[
            "CamVid",
            "train, Train, x1: Labelled Own a: train/a.png trainannot/a.png",
            "val, Validation, x1: Labelled Own b: val/b.png valannot/b.png",
        ],
    );
    check(
        &["701_StillsRaw_full/a.png", "LabeledApproved_full/a_L.png"],
        &["DIR/LabeledApproved_full: found labels that are colours, \
           and only class indices are read"],
    );
}

#[test]
fn semi_llie_and_its_unlabelled_part() {
    check(
        &[
            "labeled/input/1.jpg",
            "labeled/GT/1.jpg",
            "unlabeled/input/2.jpg",
            "val/input/3.jpg",
            "val/GT/3.jpg",
        ],
        &[
            "Semi-LLIE",
            "labeled, Train, x1: Paired 1: labeled/input/1.jpg labeled/GT/1.jpg",
            "val, Validation, x1: Paired 3: val/input/3.jpg val/GT/3.jpg",
            "unlabeled, Train, x1: Unpaired unlabeled/input/2.jpg",
        ],
    );
}

#[test]
fn images_alone() {
    check(
        &["10.png", "9.jpg", "readme.txt", "other/1.png"],
        &["flat", "all, Unstated, x1: Unpaired 9.jpg; 10.png"],
    );
    let unknown = described(&["other/1.png"]);
    let start =
        "DIR: expected images, or our485/low/ and our485/high/, or Real_captured/Train/Low/ and";
    assert!(unknown.starts_with(start), "{unknown}");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let cases: [(&[&str], &str); 5] = [
        (
            &["our485/low/1.png", "our485/high/1.png", "eval15/low/2.png"],
            "DIR/eval15/low: expected its partner eval15/high, found no such folder",
        ),
        (
            &["our485/low/1.png", "our485/high/1.png", "eval15/high/2.png"],
            "DIR/eval15/high: expected its partner eval15/low, found no such folder",
        ),
        (
            &["Train/LLLR/1-2.5.png", "Train/NLHR/X2/1.png", "Test/LLLR/2-2.5.png"],
            "DIR/Test/LLLR: expected its partner Test/NLHR/X1 or Test/NLHR-Duplicates/X1, \
             found no such folder",
        ),
        (
            &["low/1.png", "high/1.png", "image/1.png", "label/1.png"],
            "DIR: expected one data set, found the folders of low and high and image and label",
        ),
        (
            &["our485/low/1.png", "our485/low/2.png", "our485/high/1.png"],
            "expected a partner for each file, found none for DIR/our485/low/2.png",
        ),
    ];
    for (files, expected) in cases {
        assert_eq!(described(files), expected);
    }
}

#[test]
fn the_first_pair_of_low_and_high_says_how_much_larger_references_are() {
    let write = |folder: &Path, name: &str, width: u32, height: u32| {
        let pixels = vec![9; (width * height) as usize];
        let header = format!("P5 {width} {height} 255\n").into_bytes();
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), [header, pixels].concat()).unwrap();
    };
    let sizes = [((6, 4), 1), ((12, 8), 2), ((24, 16), 4), ((18, 12), 1), ((12, 9), 1)];
    for ((width, height), expected) in sizes {
        for (low, high) in [("low", "high"), ("train/input", "train/GT")] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), &format!("{low}/1.pgm"), 6, 4);
            write(folder.path(), &format!("{high}/1.pgm"), width, height);
            let set = detect(folder.path()).unwrap();
            assert_eq!(set.splits[0].scale, expected, "{low} {width}x{height}");
        }
    }
}
