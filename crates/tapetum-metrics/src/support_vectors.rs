//! Support vector regression with a radial kernel, as libsvm's model files describe it.

/// The published models have 350 kB.
const BYTES_MAX: usize = 4 << 20;

/// `f(x) = Σ cᵢ exp(-γ |x - vᵢ|²) - ρ`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SupportVectors {
    gamma: f64,
    rho: f64,
    /// `cᵢ` and `vᵢ`.
    vectors: Vec<(f64, Vec<f64>)>,
}

impl SupportVectors {
    /// Reads a text model of `n_features` features; keys that a prediction does not need are passed over.
    pub(crate) fn parse(text: &str, n_features: usize) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("expected at most {BYTES_MAX} bytes, got {}", text.len()));
        }
        let mut lines = text.lines();
        let header: Vec<(&str, &str)> = lines
            .by_ref()
            .map(str::trim)
            .take_while(|&line| line != "SV")
            .filter_map(|line| line.split_once(' '))
            .collect();
        let value =
            |key: &str| header.iter().find(|entry| entry.0 == key).map(|entry| entry.1.trim());
        if !matches!(value("svm_type"), Some("epsilon_svr" | "nu_svr")) {
            return Err(format!("expected a regression, got {:?}", value("svm_type")));
        }
        if value("kernel_type") != Some("rbf") {
            return Err(format!("expected a radial kernel, got {:?}", value("kernel_type")));
        }
        let needed = |key: &str| value(key).ok_or_else(|| format!("expected a line with {key}"));
        let (gamma, rho) = (number(needed("gamma")?)?, number(needed("rho")?)?);
        let vectors = lines
            .filter(|line| !line.trim().is_empty())
            .map(|line| vector(line, n_features))
            .collect::<Result<Vec<_>, _>>()?;
        if value("total_sv") != Some(&vectors.len().to_string()) {
            return Err(format!(
                "expected total_sv {}, got {:?}",
                vectors.len(),
                value("total_sv")
            ));
        }
        Ok(Self { gamma, rho, vectors })
    }

    /// `f(x)` for as many features as the model was read with.
    pub(crate) fn predict(&self, features: &[f64]) -> f64 {
        let kernel = |vector: &[f64]| {
            let differences = features.iter().zip(vector).map(|(a, b)| (a - b).powi(2));
            (-self.gamma * differences.sum::<f64>()).exp()
        };
        let terms = self.vectors.iter().map(|(weight, vector)| weight * kernel(vector));
        terms.sum::<f64>() - self.rho
    }
}

/// `weight index:value index:value`; indices count from 1, those left out are zero.
fn vector(line: &str, n_features: usize) -> Result<(f64, Vec<f64>), String> {
    let mut words = line.split_ascii_whitespace();
    let weight = number(words.next().unwrap_or_default())?;
    let mut values = vec![0.0; n_features];
    for word in words {
        let (idx, value) =
            word.split_once(':').ok_or_else(|| format!("expected idx:value, got {word}"))?;
        let idx: usize = idx.parse().map_err(|_| format!("expected an index, got {idx}"))?;
        let place = idx.checked_sub(1).and_then(|idx| values.get_mut(idx));
        *place.ok_or_else(|| format!("expected an index of 1..={n_features}, got {idx}"))? =
            number(value)?;
    }
    Ok((weight, values))
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|value: &f64| value.is_finite());
    number.ok_or_else(|| format!("expected a finite number, got {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 2\n\
        rho -10\nprobA 3\nSV\n4 1:1 3:-1 \n-2 2:0.5 \n";

    #[test]
    fn a_small_machine_gives_its_formula() {
        let machine = SupportVectors::parse(MODEL, 3).unwrap();
        let expected = 4.0 * (-0.5f64 * 1.0).exp() - 2.0 * (-0.5f64 * 1.25).exp() + 10.0;
        assert!((machine.predict(&[1.0, 0.0, 0.0]) - expected).abs() < 1e-12);
    }

    #[test]
    fn other_and_damaged_models_are_refused() {
        let changes = [
            ("epsilon_svr", "c_svc"),
            ("rbf", "linear"),
            ("gamma 0.5\n", ""),
            ("rho -10", "rho nan"),
            ("total_sv 2", "total_sv 3"),
            ("3:-1", "4:-1"),
            ("3:-1", "0:-1"),
            ("3:-1", "3-1"),
        ];
        for (from, to) in changes {
            assert!(SupportVectors::parse(&MODEL.replace(from, to), 3).is_err(), "{from} to {to}");
        }
    }
}
