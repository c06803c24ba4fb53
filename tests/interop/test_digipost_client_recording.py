"""What Digipost's official client and our simulator said to each other is said again where the client cannot be had.

The recording and its maker lie in vectors/digipost-client; test_digipost_client.py is the client itself.
"""

import base64
import json
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from gateway.testing.clock import HandClock
from gateway.testing.pki import Credential, Pki
from tests.digipost_kit import Keys, decrypted, simulator
from tests.interop.digipost_client import prepare
from tests.interop.digipost_wire import NS, content, exchanged, outcome, request_octets

FILE = Path(__file__).parents[1] / "vectors" / "digipost-client" / "exchanges.json"


class Recording:
    """The steps, and the keys that were used. ``digipost``: who signs from now on."""

    def __init__(self):
        told = json.loads(FILE.read_text(encoding="utf-8"))
        self.at, self.pdf = datetime.fromisoformat(told["at"]), base64.b64decode(told["pdf"])
        self.steps = told["steps"]
        own = told["test_only"]
        certificate = {
            name: x509.load_pem_x509_certificate(own[f"{name}_certificate"].encode()) for name in ("sender", "printer")
        }
        key = {name: load_pem_private_key(own[f"{name}_key"].encode(), None) for name in ("user", "printer")}
        self.digipost = Pki().organisation("984661185", "Prove Digipost")
        self.keys = Keys(
            self.digipost,
            self.digipost,
            ours=Credential(None, certificate["sender"]),
            user=Credential(key["user"], None),
            printer=Credential(key["printer"], certificate["printer"]),
        )
        root = next(answer for request, answer in self.exchanges() if request.target == "/")
        self.signer = x509.load_pem_x509_certificate(etree.fromstring(root.body).findtext(f"{NS}certificate").encode())

    def exchanges(self):
        return (exchange for step in self.steps for exchange in read(step))

    def outcomes(self, step):
        """What the client made of each answer of a step, as digipost_wire reads it."""
        return [
            outcome(answer, request.target, self._signer(request, self.signer), self.at)
            for request, answer in read(step)
        ]

    def outcome_now(self, request, answer):
        return outcome(answer, request.target, self._signer(request, self.digipost.certificate), self.at)

    @staticmethod
    def _signer(request, certificate):
        return None if request.target == "/" else certificate

    def step(self, what):
        return next(one for one in self.steps if one["what"].endswith(what))


def read(step):
    """A step's requests, each with its answer, decoded."""
    for exchange in step["exchanges"]:
        request, answer = (side and SimpleNamespace(**side) for side in (exchange["request"], exchange["answer"]))
        for side in (request, answer):
            if side is not None:
                side.body = base64.b64decode(side.body)
        yield request, answer


@pytest.fixture(scope="module")
def recording():
    return Recording()


@asynccontextmanager
async def office(recording):
    """The simulator at the time of the recording, and somebody who calls it with the client's own octets."""
    clock = HandClock(recording.at)
    server = simulator(recording.keys, clock)
    async with server.serve() as base:

        async def call(request):
            octets = request_octets(request.method, request.target, request.headers, request.body)
            return await exchanged(urlsplit(base).port, octets)

        yield SimpleNamespace(server=server, call=call)


async def test_every_request_of_the_client_is_answered_in_the_form_that_the_client_was_answered_in(recording):
    async with office(recording) as here:
        for step in recording.steps:
            prepare(here.server, step["before"])
            for (request, _), then in zip(read(step), recording.outcomes(step), strict=True):
                assert recording.outcome_now(request, await here.call(request)) == then, step["what"]
        letters = list(here.server.post.letters.values())
    assert [(one.message.message_id, one.channel) for one in letters] == [
        ("brev-1", "DIGIPOST"), ("brev-2", "DIGIPOST"), ("brev-3", "PRINT"), ("brev-4", "PRINT"), ("brev-5", "DIGIPOST"),
        ("brev-7", "DIGIPOST"), ("brev-8", "DIGIPOST"),
    ]  # fmt: skip
    documents = [document for letter in letters for document in letter.message.documents]
    assert [one.content for one in documents if not one.encrypted] == [recording.pdf] * 6
    for_user, for_print = (one.content for one in documents if one.encrypted)
    assert decrypted(for_user, recording.keys.user.key).plain == recording.pdf
    assert decrypted(for_print, recording.keys.printer.key).plain == recording.pdf


def test_the_client_rejected_those_answers_and_no_others_that_our_tests_say_it_rejects(recording):
    rejected = {}
    for step in recording.steps:
        *before, last = recording.outcomes(step)
        assert not any(str(one).startswith("rejected") for one in before)
        if str(last).startswith("rejected"):
            rejected[step["what"].partition(": ")[2]] = str(last)
        assert ("SERVER_SIGNATURE_ERROR" in step["said"].get("fault", "")) == str(last).startswith("rejected")
    assert rejected == {
        "a proxy's 503": "rejected for its Date",
        "another body's hash": "rejected for its X-Content-SHA256",
        "of six minutes ago": "rejected for its Date",
    }


def test_the_client_repeated_its_letter_once_after_a_429_and_not_after_an_answer_that_was_lost(recording):
    throttled, lost = (list(read(recording.step(what))) for what in ("after a 429", "the answer lost"))
    assert [answer.status for _, answer in throttled] == [429, 200]
    assert len({request.body for request, _ in throttled}) == 1
    assert [answer for _, answer in lost] == [None]
    (again,) = read(recording.step("the same once more"))
    assert etree.fromstring(again[1].body).findtext(f"{NS}error-code") == "DUPLICATE_MESSAGE"


async def test_a_request_of_the_client_with_one_octet_changed_is_refused(recording):
    ((request, _),) = read(recording.step("print alone"))
    async with office(recording) as here:
        request.body = request.body.replace(b"brev-4", b"brev-9")
        answer = await here.call(request)
        root = content(answer, request.target, recording.digipost.certificate, recording.at)
        assert (answer.status, root.findtext(f"{NS}error-code")) == (400, "INVALID_SHA256")
        assert here.server.post.letters == {}
