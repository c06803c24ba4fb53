"""The ledgers keep what they promised, and the judge tells every way in which a run can go wrong."""

import json
from pathlib import Path

import pytest

from gateway.simulators.ledger import ACCEPTED, HISTORY, SENDING, STORED, Ledger, judge, write_durably

DOCUMENTS = {"bekymringsmelding.json": "a1", "bekymringsmelding.pdf": "b2"}


@pytest.fixture
def run(tmp_path: Path):
    """A run in which two reports came through; a test spoils it."""
    sender, sink = Ledger(tmp_path / "sender.jsonl"), Ledger(tmp_path / "sink.jsonl")
    for number in ("1", "2"):
        sender.append(SENDING, klientId=f"k{number}", documents=DOCUMENTS)
        sender.append(ACCEPTED, klientId=f"k{number}", uuid=f"u{number}")
        sink.append(STORED, id=f"u{number}", documents=DOCUMENTS)
        sender.append(HISTORY, uuid=f"u{number}", tilstander=["AKSEPTERT", "SENDT_FAGSYSTEM", "LEVERT"])
    yield sender, sink
    sender.close()
    sink.close()


def verdict(run, **options):
    return judge(run[0].path, run[1].path, **options)


def test_a_run_in_which_all_came_once_holds(run) -> None:
    assert verdict(run).holds
    assert verdict(run).accepted == {"u1", "u2"}


def test_an_accepted_report_that_is_not_in_the_sink_is_lost(run) -> None:
    run[0].append(SENDING, klientId="k3", documents=DOCUMENTS)
    run[0].append(ACCEPTED, klientId="k3", uuid="u3")
    run[0].append(HISTORY, uuid="u3", tilstander=["LEVERT"])

    assert verdict(run).lost == {"u3"}
    assert not verdict(run).holds
    assert verdict(run, excused=["u3"]).holds


def test_a_report_twice_in_the_sink_is_doubled(run) -> None:
    run[1].append(STORED, id="u1", documents=DOCUMENTS)

    assert verdict(run).doubled == {"u1"}
    assert not verdict(run).holds


def test_a_report_with_other_bytes_differs_and_a_copy_beside_it_does_not(run, tmp_path: Path) -> None:
    sink = tmp_path / "other.jsonl"
    rows = [
        {"event": STORED, "id": "u1", "documents": DOCUMENTS | {"bekymringsmelding.json": "ff"}},
        {"event": STORED, "id": "u2", "documents": DOCUMENTS | {"utskrift.pdf": "c3"}},
    ]
    sink.write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert judge(run[0].path, sink).differing == {"u1"}


def test_a_sender_who_was_not_told_or_told_twice_is_found(run) -> None:
    run[0].append(HISTORY, uuid="u1", tilstander=["AKSEPTERT"])
    run[0].append(HISTORY, uuid="u2", tilstander=["LEVERT", "LEVERT"])

    assert verdict(run).undelivered == {"u1"}
    assert verdict(run).delivered_twice == {"u2"}


def test_a_report_in_the_sink_needs_an_answer_or_an_open_question(run) -> None:
    run[1].append(STORED, id="u9", documents=DOCUMENTS)
    assert verdict(run).unexpected == {"u9"}

    run[0].append(SENDING, klientId="k9", documents=DOCUMENTS)  # its answer never came
    assert verdict(run).holds


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_line_torn_by_a_crash_is_left_out_and_cut_away(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.append(STORED, id="one")
    ledger.append(STORED, id="two")
    ledger.close()
    path.write_bytes(path.read_bytes()[:-cut])

    again = Ledger(path)
    again.append(STORED, id="three")

    assert [row["id"] for row in again.rows()] == ["one", "three"]
    again.close()


def test_a_durable_file_is_whole_under_its_name_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_durably(tmp_path / "a.pdf", b"one")
    write_durably(tmp_path / "a.pdf", b"two")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.pdf": b"two"}
