//! Numbers as the reports write them.

/// `value` with `n_digits` after the point; never a negative zero.
pub(crate) fn plain(value: f64, n_digits: usize) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = format!("{value:.n_digits$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|digit| digit == '0' || digit == '.') => {
            digits.to_owned()
        }
        _ => text,
    }
}

/// The same with the signs that print uses for minus and infinity.
pub(crate) fn typeset(value: f64, n_digits: usize) -> String {
    plain(value, n_digits).replace('-', "\u{2212}").replace("inf", "\u{221e}")
}

/// A p value: four digits, and a bound below them.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".to_owned() } else { plain(p, 4) }
}

/// A count in groups of three digits with narrow spaces that do not break.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Bytes in MiB.
pub(crate) fn mebibytes(n_bytes: u64) -> String {
    format!("{:.1} MiB", n_bytes as f64 / f64::from(1 << 20))
}

/// The first characters of a hash, enough to tell two apart.
pub(crate) fn hash_prefix(hash: &str) -> &str {
    hash.char_indices().nth(12).map_or(hash, |(end, _)| &hash[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_digits_and_no_negative_zero() {
        let check = |value, n_digits, expected: &str| {
            assert_eq!(plain(value, n_digits), expected);
        };
        check(21.346, 2, "21.35");
        check(-0.004, 2, "0.00");
        check(-0.4, 0, "0");
        check(-1.5, 1, "-1.5");
        check(f64::INFINITY, 2, "inf");
        check(f64::NEG_INFINITY, 2, "-inf");
        check(f64::NAN, 2, "nan");
    }

    #[test]
    fn print_has_its_own_signs() {
        assert_eq!(typeset(-2.5, 1), "\u{2212}2.5");
        assert_eq!(typeset(f64::NEG_INFINITY, 1), "\u{2212}\u{221e}");
    }

    #[test]
    fn tiny_p_values_become_a_bound() {
        assert_eq!(p_value(0.0312), "0.0312");
        assert_eq!(p_value(0.00002), "< 0.0001");
    }

    #[test]
    fn counts_are_grouped_and_hashes_cut() {
        assert_eq!(count(79_416), "79\u{202f}416");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(12), "12");
        assert_eq!(mebibytes(3 << 19), "1.5 MiB");
        assert_eq!(hash_prefix("0123456789abcdef"), "0123456789ab");
        assert_eq!(hash_prefix("äöü"), "äöü");
    }
}
