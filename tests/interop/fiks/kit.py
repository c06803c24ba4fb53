"""KS's published Java libraries as peers: built once, one process for many orders, orders and answers as lines of JSON."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

PROJECT = Path(__file__).parent
TARGET = PROJECT / "target"
_QUICK = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
_LOG = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
_BUILD_S = 300


class PeerError(Exception):
    """The peer refused an order or failed at it; the text is its exception's and those of its causes."""


class Peer:
    """One Java process; each call is one order and its answer. What it logs lies in ``log``."""

    def __init__(self, main: str, folder: Path, *properties: str) -> None:
        self.folder = folder
        self.log = folder / f"{main}.log"
        command = ["java", *_QUICK, *_LOG, *properties, "-cp", class_path(), f"budstikke.{main}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, encoding="utf-8"
            )

    def __call__(self, do: str, **order: Any) -> Any:
        """Order something. Raises PeerError."""
        line = json.dumps({"do": do} | order, default=str)
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise PeerError("the peer has ended:\n" + self.log.read_text(errors="replace")[-2000:])
        told = json.loads(answer)
        if "fault" in told:
            raise PeerError(told["fault"])
        return told["ok"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


def trusting(folder: Path, root: Path) -> tuple[str, str]:
    """Properties with which a Java machine trusts the root in this PEM file and no other."""
    certificate = pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(root.read_bytes()), b"root")
    store = folder / "trust.p12"
    store.write_bytes(pkcs12.serialize_java_truststore([certificate], NoEncryption()))
    return f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStoreType=PKCS12"


@contextmanager
def peer(main: str, folder: Path, *properties: str) -> Iterator[Peer]:
    """A peer for as long as the block runs; ``properties`` are of the form -Dname=value."""
    made = Peer(main, folder, *properties)
    try:
        yield made
    finally:
        made.close()


def class_path() -> str:
    """Where the built runners and KS's libraries lie. Skips without Maven or Java; in CI it builds or fails."""
    absent = [program for program in ("java", "javac", "mvn") if shutil.which(program) is None]
    if absent and not os.environ.get("CI"):
        pytest.skip(f"KS's Java libraries cannot be built here: {', '.join(absent)} not installed")
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes test at once; one of them builds
        if not _is_built():
            _build()
    return os.pathsep.join([str(TARGET / "classes"), *_jars()])


def _jars() -> list[str]:
    return (TARGET / "classpath").read_text(encoding="utf-8").strip().split(os.pathsep)


def _is_built() -> bool:
    stamp = TARGET / "built"
    return stamp.exists() and stamp.read_text() == _sources() and all(Path(jar).exists() for jar in _jars())


def _sources() -> str:
    digest = hashlib.sha256((PROJECT / "pom.xml").read_bytes())
    for source in sorted((PROJECT / "src").rglob("*.java")):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()


def _build() -> None:
    """Offline where the local repository holds everything, else online."""
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(PROJECT), "compile", "dependency:build-classpath"]
    for mode in (["--offline"], []):
        done = subprocess.run([*command, *mode], capture_output=True, text=True, timeout=_BUILD_S, check=False)
        if done.returncode == 0:
            (TARGET / "built").write_text(_sources())
            return
    pytest.fail("Maven does not build the peers: " + done.stdout[-2000:])


if __name__ == "__main__":
    class_path()  # so that no test waits for the downloads
