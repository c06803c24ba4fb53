"""What befalls the road from the portal: the real gateway and RabbitMQ, on a PostgreSQL of their own, through one fault after another.

All tests share the cast and leave it well: the gateway running and alone on the queue. What each report came to is read
from the portal's own history and the case system's own file.
"""

import asyncio
import signal
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import pytest_asyncio

from adapters.fiks.connection import BACKOFF_MAX_S
from bench.fiks_java import add_java, settings_of
from bench.fiks_memory import seal_large
from bench.process import peak_bytes
from gateway.crashpoints import Point, Side
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import KeyFile, read_key
from gateway.demo.fiks_cast import FiksCast
from gateway.errors import PartnerUnavailableError
from gateway.simulators.feil import Feil
from gateway.simulators.fiks.dispatch import Outgoing
from gateway.simulators.fiks.faults import FiksFault
from gateway.simulators.fiks.figures import as_csv
from gateway.simulators.fiks.portal import AVVIST_FAGSYSTEM, FEILET, MOTTATT, SENDT_PRINT, Followed
from gateway.simulators.ledger import STORED, read_ledger
from gateway.simulators.sample import JSON_NAME, PDF_NAME, Form
from gateway.testing.pki import receive_key
from gateway.testing.site import KOMMUNENUMMER, free_port
from tests.acceptance.fiks_stage import WITHIN_S, set_up, today, until
from tests.acceptance.harness import ForkedGateway
from tests.broker import require_rabbitmq
from tests.interop.fiks.kit import peer, trusting

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

LARGE_BYTES = 100_000_000  # 300 MB and 1 GB: ``python -m bench.fiks``
PERSON = ("--person", "kari", "--reason", "prove")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory, forks):
    require_rabbitmq()
    async with set_up(forks, tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared):
    """The cast with its gateway up. A message that is thrown away (``rejected``) is never seen by anybody."""
    if not shared.gateway.running:
        await shared.up()
    yield shared
    assert not shared.sink.done(), shared.sink.exception()
    assert "rejected" not in shared.given_up()


# --- The third attempt ------------------------------------------------------------------------------------------------


async def test_a_report_whose_every_attempt_is_killed_before_it_is_stored_goes_to_paper_and_the_portal_s_list_tells(
    stage, tmp_path
):
    await stage.gateway.kill()
    report, given_up = await stage.fiks.report(), len(stage.given_up())
    for _ in range(3):
        await stage.gateway.die_at(Point.ACCEPT, Side.BEFORE)
    await stage.told([report], SENDT_PRINT)
    assert [row.tilstand for row in report.history[-2:]] == [AVVIST_FAGSYSTEM, SENDT_PRINT]
    assert stage.given_up()[given_up:] == ["delivery_limit"]
    await stage.up()
    after = await stage.fiks.report()  # what came behind it is not held up
    await stage.once([after])
    assert await stage.times(report) == 0
    listed = tmp_path / "portal.csv"
    listed.write_text(as_csv([report, after]))
    found = await stage.gateway.command("reconcile", str(listed), "--day", today(), "--person", "kari")
    assert [(row["report_id"], row["status"]) for row in found["missing"]] == [
        (report.bekymringsmelding_id, SENDT_PRINT)
    ]
    day = await stage.gateway.command("daily-certificate", "--day", today())
    assert f"portal-list {KOMMUNENUMMER} listed 2 missing 1 " in day["certificate"]


@pytest.mark.proves("promise-1")
async def test_a_report_stored_at_its_last_attempt_comes_once_although_it_is_on_paper_and_the_letter_is_told_as_a_copy(
    stage,
):
    await stage.gateway.kill()
    report, given_up = await stage.fiks.report(), len(stage.given_up())
    for side in (Side.BEFORE, Side.BEFORE, Side.AFTER):
        await stage.gateway.die_at(Point.ACCEPT, side)
    await stage.told([report], SENDT_PRINT)
    assert stage.given_up()[given_up:] == ["delivery_limit"]
    await stage.up()

    async def receipted() -> bool:
        return report.late == [MOTTATT]  # the truth, though the portal has sent the letter

    await until(receipted)
    assert await stage.times(report) == 1
    letter = await stage.gateway.command(
        *("register", "--office", stage.gateway.site.tenant, "--reporter", "offentlig", "--came-by", "brev"),
        *("--bekymringsmelding-id", report.bekymringsmelding_id, "--person", "kari"),
    )
    ours = await stage.trace(report)
    assert letter["may_be_same_as"] == [ours["id"]]
    assert {"code": "may-be-same", "detail": letter["message_id"]} in ours["warnings"]


# --- What everything needs, away for a while --------------------------------------------------------------------------


@pytest.mark.timeout(240)
@pytest.mark.proves("promise-1")
async def test_a_broker_that_is_restarted_under_load_loses_and_doubles_nothing(stage):
    reports: list[Followed] = []
    enough = asyncio.Event()

    async def people() -> None:
        while not enough.is_set():
            reports.append(await reported(stage.fiks))
            await asyncio.sleep(0.1)

    reporting = asyncio.create_task(people())
    await asyncio.to_thread(stage.fiks.broker.restart)
    await stage.fiks.platform.mail.ready()
    enough.set()
    await reporting
    await stage.counted(consumers=1, within_s=BACKOFF_MAX_S + WITHIN_S)  # it may have tried in vain just before
    assert any(len(one.melding_ids) > 1 for one in reports)  # somebody reported while it was away
    await stage.once(reports)


async def reported(fiks: FiksCast) -> Followed:
    """A report that the portal sends again for as long as it does not know that it left."""
    try:
        return await fiks.report()
    except PartnerUnavailableError:
        report = fiks.reports()[-1]
    while True:
        await asyncio.sleep(0.1)
        try:
            await fiks.platform.portal.resend(report.bekymringsmelding_id)
        except PartnerUnavailableError:
            continue
        return report


async def test_a_token_that_ran_out_while_the_issuer_was_away_is_replaced_before_anything_connects(stage, monkeypatch):
    platform, let_in = stage.fiks.platform, []

    def may_log_in(user: str, password: str, ask=platform.access.may_log_in) -> bool:
        let_in.append(ask(user, password))
        return let_in[-1]

    monkeypatch.setattr(platform.access, "may_log_in", may_log_in)
    await stage.gateway.kill()
    platform.issuer.token_life_s = 2
    try:
        await stage.up()
        await asyncio.sleep(platform.issuer.token_life_s)  # so the one that it connected with is worth nothing
        platform.faults.arm(FiksFault.TOKENS_DOWN, times=4)  # a whole fetch, and the first try of the next one
        platform.front.cut()
        report = await stage.fiks.report()

        async def asked_in_vain() -> bool:
            away = FiksFault.TOKENS_DOWN in platform.faults.armed()
            assert not (away and report.ended)
            return not away

        await until(asked_in_vain)
        await stage.once([report])
    finally:
        platform.issuer.token_life_s = 120
    assert let_in == [True, True]  # nobody knocked with what was worth nothing


@pytest.mark.proves("promise-1")
async def test_while_postgresql_is_away_nothing_is_fetched_and_afterwards_everything_comes_at_the_cost_of_one_attempt(
    stage,
):
    before = await stage.fiks.report()
    subscribed, safe = stage.logged("amqp.subscribed"), stage.logged("inbound.safe_mode")
    await asyncio.to_thread(stage.server.stop, signal.SIGQUIT)  # at once, as a crash
    try:
        meanwhile = [await stage.fiks.report() for _ in range(6)]
        await stage.counted(consumers=0)  # so no attempt is made
        assert not any(one.ended for one in meanwhile)
    finally:
        await asyncio.to_thread(stage.server.start)
    await stage.once([before, *meanwhile])
    assert stage.logged("inbound.safe_mode") == safe + 1
    assert stage.logged("amqp.subscribed") == subscribed + 1
    await stage.counted(consumers=1, waiting=0)


# --- What cannot be read ----------------------------------------------------------------------------------------------


async def test_a_report_for_a_key_that_is_missing_waits_with_an_alarm_and_is_delivered_once_the_key_is_there(stage):
    keys = stage.gateway.site.folder / "keys"
    new = read_key(KeyFile(receive_key("Mottak, ny").write_pem(keys / "ny.pem")))
    account = stage.fiks.platform.register.account(stage.konto_id)
    old, account.certificate = account.certificate, facts_of(new.certificate)
    try:
        report = await stage.fiks.report()  # sealed for what the catalogue shows
    finally:
        account.certificate = old
    behind = await stage.fiks.report()
    await stage.once([behind])
    ours = (await stage.message(report))["id"]
    assert {alarm["code"] for alarm in await stage.gateway.command("alarms", "list") if alarm["subject"] == ours} == {
        "quarantined"
    }
    await stage.counted(waiting=0)  # it was acknowledged: it is here
    assert not report.ended

    tenant = stage.gateway.site.folder / "tenants" / f"{KOMMUNENUMMER}.toml"
    held = '{ key = "file:keys/receive.pem" }'
    tenant.write_text(tenant.read_text().replace(f"[{held}]", f'[{{ key = "file:keys/ny.pem" }}, {held}]'))
    renewed = stage.logged("gateway.renewed")
    stage.gateway.renew()

    async def taken_in() -> bool:
        return stage.logged("gateway.renewed") > renewed

    await until(taken_in)
    assert (await stage.gateway.command("release", ours, *PERSON))["state"] == "RECEIVED"
    await stage.told([report])
    assert await stage.times(report, new) == 1
    assert not any(alarm["subject"] == ours for alarm in await stage.gateway.command("alarms", "list"))


async def test_only_a_named_person_refuses_a_report_that_nobody_can_read_and_the_portal_is_told_why(stage):
    report = await stage.fiks.platform.reporter.report(stage.fiks.office, feil=Feil.WRONG_KEY)
    behind = await stage.fiks.report()
    await stage.once([behind])
    ours = (await stage.message(report))["id"]
    assert ours in await stage.quarantined()
    assert not report.ended
    await stage.gateway.command("refuse", ours, *PERSON)
    await stage.told([report], SENDT_PRINT)
    assert [row.tilstand for row in report.history[-2:]] == [AVVIST_FAGSYSTEM, SENDT_PRINT]
    assert report.feilmelding  # opened with the portal's own key, from a container that holds
    assert ours not in await stage.quarantined()


@pytest.mark.proves("promise-1")
async def test_deliveries_that_are_wrong_in_every_way_wait_for_a_person_and_stop_nobody(stage):
    faults, given_up, known = stage.fiks.platform.faults, len(stage.given_up()), await stage.quarantined()
    wrong = (
        *(FiksFault.NO_MELDING_ID, FiksFault.NO_TYPE, FiksFault.NO_AVSENDER),
        *(FiksFault.MALFORMED_HEADERS, FiksFault.HUGE),
    )
    spoiled, sound = [], []
    for fault in wrong:
        faults.arm(fault)
        spoiled.append(await stage.fiks.report())
        sound.append(await stage.fiks.report())
    for fault in (FiksFault.DUPLICATE, FiksFault.OUT_OF_ORDER, FiksFault.DELAYED, FiksFault.UNKNOWN_SENDER):
        faults.arm(fault)
        sound.append(await stage.fiks.report())
    await stage.once(sound[:-1])
    await stage.counted(waiting=0)

    async def set_aside() -> bool:
        return len(await stage.quarantined() - known) == len(wrong)

    await until(set_aside)
    assert (
        await stage.times(sound[-1]) == 1
    )  # a sender whom the catalogue does not know: delivered, its receipt is a person's
    assert not any(one.ended for one in spoiled)
    assert stage.given_up()[given_up:] == []


# --- What is large ----------------------------------------------------------------------------------------------------


async def test_100_mb_from_dokumentlager_to_the_case_system_take_hardly_more_memory_than_any_report(stage, tmp_path):
    before = await stage.fiks.report()
    await stage.once([before])
    peak, container = peak_bytes(stage.gateway.pid), tmp_path / "container"
    digest = await asyncio.to_thread(seal_large, stage.fiks, container, LARGE_BYTES)
    order = Outgoing(stage.fiks.platform.portal.konto_id, stage.konto_id, before.type)
    assert (await stage.fiks.platform.send(order, container)).dokumentlager_id

    async def stored() -> bool:
        rows = read_ledger(stage.fiks.cast.sink_ledger)
        return any(row["event"] == STORED and row["documents"].get(PDF_NAME) == digest for row in rows)

    await until(stored)
    assert peak_bytes(stage.gateway.pid) - peak < LARGE_BYTES / 2


# --- Two gateways -----------------------------------------------------------------------------------------------------


@pytest.mark.proves("promise-1")
async def test_two_gateways_share_one_account_and_when_one_is_killed_the_other_does_the_rest(stage, forks, tmp_path):
    async with second(stage, forks, tmp_path / "second.log") as other:
        await stage.counted(consumers=2)
        reports = [await stage.fiks.report() for _ in range(8)]
        await stage.once(reports)
        ours = [log.read_text().count("message.accepted") for log in (tmp_path / "second.log",)]
        assert 0 < ours[0] < len(reports)  # the broker deals in turns
        more = [await stage.fiks.report() for _ in range(4)]
        await other.kill()
        more += [await stage.fiks.report() for _ in range(2)]
        await stage.once(more)
    await stage.counted(consumers=1, waiting=0)


@asynccontextmanager
async def second(stage, forks, log):
    """Another gateway on the same database, folder and account, with ports of its own."""
    ports = {name: free_port() for name in ("partner", "case_system", "operations")}
    site = replace(stage.gateway.site, **{f"{name}_port": port for name, port in ports.items()})
    own = {f"BUDSTIKKE__LISTEN__{name.upper()}__PORT": str(port) for name, port in ports.items()}
    gateway = ForkedGateway(site, log, stage.gateway.environment | own, forks=forks)
    gateway.launch()
    try:
        await gateway.ready()
        yield gateway
    finally:
        await gateway.kill()


# --- The official client ----------------------------------------------------------------------------------------------


async def test_the_official_java_client_reports_to_us_and_reads_both_our_receipts(stage, tmp_path):
    here, known = stage.fiks, await stage.quarantined()
    account = await add_java(here)
    report = here.platform.reporter.write(here.office, Form.OFFENTLIG, "V2")
    for name, content in ((JSON_NAME, report.json), (PDF_NAME, report.pdf)):
        (tmp_path / name).write_bytes(content)
    with peer("FiksIo", tmp_path, *trusting(tmp_path, here.cast.site.ca)) as java:

        async def order(do: str, **more):
            return await asyncio.to_thread(java, do, **more)

        async def send(name: str) -> str:
            files, kind = [tmp_path / JSON_NAME, tmp_path / PDF_NAME], "no.ks.fiks.bekymringsmelding.offentlig.v2"
            own = {"klientMeldingId": uuid.uuid4(), "korrelasjon": f"dialog {name}", "headers": {}}
            return await order("send", name=name, to=stage.konto_id, type=kind, files=files, **own)

        for name in ("right", "wrong"):  # each remembers the key that the catalogue gave it
            await order("connect", name=name, **settings_of(here, account))
        await order("subscribe", name="right")
        sent = await send("right")
        told = await order("next", name="right", within_s=WITHIN_S)
        assert (told["type"], told["answers"], told["files"]) == (MOTTATT, sent, {})
        assert (told["from"], told["korrelasjon"]) == (stage.konto_id, "dialog right")
        await order("ack", name="right", meldingId=told["meldingId"])

        here.platform.faults.arm(FiksFault.WRONG_CATALOGUE_KEY)
        sent = await send("wrong")

        async def set_aside() -> bool:
            return bool(await stage.quarantined() - known)

        await until(set_aside)
        [ours] = await stage.quarantined() - known
        await stage.gateway.command("refuse", ours, *PERSON)
        told = await order("next", name="right", within_s=WITHIN_S)
        assert (told["type"], told["answers"], list(told["files"])) == (FEILET, sent, ["feilmelding.json"])
        await order("ack", name="right", meldingId=told["meldingId"])
