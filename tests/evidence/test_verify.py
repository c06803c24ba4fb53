"""The small verifier, run as a stranger runs it: in an interpreter of its own, where ``gateway`` does not exist."""

import ast
import json
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain import merkle
from gateway.evidence import verify
from tests.conftest import ROOT
from tests.evidence.log import SALT, Log, entry

CONTENT = b"%PDF-1.7 a report"


@pytest.fixture
def log():
    others = [entry("shown", message_id=f"m{number}") for number in range(40)]
    return Log([entry("arrived", **{"document:1": CONTENT}), *others, entry("opened")])


@pytest.fixture
def check(tmp_path, log, capsys):
    """Runs the verifier on a proof text; returns its exit code and last line."""

    def run(text, *more, key=None):
        file = tmp_path / "proof.json"
        file.write_text(text, encoding="utf-8")
        code = verify.main(["proof", str(file), "--key", key or log.key, *more])
        return code, capsys.readouterr().out.splitlines()[-1]

    return run


def changed(text, change):
    body = json.loads(text)
    change(body)
    return json.dumps(body)


def in_first(old, new):
    def change(body):
        assert old in body["entries"][0]
        body["entries"][0] = body["entries"][0].replace(old, new)

    return change


@pytest.mark.proves("S98")
def test_control_a_true_proof_is_ok_with_its_content_and_says_so_without(log, check, tmp_path):
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(CONTENT)
    assert check(log.proof([0, 41])) == (0, "ok, content not checked")
    text = log.proof([0, 41], salt=SALT, names={"document:1": "report.pdf"})
    assert check(text, "--content", f"report.pdf={pdf}") == (0, "ok")
    assert check(text, "--content", f"document:1={pdf}") == (0, "ok")
    pdf.write_bytes(CONTENT + b".")
    assert check(text, "--content", f"report.pdf={pdf}") == (1, "failed: report.pdf is not what the log commits to")


def test_a_shredded_message_s_proof_still_holds_but_tells_nothing_of_content(log, check, tmp_path):
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(CONTENT)
    code, verdict = check(log.proof([0]), "--content", f"document:1={pdf}")
    assert (code, verdict[:35]) == (1, "failed: the proof holds no salt: th")


CHANGES = {
    "another number": (in_first("index 0", "index 1"), "an entry is not in the log"),
    "a number with a zero before it": (in_first("index 0", "index 00"), "not canonical"),
    "a number beyond the head": (in_first("index 0", "index 42"), "beyond the head"),
    "a size with a zero before it": (in_first("\n42\n", "\n042\n"), "does not hold"),
    "another size": (in_first("\n42\n", "\n43\n"), "does not hold"),
    "another format": (in_first("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"), "no tlog-proof"),
    "another origin": (in_first("\n\nbudstikke.test/4601", "\n\nbudstikke.test/4602"), "does not hold"),
    "no entries": (lambda body: body.update(entries=[]), "no entry"),
    "another message": (lambda body: body.update(message_id="another"), "another message"),
    "no list": (lambda body: body.pop("entries"), "not a proof file"),
    "a number for a proof": (lambda body: body.update(entries=[7]), "not a proof file"),
    "a proof without head": (
        lambda body: body["entries"].append(body["entries"][0].split("\n\n")[0]),
        "no signed note",
    ),
}


@pytest.mark.proves("S98")
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_proof_is_refused_with_its_reason(log, check, name):
    change, why = CHANGES[name]
    code, verdict = check(changed(log.proof([0, 41]), change))
    assert code == 1
    assert verdict.startswith("failed: ")
    assert why in verdict


@pytest.mark.proves("S98")
def test_hashes_and_signatures_must_be_canonical_and_of_their_length(log, check):
    text = log.proof([0])
    first = json.loads(text)["entries"][0].split("\n")[3]
    for other, why in (
        (first[:-2] + chr(ord(first[-2]) + 1) + "=", "not canonical"),
        (first.rstrip("="), "not"),
        ("A" * 40, "wrong length"),
        (first + "\n" + first, "too long"),
    ):
        code, verdict = check(changed(text, in_first(first, other)))
        assert (code, why in verdict) == (1, True), verdict
    code, verdict = check(changed(text, in_first(first + "\n", "")))
    assert (code, verdict) == (1, "failed: a path that is too short")


@pytest.mark.proves("S98")
def test_another_log_s_proof_and_an_unknown_key_are_refused(log, check):
    stranger = Log(log.entries, origin="elsewhere.test/log")
    assert check(stranger.proof([0]))[1] == "failed: budstikke.test/4601 has not signed this head"
    twin = Log(log.entries)
    assert check(twin.proof([0]))[1] == "failed: budstikke.test/4601 has not signed this head"
    assert check(log.proof([0]), key=log.key[:-4] + "AAA=")[0] == 1
    assert check(log.proof([0]), key="no key")[1] == "failed: a key is name+id+base64"


@pytest.mark.proves("S98")
def test_a_file_over_one_mebibyte_is_not_read(log, check):
    assert "larger than 1 MiB" in check(log.proof([0]) + " " * (1 << 20))[1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_no_changed_octet_of_the_proven_part_is_accepted_and_none_breaks_the_verifier(log, check, data):
    text = log.proof([3])
    text = changed(text, lambda body: body.update(message_id="m2"))
    proof = json.loads(text)["entries"][0]
    place = data.draw(st.integers(0, len(proof) - 1))
    letter = data.draw(st.sampled_from("A0=\n+ \u2014z"))
    if proof[place] == letter:
        return
    broken = proof[:place] + letter + proof[place + 1 :]
    code, verdict = check(changed(text, lambda body: body.update(entries=[broken])))
    assert (code, verdict[:8]) == (1, "failed: ")


@pytest.mark.proves("S97", "S98")
def test_a_witness_accepts_growth_and_notices_a_cut_a_fork_and_a_rewritten_log(log, tmp_path, capsys):
    state, update = tmp_path / "head", tmp_path / "update"

    def move(text):
        update.write_text(text, encoding="utf-8")
        return verify.main(
            ["witness", str(state), str(update), "--key", log.key]
        ), capsys.readouterr().out.splitlines()[-1]

    assert move(log.update(0, 10)) == (0, "ok")
    assert move(log.update(10, 30)) == (0, "ok")  # the control
    assert move(log.update(10, 40)) == (1, "failed: the update begins at another size; ask for one from 30")
    assert move(log.update(30)) == (0, "ok")
    kept = state.read_text()
    cut = Log(log.entries[:20], key=log.signer._key)
    assert move(cut.update(20).replace("old 20", "old 42")) == (
        1,
        "failed: the log is shorter than it was: its end was cut off",
    )
    fork = Log([*log.entries[:41], entry("closed")], key=log.signer._key)
    assert move(fork.update(42)) == (1, "failed: two heads of the same size differ: the log was rewritten")
    rewritten = Log([entry("other"), *log.entries[1:], entry("more")], key=log.signer._key)
    assert move(rewritten.update(42))[1] == "failed: the log does not begin with what it held before: it was rewritten"
    assert state.read_text() == kept


@pytest.mark.proves("S97")
def test_a_proof_is_held_against_the_witness_s_own_head(log, check, tmp_path):
    known = tmp_path / "head"
    known.write_text(log.head(20), encoding="utf-8")
    since = {20: merkle.consistency(20, 42, log.subtree)}
    assert check(log.proof([0], since=since), "--witness", str(known))[0] == 0
    assert check(log.proof([0]), "--witness", str(known)) == (1, "failed: the proof that the log only grew is missing")
    rewritten = Log([log.entries[0], entry("other"), *log.entries[2:]], key=log.signer._key)
    since = {20: merkle.consistency(20, 42, rewritten.subtree)}
    assert check(rewritten.proof([0], since=since), "--witness", str(known))[0] == 1


@pytest.mark.proves("promise-6")
def test_the_verifier_runs_where_nothing_of_the_gateway_is(log, tmp_path):
    shutil.copy(ROOT / "gateway/evidence/verify.py", tmp_path / "verify.py")
    (tmp_path / "proof.json").write_text(log.proof([0]), encoding="utf-8")
    alone = "import sys, runpy; sys.modules['gateway'] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", alone, "verify.py", "proof", "proof.json", "--key", log.key]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PATH": "/nowhere"})
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "ok, content not checked"), done.stderr


def test_the_verifier_is_one_file_under_three_hundred_lines_of_standard_library_and_cryptography():
    source = (ROOT / "gateway/evidence/verify.py").read_text()
    assert len(source.splitlines()) < 300
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.partition(".")[0])
    assert imported - sys.stdlib_module_names == {"cryptography"}
    assert not imported & {"socket", "urllib", "http", "ssl", "subprocess"}
