"""Every command once, as an operator types it, on a real site; then bad ids, wrong states and nobody's name."""

import http.client
import io
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta

import pytest
import typer

from gateway import cli, config
from gateway.app import environment
from gateway.app.parts import data_dir
from gateway.cli import simulate
from gateway.crashpoints import Point
from gateway.domain.deadlines import OSLO
from gateway.pipeline import confirm, hand_over
from gateway.pipeline.accept import Intake
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.store import alarms, journal, migrate
from gateway.testing.pki import Make
from gateway.testing.site import ORGANISATION, make_site
from tests.conftest import ROOT
from tests.production_kit import change
from tests.reports import Sender
from tests.work import work_off

UNKNOWN = "01930000-0000-7000-8000-000000000000"
KARI = ("--person", "kari")
WHY = ("--reason", "barnets mor heter NAVN-SOM-IKKE-SKAL-SYNES")
REJECTED = "Feil kontor: søsken bor hos FAR-SOM-IKKE-SKAL-SYNES \x1b[31m\u202e"


@pytest.fixture
def site(tmp_path):
    made = make_site(
        tmp_path / "site", defaults=ROOT / "config", issuer="https://issuer.test/", jwks_uri="http://127.0.0.1:9/jwks"
    )
    migrate.create_sqlite(made.folder / "var", origin="test")
    return made


def says(site, *arguments, code=0):
    """What a command prints. In this process, since starting another one costs far more than what it does."""
    config_file = () if arguments[:2] == ("keys", "make-test") else ("-c", str(site.configuration))
    out, err = io.StringIO(), io.StringIO()
    with ThreadPoolExecutor(1) as apart, redirect_stdout(out), redirect_stderr(err):  # a loop of its own, as in a shell
        ended = apart.submit(cli.run, [*arguments, *config_file]).result()
    assert ended == code, err.getvalue()
    return out.getvalue() if code == 0 else err.getvalue()


def shown(site, *arguments):
    return json.loads(says(site, *arguments, "--json"))


def lines_of(site, *arguments):
    """The exit code of a command, what it prints, and the lines that it logs."""
    out, err = io.StringIO(), io.StringIO()
    with ThreadPoolExecutor(1) as apart, redirect_stdout(out), redirect_stderr(err):
        ended = apart.submit(cli.run, [*arguments, "-c", str(site.configuration)]).result()
    return ended, out.getvalue(), [json.loads(line) for line in err.getvalue().splitlines()]


async def with_reports(site, *doings):
    """Reports in the store, each after what is done with it."""
    configuration = config.load(site.configuration)
    async with environment(configuration) as env:
        intake, sender = Intake(env), Sender(site, env)
        ids = []
        for number, doing in enumerate(doings, start=1):
            accepted = await intake.accept(sender.delivery(number))
            await work_off(env)
            if doing is not None:
                await doing(env, accepted.id)
            ids.append(accepted.id)
        return ids


async def reject(env, message_id):
    client = CaseSystemClient("fagsystem-1", ("4601-02",))
    await hand_over.claim(env, client, 10, 600, ())
    await confirm.reject(env, client, message_id, "wrong-office", REJECTED)


@pytest.mark.timeout(400)
async def test_every_command_of_an_operators_day(site, tmp_path):
    rejected, waiting = await with_reports(site, reject, None)
    listed = {row["id"]: row["state"] for row in shown(site, "list")}
    assert listed == {rejected: "HELD", waiting: "READY"}
    assert [row["id"] for row in shown(site, "list", "--state", "HELD", "--tenant", "4601-02")] == [rejected]
    assert shown(site, "list", "--tenant", "4601-03") == []

    traced = shown(site, "trace", rejected)
    assert [event["event"] for event in traced["events"]][-2:] == ["rejected", "alarm-opened"]
    assert "notes" not in traced
    assert "FAR-SOM-IKKE-SKAL-SYNES" not in says(site, "trace", rejected)
    assert shown(site, "trace", rejected, "--notes", *KARI)["notes"][0]["text"] == REJECTED
    printed = says(site, "trace", rejected, "--notes", *KARI)
    assert "FAR-SOM-IKKE-SKAL-SYNES" in printed
    assert not {"\x1b", "\u202e"} & set(printed)
    assert [e["event"] for e in shown(site, "trace", rejected)["events"]].count("notes-shown") == 2

    assert shown(site, "release", rejected, *KARI, *WHY)["state"] == "READY"
    assert shown(site, "hold", rejected, *KARI, *WHY)["state"] == "HELD"
    assert shown(site, "confirm", rejected, *KARI, *WHY, "--reference", "SAK-7")["state"] == "CONFIRMED"
    assert shown(site, "hold", waiting, *KARI, *WHY)["state"] == "HELD"
    assert shown(site, "refuse", waiting, *KARI, *WHY)["state"] == "REFUSED"
    notes = shown(site, "trace", waiting, "--notes", *KARI)["notes"]
    assert [(note["about"], note["actor"]) for note in notes] == [("person-held", "kari"), ("person-refused", "kari")]
    assert "NAVN-SOM-IKKE-SKAL-SYNES" not in says(site, "trace", waiting, "--json")

    assert shown(site, "check-config")["settings"]["mode"] == "demo"
    assert {row["use"] for row in shown(site, "keys", "list")} == {"receive", "print", "signing"}
    assert "kek" in shown(site, "keys", "make-test", str(tmp_path / "keys"))["files"]
    assert says(site, "migrate", "--json")
    says(site, "health", code=1)


def test_every_command_has_a_form_for_programs():
    def commands(of, *names):
        for name, found in getattr(of, "commands", {}).items():
            yield from commands(found, *names, name)
        if not hasattr(of, "commands"):
            yield " ".join(names), {switch for option in of.params for switch in option.opts}

    without = {name for name, options in commands(typer.main.get_command(cli.app)) if "--json" not in options}
    assert without == {"verify"}, "that one is a stranger's program, shown under our name"


def test_a_simulator_tells_programs_what_it_tells_people(capsys):
    for as_json in (False, True):
        simulate._teller(as_json=as_json)("report 1: 201", number=1, uuid=None)
    line, as_json = capsys.readouterr().out.splitlines()
    assert (line, json.loads(as_json)) == ("report 1: 201", {"told": "report 1: 201", "number": 1, "uuid": None})


@pytest.mark.timeout(400)
async def test_clients_and_alarms(site):
    organisation = ("--organisation", ORGANISATION)
    added = shown(site, "clients", "add-produsent", *organisation, "--fiks-org-id", "f" * 8, *KARI)
    rotated = shown(site, "clients", "rotate", added["integrasjonId"], *KARI)
    assert rotated["integrasjonPassord"] != added["integrasjonPassord"]
    fagsystem = ("clients", "add-fagsystem", "sak-1", *organisation, "--tenant", "4601-02", *KARI)
    assert shown(site, *fagsystem) == {"id": "sak-1"}
    assert "client-exists" in says(site, *fagsystem, code=1)
    assert shown(site, "clients", "revoke", "sak-1", *KARI)["active"] is False
    listed = says(site, "clients", "list", "--json")
    assert {row["id"]: row["active"] for row in json.loads(listed)} == {added["integrasjonId"]: True, "sak-1": False}
    assert added["integrasjonPassord"] not in listed

    await with_reports(site, reject)
    (alarm,) = [row for row in shown(site, "alarms", "list") if row["code"] == "rejected"]
    assert shown(site, "alarms", "seen", str(alarm["id"]), *KARI)["state"] == "seen"
    assert [row["seen_by"] for row in shown(site, "alarms", "list") if row["id"] == alarm["id"]] == ["kari"]
    assert shown(site, "alarms", "close", str(alarm["id"]), *KARI)["state"] == "closed"
    assert "not-found" in says(site, "alarms", "close", str(alarm["id"]), *KARI, code=1)
    assert "not-found" in says(site, "alarms", "seen", "999999", *KARI, code=1)


async def test_an_alarm_is_a_line_of_the_log_and_not_of_the_result(site, tmp_path):
    listed = tmp_path / "list.csv"
    today = f"{datetime.now(OSLO):%Y-%m-%d}"
    listed.write_text("bekymringsmelding-id;melding-id;konto;ankom;status\nukjent-0001;;;;LEVERT\n")
    order = ("reconcile", str(listed), "--day", today, *KARI, "--json")
    code, out, logged = lines_of(site, *order)
    assert (code, [row["report_id"] for row in json.loads(out)["missing"]]) == (1, ["ukjent-0001"])
    told = ("event", "alarm", "tenant", "subject", "alarm_level", "level")
    [line] = [tuple(line[name] for name in told) for line in logged if line["event"] == "alarm.opened"]
    assert line == ("alarm.opened", "portal-list-differs", "*", f"{today}/4601", 2, "warning")
    code, out, logged = lines_of(site, *order)
    assert (code, logged) == (1, []), "an alarm that is open already is told once"
    assert json.loads(out)


async def test_evidence_by_command_and_what_it_refuses(site, tmp_path):
    (report,) = await with_reports(site, None)
    proof, update = tmp_path / "proof.json", tmp_path / "update"
    assert "not yet" in says(site, "log", "proof", report, *KARI, "--out", str(proof))
    assert not proof.exists()
    async with environment(config.load(site.configuration)) as env:
        await env.store.write(journal.number_pending, Point.NUMBER)
        await env.heads.publish(env.store, env.now())

    proof.touch(0o644)
    assert shown(site, "log", "proof", report, *KARI, "--with-salt", "--out", str(proof))["verdict"] == "written"
    assert proof.stat().st_mode & 0o777 == 0o600, "it holds the salt, so nobody else may read it"
    key = shown(site, "log", "key")["key"]
    assert shown(site, "log", "head")["head"].startswith(key.partition("+")[0] + "\n")
    assert cli.run(["verify", "proof", str(proof), "--key", key]) == 0
    says(site, "log", "update", "0", "--out", str(update))
    assert cli.run(["verify", "witness", str(tmp_path / "state"), str(update), "--key", key]) == 0
    assert "newer head" in says(site, "log", "update", "999", "--out", str(update), code=1)
    assert "not-found" in says(site, "log", "proof", UNKNOWN, *KARI, "--out", str(proof), code=1)
    proof.write_text(re.sub(r"index (\d+)", lambda found: f"index {int(found[1]) + 1}", proof.read_text(), count=1))
    assert cli.run(["verify", "proof", str(proof), "--key", key]) == 1

    today = f"{datetime.now(OSLO):%Y-%m-%d}"
    assert shown(site, "daily-certificate", "--day", today)["lines"][0]["received"] == 1
    assert shown(site, "keys", "rewrap", *KARI) == {"rewrapped": 0}
    shred = ("shred", report, *KARI, "--decision", "2026/1")
    assert "two different people" in says(site, *shred, "--second", "kari", code=1)
    assert "must be kept" in says(site, *shred, "--second", "ola", code=1)
    assert "archive's number" in says(site, "shred", report, *KARI, "--second", "ola", "--decision", "hun ba", code=1)


@pytest.mark.timeout(400)
async def test_bad_ids_wrong_states_and_missing_persons_are_refused_in_one_line(site):
    (waiting,) = await with_reports(site, None)
    for verb in ("hold", "release", "accept", "refuse", "withdraw"):
        for bad in (UNKNOWN, "x", "' OR 1=1 --"):
            assert says(site, verb, bad, *KARI, *WHY, code=1).startswith("not-found: ")
    assert "not-found" in says(site, "trace", UNKNOWN, code=1)
    assert "not-found" in says(site, "trace", UNKNOWN, "--notes", *KARI, code=1)
    for verb in ("release", "accept", "refuse", "withdraw"):
        refused = says(site, verb, waiting, *KARI, *WHY, code=1)
        assert refused.startswith("wrong-state: ")
        assert refused.count("\n") == 1
    for person in ("", "  ", "k" * 65, "kari\n"):
        assert "bad-request" in says(site, "hold", waiting, "--person", person, *WHY, code=1)
    assert "bad-request" in says(site, "hold", waiting, *KARI, "--reason", " ", code=1)
    assert "bad-request" in says(site, "trace", waiting, "--notes", code=1)
    says(site, "hold", waiting, *WHY, code=2)
    says(site, "clients", "revoke", "nobody", code=2)
    assert "not-found" in says(site, "clients", "revoke", "nobody", *KARI, code=1)
    add = ("clients", "add-fagsystem", "sak-1", "--organisation", "123", "--tenant", "4601-02", *KARI)
    assert "bad-request" in says(site, *add, code=1)
    assert "there already" in says(site, "migrate", "--create", code=2)
    says(site, "demo", "--no-such-switch", code=2)
    assert "the file is missing" in command_on(site.folder / "nowhere.toml", "list")
    assert "Traceback" not in command_on(site.folder, "check-config")


def command_on(file, *arguments):
    """What stands on standard error when there is no such configuration."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments, "-c", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    return done.stderr


# --- run, health, SIGHUP ----------------------------------------------------------------------------------------------


@contextmanager
def serving(site):
    log = (site.folder / "gateway.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", "-c", str(site.configuration)], cwd=ROOT, stdout=log, stderr=log
    )
    try:
        until = time.monotonic() + 60
        while "gateway.ready" not in (site.folder / "gateway.log").read_text():
            assert process.poll() is None, (site.folder / "gateway.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(30)
        log.close()
    assert process.returncode == 0


def served_serial(site):
    """The serial number of the certificate that the case systems' door shows."""
    from cryptography import x509

    pem = ssl.get_server_certificate(("127.0.0.1", site.case_system_port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def status_of(site, path):
    """What the operations' door answers to one that calls it localhost."""
    context = ssl.create_default_context(cafile=site.ca)
    connection = http.client.HTTPSConnection("localhost", site.operations_port, context=context)
    connection.request("GET", path)
    with closing(connection):
        return connection.getresponse().status


def eventually(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.timeout(400)
async def test_run_is_healthy_renews_its_keys_on_sighup_and_answers_to_its_names_only(site):
    change(site.configuration, "[listen.operations]", '[listen.operations]\nnames = ["drift.bergen.example"]')
    tls, receive = site.folder / "keys" / "tls.pem", site.folder / "keys" / "receive.pem"
    with serving(site) as process:
        assert says(site, "health") == "ready\n"
        assert status_of(site, "/health/live") == 421
        before = served_serial(site)
        renewed = site.pki.tls_server()
        renewed.write_pem(tls)
        process.send_signal(signal.SIGHUP)
        eventually(lambda: served_serial(site) == renewed.certificate.serial_number != before)
        # A broken file changes nothing, and nothing falls over.
        receive.chmod(0o644)
        site.pki.tls_server().write_pem(tls)
        process.send_signal(signal.SIGHUP)
        eventually(lambda: "gateway.not-renewed" in (site.folder / "gateway.log").read_text())
        assert served_serial(site) == renewed.certificate.serial_number
        assert says(site, "health") == "ready\n"


@pytest.mark.timeout(400)
async def test_a_certificate_that_runs_out_and_a_full_disk_ring_and_are_closed_again(site):
    soon = Make(not_after=datetime.now(UTC) + timedelta(days=10), names=("localhost", "127.0.0.1"))
    from gateway.testing.pki import receive_key

    receive_key("Mottak", soon).write_pem(site.folder / "keys" / "receive.pem")
    floor = "BUDSTIKKE__INTAKE__DISK_FLOOR_BYTES"
    os.environ[floor] = str(1 << 60)
    try:
        with serving(site):
            eventually(lambda: {"key-expires", "disk-floor"} <= {row["code"] for row in shown(site, "alarms", "list")})
            rung = [row for row in shown(site, "alarms", "list") if row["code"] == "key-expires"]
            assert {row["level"] for row in rung} == {3}  # under 14 days
            assert all("/receive/" in row["subject"] for row in rung)
    finally:
        del os.environ[floor]
    receive_key("Mottak").write_pem(site.folder / "keys" / "receive.pem")
    with serving(site):
        eventually(lambda: shown(site, "alarms", "list") == [])


async def test_an_issuer_that_is_away_rings_until_it_is_back(site):
    from gateway.pipeline.watch import IssuerAlarms

    configuration = config.load(site.configuration)
    assert data_dir(configuration).is_dir()
    async with environment(configuration) as env:
        rung = IssuerAlarms(env)
        for _ in range(2):
            rung.ring("https://issuer.test/")
            await rung.finish()
        rows = await env.store.read(alarms.open_alarms)
        assert [(row.code, row.subject) for row in rows] == [("issuer-unreachable", "https://issuer.test/")]
        rung.close("https://issuer.test/")
        await rung.finish()
        assert await env.store.read(alarms.open_alarms) == []
