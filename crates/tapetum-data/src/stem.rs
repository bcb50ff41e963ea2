//! What is left of a file's name when all that says *which half of the pair* is taken away.

use std::path::Path;

/// Words that stand before the number in some sets: `low00690.png` and `normal00690.png` of LOL-v2.
const PREFIXES: [&str; 5] = ["low", "normal", "high", "input", "gt"];
/// Words that stand behind a separator, among them what this program adds to the names of its results.
const SUFFIXES: [&str; 7] = ["low", "normal", "high", "input", "gt", "bright", "enhanced"];

/// The name that both files of a pair share.
pub(crate) fn normalised(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stem = without_prefix(&stem).unwrap_or(&stem);
    without_suffix(stem).unwrap_or(stem).to_owned()
}

/// The scene of `s091_0` or, with stops of exposure, `00001-2.5`, where several dark photographs share
/// the reference `s091` or `00001`.
pub(crate) fn scene(normalised: &str) -> Option<&str> {
    let (scene, exposure) = normalised.rsplit_once(['_', '-'])?;
    let (whole, fraction) = exposure.split_once('.').unwrap_or((exposure, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(whole) && is_number(fraction) && !scene.is_empty()).then_some(scene)
}

fn without_prefix(stem: &str) -> Option<&str> {
    PREFIXES.iter().find_map(|prefix| {
        let head = stem.get(..prefix.len())?;
        let rest = &stem[prefix.len()..];
        let starts_number = rest.starts_with(|c: char| c.is_ascii_digit());
        let rest = if starts_number { rest } else { rest.strip_prefix(['_', '-'])? };
        (head.eq_ignore_ascii_case(prefix) && !rest.is_empty()).then_some(rest)
    })
}

fn without_suffix(stem: &str) -> Option<&str> {
    let (rest, last) = stem.rsplit_once(['_', '-'])?;
    let is_known = SUFFIXES.iter().any(|suffix| last.eq_ignore_ascii_case(suffix));
    (is_known && !rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_a_pair_have_one_name() {
        let cases = [
            ("low00690.png", "00690"),
            ("normal00690.png", "00690"),
            ("Low_3.jpg", "3"),
            ("lowland.jpg", "lowland"),
            ("low.png", "low"),
            ("street-bright.png", "street"),
            ("street_GT.png", "street"),
            ("gt-bright.png", "bright"),
            ("_low.png", "_low"),
            ("é1.png", "é1"),
            ("s091_0.jpg", "s091_0"),
        ];
        for (name, expected) in cases {
            assert_eq!(normalised(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn only_a_number_behind_a_separator_is_an_exposure() {
        let cases = [
            ("s091_0", Some("s091")),
            ("00001-2.5", Some("00001")),
            ("00001-3", Some("00001")),
            ("a_b", None),
            ("a-2.", None),
            ("a-.5", None),
            ("_1", None),
            ("12", None),
        ];
        for (name, expected) in cases {
            assert_eq!(scene(name), expected, "{name}");
        }
    }
}
