//! The ledger against what scripted upstreams would bill, over many requests with faults and clients that leave. The
//! figures go to standard error; standard output has the log.
//!
//! usage: `accounts [REQUESTS]`, 10000 unless told

#![allow(clippy::print_stderr, reason = "a program that prints figures")]

#[tokio::main]
async fn main() {
    let requests = std::env::args().nth(1).map_or(10_000, |count| count.parse().expect("a number"));
    let figures = end_to_end::accounts::measure(requests).await;
    eprintln!("{figures}");
    let sound = figures.error == 0 && figures.below == 0 && figures.missing == 0;
    std::process::exit(if sound { 0 } else { 1 });
}
