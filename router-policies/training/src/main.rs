//! Fits the shipped scorer on labelled prompts.
fn main() {}
