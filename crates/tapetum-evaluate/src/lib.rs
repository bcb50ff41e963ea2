//! Contests between methods on data sets, and the reports of them.

pub mod report;
