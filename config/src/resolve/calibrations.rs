//! Reads the adapted scorers that routes name.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use router_policies::calibrate::Calibration;

use super::Report;
use crate::Calibrated;

/// Bytes that a file may have; `xietong calibrate` writes a tenth of it.
const LARGEST: u64 = 8 << 20;

/// The scorer in this file; what is wrong with it is reported at `path`.
pub(super) fn calibration(
    file: &str,
    source: Option<&Path>,
    path: &str,
    report: &mut Report,
) -> Option<Arc<Calibrated>> {
    let file = super::found(Path::new(file), source);
    let read = read(&file).and_then(|bytes| Calibration::load(&bytes).map_err(|why| why.to_string()));
    match read {
        Ok(scorer) => Some(Arc::new(Calibrated { file, scorer })),
        Err(why) => {
            report.fault(path, format!("{}: {why}", file.display()));
            None
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(file).map_err(|why| format!("cannot be read ({why})"))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|why| format!("cannot be read ({why})"))?;
    match bytes.len() as u64 > LARGEST {
        true => Err("is larger than 8 MiB".to_owned()),
        false => Ok(bytes),
    }
}
