"""What the peers run on: a Python environment and Node packages of their own, made from lock files."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from ops.bench.processes import ROOT, clean_environ
from ops.bench.report import say

WORKERS = 2
VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin/python"
LOCK = ROOT / "ops/bench/requirements.lock"
NODE_PEER = ROOT / "ops/bench/peers/bullmq_nodemailer"
OLDEST_NODE = 20


class NotMeasured(Exception):
    """Something cannot be measured on this machine; the text says why, as the end of "because …"."""


def install_python() -> None:
    """Make .venv-bench from the lock, unless it is there already. Raises NotMeasured."""
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    mark = VENV / ".installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    say("making .venv-bench for the peers")
    _checked([sys.executable, "-m", "venv", "--clear", VENV], "no virtual environment can be made")
    pip: list[str | Path] = [PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    _checked([*pip, "--require-hashes", "-r", LOCK], "its packages cannot be installed")
    mark.write_text(wanted)


def install_node() -> Path:
    """The program `node`, with the peer's packages installed from its lock. Raises NotMeasured."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotMeasured("there is no node or no npm on this machine")
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if int(found.lstrip("v").partition(".")[0] or 0) < OLDEST_NODE:
        raise NotMeasured(f"node is {found or 'silent'}, and the peer needs {OLDEST_NODE} or newer")
    wanted = hashlib.sha256((NODE_PEER / "package-lock.json").read_bytes() + found.encode()).hexdigest()
    mark = NODE_PEER / "node_modules/.installed"
    if not mark.exists() or mark.read_text() != wanted:
        say("installing the Node peer's packages")
        # Without install scripts: none of its packages needs one, and none should run unseen.
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
        _checked([npm, "ci", *quiet, "--prefix", NODE_PEER], "its packages cannot be installed")
        mark.write_text(wanted)
    return Path(node)


def _checked(command: list[str | Path], else_because: str) -> None:
    done = subprocess.run(command, check=False, env=clean_environ(), capture_output=True, text=True)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "no words").splitlines()
        told = next((line for line in words if "error" in line.lower()), words[-1])
        raise NotMeasured(f"{else_because}: {told}")


def python_versions(*wanted: str) -> dict[str, str]:
    """The versions of packages as they are installed in .venv-bench."""
    folders = [path.name for path in VENV.glob("lib/python*/site-packages/*.dist-info")]
    pairs = [name.removesuffix(".dist-info").split("-", 1) for name in folders]
    return {name: version for name, version in sorted(pairs) if name in wanted}


def node_versions() -> dict[str, str]:
    """The versions of the packages that the Node peer names, as its lock has them."""
    locked = json.loads((NODE_PEER / "package-lock.json").read_text())["packages"]
    return {name: locked[f"node_modules/{name}"]["version"] for name in sorted(locked[""]["dependencies"])}
