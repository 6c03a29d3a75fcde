//! The coefficients of the guard's chance, from answers that were found right or wrong.

use std::io::Write;
use std::path::Path;

use router_policies::guard::fit;

/// Fits, and prints the source that the coefficients are kept in.
pub fn fit(rows: &Path) -> Result<(), String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", rows.display());
    let text = std::fs::read_to_string(rows).map_err(|why| named(&why))?;
    let read = |line: &str| serde_json::from_str(line).map_err(|why| named(&why));
    let all: Vec<fit::Row> = text.lines().map(read).collect::<Result<_, _>>()?;
    let source = fit::source(&fit::fit(&all));
    std::io::stdout().write_all(source.as_bytes()).map_err(|why| why.to_string())
}
