//! The folders of published data sets, one constant a set.

use crate::layouts::Part::{self, Test, Train, Unstated, Validation};

/// Name of the layout that has no folders.
pub(crate) const FLAT: &str = "flat";

/// A data set's folders.
pub(crate) struct Layout {
    pub(crate) name: &'static str,
    /// Folders of which one must be there, where the others alone could be another set's.
    pub(crate) marks: &'static [&'static str],
    pub(crate) groups: &'static [Group],
}

/// Folders that differ in one piece of their path, which stands as `{}` in the patterns.
pub(crate) struct Group {
    /// What stands for `{}`, and what it is meant for.
    pub(crate) parts: &'static [(&'static str, Part)],
    /// The dark photographs, or those that have labels.
    pub(crate) first: &'static str,
    /// Their partners: the first of these folders that exists. Empty where none are needed.
    pub(crate) second: &'static [&'static str],
    pub(crate) kind: Kind,
    /// How many times larger the partners are on each side.
    pub(crate) scale: u32,
    /// What the split's name ends in, beside the piece; empty for nothing.
    pub(crate) suffix: &'static str,
}

/// How files of two folders belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Dark photographs and references, by name.
    Paired,
    /// Photographs without partners.
    Unpaired,
    /// Photographs without partners, in one folder a city.
    UnpairedCities,
    /// Photographs and classes, by name.
    Labelled,
    /// Photographs and classes in one folder a city, by what is left of the name without its ending.
    LabelledCities,
    /// One numbered folder a scene, frames in it from dark to bright, one reference a scene.
    Exposures,
    /// Photographs and labels that are colours.
    Colours,
}

/// Sets by name.
pub(crate) const PUBLISHED: &[Layout] = &[
    Layout {
        name: "LOL-v1",
        marks: &[],
        groups: &[paired(&[("our485", Train), ("eval15", Test)], "{}/low", &["{}/high"])],
    },
    Layout {
        name: "LOL-v2",
        marks: &[],
        groups: &[paired(
            &[
                ("Real_captured/Train", Train),
                ("Real_captured/Test", Test),
                ("Synthetic/Train", Train),
                ("Synthetic/Test", Test),
            ],
            "{}/Low",
            &["{}/Normal"],
        )],
    },
    Layout {
        name: "LSRW",
        marks: &[],
        groups: &[paired(
            &[
                ("Training data/Huawei", Train),
                ("Training data/Nikon", Train),
                ("Eval/Huawei", Test),
                ("Eval/Nikon", Test),
                ("Huawei", Unstated),
                ("Nikon", Unstated),
            ],
            "{}/low",
            &["{}/high"],
        )],
    },
    Layout {
        name: "SICE",
        marks: &[],
        groups: &[Group {
            parts: &[
                ("", Unstated),
                ("Part1", Unstated),
                ("Part2", Unstated),
                ("Dataset_Part1", Unstated),
                ("Dataset_Part2", Unstated),
            ],
            first: "{}",
            second: &["{}/Label"],
            kind: Kind::Exposures,
            scale: 1,
            suffix: "",
        }],
    },
    Layout {
        name: "RELLISUR",
        marks: &[],
        groups: &[
            rellisur(1, "X1", &["{}/NLHR/X1", "{}/NLHR-Duplicates/X1"]),
            rellisur(2, "X2", &["{}/NLHR/X2", "{}/NLHR-Duplicates/X2"]),
            rellisur(4, "X4", &["{}/NLHR/X4", "{}/NLHR-Duplicates/X4"]),
        ],
    },
    Layout {
        name: "Cityscapes",
        marks: &[],
        groups: &[
            Group {
                parts: &[("train", Train), ("val", Validation)],
                first: "leftImg8bit/{}",
                second: &["gtFine/{}"],
                kind: Kind::LabelledCities,
                scale: 1,
                suffix: "",
            },
            // The labels of this part are kept by its makers; the files of that name are empty of classes.
            Group {
                parts: &[("test", Test)],
                first: "leftImg8bit/{}",
                second: &[],
                kind: Kind::UnpairedCities,
                scale: 1,
                suffix: "",
            },
        ],
    },
    Layout {
        name: "CamVid",
        marks: &[],
        groups: &[
            Group {
                parts: &[("", Unstated)],
                first: "{}/701_StillsRaw_full",
                second: &["{}/LabeledApproved_full"],
                kind: Kind::Colours,
                scale: 1,
                suffix: "",
            },
            labelled(&SPLITS, "{}", &["{}annot"]),
        ],
    },
    // As LRCR-Net's evaluation has it.
    Layout {
        name: "NASA",
        marks: &[],
        groups: &[paired(&[("", Test)], "{}/NASA", &["{}/NASA-high"])],
    },
    Layout {
        name: "Semi-LLIE",
        marks: &["labeled", "unlabeled"],
        groups: &[
            paired(&[("labeled", Train), ("val", Validation)], "{}/input", &["{}/GT"]),
            Group {
                parts: &[("unlabeled", Train)],
                first: "{}/input",
                second: &[],
                kind: Kind::Unpaired,
                scale: 1,
                suffix: "",
            },
        ],
    },
];

/// What many sets look like; asked when the folder is no set by name.
pub(crate) const GENERAL: &[Layout] = &[
    Layout {
        name: "low and high",
        marks: &[],
        groups: &[paired(&WHOLE_AND_SPLITS, "{}/low", &["{}/high", "{}/normal"])],
    },
    Layout {
        name: "input and GT",
        marks: &[],
        groups: &[paired(&WHOLE_AND_SPLITS, "{}/input", &["{}/GT", "{}/target"])],
    },
    Layout {
        name: "image and label",
        marks: &[],
        groups: &[labelled(&[("", Unstated)], "{}/image", &["{}/label"])],
    },
    Layout {
        name: "images and labels",
        marks: &[],
        groups: &[labelled(&[("", Unstated)], "{}/images", &["{}/labels"])],
    },
];

const SPLITS: [(&str, Part); 3] = [("train", Train), ("val", Validation), ("test", Test)];
const WHOLE_AND_SPLITS: [(&str, Part); 4] =
    [("", Unstated), ("train", Train), ("val", Validation), ("test", Test)];

impl Layout {
    /// The first folders of the set, for a message: `our485/low/ and our485/high/`.
    pub(crate) fn example(&self) -> String {
        let group = &self.groups[0];
        let (part, _) = group.parts[0];
        let folders = [group.first].into_iter().chain(group.second.first().copied());
        let folders = folders.map(|pattern| filled(pattern, part)).filter(|path| !path.is_empty());
        folders.map(|path| path + "/").collect::<Vec<_>>().join(" and ")
    }
}

/// The pattern with its piece, without a slash at either end.
pub(crate) fn filled(pattern: &str, part: &str) -> String {
    pattern.replace("{}", part).trim_matches('/').to_owned()
}

const fn paired(
    parts: &'static [(&'static str, Part)],
    first: &'static str,
    second: &'static [&'static str],
) -> Group {
    Group { parts, first, second, kind: Kind::Paired, scale: 1, suffix: "" }
}

const fn labelled(
    parts: &'static [(&'static str, Part)],
    first: &'static str,
    second: &'static [&'static str],
) -> Group {
    Group { parts, first, second, kind: Kind::Labelled, scale: 1, suffix: "" }
}

/// Some names say that the test images were cropped.
const fn rellisur(scale: u32, suffix: &'static str, second: &'static [&'static str]) -> Group {
    let parts = &[("Train", Train), ("Val", Validation), ("Test", Test), ("Test_crop", Test)];
    Group { parts, first: "{}/LLLR", second, kind: Kind::Paired, scale, suffix }
}
