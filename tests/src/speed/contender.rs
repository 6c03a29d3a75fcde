//! Who is measured: nginx as it comes from Debian, and Xietong, open and with accounts.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bodies::{KEY, Kind};
use super::load::Asking;
use super::process::Running;

/// How long a proxy may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy that is running.
#[derive(Debug)]
struct Proxy {
    process: Running,
    address: SocketAddr,
}

/// One way through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the upstream itself.
    Direct,
    /// Through nginx.
    Nginx,
    /// Through Xietong to a model that is named.
    Name,
    /// Through Xietong to a route, which scores the prompt and decides.
    Auto,
    /// By name, for a client with a budget and limits, with the ledger on.
    NameAccounts,
    /// By route, for such a client.
    AutoAccounts,
}

impl Way {
    /// All that lead through a proxy, nginx first.
    pub const ALL: [Self; 5] = [Self::Nginx, Self::Name, Self::Auto, Self::NameAccounts, Self::AutoAccounts];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Name => "by name",
            Self::Auto => "auto",
            Self::NameAccounts => "by name, with accounts",
            Self::AutoAccounts => "auto, with accounts",
        }
    }

    /// The body of the answer, to the last byte.
    pub fn due(self, kind: Kind) -> Vec<u8> {
        match self {
            Self::Direct | Self::Nginx => kind.answer().into_bytes(),
            Self::Name | Self::Auto | Self::NameAccounts | Self::AutoAccounts => {
                kind.answer_with_cost().into_bytes()
            }
        }
    }

    /// What a client names in `model` who goes this way.
    pub fn model(self, kind: Kind) -> String {
        match self {
            Self::Direct | Self::Nginx | Self::Name | Self::NameAccounts => kind.model().to_owned(),
            Self::Auto | Self::AutoAccounts => format!("auto-{}", kind.model()),
        }
    }
}

/// All proxies.
#[derive(Debug)]
pub struct Proxies {
    nginx: Option<Proxy>,
    open: Proxy,
    accounts: Proxy,
    upstream: SocketAddr,
}

impl Proxies {
    /// Starts them on a core, nginx where there is one, in front of an upstream, with their files in `folder`.
    ///
    /// # Panics
    /// Where one does not start.
    pub fn start(
        core: usize,
        nginx: Option<&str>,
        xietong: &str,
        upstream: SocketAddr,
        folder: &Path,
    ) -> Self {
        let client = format!(
            "state: {{kind: embedded, path: {}}}\nclients:\n  - name: team\n    key: {KEY}\n    \
             budget: {{amount: 1000000, per: day}}\n    limits: {{requests_per_minute: 1000000000, \
             tokens_per_minute: 1000000000000, concurrent: 10000}}\n",
            folder.join("xietong.db").display()
        );
        let proxies = Self {
            nginx: nginx.map(|nginx| start_nginx(core, nginx, upstream, folder)),
            open: start_xietong(core, xietong, upstream, "state: none\n", &folder.join("open.yaml")),
            accounts: start_xietong(core, xietong, upstream, &client, &folder.join("accounts.yaml")),
            upstream,
        };
        let all = proxies.nginx.iter().chain([&proxies.open, &proxies.accounts]);
        all.for_each(|proxy| await_listener(proxy.address));
        proxies
    }

    /// The process of the proxy on this way, if there is one.
    pub fn process(&self, way: Way) -> Option<&Running> {
        self.of(way).map(|proxy| &proxy.process)
    }

    fn of(&self, way: Way) -> Option<&Proxy> {
        match way {
            Way::Direct => None,
            Way::Nginx => self.nginx.as_ref(),
            Way::Name | Way::Auto => Some(&self.open),
            Way::NameAccounts | Way::AutoAccounts => Some(&self.accounts),
        }
    }

    /// What is asked on this way.
    pub fn asking(&self, way: Way, kind: Kind) -> Arc<Asking> {
        self.asking_with(way, kind, kind.request(&way.model(kind)))
    }

    /// The same with a request of another's that has the same answer.
    pub fn asking_with(&self, way: Way, kind: Kind, request: Vec<u8>) -> Arc<Asking> {
        let address = self.of(way).map_or(self.upstream, |proxy| proxy.address);
        Arc::new(Asking { address, request, due: way.due(kind) })
    }
}

fn start_nginx(core: usize, program: &str, upstream: SocketAddr, folder: &Path) -> Proxy {
    let (address, folder) = (free(), folder.display());
    let file = format!(
        "daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;\n\
         events {{ worker_connections 20000; }}\n\
         http {{\n  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n  \
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n  \
         upstream models {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}\n  \
         server {{\n    listen {address} backlog=4096; keepalive_requests 1000000000; client_body_buffer_size 64k;\n    \
         location / {{ proxy_pass http://models; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_buffering off; proxy_read_timeout 600s; }}\n  }}\n}}\n"
    );
    let path = format!("{folder}/nginx.conf");
    fs::write(&path, file).expect("the folder takes files");
    Proxy { process: Running::start(core, program, &["-c", &path]), address }
}

fn start_xietong(core: usize, program: &str, upstream: SocketAddr, rest: &str, path: &Path) -> Proxy {
    let address = free();
    fs::write(path, xietong_file(address, free(), upstream, rest)).expect("the folder takes files");
    let path = path.to_string_lossy();
    Proxy { process: Running::start(core, program, &["serve", "--config", &path]), address }
}

/// A configuration with the upstream's models, and a route to each that scores a prompt first.
pub fn xietong_file(listen: SocketAddr, admin: SocketAddr, upstream: SocketAddr, rest: &str) -> String {
    let models: String = ["whole", "hundred", "slow"]
        .map(|name| {
            format!(
                "  - {{name: {name}, provider: openai, model: {name}, base_url: 'http://{upstream}/v1', \
                 api_key: sk-upstream, price: {{input: 1, output: 2}}}}\n"
            )
        })
        .concat();
    // However hard the prompt, the model whose answer is known is asked.
    let routes: String =
        [("whole", "[whole, slow]", 1), ("hundred", "[whole, hundred]", 0), ("slow", "[whole, slow]", 0)]
            .map(|(name, ladder, at)| {
                format!(
                    "  - {{name: auto-{name}, ladder: {ladder}, policy: {{kind: threshold, at: {at}}}}}\n"
                )
            })
            .concat();
    format!("listen: {listen}\nadmin: {admin}\nmodels:\n{models}routes:\n{routes}{rest}")
}

/// Waits until somebody listens.
///
/// # Panics
/// Where nobody does after a while.
pub fn await_listener(address: SocketAddr) {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An address that was free a moment ago.
///
/// # Panics
/// Where no port is left.
pub fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it is bound")
}
