"""The documents say what is: commands, links, runbooks, published events and everything derived from code."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from gateway.cli import app
from gateway.store.alarms import AlarmCode
from gateway.store.journal import PUBLISHED

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
RUNBOOKS = sorted(file for file in (DOCS / "operations").glob("*.md") if file.name != "README.md")
RUNBOOK_LINES_MAX = 40
NOT_RUNG = "Nothing rings it yet"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL_WORDS = {"|", ">", "<", "&&", "||", ";", "&", "2>"}


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def shell_lines(page: Path) -> Iterator[str]:
    """Each command line of the shell blocks, continued lines joined."""
    for language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "sh":
            yield from (line for line in block.replace("\\\n", " ").splitlines() if "budstikke" in line)


def arguments(line: str) -> list[str] | None:
    """What follows ``budstikke`` in a command line, or None when it calls something else."""
    words = shlex.split(line, comments=True)
    found = next((place for place, word in enumerate(words) if word.rpartition("/")[2] == "budstikke"), None)
    # The user of that name is no call: `sudo -u budstikke budstikke run`.
    if found is not None and found > 0 and words[found - 1] in {"-u", "--user"}:
        found = next((place for place in range(found + 1, len(words)) if words[place] == "budstikke"), None)
    if found is None or not (words[0] == "sudo" or all("=" in word for word in words[:found])):
        return None
    rest = words[found + 1 :]
    end = next((place for place, word in enumerate(rest) if word in SHELL_WORDS), len(rest))
    return rest[:end]


def calls(page: Path) -> list[list[str]]:
    return [words for line in shell_lines(page) if (words := arguments(line))]


def mentions(page: Path) -> list[list[str]]:
    return [shlex.split(span)[1:] for span in re.findall(r"`(budstikke [a-z][^`\n]*)`", prose(page))]


def command_of(words: list[str]):
    """The command that these words begin with, and the words after its name."""
    command = typer.main.get_command(app)
    words = list(words)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_of_a_shell_block_parses(page):
    for words in calls(page):
        command, rest = command_of(words)
        assert not hasattr(command, "commands"), f"{words} is no command"
        command.make_context("budstikke", rest)  # raises for an unknown option, a missing one, a wrong type


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_mentioned_exists_with_its_options(page):
    for words in mentions(page):
        command, rest = command_of(words)
        assert not rest or not hasattr(command, "commands"), f"{words} is no command"
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in rest if word.startswith("-")} <= known, words


def test_the_documents_show_commands_at_all():
    assert sum(len(calls(page)) for page in PAGES) > 20
    assert sum(len(mentions(page)) for page in PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_resolves(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            found = (page.parent / file) if file else page
            assert found.exists(), target
            headings = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), re.MULTILINE) if anchor else []
            assert not anchor or anchor in {anchor_of(heading) for heading in headings}, target


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_part_derived_from_code_is_what_the_code_says():
    made = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, f"run python docs/generate.py\n{made.stdout}{made.stderr}"


def test_each_alarm_code_has_exactly_one_runbook_and_each_runbook_a_code():
    assert [file.stem for file in RUNBOOKS] == sorted(code.value for code in AlarmCode)


@pytest.mark.parametrize("file", RUNBOOKS, ids=named)
def test_a_runbook_is_short_and_says_what_it_means_what_to_do_and_how_it_closes(file):
    text = file.read_text("utf-8")
    assert text.startswith(f"# {file.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["What it means", "What to do", "How it closes"]
    assert len(text.splitlines()) <= RUNBOOK_LINES_MAX


def test_a_runbook_says_that_nothing_rings_it_exactly_when_nothing_does():
    sources = [file for file in (ROOT / "gateway").rglob("*.py") if named(file) != "gateway/store/alarms.py"]
    code = "\n".join(file.read_text("utf-8") for file in sources)
    silent = {alarm.value for alarm in AlarmCode if f"AlarmCode.{alarm.name}" not in code}
    assert {file.stem for file in RUNBOOKS if NOT_RUNG in " ".join(file.read_text("utf-8").split())} == silent


def test_the_published_events_are_those_of_the_journal():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", (DOCS / "evidence.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(PUBLISHED)


def test_each_security_requirement_is_told_with_what_it_waits_for():
    told = tomllib.loads((DOCS / "requirements.toml").read_text("utf-8"))
    assert list(told) == [f"S{number:02}" for number in range(1, 112)]
    assert all({"demand"} <= entry.keys() <= {"demand", "later", "left"} for entry in told.values())


def test_each_noun_of_the_glossary_stands_there_once_and_is_used():
    nouns = re.findall(r"^\| ([^|]+?) \|", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE)[2:]
    assert len(nouns) == len(set(nouns))
    folders = ("gateway", "adapters", "config", "schemas")
    suffixes = {".py", ".toml", ".yaml", ".json"}
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in suffixes]
    text = "\n".join(file.read_text("utf-8") for file in files).lower()
    unused = [noun for noun in nouns if noun.split(",")[0].lower() not in text]
    assert unused == []
