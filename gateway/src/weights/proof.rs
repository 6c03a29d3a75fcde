//! Whether a file is the one that the catalogue means.
//!
//! Hashing 500 MB takes a second or two, too long for every start, so a file that was hashed once gets
//! a note beside it: `NAME.sha256`, which `sha256sum -c` reads too, and which holds for as long as the
//! file's size and time of change stay what they were. It guards against damage and mix-ups, not
//! against someone who may write to the folder: they could as well change this program.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};
use small_model::catalogue::CatalogueEntry;

use super::with_extension;

/// Whether the file is there and its note holds. Reads nothing but the note.
pub(super) fn holds(path: &Path, entry: &CatalogueEntry) -> bool {
    let noted = std::fs::read_to_string(with_extension(path, "sha256"));
    let size = path.metadata().map(|metadata| metadata.len());
    let expected = note(path, entry);
    size.is_ok_and(|size| size == entry.bytes)
        && matches!((noted, expected), (Ok(noted), Ok(expected)) if noted == expected)
}

/// Whether a file that may have no note is the right one. That the note cannot be written, as in a folder that is only read,
/// does not matter.
pub(super) fn is_right(path: &Path, entry: &CatalogueEntry) -> bool {
    let length = path.metadata().map(|metadata| metadata.len());
    let right =
        length.is_ok_and(|length| length == entry.bytes) && hash(path).is_ok_and(|hash| hash == entry.sha256);
    if right {
        let _ = write(path, entry);
    }
    right
}

/// Hashes the file, and writes its note if it is the right one; whether it is.
pub(super) fn establish(path: &Path, entry: &CatalogueEntry) -> io::Result<bool> {
    if path.metadata()?.len() != entry.bytes || hash(path)? != entry.sha256 {
        return Ok(false);
    }
    write(path, entry)?;
    Ok(true)
}

/// Notes that this file was found right.
pub(super) fn write(path: &Path, entry: &CatalogueEntry) -> io::Result<()> {
    std::fs::write(with_extension(path, "sha256"), note(path, entry)?)
}

/// SHA-256 of a file, in hex.
pub(super) fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

fn note(path: &Path, entry: &CatalogueEntry) -> io::Result<String> {
    let metadata = path.metadata()?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (size, changed) = (metadata.len(), changed.as_nanos());
    Ok(format!(
        "{}  {}\n# of the file with {size} bytes, changed at {changed} ns\n",
        entry.sha256, entry.file
    ))
}

#[cfg(test)]
mod tests {
    use small_model::catalogue::ENTRIES;

    use super::*;

    #[test]
    fn holds_until_the_file_changes() {
        let folder = std::env::temp_dir().join(format!("xietong-proof-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(ENTRIES[0].file);
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let entry = CatalogueEntry { bytes: 5, sha256, ..ENTRIES[0] };
        assert!(!holds(&path, &entry));
        std::fs::write(&path, "hello").unwrap();
        assert!(!holds(&path, &entry));
        assert!(establish(&path, &entry).unwrap());
        assert!(holds(&path, &entry));
        assert!(!holds(&path, &CatalogueEntry { sha256: ENTRIES[1].sha256, ..entry }));
        for other in ["jello", "hello!", ""] {
            std::fs::write(&path, other).unwrap();
            assert!(!holds(&path, &entry), "{other}");
            assert!(!establish(&path, &entry).unwrap(), "{other}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
