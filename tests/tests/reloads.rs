//! A changed configuration is put to use without a request that notices, and one that cannot be used changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use end_to_end::gateway::{Gateway, chat};
use end_to_end::http1::Connection;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Choose, Request, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire::Live;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xietong-reloads-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn upstream() -> Scripted {
    Scripted::start(Reply::text("one two three")).await
}

/// A configuration whose route asks this model, `small` or `large`.
fn asking(model: &str, upstream: &Scripted) -> String {
    let policy = format!("{{kind: fixed, model: {model}}}");
    Setup::ladder(&upstream.base_url(), &upstream.base_url()).policy(&policy).yaml()
}

fn write(file: &Path, text: impl AsRef<[u8]>) {
    fs::write(file, text).expect("the file can be written");
}

async fn generation(gateway: &Gateway) -> f64 {
    gateway.metrics().await.sum("xietong_config_generation", &[])
}

async fn reloads(gateway: &Gateway, result: &str) -> f64 {
    gateway.metrics().await.sum("xietong_config_reloads_total", &[("result", result)])
}

/// The model that the route asks now.
async fn asked(gateway: &Gateway) -> Value {
    let decision = gateway.post_admin("/decide", &openai::ask("auto", "Hi")).await;
    decision.json()["model"].clone()
}

/// Waits until the route asks this model; how long that took.
async fn noticed(gateway: &Gateway, model: &str) -> Duration {
    let begun = Instant::now();
    while asked(gateway).await != model {
        sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

/// Asks without a pause until it is over, in turn on a kept and on a new connection.
async fn client(
    gateway: std::net::SocketAddr,
    number: usize,
    over: Arc<AtomicBool>,
    whole: Arc<AtomicUsize>,
) {
    let body = if number.is_multiple_of(2) {
        openai::ask("auto", "Count")
    } else {
        openai::ask_stream("auto", "Count")
    };
    let mut kept: Option<Connection> = None;
    while !over.load(Ordering::Relaxed) {
        let connection = match kept.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(gateway).await,
        };
        let mut connection = connection.expect("no connection is refused");
        connection.send(chat(&[], &body)).await.expect("it reads");
        let live = Live::on(connection).await.expect("an answer");
        let (answer, connection) = live.rest_and_connection().await;
        let said = answer.text();
        assert!(answer.status() == 200 && answer.complete && answer.error().is_none(), "{said}");
        assert_eq!(answer.content(), "one two three", "{said}");
        let asked = whole.fetch_add(1, Ordering::Relaxed);
        kept = (!asked.is_multiple_of(3)).then_some(connection);
    }
}

/// G-04. Every other configuration cannot be used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_lose_no_request() {
    const RELOADS: usize = 1000;
    let upstream = upstream().await;
    let folder = Folder::new("storm");
    let file = folder.path("xietong.yaml");
    write(&file, asking("small", &upstream));
    let gateway = Gateway::start_watched(&file).await;
    let (over, whole) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|number| tokio::spawn(client(gateway.data, number, Arc::clone(&over), Arc::clone(&whole))))
        .collect();
    for reload in 0..RELOADS {
        let model = if reload % 4 < 2 { "large" } else { "small" };
        let usable = reload.is_multiple_of(2);
        let text = asking(model, &upstream);
        write(&file, if usable { text } else { text.replace("ladder", "laddder") });
        let answer = gateway.post_admin("/reload", &json!({})).await;
        assert_eq!(answer.status(), if usable { 200 } else { 422 }, "{}", answer.text());
        // The one that could not be used had the same model in it.
        assert_eq!(asked(&gateway).await, model);
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request is lost");
    }
    let answered = whole.load(Ordering::Relaxed);
    assert!(answered > RELOADS, "{answered}");
    let half = (RELOADS / 2) as f64;
    // The file is also looked at every two seconds, and may be seen before it is reloaded.
    assert!(reloads(&gateway, "refused").await >= half && generation(&gateway).await > half);
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "complete")]), answered as f64);
}

/// G-01, G-02, G-10. Each leaves the configuration in use, and says what is wrong.
#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let upstream = upstream().await;
    let folder = Folder::new("unusable");
    let file = folder.path("xietong.yaml");
    let good = asking("small", &upstream);
    write(&file, &good);
    let gateway = Gateway::start_reloadable(&file).await;
    let laughs: String = (1..10)
        .map(|level| {
            let names = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("a{level}: &a{level} [{names}]\n")
        })
        .collect();
    let unusable: Vec<(&str, Vec<u8>)> = vec![
        ("no YAML", b"models: [".to_vec()),
        ("an unknown key", good.replace("ladder", "laddder").into()),
        ("a wrong type", good.replace("ladder: [small, large]", "ladder: 3").into()),
        ("nothing", Vec::new()),
        ("a comment", b"# later\n".to_vec()),
        ("no text", vec![0xff, 0xfe, 0x00]),
        ("an alias bomb", format!("a0: &a0 ha\n{laughs}{good}").into()),
        (
            "100 MB",
            [good.as_bytes(), &b"# nothing but words\n".repeat(5_000_000)[..], b"laddder: 1\n"].concat(),
        ),
        ("no number", good.replace("{kind: fixed, model: small}", "{kind: threshold, at: .nan}").into()),
        ("out of range", good.replace("{kind: fixed, model: small}", "{kind: threshold, at: 1.5}").into()),
        (
            "no time",
            format!("grace: 0s\n{}", good.replace("provider", "timeouts: {total: 0s}\n    provider")).into(),
        ),
        ("one rung twice", good.replace("[small, large]", "[small, small]").into()),
        ("no such model", good.replace("[small, large]", "[small, huge]").into()),
        ("an unset variable", good.replace("sk-upstream-canary-3f1c", "${XIETONG_NOT_SET_ANYWHERE}").into()),
        ("another address", good.replace("admin: 127.0.0.1:0", "admin: 127.0.0.1:1").into()),
        ("another currency", format!("currency: USD\n{good}").into()),
    ];
    for (count, (case, text)) in unusable.iter().enumerate() {
        write(&file, text);
        let begun = std::time::Instant::now();
        let answer = gateway.post_admin("/reload", &json!({})).await;
        let problems = answer.json()["problems"].clone();
        assert_eq!(answer.status(), 422, "{case}: {}", answer.text());
        assert!(problems.as_array().is_some_and(|problems| !problems.is_empty()), "{case}: {problems}");
        // An alias bomb that was followed would take minutes and all memory; the rest is for a machine that is busy.
        assert!(begun.elapsed() < Duration::from_secs(30), "{case}: {:?}", begun.elapsed());
        assert!(!answer.text().contains("canary"), "{case}: {}", answer.text());
        assert_eq!(generation(&gateway).await, 1.0, "{case}");
        assert!(reloads(&gateway, "refused").await > count as f64, "{case}");
        assert_eq!(asked(&gateway).await, "small", "{case}");
    }
    fs::remove_file(&file).expect("it is there");
    assert_eq!(gateway.post_admin("/reload", &json!({})).await.status(), 422);
    assert_eq!(gateway.ask(&openai::ask("auto", "Hi")).await.content(), "one two three");
    write(&file, asking("large", &upstream));
    assert_eq!(gateway.post_admin("/reload", &json!({})).await.status(), 200);
    assert_eq!((asked(&gateway).await, generation(&gateway).await), (json!("large"), 2.0));
}

/// G-03. However the file is replaced.
#[tokio::test(start_paused = true)]
async fn every_way_to_change_the_file_is_noticed() {
    let upstream = upstream().await;
    let folder = Folder::new("ways");
    // As the kubelet lays a ConfigMap: the file is a link into `..data`, which is a link to a folder with a date.
    for (dated, model) in [("..one", "small"), ("..two", "large")] {
        fs::create_dir(folder.path(dated)).expect("a folder");
        write(&folder.path(dated).join("xietong.yaml"), asking(model, &upstream));
    }
    symlink("..one", folder.path("..data")).expect("a link");
    symlink("..data/xietong.yaml", folder.path("xietong.yaml")).expect("a link");
    let file = folder.path("xietong.yaml");
    let gateway = Gateway::start_watched(&file).await;
    assert_eq!(asked(&gateway).await, "small");
    let within = Duration::from_secs(10);

    symlink("..two", folder.path("..data_tmp")).expect("a link");
    fs::rename(folder.path("..data_tmp"), folder.path("..data")).expect("the links are swapped");
    assert!(noticed(&gateway, "large").await < within, "the kubelet's swap");

    write(&folder.path("new"), asking("small", &upstream));
    fs::rename(folder.path("new"), &file).expect("it is replaced");
    assert!(noticed(&gateway, "small").await < within, "an editor's rename");

    let modified = fs::metadata(&file).and_then(|file| file.modified()).expect("a time");
    write(&file, asking("large", &upstream));
    let opened = fs::File::options().write(true).open(&file).expect("it is there");
    opened.set_modified(modified).expect("times can be set");
    assert!(noticed(&gateway, "large").await < within, "the same time");

    fs::remove_file(&file).expect("it is there");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(asked(&gateway).await, "large", "a file that is gone is not an empty one");
    write(&file, asking("small", &upstream));
    assert!(noticed(&gateway, "small").await < within, "deleted, then created");
    assert_eq!(generation(&gateway).await, 5.0);
}

/// G-05. What is under way keeps what it began with.
#[tokio::test(start_paused = true)]
async fn streams_outlive_the_model_and_the_key_that_they_began_with() {
    let paced =
        |request: &Request| Reply::text("one two three").choose(request).paced(Duration::from_secs(2));
    let (old, new) = (Scripted::start(paced).await, upstream().await);
    let folder = Folder::new("streams");
    let file = folder.path("xietong.yaml");
    write(&file, asking("small", &old));
    let gateway = Gateway::start_reloadable(&file).await;
    let mut live = gateway.open(&openai::ask_stream("auto", "Count")).await;
    assert!(live.event().await.is_some());
    let next = asking("small", &new).replace("name: small", "name: other").replace("small", "other");
    write(&file, next.replace("sk-upstream-canary-3f1c", "sk-another-canary-key"));
    assert_eq!(gateway.post_admin("/reload", &json!({})).await.status(), 200);
    assert_eq!(gateway.ask(&openai::ask("auto", "Hi")).await.header("x-xietong-model"), Some("other"));
    let answer = live.rest().await;
    assert_eq!(
        (answer.content(), answer.has_done()),
        ("one two three".to_owned(), true),
        "{}",
        answer.text()
    );
    let key = |upstream: &Scripted| upstream.only().request.header("authorization").map(str::to_owned);
    assert_eq!(key(&old).as_deref(), Some("Bearer sk-upstream-canary-3f1c"));
    assert_eq!(key(&new).as_deref(), Some("Bearer sk-another-canary-key"));
}
