"""What ships closeloop to machines: units, compose file, manifests, image, proxies."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.architecture.tree import ROOT
from tests.conftest import do_without
from tests.debian_programs import NGINX, environment, root_of
from tests.servers import ServerMissing
from workers.settings.load import load_settings

OPS = ROOT / "ops"
UNITS = sorted((OPS / "systemd").glob("*.service"))
COMMAND = "/opt/closeloop/venv/bin/closeloop"
EXPOSURE = 20
"""Of 100: what `systemd-analyze security` may find, where 0 is a process that can do nothing."""
SETTING = re.compile(r"\bCLOSELOOP_[A-Z_]+\b")


def _run(*words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _yaml(*names: str) -> list[dict[str, Any]]:
    return [each for name in names for each in yaml.safe_load_all((OPS / name).read_text("utf-8"))]


def _is_setting(name: str) -> bool:
    try:
        load_settings({name: "?"})
    except Exception as error:
        return f"{name} is not a setting" not in str(error)
    return True


def _manifests() -> list[dict[str, Any]]:
    (kustomization,) = _yaml("k8s/kustomization.yaml")
    return _yaml(*(f"k8s/{name}" for name in kustomization["resources"]))


def _pods() -> dict[str, dict[str, Any]]:
    found = [each for each in _manifests() if each["kind"] in ("Deployment", "Job")]
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in found}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_the_units_and_finds_them_shut_in(tmp_path: Path) -> None:
    names = []
    for unit in UNITS:
        text = unit.read_text("utf-8").replace(COMMAND, sys.executable)
        (tmp_path / unit.name).write_text(text)
        names.append(f"./{unit.name.replace('@.', '@1.')}")
    assert _run("systemd-analyze", "verify", "--man=no", *names, cwd=tmp_path) == ""
    for unit in UNITS:
        words = ("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", f"./{unit.name}")
        _run("systemd-analyze", *words, cwd=tmp_path)


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_each_unit_starts_a_command_that_exists_and_leaves_it_time_to_end(unit: Path) -> None:
    text = unit.read_text("utf-8")
    (command,) = re.findall(rf"^ExecStart={COMMAND} (\S+)", text, re.M)
    assert (
        f"`closeloop {command}" in (OPS / "docs" / "architecture.md").read_text("utf-8")
        or command == "migrate"
    )
    if command != "migrate":
        assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.M)[0]) > 10
        assert "KillSignal=SIGTERM" in text
    assert [name for name in SETTING.findall(text) if not _is_setting(name)] == []


def test_the_compose_file_follows_the_specification_and_keeps_its_processes_small() -> None:
    path = OPS / "compose.yaml"
    _run(_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path)
    services = yaml.safe_load(path.read_text("utf-8"))["services"]
    assert set(services) == {"web", "worker", "scheduler", "smtpd", "migrate", "postgres", "redis"}
    for name, service in services.items():
        if service["image"].startswith("${CLOSELOOP"):
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            settings = [each for each in service["environment"] if each.startswith("CLOSELOOP_")]
            assert [each for each in settings if not _is_setting(each.removesuffix("_FILE"))] == []
        assert "max-size" in service["logging"]["options"], "a full disk ends everything"
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ())), name
    assert "outside" not in str(services["postgres"]["networks"] + services["redis"]["networks"])


def test_manifests_are_what_kubernetes_takes(tmp_path: Path) -> None:
    whole = tmp_path / "all.yaml"
    whole.write_text(yaml.safe_dump_all(_manifests()))
    _run(_tool("kubernetes-validate"), "-k", "1.32", "--strict", whole)
    if shutil.which("kubectl"):
        made = list(yaml.safe_load_all(_run("kubectl", "kustomize", OPS / "k8s")))
        assert len(made) == len(_manifests())
        assert {each["metadata"].get("namespace", "closeloop") for each in made} == {"closeloop"}


def test_pods_run_as_nobody_and_are_asked_how_they_do() -> None:
    for name, pod in _pods().items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert not pod["automountServiceAccountToken"], name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"]), name
        if name != "migrate":
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz", name
            assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", (
                "no restart for a database's sake"
            )
            assert pod["terminationGracePeriodSeconds"] > 10 + 5


def test_every_deployment_survives_a_drained_node() -> None:
    manifests = _manifests()
    budgets = {each["metadata"]["name"] for each in manifests if each["kind"] == "PodDisruptionBudget"}
    deployments = {
        each["metadata"]["name"]: each["spec"] for each in manifests if each["kind"] == "Deployment"
    }
    assert budgets == set(deployments)
    for spec in deployments.values():
        assert spec["replicas"] >= 2
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_no_manifest_holds_a_secret_and_every_setting_exists() -> None:
    text = "".join(path.read_text("utf-8") for path in (OPS / "k8s").glob("*.yaml"))
    (settings,) = (each["data"] for each in _manifests() if each["kind"] == "ConfigMap")
    assert "kind: Secret" not in text
    assert [name for name in settings if name.startswith("CLOSELOOP_") and not _is_setting(name)] == []
    assert not {"CLOSELOOP_SECRET_KEYS", "CLOSELOOP_SMTP_URL", "CLOSELOOP_API_KEY"} & set(settings)


def test_the_image_runs_as_a_plain_user_and_is_built_from_what_it_needs() -> None:
    lines = (OPS / "Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001:10001"
    assert lines.index("USER 10001:10001") > max(i for i, line in enumerate(lines) if line.startswith("RUN "))
    ignored = (OPS / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored, "what is not named stays out: data, secrets, .git"
    copied = [
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert all((ROOT / word).exists() for word in copied)
    assert {f"!{word}" for word in copied} == {word for word in ignored if word.startswith("!")}


def _nginx(tmp_path: Path, text: str) -> list[str | Path]:
    """The command of an nginx that keeps all it writes in `tmp_path`, with `text` as its site."""
    try:
        root = root_of(NGINX)
    except ServerMissing as missing:
        do_without(missing)
    certificate = trustme.CA().issue_cert("support.example.com")
    for line, blob in (
        ("fullchain", certificate.cert_chain_pems[0]),
        ("privkey", certificate.private_key_pem),
    ):
        blob.write_to_path(tmp_path / f"{line}.pem")
    site = text.replace("/etc/letsencrypt/live/support.example.com", str(tmp_path))
    (tmp_path / "site.conf").write_text(site)
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; daemon off;\nevents {{}}\n"
        f"http {{ {folders} access_log off; include {tmp_path}/site.conf; }}\n"
    )
    return [root / "usr/sbin/nginx", "-p", tmp_path, "-c", whole]


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    command = _nginx(tmp_path, (OPS / "proxy" / "nginx.conf").read_text("utf-8"))
    words = _run(*command, "-t", env=environment(root_of(NGINX)))
    assert "test is successful" in words
    assert "[warn]" not in words
