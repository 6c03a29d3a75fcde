//! Where a model is from: what its entry says, and its preset where that says nothing.

use super::ResolveReport;
use crate::Provenance;
use crate::file::ModelFile;
use crate::presets::KnownModel;
use crate::problems::key_path;

/// The provenance of a model of this entry.
pub(super) fn provenance(
    file: &ModelFile,
    known: Option<&KnownModel>,
    path: &str,
    report: &mut ResolveReport,
) -> Provenance {
    let given = &file.provenance;
    let known = known.map(|known| &known.provenance);
    if given
        .origin
        .as_ref()
        .is_some_and(|code| code.len() != 2 || !code.bytes().all(|b| b.is_ascii_uppercase()))
    {
        let at = key_path(&key_path(path, "provenance"), "origin");
        report.fault(&at, "write a country as its two capital letters, such as `CN`");
    }
    let pick = |given: &Option<String>, known: Option<&Option<String>>| {
        given.clone().or_else(|| known.cloned().flatten())
    };
    Provenance {
        developer: pick(&given.developer, known.map(|known| &known.developer)),
        path: pick(&given.path, known.map(|known| &known.path)),
        licence: pick(&given.licence, known.map(|known| &known.licence)),
        terms: pick(&given.terms, known.map(|known| &known.terms)),
        origin: pick(&given.origin, known.map(|known| &known.origin)),
    }
}
