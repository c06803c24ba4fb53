"""A failing disk under a real process: the library ``faults.c`` beside this file, compiled once, and its flag."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("faults.c")


@dataclass(frozen=True)
class FailingDisk:
    """``environment`` goes to the process; what it has below ``folder`` fails while a fault is set."""

    library: Path
    folder: Path
    flag: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "FAULTS_FOLDER": str(self.folder), "FAULTS_FLAG": str(self.flag)}

    def fail(self, how: str) -> None:
        """``sync`` or ``full``, from now on."""
        new = self.flag.with_suffix(".new")
        new.write_text(how)
        new.rename(self.flag)

    def mend(self) -> None:
        self.flag.unlink(missing_ok=True)


def compiled(into: Path) -> Path:
    """The library. Without a compiler the test is skipped; in CI that is a failure."""
    library = into / "faults.so"
    compiler = shutil.which("gcc")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("CI must prove what happens on a failing disk, and there is no gcc here")
        pytest.skip("no gcc is installed here to build the failing disk with")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    library.chmod(0o755)
    return library
