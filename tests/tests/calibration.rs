//! A scorer adapted by `xietong calibrate`, used by a route.

use std::path::{Path, PathBuf};

use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use serde_json::json;

/// A folder of its own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xietong-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the command on labelled rows: the large model is needed where this word stands, and only there.
fn calibrate(folder: &Folder, needed: &str, out: &Path) {
    let rows = (0..300).map(|at| {
        let word = ["invoice", "parcel"][at % 2];
        let prompt =
            format!("Please look after the {word} number {at} for customer {} of {}", at % 13, at % 31);
        json!({"prompt": prompt, "small": f64::from(u8::from(word != needed)), "large": 1.0}).to_string()
    });
    let data = folder.path("labels.jsonl");
    std::fs::write(&data, rows.collect::<Vec<_>>().join("\n")).expect("labels are written");
    let words = ["xietong", "calibrate", "--data"].map(PathBuf::from);
    let words = words.into_iter().chain([data, "--out".into(), out.to_owned()]);
    gateway::commands::run(words).expect("enough rows");
}

const INVOICE: &str = "Please look after the invoice number 401 for customer 5 of 9";
const PARCEL: &str = "Please look after the parcel number 402 for customer 5 of 9";

/// The models that these two prompts go to.
async fn models(gateway: &Gateway) -> [String; 2] {
    let mut models = Vec::new();
    for prompt in [INVOICE, PARCEL] {
        let said = gateway.post_admin("/decide", &openai::ask("auto", prompt)).await.json();
        let done = gateway.ask(&openai::ask("auto", prompt)).await;
        assert_eq!(said["model"].as_str(), done.header("x-xietong-model"), "{said}");
        models.push(said["model"].as_str().expect("a model").to_owned());
    }
    models.try_into().expect("two")
}

fn setup(upstream: &Scripted) -> Setup {
    Setup::ladder(&upstream.base_url(), &upstream.base_url()).policy("{kind: threshold, at: 0.5, by: gain}")
}

#[tokio::test]
async fn a_calibration_decides_and_a_new_one_takes_over() {
    let (folder, upstream) = (Folder::new("calibrated"), Scripted::start(Reply::text("yes")).await);
    let (file, scorer) = (folder.path("xietong.yaml"), folder.path("scorer.json"));
    let plain = setup(&upstream).start().await;
    assert_eq!(models(&plain).await, ["small", "small"]);

    // The path is looked for beside the configuration.
    calibrate(&folder, "invoice", &scorer);
    std::fs::write(&file, setup(&upstream).route("calibration: scorer.json").yaml()).expect("a file");
    let gateway = Gateway::start_reloadable(&file).await;
    assert_eq!(models(&gateway).await, ["large", "small"]);
    let shown = gateway.get_admin("/config").await.json();
    assert_eq!(shown["routes"][0]["calibration"].as_str(), scorer.to_str());

    calibrate(&folder, "parcel", &scorer);
    let reloaded = gateway.post_admin("/reload", &json!({})).await;
    assert_eq!(reloaded.status(), 200, "{}", reloaded.text());
    assert_eq!(models(&gateway).await, ["small", "large"]);

    // A broken one changes nothing.
    std::fs::write(&scorer, "{}").expect("a file");
    let refused = gateway.post_admin("/reload", &json!({})).await;
    assert_eq!(refused.status(), 422, "{}", refused.text());
    assert!(refused.text().contains("routes[0].calibration"), "{}", refused.text());
    assert_eq!(models(&gateway).await, ["small", "large"]);
}

/// The file is watched, too.
#[tokio::test(start_paused = true)]
async fn a_changed_calibration_is_noticed() {
    let (folder, upstream) = (Folder::new("watched"), Scripted::start(Reply::text("yes")).await);
    let (file, scorer) = (folder.path("xietong.yaml"), folder.path("scorer.json"));
    calibrate(&folder, "invoice", &scorer);
    std::fs::write(&file, setup(&upstream).route("calibration: scorer.json").yaml()).expect("a file");
    let gateway = Gateway::start_watched(&file).await;
    assert_eq!(models(&gateway).await, ["large", "small"]);
    calibrate(&folder, "parcel", &scorer);
    let loaded = async || gateway.metrics().await.sum("xietong_config_generation", &[]);
    while loaded().await < 2.0 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(models(&gateway).await, ["small", "large"]);
    // What was loaded is not loaded again and again.
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    assert_eq!(loaded().await, 2.0);
}

#[tokio::test]
async fn a_broken_calibration_is_a_problem_of_the_configuration() {
    let (folder, upstream) = (Folder::new("broken"), Scripted::start(Reply::text("yes")).await);
    let file = folder.path("xietong.yaml");
    std::fs::write(&file, setup(&upstream).route("calibration: none.json").yaml()).expect("a file");
    for words in [["check", "--config"], ["score", "--config"]] {
        let words = ["xietong"].into_iter().chain(words).map(PathBuf::from).chain([file.clone()]);
        let failure = gateway::commands::run(words).expect_err("there is no such file");
        assert_eq!(failure.code(), 78);
        assert!(failure.to_string().contains("routes[0].calibration"), "{failure}");
    }
}
