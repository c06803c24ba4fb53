"""Looking people up for the rules: KRR each time, Folkeregisteret once a day, and no fact from what gave no answer."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import pytest_asyncio

from gateway import config, limits
from gateway.app import environment, open_adapters
from gateway.app.calls import http_session
from gateway.app.lending import Lender
from gateway.errors import ConfigError, DocumentError, KeyUnavailableError, PartnerUnavailableError
from gateway.observability import logging
from gateway.pipeline import open_registers, registers
from gateway.pipeline.environment import Environment
from gateway.pipeline.roads import Roads
from gateway.simulators.registers.faults import RegisterFault
from gateway.spi import Adapter, Clock, Contact, Grading, Resident, Standing
from gateway.testing.clock import HandClock
from gateway.testing.site import Site, make_site
from tests.conftest import ROOT
from tests.postgres import settings_for
from tests.registers_kit import KARI, PER, SPERRET, UKJENT, register

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR_S = 3600.0
RESIDENT = Resident(Standing.RESIDENT, Grading.UNGRADED, HandClock().now(), "Kari Prøve")


@dataclass
class Counted:
    """Both registers in one, which answer as they are told and count how often."""

    clock: Clock
    answers: list[object] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def contact(self, person: str) -> Contact:
        return await self._answer(person, Contact(False, True, True, True, self.clock.now()))

    async def resident(self, person: str) -> Resident | None:
        return await self._answer(person, replace(RESIDENT, asked_at=self.clock.now()))

    async def _answer(self, person, usual):
        self.asked.append(person)
        answer = self.answers.pop(0) if self.answers else usual
        if isinstance(answer, Exception):
            raise answer
        return await answer if asyncio.iscoroutine(answer) else answer


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def installation(pki_site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Environment]:
    configuration = config.load(pki_site.configuration, settings_for("sqlite", tmp_path_factory.mktemp("data")))
    async with environment(configuration) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def here(installation: Environment, pki_site: Site) -> AsyncIterator[SimpleNamespace]:
    """The installation with a clock that is turned by hand, and both registers open."""
    clock, log = HandClock(), io.StringIO()
    env = replace(installation, clock=clock, log=logging.to(log), roads=Roads())
    counted = Counted(clock)
    env.roads.open("begge", Adapter(contacts=counted, population=counted))
    yield SimpleNamespace(env=env, clock=clock, log=log, counted=counted, tenant=pki_site.tenant)
    for number in (KARI, PER, SPERRET, UKJENT):
        assert number not in log.getvalue()


def contact(here, number=KARI):
    return registers.contact(here.env, here.tenant, number)


def resident(here, number=KARI):
    return registers.resident(here.env, here.tenant, number)


async def test_krr_is_asked_at_each_sending(here):
    assert (await contact(here)).mailbox
    await contact(here)
    assert here.counted.asked == [KARI, KARI]


async def test_folkeregisteret_is_asked_once_a_day_and_office_and_never_with_a_fact_of_24_hours(here):
    first = await resident(here)
    here.clock.turn(22 * HOUR_S)
    assert await resident(here) is first
    assert here.counted.asked == [KARI]
    here.clock.turn(1 * HOUR_S)
    found = await resident(here)
    assert len(here.counted.asked) == 2
    assert here.clock.now() - found.asked_at < timedelta(hours=24)
    assert timedelta(hours=24).total_seconds() > limits.RESIDENT_KEEP_S


async def test_each_person_is_asked_about_and_each_office_asks_itself(here):
    await resident(here, KARI)
    await resident(here, PER)
    other = next(str(office.tenant) for office in here.env.offices.all() if str(office.tenant) != here.tenant)
    await registers.resident(here.env, other, KARI)
    assert here.counted.asked == [KARI, PER, KARI]


async def test_an_answer_ages_by_the_wall_clock_too_since_the_other_stands_still_while_a_machine_sleeps(here):
    await resident(here)
    here.env = replace(here.env, clock=_Slept(here.clock, timedelta(hours=23)))
    await resident(here)
    assert len(here.counted.asked) == 2
    here.env = replace(here.env, clock=_Slept(here.clock, timedelta(hours=-1)))  # and a clock that was set back
    await resident(here)
    assert len(here.counted.asked) == 3
    here.clock.turn(23 * HOUR_S)
    here.env = replace(here.env, clock=_Slept(here.clock, timedelta(hours=-24)))  # and one that stood still
    await resident(here)
    assert len(here.counted.asked) == 4


@dataclass
class _Slept:
    """Wall time went on alone."""

    clock: HandClock
    by: timedelta

    def now(self):
        return self.clock.now() + self.by

    def monotonic(self):
        return self.clock.monotonic()


@pytest.mark.parametrize(
    "failure",
    [
        PartnerUnavailableError("x"),
        DocumentError("x"),
        KeyUnavailableError("x"),
        ConfigError("x"),
        ZeroDivisionError(KARI),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_failure_is_no_fact_is_not_remembered_and_is_told_without_the_number(here, failure):
    here.counted.answers = [failure, failure]
    assert await resident(here) is None
    assert await contact(here) is None
    assert here.log.getvalue().count("register.no_answer") == 2
    assert await resident(here) is not None
    assert await contact(here) is not None


async def test_an_unknown_person_is_asked_about_again(here):
    here.counted.answers = [None]
    assert await resident(here) is None
    assert await resident(here) is not None


async def test_a_slow_register_is_left_after_its_time(here, monkeypatch):
    monkeypatch.setattr(limits, "LOOKUP_S_MAX", 0.05)
    here.counted.answers = [asyncio.Event().wait(), asyncio.Event().wait()]
    async with asyncio.timeout(5):
        assert await contact(here) is None
        assert await resident(here) is None
    assert here.log.getvalue().count("too-slow") == 2


async def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(here, monkeypatch):
    monkeypatch.setattr(limits, "RESIDENTS_KEPT_MAX", 2)
    for number in (KARI, PER, UKJENT):
        await resident(here, number)
    for number in (UKJENT, PER, KARI):
        await resident(here, number)
    assert here.counted.asked == [KARI, PER, UKJENT, KARI]


@pytest.mark.proves("S79")
async def test_what_is_remembered_is_found_by_a_pseudonym_alone(here):
    await resident(here)
    remembered = here.env.roads.registers.remembered
    assert remembered._known
    assert KARI not in repr(remembered._known)
    assert RESIDENT.name not in repr(here.env.roads)


async def test_without_a_register_there_is_no_fact(here):
    env = replace(here.env, roads=Roads())
    assert await registers.contact(env, here.tenant, KARI) is None
    assert await registers.resident(env, here.tenant, KARI) is None
    assert here.log.getvalue().count("register.none") == 2


async def test_two_registers_of_a_kind_stop_the_start():
    opened = open_registers.OpenRegisters()
    counted = Counted(HandClock())
    opened.open("krr", Adapter(contacts=counted))
    opened.open("freg", Adapter(population=counted))
    for second in (Adapter(contacts=counted), Adapter(population=counted)):
        with pytest.raises(ConfigError, match="one of them at most"):
            opened.open("tredje", second)


async def test_the_real_adapters_answer_through_the_same_door(here):
    async with register("krr") as krr, register("freg") as freg:
        env = replace(here.env, roads=Roads())
        env.roads.open("krr", krr.adapter)
        env.roads.open("freg", freg.adapter)
        assert (await registers.contact(env, here.tenant, KARI)).mailbox
        found = await registers.resident(env, here.tenant, SPERRET)
        assert found.grading is Grading.STRICTLY_CONFIDENTIAL
        freg.server.faults.arm(RegisterFault.DOWN)
        assert await registers.resident(env, here.tenant, SPERRET) == found  # remembered
        assert await registers.resident(env, here.tenant, UKJENT) is None  # down
        assert len(freg.server.questions) == 2


async def test_an_installation_opens_both_registers_and_shows_them_no_road(tmp_path):
    client = (
        'audience = "https://test.maskinporten.no/"\ntoken_endpoint = "http://127.0.0.1:9/token"\nclient_id = "oss"\n'
    )
    signing = 'key = { key = "file:keys/signing.pem" }\n'
    site = make_site(
        tmp_path / "site",
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        adapters=("krr", "freg"),
        sections="".join(f"[maskinporten.{name}]\n{client}{signing}" for name in ("krr", "freg")),
    )
    (site.folder / "partners").mkdir()
    for name in ("krr", "freg"):
        shipped = (ROOT / "config" / "partners" / f"{name}.toml").read_text("utf-8")
        lines = [line.removeprefix("# ") for line in shipped.splitlines() if " = " in line]
        (site.folder / "partners" / f"{name}.toml").write_text("\n".join(lines), "utf-8")
    configuration = config.load(site.configuration, settings_for("sqlite", tmp_path))
    async with environment(configuration) as env, http_session() as session, AsyncExitStack() as stack:
        await open_adapters(stack, configuration, env, Lender(configuration, env, session))
        opened = env.roads.registers
        assert (opened.contacts[0], opened.population[0]) == ("krr", "freg")
        assert env.roads.names() == ()
