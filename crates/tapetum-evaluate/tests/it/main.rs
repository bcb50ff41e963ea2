//! Evaluations of generated sets by networks that are formulas, and the reports of made-up ones.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod contests;
mod csv;
mod enlarged;
mod html;
mod made_up;
mod markdown;
mod sets;
mod whole;
