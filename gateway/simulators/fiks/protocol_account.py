"""A partner with a protocol of its own, such as SSB's register: each message of one type is answered by one of another.

The rule is small and real: a report is read as far as its outermost element, and what does not hold is named by the
register's own rule (barnevern.md 6.4).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aio_pika.abc import AbstractIncomingMessage
from lxml import etree

from gateway.errors import ContentError, TrustError
from gateway.simulators.fiks.dispatch import CORRELATION, CUSTOM, MISSPELT_CORRELATION, RECEIPTS, Outgoing
from gateway.simulators.fiks.mail import text
from gateway.simulators.fiks.parcel import Keys, open_parcel, seal_parcel
from gateway.simulators.fiks.portal import Deliver
from gateway.simulators.fiks.register import Register

SSB: Final = "no.ssb.barnevern.fagsystem.v1"
PAYLOAD: Final = "payload.json"

Rule = Callable[[bytes], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is asked, what is answered, and how. ``errors`` begins the types of error answers."""

    request: str
    answer: str
    errors: str
    rule: Rule


class ProtocolAccount:
    """An account that answers. ``taken`` remembers the types of everything that came."""

    def __init__(self, konto_id: str, exchange: Exchange, keys: Keys, register: Register, deliver: Deliver) -> None:
        self.konto_id = konto_id
        self.taken: list[str] = []
        self.silent = False
        self._exchange = exchange
        self._keys = keys
        self._register = register
        self._deliver = deliver

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Read a message and answer it; receipts are never answered."""
        headers = {name: text(value) for name, value in message.headers.items()}
        kind = headers.get("type", "")
        self.taken.append(kind)
        if not kind.startswith(RECEIPTS) and not self.silent:
            await self._answer(headers, kind, message.body)
        await message.ack()

    async def _answer(self, headers: Mapping[str, str], kind: str, body: bytes) -> None:
        sender = self._register.find_account(headers.get("avsender-id", ""))
        if sender is None:
            return
        told = self._judged(body) if kind == self._exchange.request else None
        answer = self._exchange.answer if told else f"{self._exchange.errors}.ugyldigforespoersel"
        message = Outgoing(
            self.konto_id, sender.konto_id, answer, svar_pa=headers.get("melding-id"), headers=_correlation(headers)
        )
        payload: Path | bytes = b""
        if told and sender.certificate is not None:
            documents = {PAYLOAD: json.dumps(told, ensure_ascii=False).encode()}
            payload = seal_parcel(documents, sender.certificate, self._keys.signing, datetime.now(UTC))
        await self._deliver(message, payload)

    def _judged(self, body: bytes) -> dict[str, Any] | None:
        try:
            documents = open_parcel(body, self._keys.receive, datetime.now(UTC))
        except (TrustError, ContentError):
            return None
        return self._exchange.rule(documents[PAYLOAD]) if PAYLOAD in documents else None


def validate(payload: bytes) -> dict[str, Any]:
    """The register's validation report of a submission."""
    try:
        document = json.loads(payload)
    except ValueError:
        return _report("JSON_DESERIALIZE", "innholdet er ikke JSON")
    version = document.get("xsdVersion") if isinstance(document, dict) else None
    if type(version) is not int or version < 1:
        return _report("XSD_VERSION", "xsdVersion mangler eller er ikke et positivt heltall")
    try:
        root = etree.fromstring(str(document.get("xmlBody", "")).encode(), _parser())
    except etree.XMLSyntaxError:
        return _report("XML_DESERIALIZE", "xmlBody er ikke XML")
    if etree.QName(root).localname != "Barnevern" or not root.get("Id"):
        return _report("XSD_VALIDATION", "rotelementet er ikke Barnevern med Id")
    return {"severity": "OK", "reportEntries": []}


def ssb() -> Exchange:
    """Barnevernsregisteret: reports in, validation out."""
    return Exchange(f"{SSB}.innrapportering", f"{SSB}.valideringsrapport", f"{SSB}.feilmelding", validate)


def _report(rule: str, why: str) -> dict[str, Any]:
    entry = {"warningLevel": "FATAL", "ruleId": rule, "ruleName": rule, "errorText": why}
    return {"severity": "FATAL", "reportEntries": [entry]}


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _correlation(headers: Mapping[str, str]) -> dict[str, str]:
    for name in (CORRELATION, MISSPELT_CORRELATION):
        if (value := headers.get(CUSTOM + name)) is not None:
            return {CORRELATION: value, MISSPELT_CORRELATION: value}
    return {}
