"""Mounts and block devices as the kernel tells of them: what lies under a folder, and whether it is encrypted."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_DM_CRYPT: Final = "CRYPT-"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount; ``device`` is ``major:minor``."""

    point: Path
    device: str
    options: frozenset[str]
    kind: str


def mount_of(mountinfo: str, path: Path) -> Mount:
    """The mount that holds a path, from ``/proc/self/mountinfo`` (proc(5)). Raises FileNotFoundError."""
    holding = [mount for line in mountinfo.splitlines() if path.is_relative_to((mount := _mount(line)).point)]
    if not holding:
        raise FileNotFoundError(2, "no mount holds it", str(path))
    deepest = max(len(mount.point.parts) for mount in holding)
    return [mount for mount in holding if len(mount.point.parts) == deepest][-1]  # the last one mounted covers others


def _mount(line: str) -> Mount:
    own, _, super_block = line.partition(" - ")
    _, _, device, _, point, options, *_ = own.split()
    return Mount(Path(_plain(point)), device, frozenset(options.split(",")), super_block.split()[0])


def _plain(text: str) -> str:
    """Blanks and the like are written in octal there."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def is_sealed(root: Path, place: str, *, is_file: bool) -> bool:
    """Whether what is written to a swap device or file ends up encrypted, as far as the kernel shows it.

    ``place`` stands as in ``/proc/swaps``. Raises OSError.
    """
    if not is_file:
        return _is_sealed(root, Path(_plain(place)).name)
    device = mount_of((root / "proc/self/mountinfo").read_text(), Path(_plain(place))).device
    below = root / "sys/dev/block" / device
    return below.exists() and _is_sealed(root, below.resolve().name)


def _is_sealed(root: Path, name: str) -> bool:
    """dm-crypt itself, memory that is only compressed, or something that stands on such devices alone."""
    block = root / "sys/class/block" / name
    if name.startswith("zram"):
        backing = block / "backing_dev"
        return not backing.exists() or backing.read_text().strip() == "none"
    uuid = block / "dm/uuid"
    if uuid.exists() and uuid.read_text().startswith(_DM_CRYPT):
        return True
    below = [slave.name for slave in (block / "slaves").glob("*")]
    return bool(below) and all(_is_sealed(root, slave) for slave in below)
