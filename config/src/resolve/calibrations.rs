//! Reads the adapted scorers that routes name.

use std::path::Path;
use std::sync::Arc;

use router_policies::calibrate::Calibration;

use super::ResolveReport;
use crate::RouteCalibration;

/// Bytes that a file may have; `xietong calibrate` writes a tenth of it.
const LARGEST: u64 = 8 << 20;

/// The scorer in this file; what is wrong with it is reported at `path`.
pub(super) fn calibration(
    file: &str,
    source: Option<&Path>,
    path: &str,
    report: &mut ResolveReport,
) -> Option<Arc<RouteCalibration>> {
    let file = super::found(Path::new(file), source);
    let mut fault = |why: &dyn std::fmt::Display| report.fault(path, format!("{}: {why}", file.display()));
    let bytes = super::read(&file, LARGEST).map_err(|why| fault(&why)).ok()?;
    let scorer = Calibration::load(&bytes).map_err(|why| fault(&why)).ok()?;
    Some(Arc::new(RouteCalibration { file, scorer }))
}
