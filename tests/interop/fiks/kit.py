"""Published Java libraries as peers, KS's and Digipost's: built once, one process for many orders, a line in, a line out."""

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

KS = Path(__file__).parent
DIGIPOST = KS.parent / "digipost"
DIGIPOST_CLIENT = KS.parent / "digipost-client"
_QUICK = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
_LOG = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
_BUILD_S = 300
_PROBE_S = 60


class PeerError(Exception):
    """The peer refused an order or failed at it; the text is its exception's and those of its causes."""


class Peer:
    """One Java process; each call is one order and its answer. What it logs lies in ``log``."""

    def __init__(self, main: str, folder: Path, *properties: str, project: Path = KS) -> None:
        self.folder = folder
        self.log = folder / f"{main}.log"
        command = ["java", *_QUICK, *_LOG, *properties, "-cp", class_path(project), f"budstikke.{main}"]
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
def peer(main: str, folder: Path, *properties: str, project: Path = KS) -> Iterator[Peer]:
    """A peer for as long as the block runs; ``properties`` are of the form -Dname=value."""
    made = Peer(main, folder, *properties, project=project)
    try:
        yield made
    finally:
        made.close()


def class_path(project: Path = KS) -> str:
    """Where a project's built runners and their libraries lie. Skips without Maven or Java; in CI it builds or fails.

    Digipost's client is nowhere to be fetched by everybody: without it its tests skip, in CI as well.
    """
    absent = [program for program in ("java", "javac", "mvn") if shutil.which(program) is None]
    if absent and not os.environ.get("CI"):
        pytest.skip(f"the {project.name} Java libraries cannot be built here: {', '.join(absent)} not installed")
    target = project / "target"
    target.mkdir(exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes test at once; one of them builds
        if not _is_built(project):
            if project == DIGIPOST_CLIENT:
                _probe(project)
            else:
                _build(project)
    return os.pathsep.join([str(target / "classes"), *_jars(project)])


def _jars(project: Path) -> list[str]:
    return (project / "target" / "classpath").read_text(encoding="utf-8").strip().split(os.pathsep)


def _is_built(project: Path) -> bool:
    stamp = project / "target" / "built"
    same = stamp.exists() and stamp.read_text() == _sources(project)
    return same and all(Path(jar).exists() for jar in _jars(project))


def _sources(project: Path) -> str:
    digest = hashlib.sha256((project / "pom.xml").read_bytes())
    for source in sorted((project / "src").rglob("*.java")):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()


def _build(project: Path) -> None:
    """Offline where the local repository holds everything, else online."""
    for mode in (["--offline"], []):
        said = _maven(project, *mode)
        if said is None:
            return
    pytest.fail("Maven does not build the peers: " + said[-2000:])


def _probe(project: Path) -> None:
    """One try for all processes of a test run; what it failed at is why the tests skip."""
    failed, run = project / "target" / "failed", os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    if not failed.exists() or not failed.read_text().startswith(run):
        said = _maven(project, within_s=_PROBE_S)
        if said is None:
            return
        if "resolve" not in said:
            pytest.fail("Maven does not build Digipost's client: " + said[-2000:])
        failed.write_text(f"{run}\n{said}")
    reason = next((line for line in failed.read_text().splitlines() if "ERROR" in line), "it does not build")
    pytest.skip(f"Digipost's client is not here ({project.name}/README.md says how to have it): {reason[:300]}")


def _maven(project: Path, *mode: str, within_s: int = _BUILD_S) -> str | None:
    """None where it built the project, else what it said."""
    quiet = ["--batch-mode", "--quiet", "-Dstyle.color=never", "--file", str(project)]
    command = ["mvn", *quiet, "compile", "dependency:build-classpath", *mode]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired:
        return f"ERROR: Maven took more than {within_s} s to resolve and compile"
    if done.returncode != 0:
        return done.stdout
    (project / "target" / "built").write_text(_sources(project))
    return None


if __name__ == "__main__":
    for each in (KS, DIGIPOST):
        class_path(each)  # so that no test waits for the downloads
