"""Dockerfile, compose file and what they mount. `deploy/docker/prove` runs the stages themselves."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from stage import BIN, DEPLOY, ROOT, promtool

DOCKERFILE = (DEPLOY / "docker/Dockerfile").read_text()
COMPOSE = DEPLOY / "compose/compose.yaml"


def beside(name):
    """A program of the same environment as this one."""
    return Path(sys.executable).parent / name


def test_hadolint_has_no_complaint():
    done = subprocess.run([beside("hadolint"), "--failure-threshold", "style", DEPLOY / "docker/Dockerfile"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_scripts_are_sound():
    for script, shell in (("docker/stages", "sh"), ("docker/prove", "bash"), ("build-release", "bash")):
        subprocess.run([shell, "-n", DEPLOY / script], check=True)


def test_base_images_are_pinned_and_the_last_ones_are_empty():
    pins = dict(re.findall(r"^ARG (RUST_VERSION|DEBIAN_VERSION)=(\S+)$", DOCKERFILE, re.M))
    assert re.fullmatch(r"\d+\.\d+\.\d+", pins["RUST_VERSION"])
    bases = dict((name, base) for base, name in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.M))
    assert bases["toolchain"] == "rust:${RUST_VERSION}-slim-${DEBIAN_VERSION}"
    assert bases["gateway"] == bases["gateway-engine"] == "scratch"
    # Who names no target gets the small one.
    assert list(bases)[-1] == "gateway"


def test_both_images_run_as_nobody_with_labels_and_a_bill_of_materials():
    for name in ("gateway-engine", "gateway"):
        stage = DOCKERFILE.split(f"FROM scratch AS {name}\n")[1].split("\nFROM ")[0]
        assert "USER 65532:65532" in stage and "STOPSIGNAL SIGTERM" in stage
        assert 'ENTRYPOINT ["/usr/bin/xietong"]' in stage
        assert f"/out/{name}.cdx.json /usr/share/xietong/sbom.cdx.json" in stage
        for label in ("title", "description", "source", "licenses", "version"):
            assert f"org.opencontainers.image.{label}=" in stage


def test_versions_agree():
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert set(re.findall(r'image\.version="([0-9.]+)', DOCKERFILE)) == {version}
    chart = yaml.safe_load((DEPLOY / "helm/xietong/Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version


def test_the_context_has_every_crate_of_the_workspace():
    kept = re.findall(r"^!(\S+)$", (DEPLOY / "docker/Dockerfile.dockerignore").read_text(), re.M)
    members = re.search(r"^members = (\[.+\])$", (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert {member.split("/")[0] for member in json.loads(members)} <= set(kept)
    assert all((ROOT / name).exists() for name in kept)


def compose(**environment):
    """What compose makes of the file."""
    return subprocess.run([beside("docker-compose"), "-f", COMPOSE, "config", "--format", "json"], capture_output=True,
                          text=True, env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environment})


def test_compose_accepts_its_file_and_asks_for_what_it_needs():
    assert "DEEPSEEK_API_KEY" in compose(GRAFANA_PASSWORD="x").stderr
    assert "GRAFANA_PASSWORD" in compose(DEEPSEEK_API_KEY="x").stderr
    done = compose(GRAFANA_PASSWORD="x", DEEPSEEK_API_KEY="x")
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert set(services) == {"xietong", "prometheus", "grafana"}
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and not service["user"].startswith("0"), name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port["host_ip"] == "127.0.0.1" for port in service["ports"]), name
        for volume in service["volumes"]:
            assert volume["type"] == "volume" or (Path(volume["source"]).exists() and volume["read_only"]), volume
        assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), service["image"]


def test_what_compose_mounts_is_right():
    subprocess.run([BIN / "xietong", "check", "--config", DEPLOY / "compose/config/xietong.yaml"], check=True,
                   capture_output=True, env={"DEEPSEEK_API_KEY": "sk-0123456789"})
    config = yaml.safe_load((DEPLOY / "compose/config/xietong.yaml").read_text())
    grace = yaml.safe_load(COMPOSE.read_text())["services"]["xietong"]["stop_grace_period"]
    assert int(config["grace"].removesuffix("s")) + 5 <= int(grace.removesuffix("s"))
    prometheus = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())
    host, port = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0].split(":")
    assert host in yaml.safe_load(COMPOSE.read_text())["services"] and config["admin"].endswith(port)
    done = subprocess.run([promtool(), "check", "config", "--syntax-only", DEPLOY / "compose/prometheus.yml"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
