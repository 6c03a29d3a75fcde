//! Has a gateway do what gateways mostly do, so that a compiler that is told can make that fast: questions in English and
//! Chinese, short and long, by name and by route, whole and streamed, open and with accounts. None is one that
//! `speed` measures with.
//!
//! usage: `practice XIETONG`

#![allow(clippy::print_stderr, reason = "a program that says how far it is")]

use std::process::ExitCode;

use end_to_end::questions;
use end_to_end::speed::bodies::Kind;
use end_to_end::speed::contender::{Proxies, Way};
use end_to_end::speed::load::some;
use end_to_end::speed::upstream;
use tokio::net::TcpListener;

const WAYS: [Way; 4] = [Way::Name, Way::Auto, Way::NameAccounts, Way::AutoAccounts];
/// How often each question is asked on each way, for a whole answer and for a stream.
const OFTEN: [(Kind, usize); 2] = [(Kind::Whole, 100), (Kind::Hundred, 10)];
/// Questions of our own that are asked, of each kind.
const OF_EACH: usize = 6;

const OTHERS: [&str; 10] = [
    "你好！今天天气怎么样？",
    "请用三句话解释什么是量子纠缠，并举一个生活中的例子。",
    "已知数列 a₁=1，aₙ₊₁=2aₙ+1，求 a₁₀，并写出推导过程。",
    "把下面这句话翻译成英文：春江潮水连海平，海上明月共潮生。",
    "某公司去年营收 3.2 亿元，同比增长 18%，今年预计再增长 25%。请计算前年和今年的营收，结果保留两位小数。",
    "Write a Rust function that parses `key=value` lines into a map, and returns an error with the line number.\n\n\
     ```rust\nfn parse(text: &str) -> Result<HashMap<String, String>, ParseError> {\n    // for you to write\n}\n```",
    "Translate to French: The train to Lyon leaves at 7:45 from platform 3.",
    "Summarise the following minutes in three bullet points, and name who has to do what by when.",
    "Which of these is a prime? A) 91 B) 97 C) 119 D) 133. Answer with the letter only.",
    "thanks, that helped!",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(xietong) = std::env::args().nth(1) else {
        eprintln!("usage: practice XIETONG");
        return ExitCode::from(2);
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(upstream::serve(listener));
    let folder = std::env::temp_dir().join(format!("xietong-practice-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room for files");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let proxies = Proxies::start(cores - 1, None, &xietong, address, &folder);
    let mut asked: Vec<String> = questions::spread(questions::own(), OF_EACH)
        .into_iter()
        .map(|question| question.prompt)
        .chain(OTHERS.map(str::to_owned))
        .collect();
    // As a document has been put before the question.
    let long = asked.join("\n\n").repeat(3);
    asked.push(long);
    for way in WAYS {
        for (kind, often) in OFTEN {
            let ask = |prompt: &String| {
                let asking = proxies.asking_with(way, kind, kind.request_about(&way.model(kind), prompt));
                tokio::spawn(async move { some(&asking, often).await })
            };
            let tasks: Vec<_> = asked.iter().map(ask).collect();
            for task in tasks {
                task.await.expect("every answer is right");
            }
        }
        eprintln!("practised: {} ({} questions)", way.words(), asked.len());
    }
    // Both gateways end in order.
    drop(proxies);
    let _ = std::fs::remove_dir_all(&folder);
    ExitCode::SUCCESS
}
