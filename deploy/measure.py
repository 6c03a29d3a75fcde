"""Measures what one plans with: start to ready, memory at rest, and what a scrape costs. Figures go to standard output.

usage: python deploy/measure.py startup PROGRAM [WEIGHTS]    with WEIGHTS also with the embedded model
       python deploy/measure.py scrape PROGRAM [UPSTREAM]    at 50 clients, 10 routes and 10 models, every combination asked
       python deploy/measure.py load PROGRAM [UPSTREAM]      processor time of the gateway for a request and for a chunk
       python deploy/measure.py traced PROGRAM [UPSTREAM]    the same with every request traced
"""

import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "tests"))
from stage import BIN, Collector, free_port, started  # noqa: E402

STARTS = 20
CLIENTS, ROUTES, MODELS = 50, 10, 10
ASKED = 8000
QUESTION = "Why is the sky blue at noon and red in the evening? Answer in two or three sentences, for a child."


def memory(pid):
    """Resident memory in MiB: all of it, and what is not a file's pages."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return kib["Rss"] / 1024, kib["Anonymous"] / 1024


def ready_after(program, file, admin):
    """Seconds from the start of the process to the first 200 of /readyz; the process goes on."""
    began = time.perf_counter()
    running = subprocess.Popen([program, "serve", "--config", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=60)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return time.perf_counter() - began, running
        except OSError:
            assert running.poll() is None, "it ended"
            time.sleep(0.001)


def startup(program, weights=None):
    """Start to ready, of so many starts, and memory at rest thereafter."""
    remote = "{name: large, provider: openai, model: m, base_url: 'http://127.0.0.1:9/v1', api_key: sk-none}"
    embedded = f"{{name: small, provider: embedded, weights: '{pathlib.Path(weights).resolve()}'}}" if weights else None
    for what, models in (("remote models only", [remote]), ("with the embedded model", [embedded, remote])):
        if None in models:
            continue
        times, resident = [], []
        for _ in range(STARTS):
            with tempfile.TemporaryDirectory() as folder:
                data, admin, file = free_port(), free_port(), pathlib.Path(folder) / "xietong.yaml"
                file.write_text(f"listen: 127.0.0.1:{data}\nadmin: 127.0.0.1:{admin}\nmodels: [{', '.join(models)}]\n")
                taken, running = ready_after(program, file, admin)
                times.append(taken)
                time.sleep(0.2)
                resident.append(memory(running.pid))
                running.kill()
                running.wait()
        whole, own = (statistics.median(column) for column in zip(*resident))
        print(f"{what}: ready after {1e3 * statistics.median(times):.0f} ms (median of {STARTS}; most {1e3 * max(times):.0f}), "
              f"{whole:.0f} MiB resident, {own:.0f} MiB of them no files'")


def configuration(upstream, turn, ports):
    """Each route asks another model in each turn."""
    models = [f"  - {{name: model-{at}, provider: openai, model: says, base_url: '{upstream}', api_key: sk-none, "
              f"price: {{input: {at + 1}, output: {2 * at + 2}}}}}" for at in range(MODELS)]
    ladder = ", ".join(f"model-{at}" for at in range(MODELS))
    routes = [f"  - {{name: route-{at}, ladder: [{ladder}], policy: {{kind: fixed, model: model-{(at + turn) % MODELS}}}}}"
              for at in range(ROUTES)]
    clients = [f"  - {{name: client-{at}, key: sk-client-number-{at:05}, budget: {{amount: 1000, per: day}}}}"
               for at in range(CLIENTS)]
    lines = [f"listen: 127.0.0.1:{ports[0]}", f"admin: 127.0.0.1:{ports[1]}", "log: json", "models:", *models, "routes:",
             *routes, "clients:", *clients]
    return "\n".join(lines) + "\n"


def ask_all(address, client):
    """One streamed request to each route, by one client."""
    connection = http.client.HTTPConnection(address, timeout=30)
    for route in range(ROUTES):
        body = {"model": f"route-{route}", "stream": True, "messages": [{"role": "user", "content": "Is it so?"}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"content-type": "application/json", "authorization": f"Bearer sk-client-number-{client:05}"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()


def scrape(program, upstream_program=None):
    """Size and time of a scrape once every client has asked every model through every route."""
    upstream, line = started([upstream_program or BIN / "scripted-upstream"], "http")
    with tempfile.TemporaryDirectory() as folder:
        file, ports = pathlib.Path(folder) / "xietong.yaml", (free_port(), free_port())
        file.write_text(configuration(line.strip(), 0, ports))
        gateway, line_of_gateway = started([program, "serve", "--config", file], "answering on")
        address = urllib.parse.urlparse(next(word for word in line_of_gateway.split() if "http" in word)).netloc
        admin = f"http://127.0.0.1:{ports[1]}"
        before = memory(gateway.pid)
        for turn in range(MODELS):
            file.write_text(configuration(line.strip(), turn, ports))
            urllib.request.urlopen(urllib.request.Request(f"{admin}/reload", b"", method="POST")).read()
            threads = [threading.Thread(target=ask_all, args=(address, client)) for client in range(CLIENTS)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        times = []
        for _ in range(STARTS):
            began = time.perf_counter()
            text = urllib.request.urlopen(f"{admin}/metrics").read()
            times.append(time.perf_counter() - began)
        series = sum(1 for line in text.splitlines() if not line.startswith(b"#"))
        after = memory(gateway.pid)
        gateway.kill()
        upstream.kill()
    print(f"{CLIENTS} clients, {ROUTES} routes, {MODELS} models, {CLIENTS * ROUTES * MODELS} combinations: {series} series, "
          f"{len(text) / 1e6:.2f} MB, {1e3 * statistics.median(times):.0f} ms (median of {STARTS}; most {1e3 * max(times):.0f}); "
          f"memory grew from {before[0]:.0f} to {after[0]:.0f} MiB")


def processor_time(pid):
    """Seconds of a processor that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask_again(address, model, stream, count):
    """So many requests on one connection."""
    connection = http.client.HTTPConnection(address, timeout=30)
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": QUESTION}]})
    for _ in range(count):
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()


def traced(program, upstream_program=None):
    """As `load`, with a collector that takes every request's spans."""
    collector = Collector()
    load(program, upstream_program, f"telemetry: {{otlp: {{endpoint: 'http://{collector.address}'}}}}\n")
    print(f"{sum(map(len, collector.bodies)) / len(collector.bodies) / 1024:.0f} KiB a batch, {len(collector.bodies)} batches")


def load(program, upstream_program=None, more=""):
    """Processor time of the gateway alone; clients and upstream are other processes."""
    upstream, line = started([upstream_program or BIN / "scripted-upstream"], "http")
    with tempfile.TemporaryDirectory() as folder:
        file, ports = pathlib.Path(folder) / "xietong.yaml", (free_port(), free_port())
        models = ", ".join(f"{{name: {name}, provider: openai, model: {name}, base_url: '{line.strip()}', api_key: sk-none, "
                           "price: {input: 1, output: 2}}" for name in ("says", "hundred"))
        # Scored, and then always the model whose answer is known.
        routes = ", ".join(f"{{name: to-{name}, ladder: [says, hundred], policy: {{kind: threshold, at: {at}}}}}"
                           for name, at in (("says", 1), ("hundred", 0)))
        file.write_text(f"listen: 127.0.0.1:{ports[0]}\nadmin: 127.0.0.1:{ports[1]}\nlog: json\nmodels: [{models}]\n"
                        f"routes: [{routes}]\n{more}")
        gateway, _ = started([program, "serve", "--config", file], "answering on")
        address = f"127.0.0.1:{ports[0]}"
        for what, model, stream in (("whole answer by name", "says", False), ("whole answer by a route", "to-says", False),
                                    ("stream of 100 tokens by a route", "to-hundred", True)):
            ask_again(address, model, stream, 200)
            began, used = time.perf_counter(), processor_time(gateway.pid)
            threads = [threading.Thread(target=ask_again, args=(address, model, stream, ASKED // 8)) for _ in range(8)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            used, taken = processor_time(gateway.pid) - used, time.perf_counter() - began
            print(f"{what}: {1e6 * used / ASKED:.0f} µs of a processor each, so {ASKED / used:.0f} a second for each core; "
                  f"asked {ASKED / taken:.0f} a second")
        gateway.kill()
        upstream.kill()


if __name__ == "__main__":
    measures = {"startup": startup, "scrape": scrape, "load": load, "traced": traced}
    if len(sys.argv) < 3 or sys.argv[1] not in measures:
        sys.exit(__doc__)
    measures[sys.argv[1]](*sys.argv[2:])
