use clap::Parser;

use super::*;
use crate::local_servers::{LocalModel, LocalModelKind};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: Args,
}

fn args(flags: &str) -> Args {
    Program::parse_from(std::iter::once("init").chain(flags.split_whitespace())).args
}

fn provider(name: &str) -> KnownProvider {
    known_providers().find(|known| known.name == name).unwrap()
}

fn found(keyed: &[&str], server: Option<&str>) -> FoundProvider {
    let model =
        |name: &str, kind, billions| LocalModel { name: name.to_owned(), kind, billions, context: None };
    let models = vec![
        model("embedder", LocalModelKind::Embedding, Some(0.1)),
        model("smaller", LocalModelKind::Chat, Some(4.0)),
        model("loaded", LocalModelKind::Chat, Some(8.0)),
    ];
    let server = server.map(|name| LocalServer { provider: provider(name), models });
    FoundProvider {
        keyed: keyed.iter().map(|name| provider(name)).collect(),
        servers: server.into_iter().collect(),
    }
}

fn preset(name: &str, model: Option<&str>, key: Option<&str>) -> LargeChoice {
    LargeChoice::Preset {
        name: name.to_owned(),
        model: model.map(str::to_owned),
        key: key.map(str::to_owned),
    }
}

/// What is written must pass `check` once the keys are there.
fn passes(starter: &StarterFile) {
    let env = |_: &str| Some("0123456789abcdef0123".to_owned());
    let yaml = starter.yaml();
    gateway_config::from_str(&yaml, None, &env).unwrap_or_else(|problems| panic!("{problems}\nin\n{yaml}"));
}

#[test]
fn takes_what_is_found_when_it_cannot_ask() {
    let check = |flags: &str, found: &FoundProvider, expected: LargeChoice| {
        let starter = choose(&args(flags), found).unwrap();
        assert_eq!(starter.large, expected, "{flags}");
        passes(&starter);
    };
    let nothing = found(&[], None);
    check("", &nothing, LargeChoice::Embedded);
    check("", &found(&["openai"], Some("ollama")), preset("openai", None, None));
    check("", &found(&[], Some("ollama")), preset("ollama", Some("loaded"), None));
    check("--provider embedded", &found(&["openai"], None), LargeChoice::Embedded);
    check(
        "--provider zhipu --model glm-5.3-flash --key-env MY",
        &nothing,
        preset("zhipu", Some("glm-5.3-flash"), Some("MY")),
    );
    check("--provider vllm --model m --no-embedded", &nothing, preset("vllm", Some("m"), None));
    check("--provider ollama", &found(&[], Some("ollama")), preset("ollama", Some("loaded"), None));
    let address =
        LargeChoice::Address { base_url: "https://h/v1".to_owned(), model: "m".to_owned(), key: None };
    check("--provider https://h/v1 --model m", &nothing, address);
}

#[test]
fn refuses_what_makes_no_sense() {
    for (flags, part) in [
        ("--provider nobody", "no provider `nobody`"),
        ("--provider ollama", "needs --model"),
        ("--provider https://h/v1", "needs --model"),
        ("--provider embedded --model m", "no meaning"),
        ("--provider embedded --no-embedded", "no model to run"),
        ("--provider deepseek --key-env sk-1", "the name of an environment variable"),
    ] {
        let failure = choose(&args(flags), &found(&[], None)).unwrap_err();
        assert!(failure.to_string().contains(part) && failure.code() == 2, "{flags}: {failure}");
    }
}

#[test]
fn asks_for_what_the_flags_leave_open() {
    let check = |flags: &str, found: &FoundProvider, answers: &str, expected: StarterFile, asked: usize| {
        let mut output = Vec::new();
        let starter = ask(&args(flags), found, &mut answers.as_bytes(), &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        assert_eq!(starter, expected, "{output}");
        assert_eq!(output.matches("]: ").count(), asked, "{output}");
        passes(&starter);
    };
    let listen = "127.0.0.1:8080".parse().unwrap();
    let keyed = found(&["deepseek"], None);
    let large = preset("deepseek", Some("deepseek-flash"), None);
    check("", &keyed, "\n\n\n\n", StarterFile { listen, embedded: true, large: large.clone() }, 4);
    check(
        "",
        &keyed,
        "deepsek\ndeepseek\n\nn\nx\n\n",
        StarterFile { listen, embedded: false, large: large.clone() },
        6,
    );
    let all = "--provider deepseek --model deepseek-flash --embedded --listen 127.0.0.1:8080";
    check(all, &keyed, "", StarterFile { listen, embedded: true, large }, 0);
    check(
        "",
        &found(&[], None),
        "\n\n",
        StarterFile { listen, embedded: true, large: LargeChoice::Embedded },
        2,
    );
    let address = LargeChoice::Address {
        base_url: "http://h:1/v1".to_owned(),
        model: "m".to_owned(),
        key: Some("MINE".to_owned()),
    };
    let answers = "http://h:1/v1\nm\nsk-secret\nMINE\ny\n0.0.0.0:80\n";
    let open = "0.0.0.0:80".parse().unwrap();
    check("", &found(&[], None), answers, StarterFile { listen: open, embedded: true, large: address }, 5);
}

#[test]
fn ends_when_the_input_ends() {
    let failure = ask(&args(""), &found(&[], None), &mut "".as_bytes(), &mut Vec::new()).unwrap_err();
    assert!(failure.to_string().contains("nothing was written"), "{failure}");
}

#[test]
fn leaves_a_file_alone_unless_forced() {
    let folder = std::env::temp_dir().join(format!("xietong-init-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("x.yaml");
    std::fs::write(&file, "mine, and longer than what is written next").unwrap();
    let args = |force| Args { file: file.clone(), force, ..Args::default() };
    assert!(run(&args(false)).unwrap_err().to_string().contains("is there already"));
    assert!(write(&args(false), "ours").is_err());
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("mine"));
    write(&args(true), "ours").unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "ours");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn tells_clients_where_to_go() {
    let starter = |listen: &str| StarterFile {
        listen: listen.parse().unwrap(),
        embedded: true,
        large: LargeChoice::Embedded,
    };
    assert_eq!(
        exports(&starter("127.0.0.1:8081")),
        "export OPENAI_BASE_URL=http://127.0.0.1:8081/v1\nexport OPENAI_API_KEY=none-needed\n"
    );
    assert_eq!(
        exports(&starter("0.0.0.0:80")),
        "export OPENAI_BASE_URL=http://127.0.0.1:80/v1\nexport OPENAI_API_KEY=\"$XIETONG_KEY\"\n"
    );
}
