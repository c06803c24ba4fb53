"""A witness's line under our heads: its silence rings, its return closes, and a head that the log does not hold is proof."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import cli, config
from gateway.app.parts import witnesses_of
from gateway.crypto.notes import NoteSigner, sign
from gateway.errors import ConfigError
from gateway.evidence import formats, verify
from gateway.pipeline.witnesses import Witnesses, watch_witnesses, watching_witnesses
from gateway.store import alarms, log
from gateway.testing.pki import write_evidence_key
from tests.integration.pipeline.test_evidence import number
from tests.production_kit import change, copied

ON_SQLITE = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
SILENT = ("witness-silent", "other.test/witness")
CONTRADICTS = ("log-contradicts", "witness")


class Hours:
    """The gateway's own clock, some hours on."""

    def __init__(self, clock, hours):
        self.now = lambda: clock.now() + timedelta(hours=hours)
        self.monotonic, self.sleep = clock.monotonic, clock.sleep


def hours_on(env, hours):
    return replace(env, clock=Hours(env.clock, hours))


@pytest.fixture
def witness():
    return NoteSigner("other.test/witness", Ed25519PrivateKey.generate())


@pytest.fixture
def waited(witness, tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    return Witnesses([witness.witness], folder, 24)


@pytest.fixture
async def note(env, intake, sender):
    """A signed head."""
    await intake.accept(sender.delivery(1))
    await number(env)
    return (await env.store.read(log.newest_head)).note


async def rung(env, witnesses, hours=0):
    await watch_witnesses(hours_on(env, hours), env.heads, witnesses)
    return {(row.code, row.subject) for row in await env.store.read(alarms.open_alarms) if row.level}


@pytest.mark.proves("S97")
async def test_a_witness_silent_for_a_day_rings_and_its_line_closes_the_alarm(env, note, witness, waited):
    assert await rung(env, waited, 23) == set()
    assert await rung(env, waited, 25) == {SILENT}
    await number(env)  # the alarm made the log grow
    newest = (await env.store.read(log.newest_head)).note
    (waited.folder / "witnessed").write_text(witness.cosign(newest, 1), encoding="utf-8")
    assert await rung(env, waited, 25) == set()
    await number(hours_on(env, 30))  # that it was closed, too: a head which the witness has not seen
    assert await rung(env, waited, 53) == set()
    assert await rung(env, waited, 55) == {SILENT}, "an old line is worth nothing for newer heads"


@pytest.mark.proves("S97")
@ON_SQLITE
async def test_only_a_head_that_both_signed_counts(env, note, witness, waited):
    stranger = NoteSigner("other.test/witness", Ed25519PrivateKey.generate())
    text, size = note.partition("\n\n")[0] + "\n", note.split("\n")[1]
    plain = sign(text, [env.heads.signer, NoteSigner(witness.public.name, witness._key)])
    not_ours = sign(text, [stranger])
    for wrong in (
        note,
        stranger.cosign(note, 1),
        plain,
        witness.cosign(not_ours, 1),
        witness.cosign(note, 1).replace(f"\n{size}\n", f"\n{size}1\n", 1),
        "nonsense",
        "",
        "x" * 70_000,
    ):
        (waited.folder / "witnessed").write_text(wrong, encoding="utf-8")
        assert SILENT in await rung(env, waited, 25), wrong[:40]
    (waited.folder / "witnessed-2").mkdir()  # not even a file
    (waited.folder / "witnessed-3").write_text(witness.cosign(note, 1), encoding="utf-8")
    assert SILENT not in await rung(env, waited, 23)


@pytest.mark.proves("S97")
async def test_two_heads_that_we_signed_and_that_differ_ring_when_a_witness_has_one_of_them(env, note, witness, waited):
    forked = sign(formats.head_text(env.heads.signer.public.name, 1, b"r" * 32), [env.heads.signer])
    (waited.folder / "witnessed").write_text(witness.cosign(forked, 1), encoding="utf-8")
    assert await rung(env, waited) == {CONTRADICTS}
    beyond = sign(formats.head_text(env.heads.signer.public.name, 900, b"r" * 32), [env.heads.signer])
    (waited.folder / "witnessed").write_text(witness.cosign(beyond, 1), encoding="utf-8")
    assert await rung(env, waited, 25) == {CONTRADICTS, SILENT}, "what the log does not hold is no line"


@ON_SQLITE
async def test_a_witness_that_is_configured_no_more_rings_no_more(env, note, waited):
    assert await rung(env, waited, 25) == {SILENT}
    assert await rung(env, Witnesses([], waited.folder, 24), 25) == set()


@ON_SQLITE
async def test_while_the_gateway_runs_it_looks_by_itself(env, note, waited):
    async with watching_witnesses(hours_on(env, 25), waited):
        async with asyncio.timeout(20):
            while not await env.store.read(lambda conn: alarms.open_subjects(conn, alarms.AlarmCode.WITNESS_SILENT)):
                await asyncio.sleep(0.01)


@ON_SQLITE
async def test_another_municipality_witnesses_by_command_and_the_small_verifier_reads_its_line(
    env, note, waited, tmp_path, capsys
):
    key = write_evidence_key(tmp_path / "witness.pem")
    state, out = tmp_path / "state", waited.folder / "witnessed"
    state.write_text(note, encoding="utf-8")
    command = ["log", "cosign", str(state), "--name", "other.test/witness", "--with", str(key)]
    assert await asyncio.to_thread(cli.run, [*command, "--out", str(out)]) == 0
    vkey = capsys.readouterr().out.split(" under ")[1].strip()
    signed = verify.Head(
        out.read_text(encoding="utf-8"),
        verify.Key(str(env.heads.signer.public), verify.LOG_KEY),
        [verify.Key(vkey, verify.WITNESS_KEY)],
    )
    assert signed.size == (await env.store.read(log.newest_head)).size
    state.write_text("a text\n\n— x AAAA\n", encoding="utf-8")
    assert await asyncio.to_thread(cli.run, [*command, "--out", str(out)]) == 1, "it signs heads and nothing else"


def test_witness_keys_need_a_log_that_is_signed_and_published_and_are_of_their_kind(pki_site, witness, tmp_path):
    site = copied(pki_site, tmp_path / "site")

    def configured(lines):
        change(site.configuration, "[evidence]", f"[evidence]\n{lines}")
        found = witnesses_of(config.load(site.configuration))
        change(site.configuration, f"[evidence]\n{lines}", "[evidence]")
        return found

    assert configured("") is None
    keys = f'witness_keys = ["{witness.witness}"]\n'
    with pytest.raises(ConfigError, match="nothing to witness"):
        configured(keys)
    change(site.configuration, f"[evidence]\n{keys}", "[evidence]")
    found = configured(keys + 'published_dir = "published"\n')
    assert (found.keys, found.silence_hours) == ([witness.witness], 24)
    with pytest.raises(ConfigError, match="of another kind"):
        configured(f'witness_keys = ["{witness.public}"]\npublished_dir = "published"\n')
