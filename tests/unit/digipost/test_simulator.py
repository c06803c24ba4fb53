"""The simulator's own check of signatures takes every request of the official client, and no other."""

import base64
import json
from email.utils import parsedate_to_datetime

import pytest
from cryptography import x509

from gateway.crypto.certificate_facts import facts_of
from gateway.simulators.digipost.answers import RefusalError
from gateway.simulators.digipost.signing import Broker, Call, require_signed


@pytest.fixture(scope="module")
def recording(reference):
    folder = reference / "digipost" / "wire"
    certificate = x509.load_pem_x509_certificate((folder / "sender.cert.pem").read_bytes())
    brokers = {9999: Broker(9999, facts_of(certificate))}
    entries = json.loads((folder / "java-client-exchanges.json").read_text())
    return brokers, {entry["n"]: entry["request"] for entry in entries}


def call(request, **other):
    headers = {name.lower(): value for name, value in request["headers"].items()}
    fields = {
        "method": request["method"],
        "target": request["target"],
        "headers": headers,
        "body": base64.b64decode(request["body_base64"] or ""),
    }
    return Call(**(fields | other))


@pytest.mark.parametrize("number", range(1, 28))
def test_every_request_of_the_official_client_is_taken(recording, number):
    brokers, requests = recording
    at = parsedate_to_datetime(requests[number]["headers"]["Date"])
    assert require_signed(call(requests[number]), brokers, at) is brokers[9999]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"method": "GET"}, "INVALID_SIGNATURE"),
        ({"target": "/identification?a=b"}, "INVALID_SIGNATURE"),
        ({"target": "/identifications"}, "INVALID_SIGNATURE"),
        ({"body": b"<other/>"}, "INVALID_SHA256"),
        ({"x-content-sha256": None}, "MISSING_SHA256"),
        ({"date": None}, "MISSING_DATE_HEADER"),
        ({"date": "yesterday"}, "INVALID_DATE_HEADER"),
        ({"date": "Sun, 22 Nov 2026 01:35:45 GMT"}, "DATE_HEADER_OUTSIDE_ACCEPTED_INTERVAL"),
        ({"x-digipost-userid": "1"}, "UNKNOWN_USER_ID"),
        ({"x-digipost-signature": None}, "MISSING_SIGNATURE"),
        ({"x-digipost-signature": "#"}, "INVALID_SIGNATURE"),
    ],
    ids=str,
)
def test_a_changed_request_is_refused_with_the_code_for_it(recording, changed, code):
    brokers, requests = recording
    request = requests[2]
    at = parsedate_to_datetime(request["headers"]["Date"])
    headers = call(request).headers | {name: value for name, value in changed.items() if name not in _FIELDS}
    other = {name: value for name, value in changed.items() if name in _FIELDS}
    headers = {name: value for name, value in headers.items() if value is not None}
    with pytest.raises(RefusalError) as refused:
        require_signed(call(request, headers=headers, **other), brokers, at)
    assert refused.value.code == code
    shown = refused.value.text
    assert ("===START===POST\n" in shown or "===START===GET\n" in shown) == (
        code == "INVALID_SIGNATURE" and "x-digipost-signature" not in changed
    )


_FIELDS = {"method", "target", "body"}
