"""Write the sample report that simulators and benchmarks send: ``python bench/make_sample_pdf.py FOLDER``."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from gateway.simulators.sample import Form, Office, make_report


def main() -> None:
    """Write bekymringsmelding.json and bekymringsmelding.pdf."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    office = Office("9901", "Prøvedal", "00", "Prøvedal barnevern")
    report = make_report(Form.OFFENTLIG, "V2", office, number=1, sent_at=datetime(2026, 3, 2, 8, 24, 45, tzinfo=UTC))
    for name, content in (("bekymringsmelding.json", report.json), ("bekymringsmelding.pdf", report.pdf)):
        (folder / name).write_bytes(content)
        print(f"{folder / name}: {len(content)} octets")


if __name__ == "__main__":
    main()
