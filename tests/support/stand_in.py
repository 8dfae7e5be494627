"""What ``helm`` and ``kubectl`` of ``scripted_cluster`` run: answers from a script, every call written down.

``python stand_in.py PROGRAM FOLDER ARGUMENTS...``; imports the standard library alone, as it starts many times a test.
An argument that the real program would not take ends with 2.
"""

import fcntl
import json
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

PROGRAM, FOLDER, ARGUMENTS = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
SCRIPT: dict[str, Any] = json.loads((FOLDER / "script.json").read_text())
UNREACHABLE = "Unable to connect to the server: dial tcp 192.0.2.1:6443: i/o timeout"


def end(code: int, complaint: str = "") -> NoReturn:
    if complaint:
        sys.stderr.write(f"{complaint}\n")
    sys.exit(code)


def say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def record(**more: Any) -> None:
    with (FOLDER / "calls.jsonl").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(json.dumps({"program": PROGRAM, "arguments": ARGUMENTS, **more}) + "\n")


def taken(flag: str, *, bare: bool = False) -> str | None:
    """The value of a flag, which is taken out of the arguments."""
    for at, argument in enumerate(ARGUMENTS):
        if argument == flag:
            del ARGUMENTS[at]
            return "" if bare else ARGUMENTS.pop(at)
        if not bare and argument.startswith(f"{flag}="):
            return ARGUMENTS.pop(at).partition("=")[2]
    return None


def values() -> list[str]:
    """The files of values, as Helm reads the flag: fields of CSV, quoted here."""
    files = []
    while (field := taken("--values")) is not None:
        files.append(field[1:-1].replace('""', '"') if field.startswith('"') else field)
    return files


def look(*, forward: bool) -> dict[str, Any]:
    """What the cluster is at this look; each question for the Job is one step onward in the script."""
    counter = FOLDER / "looks"
    number = int(counter.read_text()) + forward if counter.exists() else 0
    counter.write_text(str(number))
    looks: list[dict[str, Any]] = SCRIPT["looks"]
    found = looks[min(number, len(looks) - 1)]
    if found.get("silent"):
        end(1, UNREACHABLE)
    return found


def helm() -> NoReturn:
    record()
    files = values()
    taken("--namespace")
    taken("--kube-context")
    if ARGUMENTS[:2] == ["get", "manifest"]:
        say("kind: Job")
        end(0)
    missing = [name for name in files if not Path(name).is_file()]
    if ARGUMENTS.pop(0) not in ("template", "upgrade") or missing:
        end(2, f"Error: unknown command, or no file {missing}")
    upgrade = taken("--install", bare=True) is not None
    assert (taken("--skip-tests", bare=True) is None) == upgrade
    separator, release, _chart = ARGUMENTS
    assert separator == "--"
    key, _, text = Path(files[-1]).read_text().partition(":")  # as JSON by submit, as YAML by the script
    job = json.loads(text) if key == "job" else json.loads(Path(files[-1]).read_text())["job"]
    (FOLDER / "job.json").write_text(json.dumps(job))
    refused = SCRIPT["upgrade" if upgrade else "template"]
    if refused:
        end(1, refused)
    say(SCRIPT["manifests"].replace("RELEASE", release).replace("JOB", json.dumps(json.dumps(job))))
    end(0)


def kubectl() -> NoReturn:
    record()
    taken("--namespace")
    taken("--context")
    if ARGUMENTS[:3] == ["auth", "can-i", "create"]:
        access = SCRIPT["access"]
        if access in ("yes", "no"):
            say(access)
            end(access == "no")
        end(1, access)
    verb = ARGUMENTS.pop(0)
    {"get": get, "logs": logs, "delete": delete}[verb]()
    end(0)


def get() -> None:
    output = taken("--output") or ""
    assert taken("--request-timeout")
    taken("--ignore-not-found", bare=True)
    if taken("--filename") == "-":
        sys.stdin.read()
        say(SCRIPT["names"])
        return
    kind = ARGUMENTS[0]
    assert output.startswith("jsonpath=")
    if kind == "job":
        conditions = look(forward=True)["job"]
        say("" if conditions is None else f"Job {conditions}", end="")
    elif kind == "pods":
        assert taken("--selector") == f"batch.kubernetes.io/job-name={SCRIPT['job']}"
        for pod in look(forward=False)["pods"]:
            say("|".join(str(pod.get(key, "")) for key in ("name", "phase", "waiting", "started", "code")))
    elif "uid" in output:
        hangs = (FOLDER / "hangs").exists()  # the pod goes on while its log does not
        pods = (SCRIPT["looks"][-1] if hangs else look(forward=False))["pods"]
        codes = [pod.get("code", "") for pod in pods if pod["name"] == ARGUMENTS[1]]
        say(f"uid-of-the-pod {codes[0]}" if codes else "", end="")
    else:
        say(SCRIPT["messages"].get(ARGUMENTS[1], ""), end="")


def logs() -> None:
    assert taken("--container") == "trainer"
    log: list[str] = SCRIPT["logs"][ARGUMENTS[0]]
    for line in log:
        if line == "HANG":
            if not (FOLDER / "hangs").exists():
                (FOLDER / "hangs").touch()
                time.sleep(60)
            continue
        if line == "BREAK":
            if taken("--since") is None:
                time.sleep(1.1)
                end(1, "error: unexpected EOF")
            continue
        if line == "REFUSE":
            if not (FOLDER / "refused").exists():
                (FOLDER / "refused").touch()
                end(1, "error: connection refused")
            continue
        say(line)


def delete() -> None:
    assert taken("--cascade") == "foreground"
    say(f'job.batch "{ARGUMENTS[1]}" deleted')
    (FOLDER / "looks").write_text("0")


{"helm": helm, "kubectl": kubectl}[PROGRAM]()
