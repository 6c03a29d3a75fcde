use clap::Parser;

use gateway_config::KnownProvider;

use super::*;
use crate::local_servers::{LocalModel, LocalModelKind, LocalServer};

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

fn server(preset: &str, model: &str) -> SmallChoice {
    SmallChoice::Server { preset: preset.to_owned(), model: model.to_owned() }
}

#[test]
fn takes_what_is_found_when_it_cannot_ask() {
    let check = |flags: &str, found: &FoundProvider, small: SmallChoice, large: LargeChoice| {
        let starter = choose(&args(flags), found).unwrap();
        assert_eq!((&starter.small, &starter.large), (&small, &large), "{flags}");
        passes(&starter);
    };
    let embedded = || SmallChoice::Embedded;
    let (nothing, ollama) = (found(&[], None), found(&[], Some("ollama")));
    check("", &nothing, embedded(), LargeChoice::Embedded);
    check("", &found(&["openai"], None), embedded(), preset("openai", None, None));
    // What runs here is the small one before a provider, and never an embedder.
    let both = found(&["openai"], Some("ollama"));
    check("", &both, server("ollama", "loaded"), preset("openai", None, None));
    check("--embedded", &both, embedded(), preset("openai", None, None));
    check("--no-embedded", &both, server("ollama", "loaded"), preset("openai", None, None));
    check("--no-embedded", &found(&["openai"], None), SmallChoice::Provider, preset("openai", None, None));
    check(
        "--small ollama/qwen3:4b",
        &found(&["openai"], None),
        server("ollama", "qwen3:4b"),
        preset("openai", None, None),
    );
    check("--small provider", &both, SmallChoice::Provider, preset("openai", None, None));
    check("", &ollama, server("ollama", "smaller"), preset("ollama", Some("loaded"), None));
    check("--provider ollama", &both, server("ollama", "smaller"), preset("ollama", Some("loaded"), None));
    check("--provider ollama --model smaller", &both, embedded(), preset("ollama", Some("smaller"), None));
    check("--provider embedded", &found(&["openai"], None), embedded(), LargeChoice::Embedded);
    check("--provider embedded", &ollama, embedded(), LargeChoice::Embedded);
    check(
        "--provider zhipu --model glm-5.3-flash --key-env MY",
        &nothing,
        embedded(),
        preset("zhipu", Some("glm-5.3-flash"), Some("MY")),
    );
    let vllm = preset("vllm", Some("m"), None);
    check("--provider vllm --model m --no-embedded", &nothing, SmallChoice::Provider, vllm);
    let address =
        LargeChoice::Address { base_url: "https://h/v1".to_owned(), model: "m".to_owned(), key: None };
    check("--provider https://h/v1 --model m", &nothing, embedded(), address);
}

#[test]
fn refuses_what_makes_no_sense() {
    for (flags, part) in [
        ("--provider nobody", "no provider `nobody`"),
        ("--provider deepsek", "did you mean `deepseek`?"),
        ("--small olama/qwen3:4b", "no local server `olama`; did you mean `ollama`?"),
        ("--small embeded", "did you mean `embedded`?"),
        ("--small ollama/", "neither"),
        ("--small deepseek/m", "no local server `deepseek`"),
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
    let starter = StarterFile { listen, small: SmallChoice::Embedded, large: large.clone(), budget: None };
    check("", &keyed, "\n\n\n\n\n", starter.clone(), 5);
    // An answer that makes no sense is asked for again.
    let spent =
        StarterFile { small: SmallChoice::Provider, budget: Money::from_units(20.0), ..starter.clone() };
    check("", &keyed, "deepsek\ndeepseek\n\nprovidr\nprovider\n\n-5\n20\n", spent, 8);
    let all = "--provider deepseek --model deepseek-flash --embedded --listen 127.0.0.1:8080 --budget 0.5";
    check(all, &keyed, "", StarterFile { budget: Money::from_units(0.5), ..starter.clone() }, 0);
    let alone = StarterFile { large: LargeChoice::Embedded, ..starter.clone() };
    check("", &found(&[], None), "\n\n\n\n", alone, 4);
    let here = StarterFile { small: server("ollama", "loaded"), ..starter.clone() };
    check("", &found(&["deepseek"], Some("ollama")), "\n\n\n\n\n", here, 5);
    let address = LargeChoice::Address {
        base_url: "http://h:1/v1".to_owned(),
        model: "m".to_owned(),
        key: Some("MINE".to_owned()),
    };
    let answers = "http://h:1/v1\nm\nsk-secret\nMINE\nembedded\n0.0.0.0:80\n\n";
    let open = StarterFile { listen: "0.0.0.0:80".parse().unwrap(), large: address, ..starter };
    check("", &found(&[], None), answers, open, 6);
}

#[test]
fn an_offer_lists_every_model_and_names_what_is_proposed() {
    let offer = found(&["deepseek"], Some("ollama")).offer();
    for part in [
        "deepseek       DeepSeek: DEEPSEEK_API_KEY is set",
        "embedder (no chats), smaller, loaded",
        "Proposed: small: loaded of ollama here, large: deepseek\n",
    ] {
        assert!(offer.contains(part), "no {part:?} in {offer}");
    }
    let slip = is_provider("olama").unwrap_err();
    assert_eq!(slip, "`olama` is none of them; did you mean `ollama`?");
    assert!(is_provider("embedded").is_ok() && is_provider("http://h").is_ok());
}

#[test]
fn ends_when_the_input_ends() {
    let failure = ask(&args(""), &found(&[], None), &mut "".as_bytes(), &mut Vec::new()).unwrap_err();
    assert!(failure.to_string().contains("the input ended"), "{failure}");
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
    let check = |listen: &str, budget: Option<f64>, address: &str, key: &str| {
        let starter = StarterFile {
            listen: listen.parse().unwrap(),
            small: SmallChoice::Embedded,
            large: LargeChoice::Embedded,
            budget: budget.and_then(Money::from_units),
        };
        let text = exports(&starter);
        for line in [
            format!("export OPENAI_BASE_URL=http://{address}/v1"),
            format!("export OPENAI_API_KEY={key}"),
            format!("export ANTHROPIC_BASE_URL=http://{address}"),
            format!("export ANTHROPIC_AUTH_TOKEN={key}"),
            format!("#   base_url = \"http://{address}/v1\""),
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in {text}");
        }
        // A shell can take all of it.
        assert!(text.lines().all(|line| line.starts_with("export ") || line.starts_with('#')), "{text}");
        passes(&starter);
    };
    check("127.0.0.1:8081", None, "127.0.0.1:8081", "none-needed");
    check("127.0.0.1:8081", Some(3.0), "127.0.0.1:8081", "\"$XIETONG_KEY\"");
    check("0.0.0.0:80", None, "127.0.0.1:80", "\"$XIETONG_KEY\"");
}
