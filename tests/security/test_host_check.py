"""S85: what the machine lacks is found from the kernel's own files, told, and rung for in production."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import config
from gateway.app import running
from gateway.app.host_check import Finding, Host, HostCode, clock_is_set, findings, ring_host
from gateway.limits import GIB
from gateway.store import alarms, migrate
from gateway.store.alarms import AlarmCode
from tests.production_kit import command, production_site

SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"
LIMITS = "Limit  Soft Limit  Hard Limit  Units\nMax core file size  0  0  bytes\nMax open files  16384  16384  files\n"


@pytest.fixture
def host(tmp_path):
    """A sound machine: the files of the kernel below a folder, and a data folder of its own mount."""
    root, data, configuration = tmp_path / "root", tmp_path / "data", tmp_path / "etc"
    for folder, mode in ((data, 0o700), (configuration, 0o755)):
        folder.mkdir()
        folder.chmod(mode)
    (configuration / "gateway.toml").touch(0o640)
    (data / "budstikke.sqlite3").touch(0o600)
    made = Host(
        data, configuration, disk_floor_bytes=1, embedded=True, root=root, inodes_min=1, clock_is_set=lambda: True
    )
    put(made, "proc/swaps", SWAPS)
    put(made, "proc/self/cgroup", "0::/system.slice/budstikke.service\n")
    put(made, "proc/self/limits", LIMITS)
    put(made, "proc/self/status", "Name:\tbudstikke\nUid:\t998\t998\t998\t998\n")
    put(made, "proc/self/mountinfo", mountinfo(made))
    put(made, "proc/sys/kernel/core_pattern", "core\n")
    put(made, "sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
    return made


def put(host, path, content):
    file = host.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def mountinfo(host, options="rw,nosuid,nodev,noexec,relatime", kind="ext4"):
    return (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"30 22 253:2 / {host.data_dir} {options} shared:2 - {kind} /dev/mapper/data rw\n"
    )


def codes(host):
    return {finding.code for finding in findings(host)} - {HostCode.OPENSSL_COPIES}


def swap(host, name, kind="partition", **files):
    put(host, "proc/swaps", SWAPS + f"{name}\t{kind}\t1048572\t0\t-2\n")
    for path, content in files.items():
        put(host, f"sys/class/block/{path.replace('__', '/')}", content)


def swap_file(host, uuid):
    swap(host, "/swap", "file")
    put(host, "sys/class/block/dm-3/dm/uuid", uuid)
    (host.root / "sys/dev/block").mkdir(parents=True)
    (host.root / "sys/dev/block/8:1").symlink_to("../../class/block/dm-3")


def logical_volume(host, below):
    """A swap volume of LVM that stands on one device."""
    swap(host, "/dev/dm-1", dm__uuid="")
    put(host, "sys/class/block/dm-1/dm/uuid", "LVM-x")
    put(host, "sys/class/block/dm-1/slaves/dm-0/x", "")
    put(host, "sys/class/block/dm-0/dm/uuid", below)


SOUND = {
    "no swap": lambda host: None,
    "swap on dm-crypt": lambda host: (
        swap(host, "/dev/dm-0"),
        put(host, "sys/class/block/dm-0/dm/uuid", "CRYPT-PLAIN-s"),
    ),
    "swap on a volume on dm-crypt": lambda host: logical_volume(host, "CRYPT-LUKS2-x"),
    "a swap file on dm-crypt": lambda host: swap_file(host, "CRYPT-LUKS2-x"),
    "compressed memory": lambda host: swap(host, "/dev/zram0"),
    "swap that the service may not use": lambda host: (
        swap(host, "/dev/sda2"),
        put(host, "sys/fs/cgroup/system.slice/budstikke.service/memory.swap.max", "0\n"),
    ),
    "cores for nobody": lambda host: put(host, "proc/sys/kernel/core_pattern", "|/bin/false\n"),
    "no limit of files": lambda host: put(host, "proc/self/limits", LIMITS.replace("16384", "unlimited")),
}
LACKING = {
    "swap on a disk": (HostCode.SWAP_IN_CLEAR, lambda host: swap(host, "/dev/sda2")),
    "swap on a plain volume": (HostCode.SWAP_IN_CLEAR, lambda host: logical_volume(host, "LVM-y")),
    "a swap file on a plain volume": (HostCode.SWAP_IN_CLEAR, lambda host: swap_file(host, "LVM-y")),
    "compressed memory with a disk behind": (
        HostCode.SWAP_IN_CLEAR,
        lambda host: (swap(host, "/dev/zram0"), put(host, "sys/class/block/zram0/backing_dev", "/dev/sda3\n")),
    ),
    "a core handler": (
        HostCode.CORE_HANDLER,
        lambda host: put(host, "proc/sys/kernel/core_pattern", "|/usr/share/apport/apport %p\n"),
    ),
    "cores": (
        HostCode.CORES_ALLOWED,
        lambda host: put(host, "proc/self/limits", LIMITS.replace("  0  0", "  unlimited  0")),
    ),
    "a slow clock": (
        HostCode.CLOCK_SOURCE,
        lambda host: put(host, "sys/devices/system/clocksource/clocksource0/current_clocksource", "acpi_pm\n"),
    ),
    "a clock nobody sets": (HostCode.CLOCK_NOT_SET, lambda host: replace(host, clock_is_set=lambda: False)),
    "little room": (HostCode.DISK_LOW, lambda host: replace(host, disk_floor_bytes=GIB**2)),
    "few inodes": (HostCode.INODES_LOW, lambda host: replace(host, inodes_min=2**60)),
    "a mount without noexec": (
        HostCode.MOUNT_OPTIONS,
        lambda host: put(host, "proc/self/mountinfo", mountinfo(host, "rw,nosuid,nodev")),
    ),
    "no mount of its own": (
        HostCode.MOUNT_OPTIONS,
        lambda host: put(host, "proc/self/mountinfo", mountinfo(host).splitlines()[0]),
    ),
    "memory": (HostCode.MOUNT_VOLATILE, lambda host: put(host, "proc/self/mountinfo", mountinfo(host, kind="tmpfs"))),
    "SQLite over a network": (
        HostCode.MOUNT_NETWORKED,
        lambda host: put(host, "proc/self/mountinfo", mountinfo(host, kind="nfs4")),
    ),
    "a database that others read": (
        HostCode.FILE_MODES,
        lambda host: (host.data_dir / "budstikke.sqlite3").chmod(0o640),
    ),
    "a data folder that others enter": (HostCode.FILE_MODES, lambda host: host.data_dir.chmod(0o710)),
    "a configuration that others write": (
        HostCode.FILE_MODES,
        lambda host: (host.configuration / "gateway.toml").chmod(0o660),
    ),
    "few open files": (
        HostCode.OPEN_FILES,
        lambda host: put(host, "proc/self/limits", LIMITS.replace("16384", "1024")),
    ),
    "root": (HostCode.RUNS_AS_ROOT, lambda host: put(host, "proc/self/status", "Uid:\t998\t0\t0\t0\n")),
    "a file that cannot be read": (HostCode.NOT_SEEN, lambda host: (host.root / "proc/swaps").unlink()),
}


@pytest.mark.proves("S85")
@pytest.mark.parametrize("change", SOUND.values(), ids=SOUND)
def test_control_a_sound_host_has_no_finding(host, change):
    change(host)
    assert codes(host) == set()


@pytest.mark.proves("S85")
@pytest.mark.parametrize(("code", "change"), LACKING.values(), ids=LACKING)
def test_check_host_findings(host, code, change):
    changed = change(host)
    found = findings(changed if isinstance(changed, Host) else host)
    assert {one.code for one in found} - {HostCode.OPENSSL_COPIES} == {code}
    assert all(one.seen and one.remedy for one in found)
    assert [one.serious for one in found if one.code is code] == [code is not HostCode.NOT_SEEN]


@pytest.mark.proves("S85")
def test_an_openssl_that_nobody_mends_is_told(host, monkeypatch):
    monkeypatch.setattr("ssl.OPENSSL_VERSION", "OpenSSL 1.1.1w  11 Sep 2023")
    assert codes(host) == {HostCode.OPENSSL_OLD}
    monkeypatch.setattr("ssl.OPENSSL_VERSION", "LibreSSL 3.9.2")
    assert codes(host) == {HostCode.OPENSSL_OLD}


def test_the_kernel_says_whether_its_clock_is_set():
    assert clock_is_set() in {True, False}


def test_every_code_has_a_remedy_and_stands_in_the_runbook():
    runbook = (Path(__file__).parents[2] / "docs/operations/host-unsafe.md").read_text("utf-8")
    found = [Finding(code, "x") for code in HostCode]
    assert all(one.remedy for one in found)
    assert [one.code for one in found if one.serious and f"`{one.code.value}`" not in runbook] == []


async def open_subjects(env):
    rows = await env.store.read(alarms.open_alarms)
    return {row.subject for row in rows if row.code == AlarmCode.HOST_UNSAFE}


@pytest.mark.proves("S85")
async def test_an_alarm_closes_when_what_it_rang_for_is_mended(env):
    swap_found, root = Finding(HostCode.SWAP_IN_CLEAR, "x"), Finding(HostCode.RUNS_AS_ROOT, "x")
    await ring_host(env, [swap_found, root, Finding(HostCode.OPENSSL_COPIES, "x")])
    assert await open_subjects(env) == {"swap-in-clear", "runs-as-root"}
    await ring_host(env, [root])
    assert await open_subjects(env) == {"runs-as-root"}


@pytest.mark.proves("S85")
async def test_the_command_tells_and_production_rings_for_each_serious_one(tmp_path):
    site = production_site(tmp_path / "site")
    migrate.create_sqlite(site.folder / "var", origin="test")
    (site.folder / "var").chmod(0o750)
    done = command(site, "check-host", "--json")
    told = {row["code"] for row in json.loads(done.stdout) if row["serious"]}
    assert "file-modes" in told
    assert done.returncode == 1
    configuration = config.load(site.configuration)
    async with running(configuration) as gateway:
        rung = await open_subjects(gateway.env)
    here = {one.code.value for one in findings(Host.under(configuration)) if one.serious}
    assert "file-modes" in rung
    assert rung - {"disk-low", "inodes-low"} == here - {"disk-low", "inodes-low"}  # others write to this disk too
