//! A configuration in YAML, put together from the few things that a test cares about.

use crate::gateway::Gateway;

/// The key that the gateway is given for its upstreams. It must never be seen anywhere else.
pub const UPSTREAM_KEY: &str = "sk-upstream-canary-3f1c";

/// Models behind one route, `auto`.
#[derive(Debug, Clone)]
pub struct Setup {
    models: Vec<Model>,
    policy: String,
    route: Vec<String>,
    top: Vec<String>,
}

#[derive(Debug, Clone)]
struct Model {
    name: String,
    lines: Vec<String>,
}

impl Setup {
    /// Two models, `small` and `large`, at these base URLs; `auto` asks `small` first.
    ///
    /// A million tokens cost 1 (input) and 2 (output) from `small`, and 10, 1 (cached) and 30 from `large`.
    pub fn ladder(small: &str, large: &str) -> Self {
        Self {
            models: Vec::new(),
            policy: "{kind: fixed, model: small}".into(),
            route: Vec::new(),
            top: Vec::new(),
        }
        .add("small", &[small], "price: {input: 1, output: 2}")
        .add("large", &[large], "price: {input: 10, cached_input: 1, output: 30}")
    }

    /// Adds a model on top of the ladder, with its endpoints and any further line.
    pub fn add(mut self, name: &str, base_urls: &[&str], line: &str) -> Self {
        let endpoints =
            base_urls.iter().map(|url| format!("{{base_url: \"{url}\", api_key: {UPSTREAM_KEY}}}"));
        let endpoints = endpoints.collect::<Vec<_>>().join(", ");
        let lines = [
            "provider: openai",
            &format!("model: {name}-upstream"),
            &format!("endpoints: [{endpoints}]"),
            line,
        ];
        self.models.push(Model { name: name.to_owned(), lines: lines.map(str::to_owned).to_vec() });
        self
    }

    /// Adds a model in this process, with its weights' file, as the smallest rung.
    pub fn embedded(mut self, name: &str, weights: &str) -> Self {
        let lines = ["provider: embedded", &format!("weights: {weights}"), "local: true"];
        self.models.insert(0, Model { name: name.to_owned(), lines: lines.map(str::to_owned).to_vec() });
        self
    }

    /// Adds a line to a model, such as `retries: 0`; it takes the place of one with the same key.
    pub fn model(mut self, name: &str, line: &str) -> Self {
        let model = self.models.iter_mut().find(|model| model.name == name);
        put(&mut model.unwrap_or_else(|| panic!("no model {name}")).lines, line);
        self
    }

    /// Takes a model's price away.
    pub fn without_price(mut self, name: &str) -> Self {
        let model = self.models.iter_mut().find(|model| model.name == name);
        model.unwrap_or_else(|| panic!("no model {name}")).lines.retain(|line| !line.starts_with("price:"));
        self
    }

    /// Adds a line to every model.
    pub fn every_model(mut self, line: &str) -> Self {
        self.models.iter_mut().for_each(|model| put(&mut model.lines, line));
        self
    }

    /// The policy of `auto`, in YAML's flow style.
    pub fn policy(mut self, policy: &str) -> Self {
        policy.clone_into(&mut self.policy);
        self
    }

    /// Adds a line to the route.
    pub fn route(mut self, line: &str) -> Self {
        put(&mut self.route, line);
        self
    }

    /// Adds a line to the file's top level.
    pub fn top(mut self, line: &str) -> Self {
        put(&mut self.top, line);
        self
    }

    /// The configuration.
    pub fn yaml(&self) -> String {
        let mut yaml = String::from("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n");
        for line in &self.top {
            yaml += &format!("{line}\n");
        }
        yaml += "models:\n";
        for model in &self.models {
            yaml += &format!("  - name: {}\n    {}\n", model.name, model.lines.join("\n    "));
        }
        let names: Vec<_> = self.models.iter().map(|model| model.name.as_str()).collect();
        yaml += &format!(
            "routes:\n  - name: auto\n    ladder: [{}]\n    policy: {}\n",
            names.join(", "),
            self.policy
        );
        for line in &self.route {
            yaml += &format!("    {line}\n");
        }
        yaml
    }

    /// Starts a gateway with it.
    pub async fn start(&self) -> Gateway {
        Gateway::start(&self.yaml()).await
    }
}

/// Adds a line `key: value` in place of one with the same key.
fn put(lines: &mut Vec<String>, line: &str) {
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    lines.retain(|other| key(other) != key(line));
    lines.push(line.to_owned());
}
