"""Runs the program of an image's root as a container would, and asks it something over DNS and TLS.

usage: unshare --mount --mount-proc --net --pid --fork --kill-child python3 deploy/docker/contained.py ROOT SCRATCH

Inside: the root is read-only but for /tmp, the user is 65532 without capabilities, and the network is a loopback interface
with a name server and a provider on it. The runtime's own files (hosts, resolv.conf) are mounted as Docker and the kubelet do.
"""

import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

NAME = "provider.test"
ANSWER = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 1,
          "total_tokens": 4}, "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}]}


def run(*command):
    """Runs a program that must succeed."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def name_server():
    """Answers every question for an IPv4 address with 127.0.0.1, others with nothing."""
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.bind(("127.0.0.1", 53))
    while True:
        question, peer = port.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        asks_ipv4 = question[end - 4 : end - 2] == b"\0\1"
        head = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if asks_ipv4 else b"\0\0") + b"\0\0\0\0" + question[12:end]
        port.sendto(head + (b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\x7f\0\0\1" if asks_ipv4 else b""), peer)


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers every chat completion."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def provider(scratch):
    """Starts it with a certificate of its own; returns the certificate."""
    key, certificate = scratch / "provider.key", scratch / "provider.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext",
                    f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=critical,CA:FALSE",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Provider)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return certificate


def laid(root, scratch, config):
    """The root as a runtime lays it: read-only, with what it mounts into it."""
    mounted = scratch / "mounted"
    shutil.rmtree(mounted, ignore_errors=True)
    mounted.mkdir()
    (mounted / "xietong.yaml").write_text(config)
    (mounted / "hosts").write_text("127.0.0.1 localhost\n")
    (mounted / "resolv.conf").write_text("nameserver 127.0.0.1\noptions ndots:5\n")
    authorities = root / "etc/ssl/certs/ca-certificates.crt"
    (mounted / "authorities").write_text(authorities.read_text() + provider(scratch).read_text())
    places = {"hosts": root / "etc/hosts", "resolv.conf": root / "etc/resolv.conf", "authorities": authorities,
              "xietong.yaml": root / "etc/xietong/xietong.yaml"}
    for place in places.values():
        place.touch()
    (root / "proc").mkdir(exist_ok=True)
    run("mount", "--make-rprivate", "/")
    run("mount", "--bind", root, root)
    run("mount", "-o", "remount,bind,ro", root)
    run("mount", "-t", "tmpfs", "-o", "size=1m,mode=1777", "none", root / "tmp")
    run("mount", "-t", "proc", "none", root / "proc")
    for name, place in places.items():
        run("mount", "--bind", "-o", "ro", mounted / name, place)


def status(pid, word):
    """A line of what the kernel says of a process."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":", 1)[1].split() for line in lines if line.startswith(word + ":"))


def ask(url, body=None):
    """Gets or posts, and reads the answer."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as refusal:
        raise AssertionError(f"{url}: {refusal} {refusal.read().decode()}") from refusal


def check(program, root, engine):
    """What a container's security rests on, then a request of each kind."""
    said = []
    ready = next((line for line in program.stdout if said.append(line) or "answering on" in line), None)
    assert ready, "".join(said)
    data, admin = (word.strip(",") for word in ready.split() if word.startswith("http"))
    assert status(program.pid, "Uid") == ["65532"] * 4, status(program.pid, "Uid")
    assert all(set(*status(program.pid, word)) == {"0"} for word in ("CapEff", "CapPrm", "CapInh"))
    assert status(program.pid, "NoNewPrivs") == ["1"]
    assert pathlib.Path(f"/proc/{program.pid}/root").resolve() == root
    try:
        (root / "probe").touch()
        raise AssertionError("the root can be written")
    except OSError:
        pass
    admin = admin.removesuffix("/metrics")
    assert ask(f"{admin}/readyz") == "ready\n" and "xietong_build_info" in ask(f"{admin}/metrics")
    messages = [{"role": "user", "content": "Is it so?"}]
    named = ask(f"{data}/chat/completions", {"model": "large", "messages": messages})
    assert json.loads(named)["choices"][0]["message"]["content"] == "yes", named
    print("over DNS and TLS to a provider: answered")
    if engine:
        said = json.loads(ask(f"{data}/chat/completions", {"model": "small", "messages": messages, "max_tokens": 8}))
        assert said["choices"][0]["message"]["content"], said
        print(f"by the engine in it: {said['choices'][0]['message']['content']!r}")
    kept = sum(int(line.split()[1]) for line in pathlib.Path(f"/proc/{program.pid}/smaps_rollup").read_text().splitlines()
               if line.startswith("Rss:"))
    print(f"resident: {kept / 1024:.0f} MiB")


def main(root, scratch):
    """Lays the root, starts the program, asks, and stops it."""
    root, scratch = pathlib.Path(root).resolve(), pathlib.Path(scratch).resolve()
    engine = (root / "models").exists()
    small = "{name: small, provider: embedded, weights: /models/SmolLM2-135M-Instruct.Q4_1.gguf}"
    remote = f'{{name: large, provider: openai, base_url: "https://{NAME}/v1", api_key: sk-none-of-it, model: m}}'
    models = ", ".join([small, remote] if engine else [remote])
    run("ip", "link", "set", "lo", "up")
    threading.Thread(target=name_server, daemon=True).start()
    laid(root, scratch, f"listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nmodels: [{models}]\n")
    started = time.monotonic()
    program = subprocess.Popen(
        ["setpriv", "--no-new-privs", shutil.which("chroot"), "--userspec=65532:65532", "--groups=", root, "/usr/bin/xietong", "serve",
         "--config", "/etc/xietong/xietong.yaml"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={})
    check(program, root, engine)
    program.send_signal(signal.SIGTERM)
    assert program.wait(timeout=30) == 0, "an orderly end"
    print(f"started, asked and stopped in {time.monotonic() - started:.1f} s, as user 65532 on a read-only root")


if __name__ == "__main__":
    if len(sys.argv) != 3 or os.geteuid() != 0:
        sys.exit(__doc__)
    main(*sys.argv[1:])
