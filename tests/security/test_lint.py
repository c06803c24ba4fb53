"""S58, S87: calls that are absent from what is shipped, and would be lint errors if somebody wrote them."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SHIPPED = sorted(path for folder in ("gateway", "adapters", "schemas") for path in (ROOT / folder).rglob("*.py"))

MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "marshal",
    "shelve",
    "pdb",
    "code",
    "pty",
    "telnetlib",
    "debugpy",
    "pydevd",
    "rpyc",
}
CALLS = {
    "eval", "exec", "compile", "__import__", "breakpoint",
    "os.system", "os.popen", "os.execvp", "subprocess.getoutput", "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
    "faulthandler.register", "ssl._create_unverified_context", "tempfile.mktemp",
}  # fmt: skip
NAMES = {"CERT_NONE", "FullLoader", "UnsafeLoader"}
SWITCHES = {("shell", True), ("ssl", False), ("verify_ssl", False), ("check_hostname", False), ("verify", False)}


def dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def forbidden(tree):
    """Everything in a module that the lists above name, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = {alias.name.partition(".")[0] for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            found = {(node.module or "").partition(".")[0]} & MODULES
        elif isinstance(node, ast.Call):
            found = {dotted(node.func)} & CALLS
            found |= {
                f"{word.arg}={word.value.value}"
                for word in node.keywords
                if isinstance(word.value, ast.Constant) and (word.arg, word.value.value) in SWITCHES
            }
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is False:
            found = {dotted(target) for target in node.targets if dotted(target).endswith(".check_hostname")}
        elif isinstance(node, ast.Attribute | ast.Name):
            found = {node.attr if isinstance(node, ast.Attribute) else node.id} & NAMES
        else:
            continue
        yield from ((node.lineno, one) for one in found)


@pytest.mark.proves("S58")
@pytest.mark.proves("S87")
def test_forbidden_calls():
    assert len(SHIPPED) > 100
    found = [f"{path.relative_to(ROOT)}:{hit}" for path in SHIPPED for hit in forbidden(ast.parse(path.read_text()))]
    assert found == []


WRITTEN = {
    "import pickle\npickle.loads(b'')\n": "S301",
    "from marshal import loads\nloads(b'')\n": "S302",
    "eval('1')\n": "S307",
    "exec('x = 1')\n": "S102",
    "import yaml\nyaml.load('a: 1', Loader=yaml.FullLoader)\n": "S506",
    "import subprocess\nsubprocess.run('ls', shell=True, check=True)\n": "S602",
    "import os\nos.system('ls')\n": "S605",
    "breakpoint()\n": "T100",
    "import pdb\npdb.set_trace()\n": "T100",
}
ONLY_OURS = [
    "import ssl\ncontext = ssl.create_default_context()\ncontext.check_hostname = False\n",
    "import ssl\ncontext = ssl.create_default_context()\ncontext.verify_mode = ssl.CERT_NONE\n",
    "async def ask(session):\n    await session.get('https://a', ssl=False)\n",
    "import ssl\nssl._create_unverified_context()\n",
    "import faulthandler, signal\nfaulthandler.register(signal.SIGUSR1)\n",
    "import debugpy\ndebugpy.listen(5678)\n",
    "import asyncio\nasync def run():\n    await asyncio.create_subprocess_shell('ls')\n",
]


@pytest.mark.proves("S87")
@pytest.mark.parametrize("code", WRITTEN)
def test_whoever_writes_such_a_call_is_told_by_the_linter(code):
    assert list(forbidden(ast.parse(code)))
    told = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", "--stdin-filename=gateway/new.py", "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert f" {WRITTEN[code]} " in told.stdout


@pytest.mark.proves("S58")
@pytest.mark.proves("S87")
@pytest.mark.parametrize("code", ONLY_OURS)
def test_what_the_linter_has_no_rule_for_is_found_here(code):
    assert list(forbidden(ast.parse(code)))


@pytest.mark.proves("S87")
@pytest.mark.proves("S58")
def test_control_harmless_neighbours_are_not_found():
    harmless = "import ssl\nimport yaml\nyaml.safe_load('a: 1')\nssl.create_default_context()\nrun = 'exec'\n"
    assert list(forbidden(ast.parse(harmless))) == []
