"""A stand-in for `docker` and `podman`: a program for PATH that is as strict as they are.

From documentation, as the transcripts of servers are: the command-line references of Docker 28 and
Podman 4, their exit codes and the words of their errors; what it does was set beside both (a client
28.2.2 with a daemon 20.10.24, and Podman 4.3.1), as docs/how-to/containers.md says. It knows the
flags that Steelyard gives and refuses every other. A container is the image's server as a process
of this machine, in a session of its own below a shim, so that it outlives the program that began
it, as with the real ones. It is isolated from nothing: paths and ports in and out must be the same,
except for files whose places the server is told (`STANDIN_MOUNTS`). What it is to hold and how it
is to fail lies in the folder STANDIN_HOME (`tests.containers.setting` lays it out).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

HOME = Path(os.environ["STANDIN_HOME"])
NAME = Path(sys.argv[0]).name
DOCKER = NAME == "docker"
BOX = HOME / "containers"
REFUSED = 125  # both tools: the error is the daemon's or the command's, not the container's


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def end(words: str, code: int = 1) -> NoReturn:
    sys.stderr.write(words.rstrip() + "\n")
    sys.exit(code)


def daemon_says(words: str, code: int = 1) -> NoReturn:
    end(f"Error response from daemon: {words}" if DOCKER else f"Error: {words}", code)


def read(name: str) -> dict[str, Any]:
    path = HOME / name
    return json.loads(path.read_text()) if path.exists() else {}


def fails() -> str:
    path = HOME / "fails"
    return path.read_text().strip() if path.exists() else ""


class Strict(argparse.ArgumentParser):
    """Refuses what the real tool does not know, in its words and with its code."""

    def error(self, message: str) -> NoReturn:
        end(f"unknown flag or argument: {message}\n\nUsage:  {self.prog}", REFUSED)


def parser(of: str) -> Strict:
    return Strict(prog=f"{NAME} {of}", allow_abbrev=False, add_help=False)


# ── images ──────────────────────────────────────────────────────────────────────────────────────


def image_of(ref: str, shelf: str = "images.json") -> dict[str, Any] | None:
    """Find an image by tag, by digest or by id."""
    for named, image in read(shelf).items():
        plain = named.rpartition(":")[0]
        if ref in (named, image["id"], f"{plain}@{image['digest']}"):
            return {"named": named, **image}
    return None


def pull(words: list[str]) -> None:
    cmd = parser("pull")
    cmd.add_argument("ref")
    ref = cmd.parse_args(words).ref
    if fails() == "no-network":
        daemon_says(
            'Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host',
            1 if DOCKER else REFUSED,
        )
    found = image_of(ref, "registry.json")
    if fails() == "denied":
        daemon_says(f"pull access denied for {ref}, repository does not exist or may require login")
    if fails() == "full":
        end("failed to register layer: write /layer: no space left on device")
    if found is None:
        daemon_says(f"manifest for {ref} not found: manifest unknown: manifest unknown")
    for number, _ in enumerate(found["layers"]):
        say(f"{number:012x}: Pulling fs layer")
    for number, _ in enumerate(found["layers"]):
        time.sleep(found.get("layer_s", 0.0))
        say(f"{number:012x}: Pull complete")
    images = read("images.json")
    images[found.pop("named")] = found
    (HOME / "images.json").write_text(json.dumps(images))
    say(f"Digest: {found['digest']}\nStatus: Downloaded newer image for {ref}")


def inspect_image(words: list[str]) -> None:
    cmd = parser("image inspect")
    cmd.add_argument("ref")
    ref = cmd.parse_args(words).ref
    found = image_of(ref)
    if found is None:
        say("[]")
        if DOCKER:
            daemon_says(f"No such image: {ref}")
        daemon_says(f"inspecting object: {ref}: image not known", REFUSED)
    name = found["named"].rpartition(":")[0]
    name = name.removeprefix("docker.io/") if DOCKER else name
    digests = [f"{name}@{found['digest']}"] if found["digest"] else []
    say(json.dumps([{"Id": found["id"], "RepoDigests": digests}]))


def manifest(words: list[str]) -> None:
    cmd = parser("manifest inspect")
    cmd.add_argument("what", choices=["inspect"])
    cmd.add_argument("ref")
    ref = cmd.parse_args(words).ref
    if fails() == "no-network":
        end("dial tcp: lookup registry.example: no such host")
    found = image_of(ref, "registry.json")
    if found is not None:
        own = "sha256:" + "c" * 64
        arch = "arm64" if os.uname().machine == "aarch64" else "amd64"
        at = [{"digest": own, "platform": {"os": "linux", "architecture": arch}}]
        say(json.dumps({"schemaVersion": 2, "manifests": at}))
    elif ref.endswith("@sha256:" + "c" * 64):
        layers = next(iter(read("registry.json").values()))["layers"]
        say(json.dumps({"schemaVersion": 2, "layers": [{"size": size} for size in layers]}))
    else:
        end(f"no such manifest: {ref}")


# ── containers ──────────────────────────────────────────────────────────────────────────────────


def state_of(what: str) -> dict[str, Any] | None:
    for path in BOX.glob("*/state.json"):
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if what in (found["id"], found["name"], found["id"][:12]):
            return found
    return None


def write_state(state: dict[str, Any]) -> None:
    folder = BOX / state["id"]
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "part"
    part.write_text(json.dumps(state))
    part.replace(folder / "state.json")


def run(words: list[str]) -> None:
    cmd = parser("run")
    for flag in ("--rm", "--init"):
        cmd.add_argument(flag, action="store_true", required=True)
    cmd.add_argument("--pull", choices=["never"], required=True)
    for one in ("--name", "--publish"):
        cmd.add_argument(one, required=True)
    for many in ("--label", "--mount", "--security-opt", "--env", "--device"):
        cmd.add_argument(many, action="append", default=[])
    cmd.add_argument("--group-add", action="append", default=[], type=int)
    cmd.add_argument("--cap-drop", choices=["ALL"], required=True)
    for one in ("--user", "--cpuset-cpus", "--shm-size", "--entrypoint"):
        cmd.add_argument(one)
    if DOCKER:
        cmd.add_argument("--gpus")
    cmd.add_argument("image")
    cmd.add_argument("argv", nargs=argparse.REMAINDER)
    asked = cmd.parse_args(words)
    container(asked)


def container(asked: argparse.Namespace) -> None:
    image = image_of(asked.image)
    before = "docker: " if DOCKER else ""
    if image is None:
        end(f"{before}Error response from daemon: No such image: {asked.image}", REFUSED)
    wants = asked.gpus if DOCKER else [d for d in asked.device if d.startswith("nvidia.com/")]
    if wants and not (HOME / "toolkit").exists():
        if DOCKER:
            words = 'could not select device driver "" with capabilities: [[gpu]]'
            end(f"{before}Error response from daemon: {words}", REFUSED)
        end("Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all", REFUSED)
    host, port, inner = asked.publish.split(":")
    mounts = dict(mount(each, before) for each in asked.mount)
    take_port(host, int(port), before)
    assert port == inner, "this stand-in has no network of its own"
    identity = os.urandom(32).hex()
    env = dict(each.split("=", 1) for each in asked.env)
    state = {
        "id": identity,
        "name": asked.name,
        "labels": dict(each.split("=", 1) for each in asked.label),
        "argv": [*image["serve"], *asked.argv],
        "entrypoint": asked.entrypoint or "",
        "env": env | {"STANDIN_MOUNTS": json.dumps(mounts), "STANDIN_PORT": port},
        "cores": asked.cpuset_cpus or "",
        "pid": 0,
        "exit": None,
    }
    write_state(state)
    shim(state)
    attach(identity)


def mount(text: str, before: str) -> tuple[str, str]:
    parts = dict(part.partition("=")[::2] for part in text.split(","))
    if sorted(parts) != ["readonly", "source", "target", "type"] or parts["type"] != "bind":
        end(f'{before}invalid argument "{text}" for "--mount" flag', REFUSED)
    if not Path(parts["source"]).exists():
        end(
            f'{before}Error response from daemon: invalid mount config for type "bind": bind '
            f"source path does not exist: {parts['source']}",
            REFUSED,
        )
    return parts["target"], parts["source"]


def take_port(host: str, port: int, before: str) -> None:
    once = HOME / "port-taken-once"
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
            taken = once.exists()
        except OSError:
            taken = True
    once.unlink(missing_ok=True)
    if taken:
        end(
            f"{before}Error response from daemon: driver failed programming external connectivity "
            f"on endpoint x: Bind for {host}:{port} failed: port is already allocated",
            REFUSED,
        )


def shim(state: dict[str, Any]) -> None:
    """Leave a process behind that starts the server, waits for it, and removes what was."""
    words = [sys.executable, __file__, "--shim", state["id"]]
    child = subprocess.Popen(
        words,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while (found := state_of(state["id"])) is not None and not found["pid"]:
        if child.poll() is not None:
            break
        time.sleep(0.005)


def serve(identity: str) -> None:
    state = state_of(identity)
    assert state is not None
    inside = {
        "PATH": os.environ["PATH"],
        "STANDIN_HOME": str(HOME),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    with (BOX / identity / "log").open("wb") as log:
        server = subprocess.Popen(
            state["argv"],
            env=inside | state["env"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        if state["cores"]:
            os.sched_setaffinity(server.pid, {int(core) for core in state["cores"].split(",")})
        write_state({**state, "pid": server.pid})
        code = server.wait()
    write_state({**state, "pid": 0, "exit": code if code >= 0 else 128 - code})
    time.sleep(0.05)  # whoever is attached reads the end of the log and the code
    remove(identity)


def remove(identity: str) -> None:
    folder = BOX / identity
    gone = folder.with_name(f"gone-{identity}")
    try:
        folder.replace(gone)
    except OSError:
        return
    (gone / "state.json").replace(HOME / f"ended-{identity}.json")


def attach(identity: str) -> None:
    """Be the foreground: show the log, hand signals on, end as the container does."""

    def hand_on(number: int, _frame: object) -> None:
        found = state_of(identity)
        if found and found["pid"]:
            os.kill(found["pid"], number)

    signal.signal(signal.SIGTERM, hand_on)
    signal.signal(signal.SIGINT, hand_on)
    done = HOME / f"ended-{identity}.json"
    shown, log = 0, BOX / identity / "log"
    gone = BOX / f"gone-{identity}" / "log"
    while True:
        ended = done.exists()
        for path in (log, gone):
            if path.exists():
                text = path.read_bytes()
                sys.stdout.buffer.write(text[shown:])
                sys.stdout.buffer.flush()
                shown = max(shown, len(text))
        if ended:
            # Podman takes seconds to tidy up after a container that was killed.
            time.sleep(2.0 if (HOME / "tidies-up-slowly").exists() else 0.0)
            sys.exit(json.loads(done.read_text())["exit"] or 0)
        time.sleep(0.01)


def until_gone(identity: str, limit_s: float) -> bool:
    end_at = time.monotonic() + limit_s
    while time.monotonic() < end_at:
        if state_of(identity) is None:
            return True
        time.sleep(0.01)
    return False


def stop(words: list[str]) -> None:
    cmd = parser("stop")
    cmd.add_argument("-t", type=int, default=10)
    cmd.add_argument("name")
    asked = cmd.parse_args(words)
    found = known(asked.name)
    _signal(found, signal.SIGTERM)
    if not until_gone(found["id"], asked.t):
        _signal(found, signal.SIGKILL)
        until_gone(found["id"], 5)
    say(asked.name)


def rm(words: list[str]) -> None:
    cmd = parser("rm")
    cmd.add_argument("--force", action="store_true", required=True)
    cmd.add_argument("name")
    asked = cmd.parse_args(words)
    found = state_of(asked.name)
    if found is None:  # said, and no failure: what was wanted is so
        sys.stderr.write(f"Error response from daemon: No such container: {asked.name}\n")
        return
    _signal(found, signal.SIGKILL)
    if not until_gone(found["id"], 5):
        remove(found["id"])
    say(asked.name)


def _signal(found: dict[str, Any], number: signal.Signals) -> None:
    now = state_of(found["id"])
    if now and now["pid"]:
        os.killpg(now["pid"], number)


def known(name: str) -> dict[str, Any]:
    found = state_of(name)
    if found is None:
        if DOCKER:
            daemon_says(f"No such container: {name}")
        daemon_says(f'no container with name or ID "{name}" found: no such container', 1)
    return found


def inspect_container(words: list[str]) -> None:
    cmd = parser("container inspect")
    cmd.add_argument("name")
    found = known(cmd.parse_args(words).name)
    pid = found["pid"] if not (HOME / "in-a-vm").exists() else 1
    state = {"Status": "running", "Running": True, "Pid": pid}
    say(json.dumps([{"Id": found["id"], "State": state, "Config": {"Labels": found["labels"]}}]))


def ps(words: list[str]) -> None:
    cmd = parser("ps")
    for flag in ("--all", "--quiet", "--no-trunc"):
        cmd.add_argument(flag, action="store_true", required=True)
    cmd.add_argument("--filter", required=True)
    label = cmd.parse_args(words).filter.removeprefix("label=")
    for path in sorted(BOX.glob("*/state.json")):
        found = json.loads(path.read_text())
        if label in found["labels"]:
            say(found["id"])


# ── about itself ────────────────────────────────────────────────────────────────────────────────


def formatted(words: list[str], answers: dict[str, str], of: str) -> None:
    cmd = parser(of)
    cmd.add_argument("--format", required=True)
    form = cmd.parse_args(words).format
    if form not in answers:
        end(f'template parsing error: template: :1: function "{form}" not defined', 64)
    say(answers[form])


def version(words: list[str]) -> None:
    told = {"{{.Server.Version}}": "28.2.2"} if DOCKER else {"{{.Client.Version}}": "4.3.1"}
    formatted(words, told, "version")


def info(words: list[str]) -> None:
    root = {"{{.DockerRootDir}}": str(HOME), "{{json .SecurityOptions}}": '["name=seccomp"]'}
    formatted(words, root if DOCKER else {"{{.Store.GraphRoot}}": str(HOME)}, "info")


def context(words: list[str]) -> None:
    where = (HOME / "context").read_text() if (HOME / "context").exists() else "unix:///var/run/x"
    formatted(words[1:], {"{{.Endpoints.docker.Host}}": where}, "context inspect")


COMMANDS = {
    ("version",): version,
    ("info",): info,
    ("context",): context,
    ("pull",): pull,
    ("manifest",): manifest,
    ("image", "inspect"): inspect_image,
    ("container", "inspect"): inspect_container,
    ("run",): run,
    ("stop",): stop,
    ("rm",): rm,
    ("ps",): ps,
}
NEEDS_NO_DAEMON = {("context",), ("manifest",)}


def main(words: list[str]) -> None:
    if words[:1] == ["--shim"]:
        serve(words[1])
        return
    with (HOME / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps([NAME, *words]) + "\n")
    key = next((k for k in COMMANDS if tuple(words[: len(k)]) == k), None)
    if key is None:
        end(f"{NAME}: '{' '.join(words[:1])}' is not a {NAME} command.", REFUSED)
    if fails() == "daemon" and key not in NEEDS_NO_DAEMON:
        end(
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
            "daemon running?"
            if DOCKER
            else "Cannot connect to Podman. Please verify your connection to the Linux system"
        )
    if fails() == "permission" and key not in NEEDS_NO_DAEMON:
        end(
            "permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission "
            "denied"
        )
    COMMANDS[key](words[len(key) :])


if __name__ == "__main__":
    main(sys.argv[1:])
