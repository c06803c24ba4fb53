"""The evidence log's formats against Go's own implementation (golang.org/x/mod/sumdb), in both directions."""

import json
import os
import shutil
import subprocess

import pytest

from gateway.crypto import notes
from gateway.domain import merkle
from gateway.evidence import verify
from tests.conftest import ROOT
from tests.evidence.log import Log, entry


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """The Go program, built once; returns a function that runs it."""
    if shutil.which("go") is None:
        pytest.skip("no Go toolchain is installed here")
    program = tmp_path_factory.mktemp("peer") / "peer"
    environment = os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    subprocess.run(["go", "build", "-o", program, "."], cwd=ROOT / "tests/interop/go", check=True, env=environment)

    def run(*arguments, given=""):
        return subprocess.run([program, *arguments], input=given, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def log():
    return Log(entry("shown", message_id=f"m{number}") for number in range(29))


@pytest.mark.parametrize("index", [0, 7, 15, 16, 27, 28])
def test_go_finds_each_entry_that_we_prove_and_no_other(peer, log, index):
    proof = json.loads(log.proof([index]))["entries"][0]
    assert peer("verify", log.key, given=proof).stdout == "ok\n"
    assert peer("verify", log.key, given=proof.replace(f"index {index}\n", f"index {index ^ 1}\n")).returncode == 1
    assert peer("verify", Log([]).key, given=proof).returncode == 1


@pytest.mark.parametrize("old", [1, 2, 8, 13, 16, 28, 29])
def test_go_sees_that_our_log_only_grew(peer, log, tmp_path, old):
    known = tmp_path / "head"
    known.write_text(log.head(old), encoding="utf-8")
    assert peer("grew", log.key, known, given=log.update(old)).stdout == "ok\n"
    known.write_text(Log([entry("other"), *log.entries[1:]], key=log.signer._key).head(old), encoding="utf-8")
    assert peer("grew", log.key, known, given=log.update(old)).returncode == 1


@pytest.mark.parametrize("size", [1, 2, 7, 64, 300])
def test_a_head_that_go_signed_holds_here_and_has_the_root_that_we_find(peer, size):
    vkey, _, head = peer("sign", "go.test/log", str(size)).stdout.partition("\n")
    text, by = notes.verified(head, [notes.NoteKey.parse(vkey)])
    assert [str(key) for key in by] == [vkey]
    root = merkle.fold([merkle.leaf_hash(str(number).encode()) for number in range(size)])
    read = verify.Head(head, verify.Key(vkey, verify.LOG_KEY), [])
    assert (read.origin, read.size, read.root, read.text) == ("go.test/log", size, root, text)
