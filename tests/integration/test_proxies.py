"""The proxies that stand before the web processes, started for real with the files of ops/proxy."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import trustme

from tests.architecture.tree import ROOT
from tests.conftest import do_without
from tests.debian_programs import CADDY, NGINX, Program, environment, root_of
from tests.servers import ServerMissing, free_port
from workers.web.bodies import WRAPPED_CAP

NAME = "support.example.com"
MB = 2**20
CUT_OFF = (httpx.NetworkError, httpx.RemoteProtocolError)
FILES = {"nginx": ROOT / "ops/proxy/nginx.conf", "caddy": ROOT / "ops/proxy/Caddyfile"}


@dataclass
class Upstream:
    """A web process that writes down what reaches it, and takes no longer bodies than a real one."""

    port: int = field(default_factory=free_port)
    seen: list[tuple[str, str, str, str, int]] = field(default_factory=list)
    """Method, target as it came, host, X-Forwarded-For, bytes of the body."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """It answers 200 to everything meanwhile."""
        upstream, talks = self, list[socket.socket]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                talks.append(self.connection)

            def do_POST(self) -> None:
                # All of it, however its length is told: an answer ahead of the end would be passed on.
                body = self._untold() if "Transfer-Encoding" in self.headers else self._told()
                forwarded = self.headers.get("X-Forwarded-For", "")
                upstream.seen.append((self.command, self.path, self.headers["Host"], forwarded, body))
                self.send_response(413 if body > WRAPPED_CAP else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _told(self) -> int:
                return len(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _untold(self) -> int:
                """Chunks up to the one without anything in it (RFC 9112, section 7.1)."""
                size = 0
                while chunk := int(self.rfile.readline().split(b";")[0], 16):
                    size += len(self.rfile.read(chunk))
                    self.rfile.readline()
                self.rfile.readline()
                return size

            do_GET = do_POST  # noqa: N815 - http.server's way

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            for talk in talks:  # as a process that has ended
                with suppress(OSError):  # who called may be gone already
                    talk.shutdown(socket.SHUT_RDWR)


@dataclass
class Site:
    """A proxy, and the two upstreams behind it; `second` may be stopped."""

    port: int
    first: Upstream
    second: Upstream
    stopping: ExitStack
    authority: ssl.SSLContext

    def ask(
        self, method: str, target: str, body: bytes | Iterator[bytes] = b"", **headers: str
    ) -> httpx.Response:
        """One request by the site's name, its target sent as it is."""
        url = httpx.URL(f"https://127.0.0.1:{self.port}").copy_with(raw_path=target.encode())
        with httpx.Client(verify=self.authority, trust_env=False, timeout=60) as client:
            request = client.build_request(
                method,
                url,
                content=body,
                headers={"Host": NAME, **headers},
                extensions={"sni_hostname": NAME},
            )
            return client.send(request)

    @property
    def seen(self) -> list[tuple[str, str, str, str, int]]:
        """What has come through, at either."""
        return self.first.seen + self.second.seen


def _nginx(folder: Path, text: str, port: int) -> list[str | Path]:
    site = text.replace("/etc/letsencrypt/live/" + NAME, str(folder))
    site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    lines = [line for line in site.splitlines() if "listen 80" not in line and "[::]" not in line]
    site = "\n".join(lines).replace(f"server_name {NAME};\n    return 301", "listen unix:x.sock; return 301")
    (folder / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} pid {folder}/pid; error_log {folder}/log; daemon off;\nevents {{}}\n"
        f"http {{ {folders} access_log off; include {folder}/site.conf; }}\n"
    )
    return [_program(NGINX) / "usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"]


def _caddy(folder: Path, text: str, port: int) -> list[str | Path]:
    own = f"tls {folder}/fullchain.pem {folder}/privkey.pem"  # nobody is asked for a certificate here
    site = text.replace(f"\n{NAME} {{", f"\nhttps://{NAME}:{port} {{\n\t{own}")
    # The first block is that of the program's own options.
    site = site.replace("\n{\n", "\n{\n\tadmin off\n\tauto_https disable_redirects\n", 1)
    (folder / "Caddyfile").write_text(site)
    command: list[str | Path] = [_program(CADDY) / "usr/bin/caddy", "run", "--adapter", "caddyfile"]
    return [*command, "--config", folder / "Caddyfile"]


def _program(program: Program) -> Path:
    try:
        return root_of(program)
    except ServerMissing as missing:
        do_without(missing)


@pytest.fixture(params=["nginx", "caddy"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Each proxy in turn, with the file that is delivered but for addresses and certificates."""
    authority = trustme.CA()
    certificate = authority.issue_cert(NAME)
    certificate.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    first, second, port = Upstream(), Upstream(), free_port()
    text = FILES[request.param].read_text("utf-8")
    for written, upstream in (("127.0.0.1:8000", first), ("127.0.0.1:8001", second)):
        assert written in text
        text = text.replace(written, f"127.0.0.1:{upstream.port}")
    command = (_nginx if request.param == "nginx" else _caddy)(tmp_path, text, port)
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    env = {**environment(_program(NGINX if request.param == "nginx" else CADDY)), **home}
    with ExitStack() as stack, (tmp_path / "output").open("wb") as output:
        stack.enter_context(first.running())
        stopping = stack.enter_context(ExitStack())
        stopping.enter_context(second.running())
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=output, stderr=output)
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)
        _until_listening(port, process, tmp_path)
        yield Site(port, first, second, stopping, context)


def _until_listening(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        told = "".join(path.read_text() for path in (folder / "output", folder / "log") if path.exists())
        assert process.poll() is None, told
        assert time.monotonic() < end, told
        time.sleep(0.05)


@pytest.mark.timeout(240)
def test_a_proxy_passes_on_what_signatures_depend_on_and_keeps_inside_what_is_for_inside(site: Site) -> None:
    target = "/hooks/email/raw?a=%20b&c=%2Fd"
    assert site.ask("POST", target, b"mail", **{"X-Forwarded-For": "9.9.9.9"}).status_code == 200
    assert site.seen == [("POST", target, NAME, "127.0.0.1", 4)], "nobody invents an address of their own"
    for path in ("/metrics", "/readyz"):
        assert site.ask("GET", path).status_code == 404
    assert len(site.seen) == 1
    assert site.ask("GET", "/healthz").status_code == 200


@pytest.mark.timeout(240)
def test_a_proxy_takes_long_mails_from_webhooks_and_no_long_forms(site: Site) -> None:
    assert site.ask("POST", "/hooks/email/raw", bytes(30 * MB)).status_code == 200
    assert site.seen[-1][-1] == 30 * MB
    for target, size in (("/s/token", 11), ("/hooks/email/raw", 41)):
        with suppress(*CUT_OFF):  # it was cut off in the middle, which is as good
            assert site.ask("POST", target, bytes(size * MB)).status_code == 413, target
    with suppress(*CUT_OFF):  # as above
        untold = iter([bytes(MB)] * 41)
        assert site.ask("POST", "/hooks/email/raw", untold).status_code in (413, 502)
    whole = iter([bytes(MB)] * 30)
    assert site.ask("POST", "/hooks/email/raw", whole).status_code == 200
    assert site.seen[-1][-1] == 30 * MB
    for _ in range(4):
        assert site.ask("GET", "/q").status_code == 200, "a body too long is nobody's fault behind the door"


@pytest.mark.timeout(240)
def test_while_one_process_restarts_the_other_is_given_everything(site: Site) -> None:
    for _ in range(4):
        assert site.ask("GET", "/q").status_code == 200
    assert all((site.first.seen, site.second.seen)), "both are asked"
    site.stopping.close()
    before = len(site.first.seen)
    for number in range(10):
        assert site.ask("POST", f"/hooks/email/raw?n={number}", b"mail").status_code == 200
    assert len(site.first.seen) == before + 10


@pytest.mark.timeout(240)
def test_who_takes_for_ever_to_say_what_they_want_is_cut_off(site: Site) -> None:
    plain = socket.create_connection(("127.0.0.1", site.port))
    with plain, site.authority.wrap_socket(plain, server_hostname=NAME) as slow:
        slow.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\nX-Slow: ".encode())
        slow.settimeout(120)
        began = time.monotonic()
        while slow.recv(4096):
            pass
    assert time.monotonic() - began < 60, "after ten seconds, and some for a busy machine"
    assert site.seen == []
