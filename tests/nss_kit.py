"""NSS's software token for the tests: unlike SoftHSM it takes OAEP with SHA-256 off itself, as an HSM does.

``python -m tests.nss_kit MODULE PIN`` gives a new one its PIN, in a process of its own as ``token_kit`` has it.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.token_kit import PIN, Contents, Hsm

LABEL = "NSS Certificate DB"
SOURCE = Path(__file__).with_name("nss_token.c")


@cache
def nss_token() -> Contents:
    """The one token of this process; skips without NSS or a compiler, and fails in CI."""
    compiler, folder = shutil.which("gcc"), Path(tempfile.mkdtemp(prefix="budstikke-nss-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if compiler is None or not _installed():
        if os.environ.get("CI"):
            pytest.fail("NSS's software token is needed here: apt-get install libnss3 gcc")
        pytest.skip("NSS's software token is not installed (apt-get install libnss3 gcc)")
    hsm = Hsm(folder / "nss.so", folder)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", hsm.module, SOURCE, "-ldl"], check=True)
    hsm.pin.touch(0o600)
    hsm.pin.write_text(PIN, encoding="utf-8")
    # Read when the module is initialised, in this process and its children.
    os.environ["NSS_TOKEN"] = f"configdir='sql:{folder}' certPrefix='' keyPrefix='' secmod='secmod.db' flags="
    subprocess.run([sys.executable, "-m", "tests.nss_kit", hsm.module, PIN], check=True, cwd=ROOT)
    return Contents(hsm, LABEL)


def _installed() -> bool:
    return any(
        Path(folder, "libsoftokn3.so").exists() for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib")
    )


def main(module: str, pin: str) -> None:
    import pkcs11

    with pkcs11.lib(module).get_token(token_label=LABEL).open(rw=True, so_pin="") as session:
        session.init_pin(pin)


if __name__ == "__main__":
    main(*sys.argv[1:])
