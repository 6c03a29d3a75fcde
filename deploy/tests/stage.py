"""A real gateway in front of the scripted upstream, a real Prometheus that scrapes it, and clients who ask it all sorts."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
CLIENTS = ("web", "batch", "agent", "finance")
# Nobody listens there: connections are refused.
CLOSED = "http://127.0.0.1:9/v1"

CONFIGURATION = """\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
currency: CNY
models:
  - {{name: small, provider: openai, model: obeys-small, local: true, accepts: [text, tools, json_schema, logprobs],
     base_url: "{upstream}", api_key: sk-none-of-it, price: {{input: 1, output: 4}}, timeouts: {{first_token: 2s, idle: 2s}}}}
  - {{name: medium, provider: openai, model: obeys-medium, base_url: "{upstream}", api_key: sk-none-of-it,
     price: {{input: 4, output: 16}}, timeouts: {{first_token: 2s, idle: 2s}}}}
  - {{name: large, provider: openai, model: obeys-large, price: {{input: 20, cached_input: 2, output: 100}},
     timeouts: {{first_token: 2s, idle: 2s}},
     endpoints: [{{base_url: "{upstream}", api_key: sk-none-of-it}}, {{base_url: "{closed}", api_key: sk-none-of-it}}]}}
routes:
  - {{name: auto, ladder: [small, large],
     policy: {{kind: cascade, policy: {{kind: threshold, at: 0.75}}, hold: {{tokens: 12, max_wait: 400ms}}}}}}
  - {{name: support, ladder: [small, medium, large], policy: {{kind: threshold, at: [0.35, 0.65]}}}}
  - {{name: urgent, ladder: [small, medium], policy: {{kind: hedge, policy: {{kind: fixed, model: small}}, delay: 120ms}}}}
  - {{name: steered, ladder: [small, medium, large],
     policy: {{kind: utility, targets: {{quality: 0.95, spend: {{amount: 30, per: day}}, first_token_p95: 300ms}}}}}}
  - {{name: explored, ladder: [small, large], calibration: scorer.json,
     policy: {{kind: explore, share: 1, spend: {{amount: 1000, per: day}}, policy: {{kind: threshold, at: 0.5}}}}}}
  - {{name: archive, ladder: [small, large], policy: {{kind: fixed, model: large}}, fallback: none}}
clients:
  - {{name: web, key: sk-web-web-web-web-web, budget: {{amount: 50, per: day}}}}
  - {{name: batch, key: sk-batch-batch-batch-batch, budget: {{amount: 4, per: day}}}}
  - {{name: agent, key: sk-agent-agent-agent-agent, limits: {{requests_per_minute: 240}}}}
  - {{name: finance, key: sk-finance-finance-finance}}
state: {{kind: embedded, path: {ledger}}}
telemetry: {{otlp: {{endpoint: "http://{collector}"}}}}
log: json
grace: 2s
"""

QUESTIONS = (
    "What is the capital of France?", "Translate 'good morning' into German.", "你好，请介绍一下北京。",
    "Write a haiku about autumn.", "What is 2+2?", "Spell the word necessary.",
    "Prove that every bounded monotone sequence of real numbers converges, and say where completeness is used.",
    "Design a lock-free multi-producer queue in Rust and argue why each memory ordering is needed.",
    "Derive the closed form of the generating function of the Catalan numbers and their asymptotics.",
    "Compare the fiscal policies of three countries after 2008 and their effect on unemployment.",
)


def prometheus():
    """Debian's Prometheus: on the path, or where `.ci/check` puts it."""
    return program("prometheus")


def promtool():
    """The checker that comes with it."""
    return program("promtool")


def program(name):
    """A program of the path, or of the cache of `.ci/check`."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "xietong/tools/bin" / name
    found = shutil.which(name) or (str(cache) if cache.exists() else None)
    assert found, f"{name} is not to be found; `.ci/check deploy` gets it"
    return found


def started(command, mark, **more):
    """Starts a program and reads what it says until a line has the mark; returns the program and that line."""
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    for line in running.stdout:
        if mark in line:
            # What else it says must not fill the pipe.
            threading.Thread(target=lambda: [None for _ in running.stdout], daemon=True).start()
            return running, line
    raise AssertionError(f"{command[0]} ended with {running.wait()} and said nothing of {mark!r}")


class Collector(http.server.ThreadingHTTPServer):
    """Takes traces, and keeps the bytes that they came as."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Taking)
        self.address, self.bodies = f"127.0.0.1:{self.server_port}", []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Taking(http.server.BaseHTTPRequestHandler):
    """Says to everything that it is taken: a message without a field."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing."""


class Stage:
    """Everything that runs. Addresses are free ports of the loopback interface."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.programs = contextlib.ExitStack()
        self.stop = threading.Event()
        self.asked = 0

    def __enter__(self):
        upstream, line = started([BIN / "scripted-upstream"], "http")
        self.programs.callback(upstream.kill)
        self.file = self.folder / "xietong.yaml"
        self.collector = Collector()
        self.programs.callback(self.collector.shutdown)
        self.text = CONFIGURATION.format(upstream=line.strip(), closed=CLOSED, ledger=self.folder / "ledger.db",
                                         collector=self.collector.address)
        self.file.write_text(self.text)
        self.calibrate()
        gateway, line = started([BIN / "xietong", "serve", "--config", self.file], "answering on")
        self.programs.callback(gateway.kill)
        self.data, self.admin = (urllib.parse.urlparse(word.strip(",")).netloc for word in line.split() if "http" in word)
        self.pid = gateway.pid
        self.watch()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.programs.close()

    def calibrate(self):
        """Adapts the scorer to labelled requests, with a certificate: the small model fails at one in twenty."""
        rows = [{"prompt": f"{QUESTIONS[number % len(QUESTIONS)]} ({number})", "small": float(number % 20 > 0), "large": 1.0}
                for number in range(400)]
        labels = self.folder / "labels.jsonl"
        labels.write_text("\n".join(map(json.dumps, rows)))
        done = subprocess.run(
            [BIN / "xietong", "calibrate", "--data", labels, "--out", self.folder / "scorer.json", "--max-loss", "0.2",
             "--confidence", "0.9"], capture_output=True, text=True, check=True)
        assert "threshold" in done.stdout + done.stderr, done

    def watch(self):
        """Starts the Prometheus, with the real rules; it scrapes and evaluates each second."""
        port = free_port()
        self.prometheus = f"127.0.0.1:{port}"
        file = self.folder / "prometheus.yml"
        file.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{DEPLOY}/prometheus/rules/*.yaml']\n"
            f"scrape_configs: [{{job_name: xietong, static_configs: [{{targets: ['{self.admin}']}}]}}]\n"
        )
        running, _ = started(
            [prometheus(), f"--config.file={file}", f"--storage.tsdb.path={self.folder}/tsdb",
             f"--web.listen-address={self.prometheus}", "--log.level=info", "--enable-feature=exemplar-storage"],
            "Server is ready",
        )
        self.programs.callback(running.kill)

    def query(self, expression, **at):
        """The series of an expression now, or over a range (`start`, `end`, `step`)."""
        path = "query_range" if at else "query"
        words = urllib.parse.urlencode({"query": expression, **at})
        with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/{path}?{words}", timeout=20) as answer:
            return json.load(answer)["data"]["result"]

    def exemplars(self, expression):
        """The traced requests that stand beside the series of an expression, by the series' metric."""
        end = time.time()
        words = urllib.parse.urlencode({"query": expression, "start": end - 3600, "end": end + 60})
        with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/query_exemplars?{words}", timeout=20) as answer:
            found = json.load(answer)["data"]
        return [(series["seriesLabels"], one) for series in found for one in series["exemplars"]]

    def traffic(self, seconds, clients=8, seed=7):
        """Lets so many clients ask without a pause for a while, and the configuration change in the midst of it."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self.ask_on, args=(random.Random(seed * 1000 + number), end), daemon=True)
                   for number in range(clients)]
        for thread in threads:
            thread.start()
        for text in ("models: [", self.text + "# once more\n", self.text):
            time.sleep(seconds / 5)
            self.file.write_text(text)
        for thread in threads:
            thread.join()

    def ask_on(self, chance, end):
        """One client after the other, until the end."""
        while time.monotonic() < end and not self.stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.ask(chance)
            self.asked += 1
            time.sleep(chance.uniform(0, 0.06))

    def ask(self, chance):
        """One request, whole or streamed; now and then its client leaves at once."""
        client = chance.choices((*CLIENTS, "nobody"), (8, 4, 3, 3, 0.2))[0]
        model = chance.choices(("auto", "support", "urgent", "steered", "explored", "archive", "medium"),
                              (10, 6, 3, 3, 5, 1, 1))[0]
        stream = chance.random() < 0.7
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": staged(chance)}]}
        key = f"sk-{'-'.join([client] * (5 if client == 'web' else 3 if client == 'finance' else 4))}"
        connection = http.client.HTTPConnection(self.data, timeout=20)
        try:
            headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            if chance.random() < 0.02:
                return
            answer.read()
        finally:
            connection.close()


def staged(chance):
    """A question, with orders to the upstreams: how long, how fast, how sure, and now and then a fault."""
    orders = [f"large:come=18 small:come={chance.choices((18, 17), (85, 15))[0]}"]
    for name, pace, sure in (("small", 4, 0.85), ("medium", 6, 0.9), ("large", 9, 0.95)):
        orders += [f"wait={chance.lognormvariate(3.4, 0.7) * pace / 5:.0f}", f"pace={pace * chance.uniform(0.5, 2):.1f}",
                   f"say={chance.randint(8, 40)}", f"input={chance.randint(200, 4000)}", f"cached={chance.randint(0, 2000)}",
                   f"probable={min(0.99, max(0.05, chance.gauss(sure, 0.22))):.2f}"]
        orders += chance.choices(([], ["refuse"], ["cut"], ["garble"], ["error=429"], ["error=503"], ["error=400"]),
                                 (100, 5 if name == "small" else 0, 2, 2, 2, 2, 1))[0]
        orders = [order if ":" in order else f"{name}:{order}" for order in orders]
    return " ".join([*orders, chance.choice(QUESTIONS)])


def free_port():
    """A port that the system gives to nobody who asks for any: for a minute after a connection was closed from its side,
    only who names it gets it."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as near:
            listener.accept()[0].close()
            assert near.recv(1) == b""
    return address[1]
