"""Random envelopes, registers and releases: a road is called only if the rules allow by facts that are known otherwise.

The facts are made here from what was drawn, with no code of the pipeline: what it gathers must come to the same.
"""

import asyncio
import itertools
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway import config
from gateway.app import environment
from gateway.domain.actors import Reader
from gateway.domain.deadlines import OSLO
from gateway.domain.guards import GUARDS, PAPER_CODES, Allowed, Facts, GivenBasis, LegalBasis, decide
from gateway.domain.guards.facts import (
    Content,
    DocumentFacts,
    Family,
    HistoryFacts,
    PartyFacts,
    RecipientFacts,
    ReporterFacts,
    RoadFacts,
    Secrecy,
)
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Audience
from gateway.domain.persons import Contact, Grading, Resident, Standing
from gateway.errors import ConflictError
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.spi import Taken
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.integration.outbound import letters
from tests.integration.outbound.kit import cause_of, hand_in
from tests.integration.outbound.letters import FATHER, PAPER, LetterRoad, letter, part, release, with_letters
from tests.postgres import settings_for
from tests.work import state_of, work_off

CHILDREN = (letters.number(date(2009, 1, 1) + timedelta(days=step), 700) for step in itertools.count())
RECIPIENTS = (letters.number(date(1980, 1, 1) + timedelta(days=step), 400) for step in itertools.count())
BASIS = [("BVL2021", "13-5")]


@dataclass(frozen=True)
class Case:
    """What is drawn. Names in capitals are the envelope's words."""

    gradings: tuple[str, str, str]
    residents: tuple[dict[str, Any] | None, dict[str, Any] | None, dict[str, Any] | None]
    contact: dict[str, Any]
    hidden_from_mother: bool | None
    rights: bool | None
    family: str | None
    reporter: str | None
    secrecy: str
    contains: str | None
    masked: bool
    stranger: bool
    releases: tuple[tuple[str, str | None], ...]


PLAIN = Case(
    ("UGRADERT",) * 3, ({}, {}, {}), {}, False, True, "SAMMEN", "INGEN", "T", "INGEN", False, False, ()
)  # fmt: skip
RESIDENTS = (
    None,
    {"standing": Standing.DEAD},
    {"standing": Standing.EMIGRATED},
    {"grading": Grading.STRICTLY_CONFIDENTIAL},
    {"name": "Et Annet Navn"},
)
OTHERWISE = {
    "gradings": [("FORTROLIG",), ("STRENGT_FORTROLIG",), ("ANNET",)],
    "residents": [(told,) for told in RESIDENTS],
    "contact": [{"reserved": True}, {"registered": False}, {"mailbox": False}],
    "hidden_from_mother": [True, None],
    "rights": [False, None],
    "family": ["ADSKILT", None],
    "reporter": ["PRIVAT", None],
    "secrecy": ["S"],
    "contains": ["BARNETS_UTSAGN", "MELDER", None],
    "masked": [True],
    "stranger": [True],
}
"""What each fact may be instead of what lets the plain letter pass. One in parentheses is so for one of the three people."""
THREE = ("kari", "ola", "per")
SCRIPTS = [
    tuple((person, None) for person in THREE * 3),
    (("kari", PAPER), *((person, None) for person in THREE * 3)),
    (("kari", PAPER), *((person, None) for person in ("kari", "Kari", "kari") * 2)),
]
anything = st.lists(st.tuples(st.sampled_from(["kari", "Kari", "ola"]), st.sampled_from([None, PAPER])), max_size=6)


@st.composite
def cases(draw):
    """The plain letter with at most two facts otherwise, and people who release whatever they may."""
    case = replace(PLAIN, releases=draw(st.sampled_from(SCRIPTS) | anything.map(tuple)))
    for name in draw(st.lists(st.sampled_from(sorted(OTHERWISE)), max_size=2, unique=True)):
        value = draw(st.sampled_from(OTHERWISE[name]))
        if isinstance(value, tuple):
            place, usual = draw(st.integers(0, 2)), getattr(case, name)
            value = usual[:place] + value + usual[place + 1 :]
        case = replace(case, **{name: value})
    return case


@dataclass
class Oracle:
    """Whether a letter may be sent, by what this test knows of it."""

    case: Case
    now: Any
    approvals: dict[str, set[str]] = field(default_factory=dict)

    def allows(self, *, on_paper: bool) -> bool:
        return isinstance(decide(GUARDS, self._facts(on_paper)), Allowed)

    def _resident(self, place):
        told = self.case.residents[place]
        plain = {"standing": Standing.RESIDENT, "grading": Grading.UNGRADED, "asked_at": self.now}
        return None if told is None else Resident(**(plain | {"name": "x"} | told))

    def _party(self, place, role):
        grading, told = self.case.gradings[place], self.case.residents[place]
        hidden = frozenset[str]()
        if role == "HOVEDPERSON" and self.case.hidden_from_mother is not False:
            hidden = None if self.case.hidden_from_mother is None else frozenset({"MOR"})
        return PartyFacts(
            role,
            None if grading == "ANNET" else Grading(grading),
            hidden,
            has_number=True,
            resident=self._resident(place),
            name_differs=bool(told) and "name" in told,
            is_recipient=role == "MOR",
        )

    def _facts(self, on_paper):
        case, told = self.case, self.case.residents[0]
        plain = {"reserved": False, "registered": True, "notifiable": True, "mailbox": True, "asked_at": self.now}
        document = DocumentFacts(
            redacted=case.masked,
            redaction_confirmed_by="kari" if case.masked else None,
            contains=None if case.contains is None else frozenset({Content(case.contains)}),
            released_by=None,
            screened=True,
            foreign_numbers=int(case.stranger),
        )
        return Facts(
            now=self.now,
            day=self.now.astimezone(OSLO).date(),
            discloses=True,
            purpose_given=True,
            given=tuple(GivenBasis(*one) for one in BASIS),
            bases=tuple(LegalBasis(*one) for one in BASIS),
            road=RoadFacts("brevvei", True, on_paper, neutral_sender=True, neutral_notice=True),
            recipient=RecipientFacts(
                Reader.PRIVATE_PERSON, True, "A05", "MOR", 45, case.rights,
                resident=self._resident(0), name_differs=bool(told) and "name" in told,
            ),
            history=HistoryFacts(True, False, False, False, False),
            audience=Audience.PARTY,
            secrecy=Secrecy(case.secrecy),
            family=None if case.family is None else Family(case.family),
            reporter=None if case.reporter is None else ReporterFacts(case.reporter, wants_anonymity=False),
            parties=tuple(self._party(place, role) for place, role in enumerate(("MOR", "FAR", "HOVEDPERSON"))),
            documents=(document,),
            contact=Contact(**(plain | case.contact)),
            approvals={code: frozenset(persons) for code, persons in self.approvals.items()},
        )  # fmt: skip


class Watched(LetterRoad):
    """A road that asks the oracle whenever it is called. What an adapter raises is settled, so it keeps what was wrong."""

    oracle: Oracle | None = None
    wrong = 0

    async def send(self, parcel):
        on_paper = parcel.letter.print_order is not None
        self.wrong += not self.oracle.allows(on_paper=on_paper)
        self.wrong += on_paper and not self.oracle.approvals.get(PAPER_CODES[0])
        return await super().send(parcel)


class Stage:
    """One gateway for every example."""

    def __init__(self, env, people, road, client):
        self.env, self.people, self.road, self.client = env, people, road, client
        self.count = 0

    async def play(self, case):
        """Submit, judge, release; whether it left, and whether it should have."""
        self.count += 1
        mother, child = next(RECIPIENTS), next(CHILDREN)
        letters.NAMES |= {mother: "Kari Nordmann", child: "Lise Nordmann"}
        letters.ROLES |= {mother: "MOR", child: "HOVEDPERSON"}
        for place, person in enumerate((mother, FATHER, child)):
            self.people.residents[person] = case.residents[place]
        self.people.contacts[mother] = case.contact
        self.env.roads.registers.remembered = type(self.env.roads.registers.remembered)()
        oracle = self.road.oracle = Oracle(case, self.env.clock.now())
        before = len(self.road.sent)
        line = f"Brev nr. {self.count}." + (f" {letters.STRANGER}" if case.stranger else "")
        message_id = await hand_in(
            self.env, self.client, envelope(case, mother, child), {"brev.pdf": letters.pdf(line)}
        )
        await work_off(self.env)
        for person, road in case.releases:
            await self._released(oracle, message_id, person, road)
        return len(self.road.sent) > before, message_id

    async def _released(self, oracle, message_id, person, road):
        if await state_of(self.env, message_id) != State.HELD:
            return
        cause = await cause_of(self.env, message_id)
        codes = {cause, *(PAPER_CODES if road == PAPER or cause in PAPER_CODES else ())}
        kept = {code: set(persons) for code, persons in oracle.approvals.items()}
        for code in codes:
            oracle.approvals.setdefault(code, set()).add(person)
        try:
            await release(self.env, message_id, person, road=road)
        except ConflictError:
            oracle.approvals = kept
        await work_off(self.env)


def envelope(case, mother, child):
    document = {"filnavn": "brev.pdf", "mimeType": "application/pdf", "dokumenttype": "BREV", "taushetsniva": "T"}
    document |= {"sladdet": case.masked} | ({"sladdingBekreftetAv": "kari"} if case.masked else {})
    document |= {} if case.contains is None else {"inneholder": [case.contains]}
    hidden = {None: None, False: [], True: ["MOR"]}[case.hidden_from_mother]
    return letter(
        mother,
        konfidensialitet=case.secrecy,
        foreldresituasjon=case.family,
        melder=None if case.reporter is None else {"type": case.reporter},
        barn=[{"fodselsnummer": child}],
        vedlegg=[document],
        parter=[
            part(mother, adressegradering=case.gradings[0], partsrett=case.rights),
            part(FATHER, adressegradering=case.gradings[1]),
            part(child, adressegradering=case.gradings[2], adresseSkjultFor=hidden),
        ],
    )


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def stage(runner, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oracle")
    site = make_site(
        folder / "site",
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        adapters=("loopback",),
    )
    opened = environment(config.load(site.configuration, settings_for("sqlite", folder)))
    road = Watched(answers=[Taken("brev", final=True)])
    bare = runner.run(opened.__aenter__())
    env, people = runner.run(with_letters(bare, road))
    yield Stage(env, people, road, CaseSystemClient("fagsystem-1", (site.tenant,)))
    runner.run(opened.__aexit__(None, None, None))


@pytest.mark.timeout(180)
@pytest.mark.proves("promise-4")
@settings(max_examples=8)
@example(case=replace(PLAIN, hidden_from_mother=True, releases=SCRIPTS[0]))
@example(case=replace(PLAIN, residents=({}, {}, {"grading": Grading.STRICTLY_CONFIDENTIAL}), releases=SCRIPTS[0]))
@example(case=replace(PLAIN, secrecy="S", contact={"reserved": True}, releases=SCRIPTS[1][:5]))
@example(case=replace(PLAIN, contains="BARNETS_UTSAGN", releases=SCRIPTS[0]))
@given(case=cases())
def test_a_road_is_called_only_if_the_rules_allow_by_facts_known_otherwise_and_paper_only_by_a_person(
    runner, stage, case
):
    left, message_id = runner.run(stage.play(case))
    assert stage.road.wrong == 0
    assert left == (runner.run(state_of(stage.env, message_id)) == State.DELIVERED)


@pytest.mark.proves("promise-4")
@pytest.mark.parametrize(
    ("persons", "leaves"),
    [
        ((), False),
        ((("kari", None), ("Kari", None)), False),
        ((("kari", None), ("ola", None)), True),
        ((("kari", PAPER), ("kari", None), ("ola", None)), True),
    ],
)
def test_control_the_plain_letter_leaves_once_two_people_have_released_it(runner, stage, persons, leaves):
    assert runner.run(stage.play(replace(PLAIN, releases=persons)))[0] == leaves
