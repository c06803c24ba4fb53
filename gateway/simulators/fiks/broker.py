"""A private RabbitMQ node as a child process: the broker that Fiks IO's receivers connect to (fiks.md 4).

Who may log in and read is asked of the simulator over HTTP, as passwords of Fiks IO (password, space, token) outgrow and
outlive what a user table could hold. The node has its own ports, cookie and name daemon: several run beside each other,
and nothing stays behind, not even when the process that started it is killed.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError, PartnerUnavailableError
from gateway.testing.site import free_port

_HOST: Final = "127.0.0.1"
_UP_S: Final = 60.0
_DOWN_S: Final = 30.0
_POLL_S: Final = 0.05
_INSTALLED: Final = Path("/usr/lib/rabbitmq/lib")
# Streams are left out: making their tables takes longer than all the rest of a first start.
_FEATURES: Final = "quorum_queue,implicit_default_bindings,virtual_host_metadata,maintenance_mode_status,user_limits"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a node listens, all on loopback: AMQP over TLS, Erlang's distribution, and its name daemon."""

    amqps: int
    distribution: int
    names: int


class Broker:
    """One node. Its queues live in ``folder`` and outlast ``stop`` and ``kill``; ``port`` stays the same."""

    def __init__(self, folder: Path, *, certificate: Path, key: Path, auth_url: str) -> None:
        """Nothing starts yet.

        ``certificate`` is a PEM file, own certificate first; ``auth_url`` answers below itself for ``user``,
        ``vhost``, ``resource`` and ``topic`` as rabbitmq_auth_backend_http asks. Raises ConfigError without RabbitMQ.
        """
        self._program, self._name_daemon = find_program("rabbitmq-server"), find_program("epmd")
        self._folder = folder
        self._ports = Ports(free_port(), free_port(), free_port())
        self._node: subprocess.Popen[bytes] | None = None
        self._names: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        for name in ("home", "log"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "rabbitmq.conf").write_text(_settings(self._ports.amqps, certificate, key, auth_url))
        (folder / "enabled_plugins").write_text("[rabbitmq_auth_backend_http].\n")

    @property
    def port(self) -> int:
        """Where AMQP over TLS is spoken."""
        return self._ports.amqps

    def start(self) -> None:
        """Start and wait until it listens. Raises PartnerUnavailableError with the place of its log."""
        if self._names is None:
            self._names = self._spawn([self._name_daemon, "-port", str(self._ports.names), "-address", _HOST])
            self._await_listener(self._ports.names, self._names)
        self._node = self._spawn([self._program])
        self._guard = _guard(self._node.pid, self._names.pid)
        self._await_listener(self._ports.amqps, self._node)

    def stop(self) -> None:
        """Stop in order, and the name daemon with it."""
        self._end(self._guard, signal.SIGKILL)
        self._end(self._node, signal.SIGTERM)
        self._end(self._names, signal.SIGKILL)
        self._guard = self._node = self._names = None

    def kill(self) -> None:
        """End the node at once, as a power cut does. ``start`` brings it back with what was on disk.

        A quorum queue declared just before is not, and answers nobody then: ``await_queues`` first.
        """
        self._end(self._guard, signal.SIGKILL)
        self._end(self._node, signal.SIGKILL)
        self._guard = self._node = None

    def await_queues(self, names: Iterable[str]) -> None:
        """Wait until quorum queues outlive a kill: RabbitMQ 3.10 writes its table of them by a timer. Raises TimeoutError."""
        end = time.monotonic() + _DOWN_S
        waiting = set(names)
        while waiting:
            known = b"".join(table.read_bytes() for table in (self._folder / "data").rglob("names.dets"))
            waiting = {name for name in waiting if name.encode() not in known}
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(_POLL_S)

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "log" / "console.log").open("ab") as console:
            return subprocess.Popen(  # noqa: S603  a program of the machine's own packages
                command,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,  # what is typed at a terminal is for us to pass on
            )

    def _environment(self) -> dict[str, str]:
        folder = self._folder.resolve()
        return {
            "PATH": os.defpath + os.pathsep + os.environ.get("PATH", ""),
            "HOME": str(folder / "home"),  # where Erlang makes the cookie
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": _HOST,
            "ERL_EPMD_PORT": str(self._ports.names),
            "RABBITMQ_NODENAME": "fiks@localhost",
            "RABBITMQ_DIST_PORT": str(self._ports.distribution),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),  # not the machine's own broker's
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": str(folder / "log" / "broker.log"),
            "RABBITMQ_FEATURE_FLAGS": _FEATURES,
            "RUNNING_UNDER_SYSTEMD": "true",  # then the start script becomes the node, so that signals reach it
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _await_listener(self, port: int, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _UP_S
        while time.monotonic() < end and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((_HOST, port)) == 0:
                    return
            time.sleep(_POLL_S)
        self.stop()
        message = f"RabbitMQ did not start; {self._folder / 'log'} says why"
        raise PartnerUnavailableError(message)

    def _end(self, process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_DOWN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _guard(*pids: int) -> subprocess.Popen[bytes]:
    """Ends the node when this process ends without a word: a broker that nobody owns would run for ever."""
    script = f"read -r _; kill -9 {' '.join(str(pid) for pid in pids)}"
    return subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603  numbers only


def find_program(name: str) -> str:
    """Where a program of RabbitMQ's packages is. Raises ConfigError.

    The distribution's own start script comes first: what stands on the path may change the user before it starts.
    """
    candidates = sorted(_INSTALLED.glob(f"rabbitmq_server-*/sbin/{name}"), reverse=True)
    found = str(candidates[0]) if candidates else shutil.which(name)
    if found is None:
        message = f"{name} is not installed: the package rabbitmq-server brings it"
        raise ConfigError(message)
    return found


def _settings(port: int, certificate: Path, key: Path, auth_url: str) -> str:
    return f"""\
listeners.tcp = none
listeners.ssl.1 = {_HOST}:{port}
ssl_options.certfile = {certificate.resolve()}
ssl_options.cacertfile = {certificate.resolve()}
ssl_options.keyfile = {key.resolve()}
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
auth_backends.1 = http
auth_http.http_method = post
auth_http.user_path = {auth_url}/user
auth_http.vhost_path = {auth_url}/vhost
auth_http.resource_path = {auth_url}/resource
auth_http.topic_path = {auth_url}/topic
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 64MB
log.console = false
log.file.level = info
"""
