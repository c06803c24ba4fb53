"""S32: JSON that is deep, huge or holds endless numbers is a warning on a delivered report, and 400 on a request."""

import time

import pytest

from gateway.pipeline.validate import read_json
from tests.reports import TestDelivery
from tests.work import state_of, work_off

DEPTH = 64
HOSTILE = {
    "65 arrays": b"[" * 65 + b"]" * 65,
    "65 objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "a million arrays": b"[" * 1_000_000,
    "a number of 5 000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a number of a million digits": b"[" + b"1" * 1_000_000 + b"]",
    "a negative number of 5 000 digits": b"[-" + b"1" * 5000 + b"]",
    "a fraction of 5 000 digits": b"[0." + b"1" * 5000 + b"]",
}
UNREADABLE = {
    "an exponent out of range": (b"[1e999999]", None),
    "NaN": (b'{"a": NaN}', "json-nan"),
    "Infinity": (b'{"a": -Infinity}', "json-nan"),
    "doubled keys": (b'{"a": 1, "a": 2}', "json-duplicate-keys"),
    "half a surrogate": (b'{"a": "\\ud800"}', None),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "json-unreadable"),
    "no UTF-8": (b'{"a": "\xff"}', "json-unreadable"),
    "nothing": (b"", "json-unreadable"),
    "two documents": (b"{}{}", "json-unreadable"),
    "an open string": (b'{"a": "' + b"\\" * 9999, "json-unreadable"),
}


@pytest.mark.proves("S32")
@pytest.mark.parametrize("name", HOSTILE)
def test_depth_and_digits(name):
    started = time.perf_counter()
    reading = read_json(HOSTILE[name])
    assert reading.document is None
    assert ("json-out-of-bounds", "") in reading.warnings
    assert time.perf_counter() - started < 2


@pytest.mark.proves("S32")
def test_control_what_lies_just_within_the_bounds_is_read():
    for raw in (b"[" * DEPTH + b"]" * DEPTH, b"[" + b"9" * 1000 + b"]", b'{"a": "' + b"[" * 5000 + b'"}'):
        reading = read_json(raw)
        assert (reading.warnings, reading.document is None) == ([], False)


@pytest.mark.parametrize("name", UNREADABLE)
def test_every_oddity_is_a_warning_and_never_an_exception(name):
    raw, warned = UNREADABLE[name]
    codes = {code for code, _ in read_json(raw).warnings}
    assert warned is None or warned in codes


@pytest.mark.proves("S32")
@pytest.mark.parametrize("name", ["a million arrays", "a number of 5 000 digits"])
async def test_a_hostile_report_is_delivered_with_a_warning_and_both_documents(case_system, env, intake, sender, name):
    report = sender.report()
    documents = {"bekymringsmelding.json": HOSTILE[name], "bekymringsmelding.pdf": report.pdf}
    parts = {"bekymringsmelding": sender.printed(report.pdf), "asice": sender.sealed(sender.container(documents))}
    accepted = await intake.accept(TestDelivery(parts))
    await work_off(env)
    assert await state_of(env, accepted.id) == "READY"
    head = (await case_system.call("GET", f"/messages/{accepted.id}"))[1]
    assert "json-out-of-bounds" in {warning["code"] for warning in head["warnings"]}
    assert {document["name"] for document in head["documents"]} == set(documents)


@pytest.mark.proves("S32")
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"max": ' + b"9" * 5000 + b', "leaseSeconds": 60}',
        b'{"max": 1, "leaseSeconds": 60, "types": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"max": NaN, "leaseSeconds": 60}',
        b'{"max": 1e400, "leaseSeconds": 60}',
        b"\xff\xfe",
        b"",
    ],
    ids=["deep", "digits", "deep inside", "NaN", "infinite", "no UTF-8", "empty"],
)
async def test_a_hostile_request_is_400(case_system, body):
    headers = {"Content-Type": "application/json"}
    status, answer, _ = await case_system.call("POST", "/messages/claim", headers=headers, data=body)
    assert (status, answer["code"]) == (400, "bad-request")
    right = b'{"max": 1, "leaseSeconds": 60}'
    assert (await case_system.call("POST", "/messages/claim", headers=headers, data=right))[0] == 200
