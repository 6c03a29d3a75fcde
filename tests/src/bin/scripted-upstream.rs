//! A scripted upstream as a program, for clients in other languages.

#![allow(clippy::print_stdout, reason = "a program that tells its address")]

use end_to_end::repertoire::{REPERTOIRE, by_model};
use end_to_end::scripted::Scripted;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let address = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => "127.0.0.1:0",
        ["--listen", address] => address,
        _ => {
            println!(
                "usage: scripted-upstream [--listen ADDRESS]\n\nIt answers by the model's name:\n{REPERTOIRE}"
            );
            std::process::exit(2);
        }
    };
    let upstream = Scripted::on(TcpListener::bind(address).await?, by_model);
    println!("{}", upstream.base_url());
    std::future::pending().await
}
