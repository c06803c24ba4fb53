"""What a person sees at the command line who releases a message: how many more it takes, or that nobody can."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from gateway import config
from gateway.app import environment
from gateway.cli import app
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.texts import HOLDS
from tests.integration.outbound.kit import Scripted, hand_in, melding, with_roads
from tests.postgres import settings_for
from tests.work import work_off


@pytest.fixture
def held(site, tmp_path, monkeypatch):
    """Two messages: one that two people must release, and one that nobody can."""
    settings = settings_for("sqlite", tmp_path)

    async def submit():
        async with environment(config.load(site.configuration, settings)) as bare:
            env = await with_roads(bare, site.tenant, guards=["R01", "R18"], loopback=Scripted())
            client = CaseSystemClient("fagsystem-1", (site.tenant,))
            ids = [await hand_in(env, client), await hand_in(env, client, melding(formal=None))]
            await work_off(env)
            return ids

    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    return asyncio.run(submit())


def run(site, *arguments):
    return CliRunner().invoke(app, [*arguments, "--config", str(site.configuration)])


def release(site, message_id, person, *more):
    return run(site, "release", message_id, "--person", person, "--reason", "riktig mottaker", *more)


def test_a_release_tells_how_many_more_people_it_takes_and_the_same_one_twice_is_one(site, held):
    first = release(site, held[0], "kari")
    assert (first.exit_code, first.stdout.splitlines()[1:]) == (
        0,
        ["1 more must release it: r18-four-eyes", HOLDS["r18-four-eyes"]],
    )
    assert json.loads(release(site, held[0], "kari", "--json").stdout)["missing"] == 1
    told = json.loads(run(site, "trace", held[0], "--json").stdout)["hold"]
    assert (told["rule"], told["needed"], told["persons"]) == ("R18", 2, 1)
    assert "released by 1 of 2" in run(site, "trace", held[0]).stdout
    last = release(site, held[0], "ola")
    assert (last.exit_code, last.stdout.splitlines()) == (
        0,
        [f"{held[0]} is now ACCEPTED: Mottatt for sending, kontrolleres"],
    )


def test_a_release_of_what_nobody_can_release_says_so(site, held):
    told = release(site, held[1], "kari")
    assert told.exit_code == 0
    assert "nobody can release r01-no-purpose" in told.stdout


def test_a_road_that_cannot_be_taken_is_a_refusal_and_releases_nothing(site, held):
    refused = release(site, held[0], "kari", "--road", "digipost:post")
    assert refused.exit_code != 0
    assert json.loads(run(site, "trace", held[0], "--json").stdout)["hold"]["persons"] == 0
