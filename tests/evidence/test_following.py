"""A witness follows a log that begins after a restore by its first entry, and by nothing else."""

import json

import pytest

from gateway.domain import merkle
from gateway.evidence import formats, verify
from tests.evidence.log import Log, entry


def begun(old, size, **changes):
    """The first entry of a log after ``old``, as the journal writes it: RFC 8785."""
    root = formats._base64(old.subtree(0, size))
    body = {
        "actor": "kari",
        "event": "log-begun",
        "message_id": None,
        "refs": {"origin": old.origin, "root": root, "size": size},
        **changes,
    }
    return json.dumps(body, separators=(",", ":"), sort_keys=True).encode()


def after(old, first):
    return Log([first, entry("arrived"), entry("opened")], origin=f"{old.origin}/2", key=old.signer._key)


def succession(new, index=0):
    path = merkle.inclusion(index, len(new.entries), new.subtree)
    return formats.succession(new.entries[index], path, new.head())


@pytest.fixture
def old():
    return Log([entry("shown", message_id=f"m{number}") for number in range(20)])


@pytest.fixture
def move(old, tmp_path, capsys):
    """Runs the witness on an update, its state being the old log's head of 20."""
    state, update = tmp_path / "head", tmp_path / "update"
    state.write_text(old.head(), encoding="utf-8")

    def run(text, new, *more):
        update.write_text(text, encoding="utf-8")
        code = verify.main(["witness", str(state), str(update), "--key", new.key, *more])
        return code, capsys.readouterr().out.splitlines()[-1], state.read_text(encoding="utf-8")

    return run


def test_control_a_log_whose_first_entry_names_the_witness_s_head_is_followed(old, move):
    new = after(old, begun(old, 20))
    assert move(succession(new), new, "--old-key", old.key) == (0, "ok", new.head())


OTHERS = {
    "a head before it": lambda old: begun(old, 19),
    "another event": lambda old: begun(old, 20, event="shown"),
    "another log": lambda old: begun(old, 20, refs={"origin": "another", "root": "x", "size": 20}),
    "another root": lambda old: begun(Log([*old.entries[:19], entry("other")]), 20),
    "no beginning": lambda _: entry("arrived"),
    "no JSON": lambda _: b"no JSON at all",
}


@pytest.mark.proves("S97")
@pytest.mark.parametrize("first", OTHERS.values(), ids=OTHERS)
def test_a_first_entry_that_names_another_head_is_refused_and_the_witness_keeps_its_own(old, move, first):
    new = after(old, first(old))
    code, verdict, kept = move(succession(new), new, "--old-key", old.key)
    assert (code, verdict, kept) == (1, "failed: the new log does not follow the head that you know", old.head())


def test_an_entry_that_is_not_the_first_lets_nobody_follow(old, move):
    new = Log([entry("arrived"), begun(old, 20), entry("opened")], origin="new", key=old.signer._key)
    code, verdict, kept = move(succession(new, 1), new, "--old-key", old.key)
    assert (code, verdict, kept) == (1, "failed: an entry is not in the log as the proof says", old.head())


def test_without_the_old_key_a_new_log_is_no_growth_of_the_old_one(old, move):
    new = after(old, begun(old, 20))
    assert move(succession(new), new)[0] == 1
    assert move(new.update(0), new)[1] == f"failed: {new.origin} has not signed this head"
    assert move(new.update(0), new, "--old-key", old.key)[1] == "failed: not such an update"
