"""Does with processes what the kubelet does with the containers of a pod: their order, probes, ConfigMaps and their end.

usage: helm template x deploy/helm/xietong … | python deploy/tests/kubelet.py SECONDS IMAGE=COMMAND…    prints what happens

Of Kubernetes' rules for native sidecars it keeps to these:
- init containers start in order; one with restartPolicy Always must pass its startup probe before the next one starts, and
  is started again whenever it ends
- containers start after the init containers; the pod is done when all of them have ended
- at the end the containers are told first, with SIGTERM, and when they are gone the sidecars, the last one first; all of them
  share terminationGracePeriodSeconds, and what is left then is killed, a sidecar after two seconds of its own
- a ConfigMap is a folder of links into `..data`, a link that is swapped when it changes
"""

import http.client
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

import yaml

LAST_RESORT = 2.0  # seconds that a sidecar gets when the grace period is over


class Container:
    """One container of the pod, and its process."""

    def __init__(self, pod, spec, sidecar):
        self.pod, self.spec, self.sidecar, self.name = pod, spec, sidecar, spec["name"]
        self.process, self.starts, self.wanted = None, 0, True

    def start(self):
        """Starts the process that stands for the image."""
        command = [*shlex.split(self.pod.images[self.spec["image"]]), *self.spec.get("args", [])]
        for mount in self.spec.get("volumeMounts", []):
            command = [word.replace(mount["mountPath"], str(self.pod.volumes[mount["name"]])) for word in command]
        environment = dict(self.pod.secrets) if self.spec.get("envFrom") else {}
        environment |= {one["name"]: one["value"] for one in self.spec.get("env", []) if "value" in one}
        log = open(self.pod.folder / f"{self.name}.log", "ab")
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        self.starts += 1
        self.pod.note(f"{self.name}: started" + (" again" if self.starts > 1 else ""))

    def passes(self, probe):
        """Whether a probe that the container has is passed once."""
        ask = self.spec[probe]["httpGet"]
        port = next(port["containerPort"] for port in self.spec["ports"] if port["name"] == ask["port"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=self.spec[probe].get("timeoutSeconds", 1))
        try:
            connection.request("GET", ask["path"])
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def started(self):
        """Waits for the startup probe as long as it allows."""
        probe = self.spec.get("startupProbe")
        for _ in range(probe["failureThreshold"] if probe else 0):
            if self.passes("startupProbe"):
                return self.pod.note(f"{self.name}: startup probe passed")
            time.sleep(probe["periodSeconds"] / 10 if self.pod.hurried else probe["periodSeconds"])
        assert not probe, f"{self.name}: startup probe failed"

    def ready(self):
        """Whether the container is running and passes its readiness probe, if it has one."""
        running = self.process is not None and self.process.poll() is None
        return running and ("readinessProbe" not in self.spec or self.passes("readinessProbe"))

    def tell(self):
        """SIGTERM."""
        self.wanted = False
        if self.process.poll() is None:
            self.pod.note(f"{self.name}: SIGTERM")
            self.process.send_signal(signal.SIGTERM)

    def await_end(self, until):
        """Waits for its end, and kills it when the time is over."""
        try:
            code = self.process.wait(max(0.0, until - time.monotonic()))
            self.pod.note(f"{self.name}: ended with {code}")
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.pod.note(f"{self.name}: killed")


class Pod:
    """A pod of rendered manifests. `images` says which command stands for an image."""

    def __init__(self, manifests, images, folder, secrets=(), hurried=True):
        work = next(made for made in manifests if made["kind"] in ("Deployment", "Job"))
        self.spec = work["spec"]["template"]["spec"]
        self.images, self.folder, self.secrets, self.hurried = images, pathlib.Path(folder), dict(secrets), hurried
        self.began, self.events, self.volumes, self.swaps = time.monotonic(), [], {}, 0
        configs = {made["metadata"]["name"]: made["data"] for made in manifests if made["kind"] == "ConfigMap"}
        for volume in self.spec.get("volumes", []):
            self.volumes[volume["name"]] = self.folder / volume["name"]
            self.lay(volume["name"], configs[volume["configMap"]["name"]])
        self.sidecars = [Container(self, spec, True) for spec in self.spec.get("initContainers", [])]
        self.containers = [Container(self, spec, False) for spec in self.spec["containers"]]

    def note(self, what):
        """Remembers what happened, and when."""
        self.events.append((time.monotonic() - self.began, what))

    def happened(self):
        """What happened, in order."""
        return [what for _, what in self.events]

    def lay(self, volume, files):
        """Writes a ConfigMap as the kubelet does, or changes it."""
        folder = self.volumes[volume]
        folder.mkdir(exist_ok=True)
        self.swaps += 1
        dated = folder / f"..2026_11_24_{self.swaps}"
        dated.mkdir()
        for name, text in files.items():
            (dated / name).write_text(text)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")
        (folder / "..data_tmp").symlink_to(dated.name)
        (folder / "..data_tmp").rename(folder / "..data")

    def start(self):
        """Starts everything in order; returns when the containers run."""
        for sidecar in self.sidecars:
            assert sidecar.spec.get("restartPolicy") == "Always", "only sidecars are known here"
            sidecar.start()
            sidecar.started()
        for container in self.containers:
            container.start()
        for container in self.containers:
            container.started()
        threading.Thread(target=self.keep, daemon=True).start()

    def keep(self):
        """Starts sidecars again that end though nobody told them."""
        while any(sidecar.wanted for sidecar in self.sidecars):
            for sidecar in self.sidecars:
                if sidecar.wanted and sidecar.process.poll() is not None:
                    self.note(f"{sidecar.name}: ended by itself with {sidecar.process.returncode}")
                    sidecar.start()
            time.sleep(0.05)

    def ready(self):
        """Whether the pod would get traffic."""
        return all(one.ready() for one in [*self.sidecars, *self.containers])

    def await_completion(self, patience):
        """For a Job: waits until its containers have ended by themselves; then the sidecars are told."""
        until = time.monotonic() + patience
        for container in self.containers:
            container.await_end(until)
        self.end_sidecars(time.monotonic() + self.spec.get("terminationGracePeriodSeconds", 30))
        return [container.process.returncode for container in self.containers]

    def end(self):
        """Ends the pod, as when it is deleted."""
        self.note("pod: to be deleted")
        until = time.monotonic() + self.spec.get("terminationGracePeriodSeconds", 30)
        for container in self.containers:
            container.tell()
        for container in self.containers:
            container.await_end(until)
        self.end_sidecars(until)
        self.note("pod: gone")

    def end_sidecars(self, until):
        """The last one that was started goes first."""
        for sidecar in reversed(self.sidecars):
            sidecar.tell()
            sidecar.await_end(max(until, time.monotonic() + LAST_RESORT))

    def kill(self):
        """Whatever still runs."""
        for one in [*self.sidecars, *self.containers]:
            one.wanted = False
            if one.process is not None and one.process.poll() is None:
                one.process.kill()


def main(seconds, *images):
    """Runs a pod for so long, and says what happened."""
    manifests = [made for made in yaml.safe_load_all(sys.stdin) if made]
    with tempfile.TemporaryDirectory() as folder:
        pod = Pod(manifests, dict(image.split("=", 1) for image in images), folder, os.environ.items(), hurried=False)
        try:
            pod.start()
            time.sleep(float(seconds))
            pod.end()
        finally:
            pod.kill()
            for at, what in pod.events:
                print(f"{at:7.2f} s  {what}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
