"""What the machine under a gateway lacks: swap in the clear, cores handed away, a clock nobody sets, a full disk (S85).

Everything is read from files below ``root``, as the kernel shows them, and nothing is changed. What cannot be read is
said to be unseen. Time zones do not matter: every time of ours is UTC.
"""

import ctypes
import os
import ssl
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import chain, islice
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from gateway import limits
from gateway.app.mounts import Mount, is_sealed, mount_of
from gateway.app.parts import data_dir
from gateway.config import Configuration
from gateway.crashpoints import Point
from gateway.crypto.openssl import library_version
from gateway.pipeline.environment import Environment
from gateway.store import alarms
from gateway.store.alarms import AlarmCode
from gateway.store.opening import embedded

_MIB: Final = limits.MIB
_TIME_ERROR: Final = 5  # adjtimex(2): nobody sets this clock
_TIMEX_BYTES: Final = 512  # more than any kernel's struct timex
_STEADY_CLOCKS: Final = frozenset(
    {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "xen", "timebase", "stp"}
)
_SWALLOWED: Final = frozenset({"|/bin/false", "|/usr/bin/false", "|/bin/true", "|/usr/bin/true"})
_WANTED_OPTIONS: Final = ("nodev", "nosuid", "noexec")
_VOLATILE: Final = frozenset({"tmpfs", "ramfs"})
_NETWORKED: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs"}
)
_OPENSSL_MAJOR_MIN: Final = 3  # 1.1.1 has had no mending since September 2023


@unique
class HostCode(StrEnum):
    """What can be wrong; the subject of its alarm."""

    SWAP_IN_CLEAR = "swap-in-clear"
    CORE_HANDLER = "core-handler"
    CORES_ALLOWED = "cores-allowed"
    CLOCK_SOURCE = "clock-source"
    CLOCK_NOT_SET = "clock-not-set"
    DISK_LOW = "disk-low"
    INODES_LOW = "inodes-low"
    MOUNT_OPTIONS = "mount-options"
    MOUNT_VOLATILE = "mount-volatile"
    MOUNT_NETWORKED = "mount-networked"
    FILE_MODES = "file-modes"
    OPEN_FILES = "open-files"
    RUNS_AS_ROOT = "runs-as-root"
    OPENSSL_OLD = "openssl-old"
    OPENSSL_COPIES = "openssl-copies"
    NOT_SEEN = "not-seen"


_REMEDIES: Final = {
    HostCode.SWAP_IN_CLEAR: "swapoff, or put swap on dm-crypt, or MemorySwapMax=0 for the service: keys live in memory",
    HostCode.CORE_HANDLER: "sysctl kernel.core_pattern=core: a handler is given cores whatever their size limit is",
    HostCode.CORES_ALLOWED: "LimitCORE=0 for the service, or --ulimit core=0",
    HostCode.CLOCK_SOURCE: "give the machine a steady clock source (tsc, kvm-clock): leases and deadlines count on it",
    HostCode.CLOCK_NOT_SET: "run chrony or systemd-timesyncd against several sources",
    HostCode.DISK_LOW: "enlarge the file system of data_dir: below disk_floor_bytes only concern reports come in",
    HostCode.INODES_LOW: "make the file system of data_dir anew with more inodes",
    HostCode.MOUNT_OPTIONS: "mount data_dir from a file system of its own, with nodev,nosuid,noexec",
    HostCode.MOUNT_VOLATILE: "put data_dir on a disk: what was acknowledged dies with this memory",
    HostCode.MOUNT_NETWORKED: "put data_dir on a local disk, or use PostgreSQL: SQLite's log needs memory that is shared",
    HostCode.FILE_MODES: "chmod -R go= data_dir, chown it to the service's user; chmod -R go-w the configuration",
    HostCode.OPEN_FILES: f"LimitNOFILE={limits.OPEN_FILES_MIN} or more for the service: each connection is one",
    HostCode.RUNS_AS_ROOT: "run as a user of its own, without capabilities",
    HostCode.OPENSSL_OLD: "install a Python and a cryptography built on OpenSSL 3",
    HostCode.OPENSSL_COPIES: "when OpenSSL is mended, mend both: the system's under Python and the one inside cryptography",
    HostCode.NOT_SEEN: "look yourself",
}
_NOTES: Final = frozenset({HostCode.OPENSSL_COPIES, HostCode.NOT_SEEN})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: ``seen`` says what was there, ``remedy`` what to do."""

    code: HostCode
    seen: str

    @property
    def remedy(self) -> str:
        """What to do."""
        return _REMEDIES[self.code]

    @property
    def serious(self) -> bool:
        """Whether production rings for it; the others are worth knowing."""
        return self.code not in _NOTES


def clock_is_set() -> bool:
    """Whether something keeps the kernel's clock right, as adjtimex(2) tells. Raises OSError where it may not be asked."""
    state: int = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state < 0:
        raise OSError(ctypes.get_errno(), "adjtimex", "adjtimex")
    return state != _TIME_ERROR


@dataclass(frozen=True, slots=True)
class Host:
    """Where to look, and for what. ``root`` stands for ``/``."""

    data_dir: Path
    configuration: Path  # its folder
    disk_floor_bytes: int
    embedded: bool  # SQLite lies in data_dir
    root: Path = Path("/")
    inodes_min: int = limits.INODES_MIN
    clock_is_set: Callable[[], bool] = clock_is_set

    @classmethod
    def under(cls, configuration: Configuration) -> "Host":
        """The machine that this process runs on, as a gateway of this configuration needs it."""
        return cls(
            data_dir=data_dir(configuration).resolve(),
            configuration=configuration.folder,
            disk_floor_bytes=configuration.settings.intake.disk_floor_bytes,
            embedded=embedded(configuration),
        )

    def text(self, path: str) -> str:
        """A file of the kernel's. Raises OSError."""
        return (self.root / path).read_text("utf-8", "replace").strip()


def findings(host: Host) -> list[Finding]:
    """Everything that is not as it should be, in a fixed order."""
    checks = (_swap, _cores, _clock, _room, _mount, _modes, _open_files, _user, _openssl)
    found: list[Finding] = []
    for check in checks:
        try:
            found.extend(check(host))
        except OSError as error:
            found.append(Finding(HostCode.NOT_SEEN, f"{error.filename}: {error.strerror}"))
    return found


def _swap(host: Host) -> Iterator[Finding]:
    for line in host.text("proc/swaps").splitlines()[1:]:
        place, kind, *_ = line.split()
        if not is_sealed(host.root, place, is_file=kind == "file") and not _may_not_swap(host):
            yield Finding(HostCode.SWAP_IN_CLEAR, f"{place} is not seen to be encrypted")


def _may_not_swap(host: Host) -> bool:
    """Whether our control group has no swap (``MemorySwapMax=0``)."""
    group = next((line[3:] for line in host.text("proc/self/cgroup").splitlines() if line.startswith("0::")), "/")
    try:
        return host.text(f"sys/fs/cgroup/{group.strip('/')}/memory.swap.max") == "0"
    except OSError:
        return False


def _cores(host: Host) -> Iterator[Finding]:
    pattern = host.text("proc/sys/kernel/core_pattern")
    if pattern.startswith("|") and pattern.split()[0] not in _SWALLOWED:
        yield Finding(HostCode.CORE_HANDLER, pattern.split()[0])
    if (limit := _limit(host, "Max core file size")) != "0":
        yield Finding(HostCode.CORES_ALLOWED, f"the limit is {limit}")


def _clock(host: Host) -> Iterator[Finding]:
    source = host.text("sys/devices/system/clocksource/clocksource0/current_clocksource")
    if source not in _STEADY_CLOCKS:
        yield Finding(HostCode.CLOCK_SOURCE, source)
    if not host.clock_is_set():
        yield Finding(HostCode.CLOCK_NOT_SET, "the kernel says that nobody sets its clock")


def _room(host: Host) -> Iterator[Finding]:
    room = os.statvfs(host.data_dir)
    free = room.f_bavail * room.f_frsize
    if free < 2 * host.disk_floor_bytes:
        yield Finding(HostCode.DISK_LOW, f"{free // _MIB} MiB free, the floor is {host.disk_floor_bytes // _MIB} MiB")
    if room.f_files and room.f_favail < host.inodes_min:  # some file systems have no fixed number
        yield Finding(HostCode.INODES_LOW, f"{room.f_favail} inodes free")


def _mount(host: Host) -> Iterator[Finding]:
    mount: Mount = mount_of(host.text("proc/self/mountinfo"), host.data_dir)
    missing = [option for option in _WANTED_OPTIONS if option not in mount.options]
    if missing:
        yield Finding(HostCode.MOUNT_OPTIONS, f"{mount.point} is mounted without {','.join(missing)}")
    if mount.kind in _VOLATILE:
        yield Finding(HostCode.MOUNT_VOLATILE, f"{mount.point} is {mount.kind}")
    if host.embedded and mount.kind in _NETWORKED:
        yield Finding(HostCode.MOUNT_NETWORKED, f"{mount.point} is {mount.kind}")


def _modes(host: Host) -> Iterator[Finding]:
    ours = chain([host.data_dir], host.data_dir.rglob("*"))
    owner = host.data_dir.stat().st_uid
    for files, forbidden, whose in (
        (ours, stat.S_IRWXG | stat.S_IRWXO, owner),
        (chain([host.configuration], host.configuration.glob("*.toml")), stat.S_IWGRP | stat.S_IWOTH, None),
    ):
        wrong = [path for path in islice(files, limits.HOST_FILES_MAX) if _is_open(path, forbidden, whose)]
        if wrong:
            yield Finding(HostCode.FILE_MODES, f"{len(wrong)} too open or another's, {wrong[0]} among them")


def _is_open(path: Path, forbidden: int, owner: int | None) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False  # the gateway is at work
    return bool(status.st_mode & forbidden) or (owner is not None and status.st_uid != owner)


def _open_files(host: Host) -> Iterator[Finding]:
    limit = _limit(host, "Max open files")
    if limit != "unlimited" and int(limit) < limits.OPEN_FILES_MIN:
        yield Finding(HostCode.OPEN_FILES, f"the limit is {limit}")


def _user(host: Host) -> Iterator[Finding]:
    uids = next(line for line in host.text("proc/self/status").splitlines() if line.startswith("Uid:")).split()
    if uids[2] == "0":  # real, effective, saved, of files
        yield Finding(HostCode.RUNS_AS_ROOT, "user 0")


def _openssl(_host: Host) -> Iterator[Finding]:
    copies = {"Python": ssl.OPENSSL_VERSION, "cryptography": library_version()}
    for whose, version in copies.items():
        if not version.startswith("OpenSSL ") or int(version.split()[1].partition(".")[0]) < _OPENSSL_MAJOR_MIN:
            yield Finding(HostCode.OPENSSL_OLD, f"{whose}: {version}")
    if len(set(copies.values())) > 1:
        yield Finding(HostCode.OPENSSL_COPIES, ", ".join(f"{whose}: {version}" for whose, version in copies.items()))


def _limit(host: Host, name: str) -> str:
    """The soft limit of this process by its name in ``/proc/self/limits``."""
    line = next(line for line in host.text("proc/self/limits").splitlines() if line.startswith(name))
    return line.removeprefix(name).split()[0]


async def ring_host(env: Environment, found: Sequence[Finding]) -> None:
    """Open an alarm for each serious finding, and close those of earlier starts that are mended."""
    codes, at, alarm = {one.code.value for one in found if one.serious}, env.now(), AlarmCode.HOST_UNSAFE

    def judge(conn: Connection) -> None:
        for row in alarms.open_alarms(conn):
            if row.code == alarm and row.subject not in codes:
                alarms.close(conn, tenant=row.tenant, code=alarm, subject=row.subject, at=at, actor="gateway")
        for code in sorted(codes):
            alarms.ring(conn, tenant="*", code=alarm, subject=code, at=at)

    await env.store.write(judge, Point.SWEEP)
