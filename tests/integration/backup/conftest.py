"""A gateway at work on each store, a key for its backups that is not on its host, and empty places to restore into."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import config
from gateway.app import environment
from gateway.backup.make import Made, make_backup
from gateway.backup.place import Place
from gateway.backup.restore import Restored, Wish, restore
from gateway.backup.seal import Opener, Recipient
from gateway.crashpoints import Point
from gateway.crypto.keys import KeyFile, SoftwareKey, read_key
from gateway.pipeline.accept import Intake
from gateway.pipeline.environment import Environment
from gateway.store import journal, log
from gateway.store.migrate import SQLITE_FILE
from gateway.testing.pki import receive_key
from gateway.testing.site import Site, make_site
from tests.conftest import ROOT
from tests.postgres import OWNER, server, settings_for
from tests.reports import Sender

BACKUP_ROLE = "budstikke_backup"
QUICK = {"BUDSTIKKE__ENGINE__BACKOFF_FIRST_S": "0", "BUDSTIKKE__FLOW__SEND_S_MAX": "0.5"}
PASSPHRASE = b"twenty octets at the least"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(
        tmp_path_factory.mktemp("site"),
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        adapters=("fiks", "loopback"),
    )


@pytest.fixture(scope="session")
def backup_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private half, as it lies in a safe."""
    return receive_key("Sikkerhetskopi").write_pem(tmp_path_factory.mktemp("safe") / "backup.pem")


@pytest.fixture(scope="session")
def backup_key(backup_file: Path) -> SoftwareKey:
    return read_key(KeyFile(backup_file))


@pytest.fixture(scope="session")
def backup_role() -> str:
    """As docs/operations makes it: it sees every office's rows and may write none."""
    found = server()
    with contextlib.suppress(pytest.fail.Exception):  # another test process of this server may have made it
        found.sql(f"CREATE ROLE {BACKUP_ROLE} LOGIN BYPASSRLS PASSWORD '{found.password}'")
    found.sql(f"GRANT pg_read_all_data TO {BACKUP_ROLE}")
    return BACKUP_ROLE


@dataclass
class House:
    """One gateway's data, its keys, and where another would begin."""

    site: Site
    env: Environment
    kind: str
    folder: Path
    database: str | None
    role: str | None
    key: SoftwareKey

    @property
    def place(self) -> Place:
        return Place(self.folder / "var", server().url(self.database, self.role) if self.database else None)

    def empty(self) -> Place:
        """A place to restore into."""
        url = server().url(server().empty_database(), OWNER) if self.database else None
        return Place(self.folder / "restored", url)

    @property
    def recipient(self) -> Recipient:
        return Recipient(self.key.certificate)

    @property
    def opener(self) -> Opener:
        return Opener([self.key])

    async def backup(self, name: str = "backup", **changes) -> tuple[Path, Made]:
        out = self.folder / name
        values = {"recipient": self.recipient, "signer": self.env.heads.signer, "floor_bytes": 0} | changes
        return out, await make_backup(self.place, out, **values)

    def wish(self, **changes) -> Wish:
        values = {"person": "kari", "reason": "disk-lost", "origin": "restored/1", "signer": self.env.heads.signer}
        return Wish(**values | {"role": "budstikke" if self.database else None} | changes)

    async def restore(
        self, file: Path, place: Place | None = None, opener: Opener | None = None, **changes
    ) -> Restored:
        return await restore(place or self.empty(), file, opener or self.opener, self.wish(**changes))

    async def receive(self, *numbers: int, size: int = 0) -> list[str]:
        """Reports, acknowledged; with ``size`` each lies in files of its own, too."""
        intake, sender = Intake(self.env), Sender(self.site, self.env)
        found = []
        for number in numbers:
            delivery = sender.delivery(number)
            delivery.part_bytes["bekymringsmelding"] += bytes(size)
            found.append((await intake.accept(delivery)).id)
        return found

    async def number(self) -> None:
        """Numbers for what waits, and a head."""
        while await self.env.store.write(journal.number_pending, Point.NUMBER):
            pass
        await self.env.heads.publish(self.env.store, self.env.now())

    async def newest_note(self) -> str:
        return (await self.env.store.read(log.newest_head)).note

    @asynccontextmanager
    async def opened(self, place: Place) -> AsyncIterator[Environment]:
        """The gateway of a restored place."""
        settings = {"BUDSTIKKE__DATA_DIR": str(place.data_dir)}
        if place.database is not None:
            password = self.folder / "database-password"
            settings["BUDSTIKKE__STORE__URL"] = server().address(place.database.database).render_as_string()
            settings["BUDSTIKKE__STORE__PASSWORD"] = f"file:{password}"
        async with environment(config.load(self.site.configuration, settings | QUICK)) as env:
            yield env


@asynccontextmanager
async def made_house(kind: str, site: Site, key: SoftwareKey, folder: Path, role: str | None) -> AsyncIterator[House]:
    """A gateway without listeners."""
    settings = settings_for(kind, folder)
    database = settings["BUDSTIKKE__STORE__URL"].partition("?")[0].rpartition("/")[2] if role else None
    async with environment(config.load(site.configuration, settings | QUICK)) as env:
        yield House(site, env, kind, folder, database, role, key)


@pytest.fixture(params=["sqlite", "postgresql"])
async def house(
    request: pytest.FixtureRequest, site: Site, backup_key: SoftwareKey, tmp_path: Path
) -> AsyncIterator[House]:
    """On each store."""
    role = request.getfixturevalue("backup_role") if request.param == "postgresql" else None
    async with made_house(request.param, site, backup_key, tmp_path, role) as made:
        yield made


@pytest.fixture
async def sqlite_house(site: Site, backup_key: SoftwareKey, tmp_path: Path) -> AsyncIterator[House]:
    """For what does not depend on the store."""
    async with made_house("sqlite", site, backup_key, tmp_path, None) as made:
        yield made


def database_file(place: Place) -> Path:
    return place.data_dir / SQLITE_FILE
