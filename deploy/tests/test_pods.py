"""Pods of the rendered manifests, run by `kubelet.py` with real processes: order, probes, changes and the end."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from kubelet import Pod
from stage import BIN, DEPLOY, free_port, program, started
from test_charts import CHART, objects

HERE = DEPLOY / "tests"
OURS = "ghcr.io/xietong-gateway/xietong:0.1.0"
APPLICATION = "registry.example.com/application:1"


@pytest.fixture(scope="module")
def upstream():
    running, line = started([BIN / "scripted-upstream"], "http")
    yield line.strip()
    running.kill()


@pytest.fixture
def pods(tmp_path, upstream):
    """Makes pods that end with the test."""
    made = []

    def make(kind="service", **values):
        ports = {"sidecar.port": free_port(), "metricsPort": free_port(), "port": free_port()}
        clients = [] if values.get("mode") == "sidecar" else [{"name": "team", "key": "sk-team-team-team-team"}]
        models = [{"name": name, "provider": "openai", "model": f"obeys-{name}", "base_url": upstream,
                   "api_key": "${XIETONG_KEY}"} for name in ("small", "large")]
        route = {"name": "auto", "ladder": ["small", "large"], "policy": {"kind": "fixed", "model": "small"}}
        config = {"config": {"clients": clients, "models": models, "routes": [route]}}
        file = tmp_path / f"values-{len(made)}.json"
        file.write_text(json.dumps(config))
        words = [f"--set={key}={value}" for key, value in {**ports, **values}.items()]
        text = subprocess.run([program("helm"), "template", "x", CHART, "--values", file, *words], capture_output=True,
                              text=True, check=True).stdout
        application = f"{sys.executable} {HERE}/application.py {tmp_path}/said {kind}"
        pod = Pod(objects(text), {OURS: str(BIN / "xietong"), APPLICATION: application}, tmp_path,
                  {"XIETONG_KEY": "sk-from-a-secret"})
        pod.data = ports["sidecar.port" if values.get("mode") == "sidecar" else "port"]
        pod.admin = f"http://127.0.0.1:{ports['metricsPort']}"
        pod.said = lambda: (tmp_path / "said").read_text().splitlines() if (tmp_path / "said").exists() else []
        made.append(pod)
        return pod

    yield make
    for pod in made:
        pod.kill()


def sidecar(**values):
    """Values of a pod with an application and the gateway beside it."""
    address = "http://127.0.0.1:PORT/v1"
    return {"mode": "sidecar", "sidecar.grace": 2, "sidecar.applicationGrace": 4,
            "sidecar.containers[0].name": "application", "sidecar.containers[0].image": APPLICATION,
            "sidecar.containers[0].env[0].name": "OPENAI_BASE_URL", "sidecar.containers[0].env[0].value": address, **values}


def run_beside(pods, kind="service", **values):
    """Starts such a pod; the application finds the gateway at its port."""
    pod = pods(kind, **sidecar(**values))
    for one in pod.spec["containers"][0]["env"]:
        one["value"] = one["value"].replace("PORT", str(pod.data))
    pod.start()
    return pod


def eventually(what, patience=10.0):
    """Waits until it is so."""
    until = time.monotonic() + patience
    while not what():
        assert time.monotonic() < until, "it never was so"
        time.sleep(0.02)


def get(url):
    """The body of a page."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def test_the_gateway_is_there_before_the_application_and_after_it(pods):
    pod = run_beside(pods)
    eventually(pod.said)
    eventually(pod.ready)
    pod.end()
    assert pod.said() == ["first: word0 word1 word2 word3 word4 word5 word6 word7"] + [
        "stopping: word0 word1 word2 word3 word4 word5 word6 word7"] * 4
    assert pod.happened() == [
        "xietong: started", "xietong: startup probe passed", "application: started", "pod: to be deleted",
        "application: SIGTERM", "application: ended with 0", "xietong: SIGTERM", "xietong: ended with 0", "pod: gone"]
    told, gone = (at for at, what in pod.events if what in ("xietong: SIGTERM", "xietong: ended with 0"))
    # Nobody is connected any more: there is nothing to wait for.
    assert gone - told < 1.5


def test_an_application_that_does_not_stop_takes_no_time_from_the_gateway(pods):
    pod = run_beside(pods, "stubborn", **{"sidecar.grace": 1, "sidecar.applicationGrace": 1})
    eventually(pod.said)
    pod.spec["terminationGracePeriodSeconds"] = 2
    pod.end()
    assert pod.happened()[-5:] == ["application: SIGTERM", "application: killed", "xietong: SIGTERM", "xietong: ended with 0",
                                   "pod: gone"]


def test_a_job_ends_though_the_gateway_would_go_on(pods):
    pod = run_beside(pods, "job", **{"sidecar.kind": "Job"})
    assert pod.await_completion(20) == [0]
    assert pod.happened()[-3:] == ["application: ended with 0", "xietong: SIGTERM", "xietong: ended with 0"]
    assert len(pod.said()) == 2 and not any("FAILED" in line for line in pod.said())


def test_a_gateway_that_dies_is_started_again_beside_the_application(pods):
    pod = run_beside(pods)
    eventually(pod.said)
    pod.sidecars[0].process.kill()
    eventually(lambda: pod.sidecars[0].starts == 2 and pod.ready())
    assert pod.containers[0].starts == 1 and pod.containers[0].process.poll() is None
    pod.end()
    assert not any("FAILED" in line for line in pod.said())


def test_a_changed_config_map_is_used_within_seconds_and_a_wrong_one_is_not(pods):
    pod = run_beside(pods)
    file = pod.volumes["xietong-config"] / "xietong.yaml"
    text, process = file.read_text(), pod.sidecars[0].process.pid
    assert "kind: fixed" in text
    changed = text.replace("model: small", "model: large")
    pod.lay("xietong-config", {"xietong.yaml": changed})
    eventually(lambda: 'model": "large"' in get(f"{pod.admin}/config") and generation(pod) == 2)
    pod.lay("xietong-config", {"xietong.yaml": changed.replace("ladder", "laddder")})
    eventually(lambda: counted(pod, 'reloads_total{result="refused"}') == 1)
    assert generation(pod) == 2 and pod.ready() and pod.sidecars[0].process.pid == process
    pod.lay("xietong-config", {"xietong.yaml": text})
    pod.sidecars[0].process.send_signal(signal.SIGHUP)
    eventually(lambda: generation(pod) >= 3, patience=1.5)


def generation(pod):
    """The number of the configuration in use."""
    return counted(pod, "config_generation")


def counted(pod, name):
    """One of the gateway's figures."""
    lines = get(f"{pod.admin}/metrics").splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if name in line and not line.startswith("#"))


def test_no_application_means_no_sidecar(pods):
    """A configuration that cannot be used stops the pod where one sees it: the application is never started."""
    pod = pods(**sidecar())
    file = pod.volumes["xietong-config"] / "xietong.yaml"
    pod.lay("xietong-config", {"xietong.yaml": file.read_text().replace("ladder", "laddder")})
    pod.spec["initContainers"][0]["startupProbe"]["failureThreshold"] = 5
    with pytest.raises(AssertionError, match="startup probe failed"):
        pod.start()
    assert pod.containers[0].starts == 0 and pod.sidecars[0].process.wait(5) == 78


def test_a_shared_gateway_drains(pods):
    pod = pods(grace=8)
    pod.start()
    eventually(pod.ready)
    connection = http.client.HTTPConnection("127.0.0.1", pod.data, timeout=20)
    headers = {"content-type": "application/json", "authorization": "Bearer sk-team-team-team-team"}
    ask = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "small:pace=100 small:say=40"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(ask), headers)
    answer = connection.getresponse()
    assert answer.status == 200 and answer.readline()
    ending = threading.Thread(target=pod.end)
    ending.start()
    eventually(lambda: not pod.ready(), patience=1)
    # Until load balancers have noticed, who comes is still let in.
    late = http.client.HTTPConnection("127.0.0.1", pod.data, timeout=20)
    late.request("POST", "/v1/chat/completions", json.dumps({**ask, "stream": False}), headers)
    assert late.getresponse().status == 200
    assert answer.read().rstrip().endswith(b"data: [DONE]")
    ending.join(timeout=20)
    assert pod.happened()[-3:] == ["xietong: SIGTERM", "xietong: ended with 0", "pod: gone"]
