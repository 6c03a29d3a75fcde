//! Tells the program its version and commit; `unknown` where there is no checkout to ask.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=XIETONG_COMMIT");
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/refs/heads");
    let commit = std::env::var("XIETONG_COMMIT").ok().or_else(head).unwrap_or_else(|| "unknown".to_owned());
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo:rustc-env=XIETONG_COMMIT={commit}");
    println!("cargo:rustc-env=XIETONG_VERSION={version} ({commit})");
}

fn head() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| commit.trim().to_owned())
}
