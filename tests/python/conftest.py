"""The real gateway, as a program, in front of the scripted upstream, as a program."""

import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

import anthropic
import openai
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
KEY = "sk-team-key"

# The upstream does what the name of its model says; see `scripted-upstream --help`.
BEHAVIOURS = ["says", "chinese", "echoes", "calls", "loops", "fits", "hundred", "cut", "thinks", "vectors", "obeys-slow1"]
ERRORS = [400, 401, 403, 404, 409, 422, 429, 500, 503]


def configuration(base_url: str, data: int, admin: int) -> str:
    """Every behaviour is a model, and `auto` chooses between two of them."""
    lines = [f"listen: 127.0.0.1:{data}", f"admin: 127.0.0.1:{admin}", "clients:", f"  - {{name: team, key: {KEY}}}"]
    lines.append("models:")
    names = {behaviour: behaviour for behaviour in BEHAVIOURS + [f"error-{status}" for status in ERRORS]}
    # An endpoint of its own: one that has failed five times in a row is not asked, and then clients may come back.
    names["gives-up"] = "error-503"
    for name, behaviour in names.items():
        lines += [
            f"  - name: {name}",
            "    provider: openai",
            f"    model: {behaviour}",
            f'    endpoints: [{{base_url: "{base_url}", api_key: sk-upstream}}]',
            "    accepts: [text, image, tools, json_schema, embeddings]",
            "    price: {input: 1, output: 2}",
            "    retries: 0",
        ]
    lines += ["routes:", "  - {name: auto, ladder: [says, hundred], policy: {kind: fixed, model: says}}"]
    return "\n".join(lines) + "\n"


def free_port() -> int:
    """A port that the system gives to nobody who asks for any: for a minute after a connection was closed from its side,
    only who names it gets it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as near:
            listener.accept()[0].close()
            assert near.recv(1) == b""
    return address[1]


def wait_until_ready(url: str, program: subprocess.Popen) -> None:
    """Returns when the URL answers; fails when the program ends or takes more than 60 s."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert program.poll() is None, f"the gateway ended with {program.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError(f"nothing answers at {url}")


@pytest.fixture(scope="session")
def addresses(tmp_path_factory):
    """The base URLs of a running gateway: of its data port and of its admin port."""
    upstream = subprocess.Popen([BIN / "scripted-upstream"], stdout=subprocess.PIPE, text=True)
    data, admin = free_port(), free_port()
    file = tmp_path_factory.mktemp("gateway") / "xietong.yaml"
    file.write_text(configuration(upstream.stdout.readline().strip(), data, admin))
    gateway = subprocess.Popen([BIN / "xietong", "serve", "--config", file], stdout=subprocess.DEVNULL)
    try:
        wait_until_ready(f"http://127.0.0.1:{admin}/readyz", gateway)
        yield f"http://127.0.0.1:{data}", f"http://127.0.0.1:{admin}"
        gateway.terminate()
        assert gateway.wait(timeout=20) == 0, "an orderly end"
    finally:
        gateway.kill()
        upstream.kill()


@pytest.fixture
def counted(addresses):
    """Counts the requests that ended so far, by labels of the metric."""

    def count(**labels) -> int:
        with urllib.request.urlopen(f"{addresses[1]}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{name}="{value}"' for name, value in labels.items()]
        found = [line for line in lines if line.startswith("xietong_requests_total{") and all(label in line for label in wanted)]
        return sum(int(line.rsplit(" ", 1)[1]) for line in found)

    return count


@pytest.fixture
def abandoned(counted):
    """Runs what leaves an answer under way, and waits until the gateway has counted it as abandoned."""

    def leave(what) -> None:
        before, deadline = counted(outcome="abandoned"), time.monotonic() + 10
        what()
        while counted(outcome="abandoned") == before:
            assert time.monotonic() < deadline, "the gateway has not seen the client leave"
            time.sleep(0.02)
        assert counted(outcome="abandoned") == before + 1

    return leave


@pytest.fixture
def client(addresses):
    """The client as users have it, but for retries: each request is to be seen once."""
    with openai.OpenAI(base_url=f"{addresses[0]}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(addresses):
    """Anthropic's client, as above."""
    with anthropic.Anthropic(base_url=addresses[0], api_key=KEY, max_retries=0) as client:
        yield client
