//! Reads a ledger's file, apart from the gateway's own reader.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A place for a ledger, gone with this value.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// A folder of its own.
    pub fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("xietong-state-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        Self(folder)
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.0.join("xietong.db")
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// A file of this name beside it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What to write into the configuration.
    pub fn line(&self) -> String {
        format!("state: {{kind: embedded, path: \"{}\"}}", self.file().display())
    }

    /// Every request in it.
    pub fn requests(&self) -> Vec<Value> {
        requests(&self.file())
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every request of a ledger's file, in order. The last line may be torn.
pub fn requests(file: &Path) -> Vec<Value> {
    let text = std::fs::read(file).expect("the ledger is there");
    let mut requests = Vec::new();
    for line in text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let line = std::str::from_utf8(line).expect("a ledger is text");
        let json = line.splitn(3, ' ').nth(2).expect("a checksum, a number and JSON");
        let mut entry: Value = serde_json::from_str(json).expect("the third part of a line is JSON");
        if let Some(request) = entry.get_mut("request") {
            requests.push(request.take());
        }
    }
    requests
}

/// The cost of a request in nano-units, all its attempts together.
pub fn cost(request: &Value) -> i64 {
    attempts(request).map(|attempt| attempt["cost"].as_i64().expect("a cost")).sum()
}

/// Whether all its attempts have usage as their upstreams reported it.
pub fn is_reported(request: &Value) -> bool {
    attempts(request).all(|attempt| attempt["estimated"] != true)
}

fn attempts(request: &Value) -> impl Iterator<Item = &Value> {
    request["attempts"].as_array().into_iter().flatten()
}
