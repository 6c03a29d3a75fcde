"""Writes what Kustomize and the Helm chart have in common, from the chart, so that there is one source of it.

usage: python deploy/kustomize/render.py [--check]    --check: fails where a file is not what it would write; needs helm
"""

import pathlib
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE.parent / "helm/xietong"
HEAD = "# Written by deploy/kustomize/render.py from the Helm chart; `kustomize edit` and patches are for what is yours.\n"
SWITCHES = {
    "base": [],
    "monitoring": ["monitoring.monitor=true", "monitoring.rules=true", "monitoring.dashboards=true"],
    "hpa": ["autoscaling.kind=hpa"],
    "keda": ["autoscaling.kind=keda"],
    "sidecar": ["mode=sidecar", "secrets={xietong}", "config.clients=null", "monitoring.monitor=true",
                "sidecar.containers[0].name=app", "sidecar.containers[0].image=app"],
}


def rendered(name):
    """The chart's objects with these switches, without what is Helm's own."""
    sets = [word for switch in SWITCHES[name] for word in ("--set", switch)]
    command = ["helm", "template", "xietong", CHART, "--namespace", "NAMESPACE", *sets]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [neutral(made) for made in yaml.safe_load_all(done.stdout.replace("NAMESPACE", "default")) if made]


def neutral(made):
    """Without a namespace, and without labels that name Helm."""
    made["metadata"].pop("namespace", None)
    for labels in (made["metadata"]["labels"], made.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})):
        labels.pop("helm.sh/chart", None)
        labels.pop("app.kubernetes.io/managed-by", None)
    return made


def of(objects, *kinds):
    """Those of these kinds."""
    return [made for made in objects if made["kind"] in kinds]


def configuration(objects):
    """The gateway's configuration."""
    return of(objects, "ConfigMap")[0]["data"]["xietong.yaml"]


def sidecar(objects):
    """A patch that puts the gateway into a pod of somebody else's."""
    pod = of(objects, "Deployment")[0]["spec"]["template"]
    chosen = {"xietong.dev/sidecar": "enabled"}
    volumes = [{"name": "xietong-config", "configMap": {"name": "xietong-sidecar"}}]
    # Half a minute for the application, as is Kubernetes' default, and the sidecar's own on top.
    spec = {"initContainers": pod["spec"]["initContainers"], "volumes": volumes, "terminationGracePeriodSeconds": 40,
            "enableServiceLinks": False}
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"},
             "spec": {"template": {"metadata": {"labels": chosen}, "spec": spec}}}
    monitor = of(objects, "PodMonitor")[0]
    monitor["metadata"] = {"name": "xietong-sidecar"}
    monitor["spec"]["selector"]["matchLabels"] = chosen
    return patch, monitor


def files():
    """Every file with its text."""
    base, monitoring = rendered("base"), rendered("monitoring")
    patch, monitor = sidecar(rendered("sidecar"))
    text = lambda *objects: HEAD + yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True, width=1000)  # noqa: E731
    yield "base/xietong.yaml", text(*(made for made in base if made["kind"] != "ConfigMap"))
    yield "base/config/xietong.yaml", configuration(base)
    yield "components/monitoring/monitoring.yaml", text(*of(monitoring, "ServiceMonitor", "PrometheusRule"))
    yield "components/hpa/autoscaling.yaml", text(*of(rendered("hpa"), "HorizontalPodAutoscaler"))
    yield "components/keda/autoscaling.yaml", text(*of(rendered("keda"), "ScaledObject"))
    yield "components/sidecar/patch.yaml", text(patch)
    yield "components/sidecar/monitor.yaml", text(monitor)
    yield "components/sidecar/config/xietong.yaml", configuration(rendered("sidecar"))


def main():
    """Writes the files, or says which would change."""
    stale = []
    for name, text in files():
        file = HERE / name
        if not file.exists() or file.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"not what deploy/kustomize/render.py writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
