#!/usr/bin/env python3
"""Checkpoints a pod whose container counts on a GPU with the host service, and restores it with the OCI runtime wrapper.

usage: engine.py TREE RUNC [--megabytes N] [--program FILE]

  TREE         directory with bin/criu, bin/cedana-node and bin/cuda-checkpoint, as /opt/cedana-cdk/current on a node
  RUNC         path of runc
  --megabytes  memory of the process on the GPU, default 64
  --program    a Python program that prints "count N" after each step, default count.py beside this file

It calls the wrapper as containerd's shim does, with the directories of containerd, and needs neither containerd nor Kubernetes.
A second container, without a GPU, is part of the pod. The machine must have no engine `criu` installed. It needs root, a GPU with
NVIDIA's driver, and Python 3. It prints one object of JSON.

exit code: 0 both containers counted on, here and in the restored pod; 1 one did not; 2 invalid arguments; 3 this machine lacks
something
"""

import argparse
import contextlib
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
STATE = "/run/containerd/runc/k8s.io"
PLANS = "/var/lib/cedana-cdk/restore"
CHECKPOINTS = "/var/lib/cedana-cdk/checkpoints"
SOCKET = "/run/cedana-cdk/node/node.sock"
WRAPPER = "/usr/local/bin/cedana-runc"
CRIU = "/usr/local/sbin/criu"
CURRENT = "/opt/cedana-cdk/current"
SECONDS = 120
# The directories of this machine that the container sees, read-only: it needs Python and the driver's libraries.
SYSTEM = ["/usr", "/etc", "/opt"]


class Lacking(Exception):
    """This machine lacks something."""


class Failed(Exception):
    """The checkpoint or the restore did not do what it should."""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)[:300]}: status {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


class Container:
    """A container that counts, with the streams and files that containerd gives it."""

    def __init__(self, name, pod, folder, runc, args, devices, program=None):
        self.id, self.name, self.pod, self.counts = f"{pod}-{name}", name, pod, []
        self.other = []
        self.bundle = os.path.join(BUNDLES, self.id)
        layers = os.path.join(folder, self.id)
        for each in ["lower/tmp", "lower/proc", "lower/sys", "lower/dev", "upper", "work"]:
            os.makedirs(os.path.join(layers, each))
        rootfs = os.path.join(self.bundle, "rootfs")
        os.makedirs(rootfs)
        mounts = []
        for each in SYSTEM:
            os.makedirs(layers + "/lower" + each)
        for each in system_mounts():
            mounts.append({"destination": each, "type": "bind", "source": each, "options": ["bind", "ro"]})
        for each in ["bin", "sbin", "lib", "lib64"]:
            os.symlink("usr/" + each, f"{layers}/lower/{each}")
        if program:
            shutil.copy(program, f"{layers}/lower/program")
        options = f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work"
        run("mount", "-t", "overlay", "overlay", "-o", options, rootfs)
        run(runc, "spec", cwd=self.bundle)
        with open(self.bundle + "/config.json") as file:
            spec = json.load(file)
        spec["process"].update(terminal=False, args=args, rlimits=[])
        spec["process"]["env"] += [f"LD_LIBRARY_PATH={os.environ.get('CEDANA_GPU_LIBRARIES', library_path())}", "HOME=/tmp"]
        spec["root"] = {"path": "rootfs", "readonly": False}
        spec["mounts"] += mounts
        spec["linux"]["cgroupsPath"] = "/cedana-gpu-test/" + self.id
        spec["linux"]["devices"] = devices
        spec["linux"]["resources"]["devices"] = [{"allow": False, "access": "rwm"}] + [
            {"allow": True, "type": "c", "major": each["major"], "minor": each["minor"], "access": "rwm"} for each in devices
        ]
        spec["annotations"] = {
            "io.kubernetes.cri.container-type": "sandbox" if name == "sandbox" else "container",
            "io.kubernetes.cri.container-name": name,
            "io.kubernetes.cri.sandbox-id": pod,
            "io.kubernetes.cri.sandbox-uid": pod,
            "io.kubernetes.cri.sandbox-namespace": "default",
            "io.kubernetes.cri.sandbox-name": pod,
        }
        self.spec = spec

    def write(self, annotations):
        self.spec["annotations"].update(annotations)
        with open(self.bundle + "/config.json", "w") as file:
            json.dump(self.spec, file)

    def start(self):
        output, writer = os.pipe()
        reader, _ = os.pipe()
        call = [WRAPPER, "--root", STATE, "--log", self.bundle + "/log.json", "--log-format", "json"]
        begin = time.monotonic()
        created = subprocess.run(
            call + ["create", "--bundle", self.bundle, "--pid-file", self.bundle + "/init.pid", self.id],
            stdin=reader, stdout=writer, stderr=writer, timeout=SECONDS,
        )
        os.close(writer)
        self.milliseconds = round((time.monotonic() - begin) * 1000)
        threading.Thread(target=self.read, args=(output,), daemon=True).start()
        if created.returncode != 0:
            raise Failed(f"{self.id} was not created: {text_of(self.bundle + '/log.json')[-600:]}")
        run(*call, "start", self.id)

    def read(self, output):
        with open(output, errors="replace") as lines:
            for line in lines:
                word, _, number = line.strip().partition(" ")
                self.counts.append(int(number)) if word == "count" else self.other.append(line.strip())

    def reach(self, length):
        end = time.monotonic() + SECONDS
        while len(self.counts) < length:
            if time.monotonic() > end or self.other and self.other[-1].startswith("error"):
                raise Failed(f"{self.id} printed {self.counts[-3:]} and {self.other[-5:]}")
            time.sleep(0.01)

    def gapless(self):
        if any(b != a + 1 for a, b in zip(self.counts, self.counts[1:])):
            raise Failed(f"{self.id} did not count on: {self.counts}")

    def remove(self):
        subprocess.run([WRAPPER, "--root", STATE, "delete", "--force", self.id], capture_output=True)
        subprocess.run(["umount", "-l", self.bundle + "/rootfs"], capture_output=True)
        shutil.rmtree(self.bundle, ignore_errors=True)


def text_of(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def library_path():
    """Returns the directory of libcuda.so.1 on this machine."""
    for line in subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout.splitlines():
        if "libcuda.so.1" in line:
            return os.path.dirname(line.split("=>")[1].strip())
    return "/usr/lib64"


def system_mounts():
    """Returns the directories of this machine that containers see: each mount is one of the container, as CRIU needs it."""
    with open("/proc/self/mountinfo") as lines:
        points = {line.split()[4] for line in lines}
    return sorted(SYSTEM + [each for each in points if each.startswith(tuple(each + "/" for each in SYSTEM))])


def devices():
    found = []
    for path in sorted(glob.glob("/dev/nvidia*")):
        stat = os.stat(path)
        if stat.st_rdev:
            found.append({"path": path, "type": "c", "major": os.major(stat.st_rdev), "minor": os.minor(stat.st_rdev), "fileMode": 0o666, "uid": 0, "gid": 0})
    return found


@contextlib.contextmanager
def installed(tree, runc, log):
    """Installs wrapper, CRIU and service where a node has them, and removes them at the end."""
    for path in [WRAPPER, CRIU, "/opt/cedana-cdk", "/etc/cedana-cdk", SOCKET, PLANS]:
        if os.path.lexists(path):
            raise Lacking(f"{path} exists: use a machine without the engine criu")
    os.makedirs("/opt/cedana-cdk")
    os.makedirs("/etc/cedana-cdk")
    os.makedirs(os.path.dirname(CRIU), exist_ok=True)
    service = None
    try:
        os.symlink(tree, CURRENT)
        shutil.copy(tree + "/bin/cedana-node", WRAPPER)
        os.symlink(tree + "/bin/criu", CRIU)
        with open("/etc/cedana-cdk/runtime", "w") as file:
            file.write(runc + "\n")
        for each in ["node", "state"]:
            os.makedirs("/run/cedana-cdk/" + each, mode=0o700)
        service = subprocess.Popen([CURRENT + "/bin/cedana-node", "cedana-noded"], stdout=log, stderr=log)
        end = time.monotonic() + SECONDS
        while not os.path.exists(SOCKET):
            if service.poll() is not None or time.monotonic() > end:
                raise Failed("the host service does not start: " + text_of(log.name)[-600:])
            time.sleep(0.05)
        yield
    finally:
        if service:
            service.terminate()
            service.wait()
        for path in [WRAPPER, CRIU]:
            os.unlink(path) if os.path.lexists(path) else None
        for path in ["/opt/cedana-cdk", "/etc/cedana-cdk", "/run/cedana-cdk", "/var/lib/cedana-cdk"]:
            shutil.rmtree(path, ignore_errors=True)


def call(method, **params):
    return json.loads(run(CURRENT + "/bin/cedana-node", "cedana-noded", "call", method, json.dumps(params)))


def lay(pod, uid):
    """Writes the plan of a pod, which appears in one rename."""
    inside = f"{PLANS}/.{pod}"
    os.makedirs(inside, mode=0o700)
    os.chmod(PLANS, 0o700)
    shutil.copytree(f"{CHECKPOINTS}/{uid}", f"{inside}/{uid}")
    with open(f"{inside}/{uid}/checkpoint.json", "rb") as file:
        metadata = file.read()
    plan = {
        "version": 1, "podUID": pod, "checkpoint": uid, "fallback": "fail", "restart": "fresh", "lazy": False, "restoreSeconds": 90,
        "metadata": {"size": len(metadata), "sha256": hashlib.sha256(metadata).hexdigest()},
        "deadline": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600)),
    }
    with open(inside + "/plan.json", "w") as file:
        json.dump(plan, file)
    os.rename(inside, f"{PLANS}/{pod}")
    return sum(os.path.getsize(os.path.join(base, each)) for base, _, files in os.walk(f"{PLANS}/{pod}") for each in files)


def prove(options, folder, report):
    def pod(name):
        python = [options.python or sys.executable, "/program", str(options.megabytes)]
        count = 'i=0; while :; do i=$((i+1)); echo "count $i"; sleep 0.05; done'
        return [
            Container("sandbox", name, folder, options.runc, ["/bin/sleep", "1000000"], []),
            Container("gpu", name, folder, options.runc, python, devices(), options.program),
            Container("plain", name, folder, options.runc, ["/bin/sh", "-c", count], []),
        ]

    created = []
    try:
        created += pod("source")
        for each in created:
            each.write({})
            each.start()
        sources = created[1:]
        for each in sources:
            each.reach(5)
        taken = call("checkpoint", uid="gpu-test", podUID="source")
        before = {each.name: list(each.counts) for each in sources}
        report["timingsMilliseconds"] = {key: round(value / 1e6) for key, value in taken["timings"].items()}
        report["frozenMilliseconds"] = round(taken["checkpoint"]["frozenNanoseconds"] / 1e6)
        report["gpuOfCheckpoint"] = next(each.get("gpu") for each in taken["checkpoint"]["containers"] if each["name"] == "gpu")
        if not report["gpuOfCheckpoint"]:
            raise Failed("the service found no process that uses a GPU")
        for each in sources:
            each.reach(len(before[each.name]) + 5)
            each.gapless()
        for each in list(created):
            each.remove()
        report["checkpointBytes"] = lay("copy", "gpu-test")
        sandbox, *copies = pod("copy")
        created += [sandbox, *copies]
        for each in [sandbox, *copies]:
            each.write({"cedana.ai/restore-plan": ""} if each in copies else {})
            each.start()
        report["restoreMilliseconds"] = {each.name: each.milliseconds for each in copies}
        state = json.loads(text_of(f"{PLANS}/copy/state.json"))
        if state["decision"] != "restore":
            raise Failed(f"the decision was {state['decision']}: {state.get('reason')}: {state.get('message')}")
        for each in copies:
            each.reach(5)
            each.gapless()
            if each.counts[0] - 1 not in before[each.name]:
                raise Failed(f"{each.id} counted on at {each.counts[0]}, the checkpoint was taken at {before[each.name][-3:]} or before")
        report["countedOnAt"] = {each.name: each.counts[0] for each in copies}
    except Failed:
        for log in glob.glob(f"{PLANS}/copy/work/*/*.log"):
            print(log, text_of(log)[-1500:], sep="\n", file=sys.stderr)
        raise
    finally:
        for each in created:
            each.remove()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("tree")
    parser.add_argument("runc")
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--program", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "count.py"))
    parser.add_argument("--python", help="Python of the container, default this one")
    options = parser.parse_args()
    options.tree, options.runc = os.path.realpath(options.tree), os.path.realpath(options.runc)
    report = {"result": "passed", "error": "", "kernel": os.uname().release, "megabytes": options.megabytes}
    try:
        if os.getuid() != 0:
            raise Lacking("root is needed: the host service dumps processes of containers")
        for path in [options.runc] + [f"{options.tree}/bin/{each}" for each in ["criu", "cedana-node", "cuda-checkpoint"]]:
            if not os.access(path, os.X_OK):
                raise Lacking(f"{path} is missing: build the node agent image with --cuda-checkpoint")
        try:
            report["gpu"], report["driver"] = run("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").splitlines()[0].split(", ")
        except (OSError, Failed, ValueError) as error:
            raise Lacking(f"this machine has no GPU with NVIDIA's driver: {error}") from error
        with tempfile.TemporaryDirectory() as folder, open(folder + "/service.log", "w") as log, installed(options.tree, options.runc, log):
            prove(options, folder, report)
    except Lacking as error:
        print(f"engine.py: {error}", file=sys.stderr)
        return 3
    except Failed as error:
        report["result"], report["error"] = "failed", str(error)
    print(json.dumps(report, indent=2))
    return 0 if report["result"] == "passed" else 1


if __name__ == "__main__":
    sys.exit(main())
