"""``make demo``: concern reports from a simulated sender to a simulated case system, with the gateway killed on the way.

Everything is real but the partners: HTTPS on loopback, sealed containers, one SQLite file, SIGKILL from outside. The table
at the end is read from the sender's status history and the case system's own file; nothing in it comes from us. Then a
proof is made, the content shredded, and the proof checked by a tool that needs nothing of the gateway. Last, letters leave
through the same gateway, or are kept here (``letters``).
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from gateway.demo.cast import Cast
from gateway.demo.evidence import show_evidence
from gateway.demo.letters import show_letters
from gateway.demo.letters_cast import LetterFault, letters_assembled
from gateway.demo.outcome import Outcome, Row, Seen, print_rows
from gateway.errors import PartnerError, PartnerUnavailableError
from gateway.simulators.case_system import CaseSystemFault
from gateway.simulators.ledger import ACCEPTED, HISTORY, STORED, Verdict, judge, read_ledger
from gateway.simulators.produsent import Answer
from gateway.simulators.sample import Form, Office, make_report
from gateway.testing.site import KOMMUNENUMMER

REPORTS: Final = 6
_BEFORE_KILL: Final = 2
_PATIENCE_S: Final = 30.0
_RETRY_S: Final = 0.1
_REFERENCE: Final = Path(__file__).resolve().parents[2].parent / "shared/reference/fiks/bekymringsmelding-protokoll"


async def demonstrate(
    *, stay: bool = False, fault: CaseSystemFault | LetterFault | None = None, patience_s: float = _PATIENCE_S
) -> Outcome:
    """Run it and print it.

    It holds if every accepted report reached the case system once and its sender knows, the proof of one is good, and
    letters left or stayed here as the rules have it.
    """
    with tempfile.TemporaryDirectory(prefix="budstikke-demo-") as name:
        async with letters_assembled(Path(name), fault if isinstance(fault, LetterFault) else None) as here:
            cast = here.cast
            cast.case_system.fault = fault if isinstance(fault, CaseSystemFault) else None
            verdict = await _play(cast, patience_s)
            rows = _rows(cast)
            letters: tuple[Seen, ...] = ()
            print_rows(rows, "report (uuid of the 201)", "what its sender was told")
            _print_verdict(verdict)
            holds = verdict.holds and await _prove(cast, Path(name), patience_s)
            if holds:
                ended = await show_letters(here, _say, patience_s)
                holds, letters = ended.holds, ended.letters
            if stay:
                await _stay(cast)
            return Outcome(holds, rows, letters)


async def _play(cast: Cast, patience_s: float) -> Verdict:
    seconds = await cast.gateway.start()
    _say(f"the gateway is ready after {seconds:.1f} s: producers on {cast.site.partner_url}, SQLite, no broker")
    sink = asyncio.create_task(cast.case_system.run_until(lambda: False))
    try:
        answers = [await _send(cast, number) for number in range(1, _BEFORE_KILL + 1)]
        sending = asyncio.create_task(_send_rest(cast))
        await _something_stored(cast, patience_s)
        await cast.gateway.kill()
        _say("SIGKILL: the gateway died while reports were coming in and being fetched")
        seconds = await cast.gateway.start()
        _say(f"started again on the same data, ready after {seconds:.1f} s; sender and case system just tried again")
        answers += await sending
        await _histories(cast, answers, patience_s)
    finally:
        sink.cancel()
        await asyncio.gather(sink, return_exceptions=True)
    return judge(cast.sender_ledger, cast.sink_ledger)


async def _send(cast: Cast, number: int) -> Answer:
    receiver = await cast.produsent.receiver(KOMMUNENUMMER)
    office = Office(KOMMUNENUMMER, "Bergen", receiver.bydelsnummer, receiver.bydelsnavn)
    form = Form.PRIVAT if number % 3 == 0 else Form.OFFENTLIG
    reference = _REFERENCE if _REFERENCE.is_dir() else None
    report = make_report(form, receiver.version, office, number=number, reference=reference)
    if number == 1:
        _say(f"reports are made from {report.source}")
    answer = await cast.produsent.send(report, receiver)
    _say(f"report {number} ({form}, {len(report.json) + len(report.pdf)} bytes): 201 {answer.uuid}")
    return answer


async def _send_rest(cast: Cast) -> list[Answer]:
    """One after the other, so that the kill falls into the middle; the sender waits for a gateway that is away."""
    answers: list[Answer] = []
    while len(answers) < REPORTS - _BEFORE_KILL:
        try:
            answers.append(await _send(cast, _BEFORE_KILL + 1 + len(answers)))
        except PartnerUnavailableError:
            await asyncio.sleep(_RETRY_S)
    return answers


async def _something_stored(cast: Cast, patience_s: float) -> None:
    """Until the case system has stored its first report: then the rest is still under way."""
    async with asyncio.timeout(patience_s):
        while not any(row["event"] == STORED for row in read_ledger(cast.sink_ledger)):  # noqa: ASYNC110  a file
            await asyncio.sleep(0.02)


async def _histories(cast: Cast, answers: list[Answer], patience_s: float) -> None:
    """Each sender asks until it is told LEVERT, or loses patience; what it was told last stands in its ledger."""

    async def follow(uuid: str) -> None:
        try:
            await cast.produsent.follow(uuid, within_s=patience_s)
        except PartnerError:
            _say(f"{uuid}: the sender lost patience")

    await asyncio.gather(*(follow(answer.uuid) for answer in answers if answer.uuid))


def _rows(cast: Cast) -> tuple[Row, ...]:
    told = {row["uuid"]: row["tilstander"] for row in read_ledger(cast.sender_ledger) if row["event"] == HISTORY}
    accepted = [row["uuid"] for row in read_ledger(cast.sender_ledger) if row["event"] == ACCEPTED]
    stored = [row["id"] for row in read_ledger(cast.sink_ledger) if row["event"] == STORED]
    return tuple(Row(uuid, tuple(told.get(uuid, ())), stored.count(uuid)) for uuid in dict.fromkeys(accepted))


def _print_verdict(verdict: Verdict) -> None:
    faults = {
        "lost": verdict.lost,
        "stored twice": verdict.doubled,
        "other bytes": verdict.differing,
        "sender not told": verdict.undelivered,
        "told twice": verdict.delivered_twice,
        "unexpected": verdict.unexpected,
    }
    print("\n" + ", ".join(f"{name} {len(found)}" for name, found in {"accepted": verdict.accepted, **faults}.items()))
    print("every report came once, whole, and its sender knows" if verdict.holds else "THE PROMISE DID NOT HOLD")


async def _prove(cast: Cast, folder: Path, patience_s: float) -> bool:
    first = next(row["uuid"] for row in read_ledger(cast.sender_ledger) if row["event"] == ACCEPTED)
    holds = await show_evidence(cast, first, folder, _say, patience_s)
    print("what the gateway says was checked by a tool that does not need it" if holds else "THE PROOF DID NOT HOLD")
    return holds


async def _stay(cast: Cast) -> None:
    _say(f"everything stays up: case systems on {cast.site.case_system_url}, operations on {cast.site.operations_url}")
    _say(f"configuration {cast.site.configuration}; root certificate {cast.site.ca}; press Ctrl-C to end")
    sink = asyncio.create_task(cast.case_system.run_until(lambda: False))
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        _say("ending")
    finally:
        sink.cancel()
        await asyncio.gather(sink, return_exceptions=True)


def _say(text: str) -> None:
    print(f"  {text}", flush=True)
