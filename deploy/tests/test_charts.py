"""The Helm chart and Kustomize: what they render is valid, safe, and a gateway that would start and be found."""

import functools
import os
import re
import shutil
import subprocess
import sys
import textwrap

import jsonschema
import kubernetes_validate
import pytest
import yaml

from custom_resources import SCHEMAS
from stage import BIN, DEPLOY, program

CHART = DEPLOY / "helm/xietong"
KUSTOMIZE = DEPLOY / "kustomize"
VERSIONS = ("1.33", "1.35", "1.37")
VALUES = [None, *sorted((CHART / "ci").glob("*-values.yaml"))]
OVERLAYS = sorted((KUSTOMIZE / "overlays").iterdir())
# What Secrets would bring into the environment.
SECRETS = {name: f"sk-of-some-length-{name}" for name in
           ("ZHIPUAI_API_KEY", "DEEPSEEK_API_KEY", "XIETONG_KEY", "WEB_KEY", "BATCH_KEY", "XIETONG_REDIS_PASSWORD")}
SECRETS["XIETONG_REDIS_URL"] = "redis://redis:6379/0"
APPLICATION = "registry.example.com/"


def run(*command):
    """Runs a program that must be content, and returns what it says on standard output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@functools.cache
def helm(verb, values=None, *more):
    """Runs helm on the chart."""
    words = ["--values", values] if values else []
    return run(program("helm"), verb, *(["x"] if verb == "template" else []), CHART, *words, *more)


def objects(text):
    """The objects of a stream of YAML."""
    return [made for made in yaml.safe_load_all(text) if made]


def name(values):
    """For people."""
    return values.stem.removesuffix("-values") if values else "default"


def everything():
    """Whatever is rendered anywhere, with a name."""
    for values in VALUES:
        yield pytest.param(lambda values=values: objects(helm("template", values)), id=f"helm-{name(values)}")
    for overlay in OVERLAYS:
        yield pytest.param(lambda overlay=overlay: objects(run(program("kubectl"), "kustomize", overlay)),
                           id=f"kustomize-{overlay.name}")


rendered = pytest.mark.parametrize("render", list(everything()))


def of(made, *kinds):
    """Objects of these kinds."""
    return [one for one in made if one["kind"] in kinds]


def workload(made):
    """The Deployment or Job, its pod, and the gateway's container there."""
    (work,) = of(made, "Deployment", "Job")
    pod = work["spec"]["template"]
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    return work, pod, next(container for container in containers if container["name"] == "xietong")


def configuration(made):
    """The text of the gateway's configuration."""
    return next(one["data"]["xietong.yaml"] for one in of(made, "ConfigMap") if "xietong.yaml" in one["data"])


@pytest.mark.parametrize("values", VALUES, ids=name)
def test_helm_lint_is_strict(values):
    assert "0 chart(s) failed" in helm("lint", values, "--strict")


@rendered
def test_manifests_are_valid_in_three_versions_of_kubernetes(render):
    for one in render():
        if one["apiVersion"] in SCHEMAS:
            jsonschema.validate(one, SCHEMAS[one["apiVersion"]][one["kind"]])
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)


def test_the_validator_sees_a_wrong_key():
    work, pod, container = workload(objects(helm("template")))
    container["readinessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(work, VERSIONS[0], strict=True)


def test_our_own_schemas_see_a_wrong_key():
    for made in objects(helm("template", CHART / "ci/keda-monitoring-values.yaml")):
        if made["apiVersion"] in SCHEMAS:
            schema = SCHEMAS[made["apiVersion"]][made["kind"]]
            made["spec"]["intervall"] = "15s"
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(made, schema)


@rendered
def test_the_gateway_accepts_its_configuration(render, tmp_path):
    text = configuration(render())
    file = tmp_path / "xietong.yaml"
    file.write_text(text.replace("/models/", f"{tmp_path}/"))
    done = subprocess.run([BIN / "xietong", "check", "--config", file], env={**os.environ, **SECRETS},
                          capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said


@rendered
def test_pods_keep_to_the_restricted_standard(render):
    _, pod, ours = workload(render())
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert spec["automountServiceAccountToken"] is False
    assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    assert {kind for volume in spec["volumes"] for kind in volume} <= {"name", "configMap", "persistentVolumeClaim"}
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["capabilities"] == {"drop": ["ALL"]}
    assert ours["securityContext"] | {"runAsUser": 65532, "readOnlyRootFilesystem": True} == ours["securityContext"]
    assert ours["resources"]["requests"].keys() == {"cpu", "memory"} and "memory" in ours["resources"]["limits"]


@rendered
def test_ports_probes_and_grace_fit_the_configuration(render):
    made = render()
    work, pod, ours = workload(made)
    config = yaml.safe_load(configuration(made))
    ports = {port["name"]: port["containerPort"] for port in ours["ports"]}
    host, data = config["listen"].split(":")
    assert config["admin"] == f"0.0.0.0:{ports['metrics']}"
    sidecar = any(container["name"] == "xietong" for container in pod["spec"].get("initContainers", []))
    if sidecar:
        assert ours["restartPolicy"] == "Always" and host == "127.0.0.1" and "http" not in ports
        application = pod["spec"]["containers"][0]
        address = next(one["value"] for one in application.get("env", []) if one["name"] == "OPENAI_BASE_URL")
        assert address == f"http://127.0.0.1:{data}/v1"
    else:
        assert host == "0.0.0.0" and int(data) == ports["http"]
        # A data port that is open to the cluster has clients with keys.
        assert config["clients"]
    probes = {probe: ours[probe]["httpGet"]["path"] for probe in ours if probe.endswith("Probe")}
    assert probes == {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    # What is under way is finished, and the last words said, before the kubelet's patience ends.
    assert int(config["grace"].removesuffix("s")) + 5 <= pod["spec"]["terminationGracePeriodSeconds"]


@rendered
def test_the_configuration_is_mounted_as_a_folder(render):
    """A subPath would never see a change of the ConfigMap."""
    made = render()
    _, pod, ours = workload(made)
    mount = next(mount for mount in ours["volumeMounts"] if mount["name"] == "xietong-config")
    assert mount == {"name": "xietong-config", "mountPath": "/etc/xietong", "readOnly": True}
    assert ours["args"][-1] == "/etc/xietong/xietong.yaml"
    names = {one["metadata"]["name"] for one in of(made, "ConfigMap")}
    volume = next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "xietong-config")
    assert volume["configMap"]["name"] in names


@rendered
def test_no_secret_is_rendered(render):
    made = render()
    assert not of(made, "Secret")
    keys = re.findall(r"(?<![a-z_])(?:key|api_key|url): *(\S+)", configuration(made))
    assert keys or "vllm" in configuration(made)
    for key in keys:
        assert "${" in key, key


@rendered
def test_whoever_is_chosen_exists(render):
    """Selectors and references lead somewhere within the manifests."""
    made = render()
    work, pod, ours = workload(made)
    labels, ports = pod["metadata"]["labels"], {port["name"] for port in ours["ports"]}
    for one in of(made, "Service"):
        assert one["spec"]["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in one["spec"]["ports"]} <= ports
    for one in of(made, "PodMonitor", "PodDisruptionBudget"):
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for one in of(made, "NetworkPolicy"):
        assert one["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    for one in of(made, "ServiceMonitor"):
        chosen = [service for service in of(made, "Service")
                  if one["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()]
        assert [port["name"] for port in chosen[0]["spec"]["ports"]] == [one["spec"]["endpoints"][0]["port"]]
    for one in of(made, "HorizontalPodAutoscaler", "ScaledObject"):
        assert one["spec"]["scaleTargetRef"]["name"] == work["metadata"]["name"] and "replicas" not in work["spec"]
    for spread in pod["spec"].get("topologySpreadConstraints", []):
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items()


@rendered
def test_the_network_policy_lets_out_to_upstreams_alone(render):
    for policy in of(render(), "NetworkPolicy"):
        if "Egress" in policy["spec"]["policyTypes"]:
            for way in policy["spec"]["egress"]:
                assert way["to"] and way["ports"]
                for peer in way["to"]:
                    if "ipBlock" in peer:
                        assert "169.254.0.0/16" in peer["ipBlock"]["except"]
        ways = policy["spec"]["ingress"]
        assert all(way.get("from") for way in ways if any(port["port"] == "metrics" for port in way["ports"]))


def test_rules_in_the_cluster_are_the_tested_ones():
    made = objects(helm("template", CHART / "ci/keda-monitoring-values.yaml"))
    (rules,) = of(made, "PrometheusRule")
    ours = [group for file in ("targets", "recording", "alerts")
            for group in yaml.safe_load((DEPLOY / f"prometheus/rules/{file}.yaml").read_text())["groups"]]
    theirs = rules["spec"]["groups"]
    assert theirs[1:] == ours[1:]
    changed = {rule["record"]: rule["expr"] for rule in theirs[0]["rules"]}
    assert changed.pop("xietong_target:first_token_seconds:most") == "vector(8)"
    assert changed.pop("xietong_target:doubted_share:most") == "vector(0.5)"
    assert changed.items() <= {rule["record"]: rule["expr"] for rule in ours[0]["rules"]}.items()
    boards = [one for one in of(made, "ConfigMap") if one["metadata"]["labels"].get("grafana_dashboard") == "1"]
    assert len(boards) == 4


def test_pods_are_replaced_only_when_they_must_be():
    def stamp(*sets):
        words = [word for one in sets for word in ("--set", one)]
        return workload(objects(helm("template", None, *words)))[1]["metadata"]["annotations"]["checksum/needs-restart"]

    assert stamp() == stamp("config.routes[0].policy.at=0.7", "replicas=5")
    assert len({stamp(), stamp("config.currency=USD"), stamp("grace=30"), stamp("state.kind=redis")}) == 4


@pytest.mark.parametrize("wrong, word", [
    ("repliccas=3", "repliccas"), ("replicas=0", "replicas"), ("mode=daemon", "mode"),
    ("config.listen=0.0.0.0:1", "config"), ("state.kind=embedded", "embedded"), ("mode=sidecar", "containers"),
    ("image.digest=sha256:12", "digest"), ("targets.first_token=1", "first_token"), ("autoscaling.hpa.cpu=170", "cpu"),
])
def test_wrong_values_are_refused(wrong, word):
    done = subprocess.run([program("helm"), "template", "x", CHART, "--set", wrong], capture_output=True, text=True)
    assert done.returncode != 0 and word in done.stderr, done.stderr


def test_old_clusters_are_refused():
    done = subprocess.run([program("helm"), "template", "x", CHART, "--kube-version", "1.28.0"], capture_output=True,
                          text=True)
    assert done.returncode != 0 and "1.29" in done.stderr


def test_kustomize_says_what_the_chart_says():
    folder = os.path.dirname(program("helm"))
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, KUSTOMIZE / "render.py", "--check"], check=True, env=environment)


@pytest.mark.parametrize("component", sorted((KUSTOMIZE / "components").iterdir()), ids=lambda path: path.name)
def test_every_component_builds_upon_the_base(component, tmp_path):
    """Kustomize takes relative paths only, so that the whole tree is copied."""
    shutil.copytree(DEPLOY, tmp_path / "deploy", symlinks=True)
    overlay = tmp_path / "deploy/kustomize/overlays/probe"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(
        {"resources": ["../../base"], "components": [f"../../components/{component.name}"]}))
    made = objects(run(program("kubectl"), "kustomize", overlay))
    for one in made:
        if one["apiVersion"] not in SCHEMAS:
            kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
        else:
            jsonschema.validate(one, SCHEMAS[one["apiVersion"]][one["kind"]])


def test_another_chart_may_put_the_sidecar_into_its_own_pod(tmp_path):
    """As deploy/README.md says."""
    said = textwrap.dedent((DEPLOY / "README.md").read_text().split("```yaml\n")[1].split("```")[0])
    template = ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec:\n  selector: {matchLabels: {app: shop}}\n"
                "  template:\n    metadata: {labels: {app: shop}}\n    spec:\n"
                "      containers: [{name: shop, image: shop}]\n") + textwrap.indent(said, " " * 6)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/shop.yaml").write_text(template)
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n"
                                         "dependencies: [{name: xietong, version: 0.1.0}]\n")
    (tmp_path / "values.yaml").write_text("xietong: {mode: sidecar, sidecar: {workload: false}}\n")
    shutil.copytree(CHART, tmp_path / "charts/xietong")
    made = objects(run(program("helm"), "template", "x", tmp_path))
    assert sorted(one["kind"] for one in made) == ["ConfigMap", "Deployment"]
    (work,) = of(made, "Deployment")
    kubernetes_validate.validate(work, VERSIONS[0], strict=True)
    (sidecar,) = work["spec"]["template"]["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    config = of(made, "ConfigMap")[0]["metadata"]["name"]
    assert work["spec"]["template"]["spec"]["volumes"] == [{"name": "xietong-config", "configMap": {"name": config}}]
