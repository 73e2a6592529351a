"""RabbitMQ and Redis behind Sentinel for the tests: real ones, on loopback ports, without root's help."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pika
import redis

from tests.debian_programs import RABBITMQ, library_path, root_of
from tests.servers import ServerMissing, free_port, redis_program, running_server, server_folder

LOOPBACK = "127.0.0.1"
SERVICE = "closeloop"
DOWN_AFTER_MS = 500


@contextmanager
def rabbitmq() -> Iterator[str]:
    """The amqp:// URL of a RabbitMQ of one's own, for as long as the context lasts; raises ServerMissing."""
    with RabbitmqNode.made() as node, node.running():
        yield node.url


class RabbitmqNode:
    """A RabbitMQ that can be stopped and started; what it was told to keep is there again."""

    def __init__(self, root: Path, folder: Path, names_port: int) -> None:
        self._root = root
        self._folder = folder
        self._names_port = names_port
        self._port = free_port()
        self._inner_port = free_port()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"amqp://guest:guest@{LOOPBACK}:{self._port}/%2f"

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[RabbitmqNode]:
        """One that does not run yet, beside a register of names of its own; raises ServerMissing."""
        root = root_of(RABBITMQ)
        with server_folder("rabbitmq") as folder:
            names = next(iter(root.glob("usr/lib/erlang/erts-*/bin/epmd")))

            def command(port: int) -> list[str | Path]:
                where = ["-address", LOOPBACK, "-port", str(port)]
                return [*_with({"LD_LIBRARY_PATH": library_path(root)}), names, *where]

            with running_server(command, _listens, folder / "names.log", ending="TERM") as port:
                yield cls(root, folder, port)

    @contextmanager
    def running(self) -> Iterator[None]:
        """It answers until the context ends."""
        script = next(iter(self._root.glob("usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server")))

        def command(port: int) -> list[str | Path]:
            return [*_with(self._environment(script.parent.parent)), script]

        log = self._folder / "log"
        with running_server(command, self._answers, log, ending="TERM", port=self._port):
            yield

    def _environment(self, home: Path) -> dict[str, str]:
        """All that would otherwise lie in /etc and /var, and the name it has among its like."""
        here = self._folder
        erlang = self._root / "usr/lib/erlang"
        programs = next(iter(erlang.glob("erts-*/bin")))
        start = f'#!/bin/sh\nROOTDIR="{erlang}" BINDIR="{programs}" EMU=beam PROGNAME=erl\n'
        start += 'export ROOTDIR BINDIR EMU PROGNAME\nexec "$BINDIR/erlexec" "$@"\n'
        (here / "erl").write_text(start)
        (here / "erl").chmod(0o755)
        said = "log.console = true\nlog.console.level = warning\nlog.file = false\n"
        (here / "rabbitmq.conf").write_text(f"listeners.tcp.1 = {LOOPBACK}:{self._port}\n{said}")
        (here / "plugins").write_text("[].\n")
        return {
            "HOME": str(here),
            "PATH": f"{here}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "LD_LIBRARY_PATH": library_path(self._root),
            "ERL_DIR": f"{here}/",
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"closeloop{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._inner_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "plugins"),
            "RABBITMQ_PLUGINS_DIR": str(home / "plugins"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(here / "features"),
            "RABBITMQ_MNESIA_BASE": str(here / "data"),
            "RABBITMQ_LOG_BASE": str(here / "logs"),
            "RABBITMQ_PID_FILE": str(here / "pid"),
        }

    def _answers(self, _: int) -> bool:
        if not _listens(self._port):  # what asks nicely before would wait for the answer
            time.sleep(0.1)
            return False
        try:
            pika.BlockingConnection(pika.URLParameters(self.url)).close()
        except pika.exceptions.AMQPError:
            return False
        return True


class Sentinels:
    """A Redis, its replica, and three Sentinels that watch over them; each may be stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, ExitStack] = {}
        self._ports = {name: free_port() for name in ("one", "two")}
        self._watchers = [free_port() for _ in range(3)]

    @property
    def url(self) -> str:
        """As a setting names them."""
        return f"sentinel://{','.join(f'{LOOPBACK}:{port}' for port in self._watchers)}/{SERVICE}/0"

    @property
    def master(self) -> str:
        """The name ("one", "two") of whom two Sentinels call the master."""
        told = [self._told(port) for port in self._watchers]
        port = max(set(told), key=told.count)
        return next(name for name, own in self._ports.items() if own == port)

    def start(self) -> None:
        """Everything runs and knows of each other when this returns."""
        self.begin("one")
        self.begin("two", of="one")
        for number, port in enumerate(self._watchers):
            self._start(f"watcher{number}", port, self._watcher(number, port))
        end = time.monotonic() + 120
        while not all(self._knows_all(port) for port in self._watchers):
            if time.monotonic() > end:
                raise ServerMissing("the Sentinels do not find each other")
            time.sleep(0.05)

    def begin(self, name: str, of: str = "") -> None:
        """Start a Redis, as a replica `of` another one if that is named."""
        words = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]
        words += ["--replicaof", LOOPBACK, str(self._ports[of])] if of else []
        self._start(name, self._ports[name], words)

    def end(self, name: str) -> None:
        """Stop a server: as when its machine loses power, for whoever asks it."""
        self._running.pop(name).close()

    def close(self) -> None:
        """Stop all that runs."""
        for name in list(self._running):
            self.end(name)

    def _start(self, name: str, port: int, words: Sequence[str]) -> None:
        place = self._folder / name
        place.mkdir(exist_ok=True)
        command: list[str | Path] = [
            redis_program(),
            *words,
            "--bind",
            LOOPBACK,
            "--port",
            str(port),
            "--dir",
            str(place),
        ]
        self._running[name] = ExitStack()
        self._running[name].enter_context(
            running_server(lambda _: command, _answers, place / "log", ending="KILL", port=port)
        )

    def _watcher(self, number: int, port: int) -> list[str]:
        lines = [
            f"sentinel monitor {SERVICE} {LOOPBACK} {self._ports['one']} 2",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        file = self._folder / f"watcher{number}.conf"
        file.write_text("\n".join(lines) + "\n")
        return [str(file), "--sentinel"]

    def _told(self, port: int) -> int:
        with redis.Redis(host=LOOPBACK, port=port, socket_timeout=10) as asked:
            return int(asked.sentinel_get_master_addr_by_name(SERVICE)[1])

    def _knows_all(self, port: int) -> bool:
        with redis.Redis(host=LOOPBACK, port=port, socket_timeout=10) as asked:
            told = asked.sentinel_master(SERVICE)
        return int(told["num-other-sentinels"]) == 2 and int(told["num-slaves"]) == 1


@contextmanager
def sentinels() -> Iterator[Sentinels]:
    """Redis behind Sentinel for as long as the context lasts; raises ServerMissing."""
    with server_folder("sentinel") as folder:
        made = Sentinels(folder)
        try:
            made.start()
            yield made
        finally:
            made.close()


def _with(environment: Mapping[str, str]) -> list[str | Path]:
    return ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items() if value)]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _answers(port: int) -> bool:
    try:
        with redis.Redis(host=LOOPBACK, port=port) as asked:
            return bool(asked.ping())
    except redis.ConnectionError:
        return False
