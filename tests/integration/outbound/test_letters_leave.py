"""Each type's letter, written here, through every rule and the pre-flight to a road that keeps what it was given."""

import json

import pytest

from gateway.config import Brev
from gateway.domain.lifecycle import State
from gateway.letters import window
from gateway.pipeline import hand_over
from gateway.pipeline.accept import Intake
from tests.integration.outbound.kit import KIND, hand_in
from tests.integration.outbound.letters import (
    MOTHER,
    NAMES,
    STRANGER,
    LetterRoad,
    letter,
    release,
    stopped_by,
    with_letters,
)
from tests.integration.outbound.test_letters_handed_in import TYPES, sample
from tests.reports import Sender
from tests.work import work_off

REPORTER = {"fodselsnummer": STRANGER, "navn": NAMES[STRANGER], "aktortype": "A13"}
BASES = {
    "vedtak": ("FVL", "27"),
    "plan": ("BVL2021", "8-1"),
    "innkalling": ("FVL", "17"),
    "tilbakemelding.melder": ("BVL2021", "13-5"),
}


pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: what is told here is no matter of SQL."""


async def handed_in(env, client, kind: str, report: str) -> str:
    name, (law, paragraph) = f"{TYPES[kind]}.json", BASES[kind]
    stated = letter()["vedlegg"][0] | {"filnavn": name, "mimeType": "application/json"}
    told = {
        "meldingstype": kind,
        "vedlegg": [stated],
        "hjemmel": [{"lov": law, "paragraf": paragraph}],
        "brev": {"sprak": "nn"},
    }
    document = sample(kind)
    if kind == "tilbakemelding.melder":
        document |= {"gjelderMeldingId": report}
        told |= {"mottaker": REPORTER, "parter": [], "oppfolgingAvMeldingId": report, "meldingsforbindelse": "Svar"}
    return await hand_in(env, client, letter(**told), {name: json.dumps(document).encode()})


@pytest.mark.proves("S74")
async def test_each_letter_leaves_as_it_was_written_under_names_that_tell_nothing(env, site, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    env.roads.routes.update({f"{kind}.v1": env.roads.routes[KIND] for kind in TYPES})
    report = await Intake(env).accept(Sender(site, env).delivery(1))
    await work_off(env)
    for kind in TYPES:
        message_id = await handed_in(env, client, kind, report.id)
        await work_off(env)
        if (await stopped_by(env, message_id)) == (State.HELD, "r18-four-eyes"):
            await release(env, message_id, "kari", "ola")
            await work_off(env)
        assert await stopped_by(env, message_id) == (State.DELIVERED, None), kind
        kept = await hand_over.fetch(env, client, message_id, "brev.pdf")
        assert road.octets[-1] == b"".join(kept.pieces(0, kept.size))
        sent = road.sent[-1].letter
        assert (sent.person, len(sent.documents)) == (STRANGER if kind.startswith("tilb") else MOTHER, 1)
        for outside in (sent.primary.subject, sent.primary.file_name):
            assert window.neutral(outside, (*Brev().ord_som_roper, *TYPES, "barn", "melding", "nordmann", "2026"))
    assert len(road.sent) == len(TYPES)
