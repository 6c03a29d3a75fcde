//! Fetches a file by HTTPS, from where an earlier fetch broke off.

use std::io::Write;
use std::time::Duration;

use futures_util::StreamExt;
use http::{StatusCode, header};
use reqwest::{Client, Response};
use small_model::catalogue::CatalogueEntry;

use super::part::PartialDownload;
use super::progress::DownloadProgress;
use super::source_error::SourceError;

/// A machine without a network must soon go on to the next source.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest silence in the middle of a file.
const SILENCE: Duration = Duration::from_secs(60);

/// Fetches the rest of the part. Its hash is checked by the caller.
pub(super) async fn fetch(
    url: &str,
    entry: &CatalogueEntry,
    part: &PartialDownload,
    progress: &DownloadProgress,
) -> Result<(), SourceError> {
    if part.length() == entry.bytes {
        return Ok(());
    }
    if part.length() > entry.bytes {
        part.clear();
    }
    let response = ask(url, part.length()).await?;
    let begins = match response.status() {
        StatusCode::PARTIAL_CONTENT => begin_of_range(&response).ok_or(SourceError::NoRange)?,
        StatusCode::OK => 0,
        status => return Err(SourceError::Status(status)),
    };
    match begins {
        begins if begins == part.length() => {}
        0 => part.clear(),
        _ => return Err(SourceError::OtherRange),
    }
    write(response, entry, part, progress).await
}

async fn ask(url: &str, from: u64) -> Result<Response, reqwest::Error> {
    // Whoever called may have installed one already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Unlike for upstreams, redirects are followed (files lie on other hosts) and the environment's
    // proxy is used: nothing of ours is sent.
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .https_only(url.starts_with("https:"))
        .user_agent(concat!("xietong/", env!("CARGO_PKG_VERSION")))
        .build()?;
    let request = match from {
        0 => client.get(url),
        from => client.get(url).header(header::RANGE, format!("bytes={from}-")),
    };
    request.send().await
}

async fn write(
    response: Response,
    entry: &CatalogueEntry,
    part: &PartialDownload,
    progress: &DownloadProgress,
) -> Result<(), SourceError> {
    let mut file = part.append()?;
    let mut at = part.length();
    let mut body = response.bytes_stream();
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        at += bytes.len() as u64;
        if at > entry.bytes {
            drop(file);
            part.clear();
            return Err(SourceError::TooLong);
        }
        // Blocking: nothing else runs while weights are fetched.
        file.write_all(&bytes)?;
        progress.at(at);
    }
    if at == entry.bytes { Ok(()) } else { Err(SourceError::Short { at, bytes: entry.bytes }) }
}

/// Where the bytes of a partial answer begin: `bytes 100-199/200` → 100.
fn begin_of_range(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    use small_model::catalogue::ENTRIES;

    use super::*;

    const FILE: &str = "0123456789";

    /// Fetches [`FILE`], of which `had` is already here, from a host that answers `head` and `body`; checks the range
    /// that was asked for, what is here afterwards, and the complaint.
    #[track_caller]
    fn check(had: &str, head: &str, body: &str, range: Option<&str>, has: &str, complaint: Option<&str>) {
        let folder = std::env::temp_dir().join(format!(
            "xietong-hub-{}-{:?}",
            std::process::id(),
            thread::current().id()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let part = PartialDownload::open(&folder.join("file")).unwrap();
        if !had.is_empty() {
            std::fs::write(part.path(), had).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}");
        let host = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut asked, mut byte) = (Vec::new(), [0]);
            while !asked.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap() > 0 {
                asked.extend_from_slice(&byte);
            }
            socket.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap().to_lowercase()
        });
        let entry = CatalogueEntry { bytes: FILE.len() as u64, ..ENTRIES[0] };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(fetch(&url, &entry, &part, &DownloadProgress::new()));
        let asked = host.join().unwrap();
        let asked = asked.lines().find_map(|line| line.strip_prefix("range: "));
        assert_eq!(asked, range);
        assert_eq!(std::fs::read_to_string(part.path()).unwrap_or_default(), has);
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), complaint);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn fetches_a_file() {
        check("", "200 OK\r\ncontent-length: 10", FILE, None, FILE, None);
        check("", "404 Not Found\r\ncontent-length: 4", "gone", None, "", Some("it answered 404 Not Found"));
        check(
            "",
            "200 OK\r\ncontent-length: 5",
            "01234",
            None,
            "01234",
            Some("it ended after 5 of 10 bytes"),
        );
        check("", "200 OK", "0123456789!", None, "", Some("the file is longer than the catalogue says"));
    }

    #[test]
    fn goes_on_where_it_broke_off() {
        let rest = "206 Partial Content\r\ncontent-length: 6\r\ncontent-range: bytes 4-9/10";
        check("0123", rest, "456789", Some("bytes=4-"), FILE, None);
        // A host that knows no ranges sends it all.
        check("0123", "200 OK\r\ncontent-length: 10", FILE, Some("bytes=4-"), FILE, None);
        let other = "206 Partial Content\r\ncontent-length: 4\r\ncontent-range: bytes 6-9/10";
        let complaint = "it answered with another range than was asked for";
        check("0123", other, "6789", Some("bytes=4-"), "0123", Some(complaint));
        // More than the whole file is no beginning of it.
        check("0123456789!", "200 OK\r\ncontent-length: 10", FILE, None, FILE, None);
    }
}
