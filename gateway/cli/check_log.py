"""check-log: whether all evidence in the store is as it was told."""

from dataclasses import asdict
from typing import Annotated, Final

import typer

from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, show, with_environment
from gateway.pipeline.content_check import content_steps
from gateway.pipeline.environment import Environment
from gateway.pipeline.findings import Outcome, run_live
from gateway.pipeline.row_check import evidence_steps

_COUNTED: Final = ("leaves", "blocks", "heads", "messages", "rows", "uncovered", "contents")


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("check-log")(check_log)


def check_log(
    content: Annotated[
        bool, typer.Option("--content/--no-content", help="Open every record, too; it needs every office's keys.")
    ] = True,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Hold every entry, row and record against the log, while the gateway runs or not; exit code 1 when something was edited."""

    async def run(env: Environment) -> Outcome:
        heads = env.heads
        steps = evidence_steps(heads.signer, heads.earlier) if heads is not None else evidence_steps(None)
        return await run_live(env.store, [*steps, *(content_steps(env.vault) if content else [])])

    outcome = with_environment(config_file, run)
    counts = {name: outcome.counts[name] for name in _COUNTED}
    verdict = f"failed: {outcome.found} found" if outcome.found else "ok" if content else "ok, content not checked"
    lines = [*map(str, outcome.findings)]
    lines += [f"and {outcome.found - len(lines)} more"] if outcome.found > len(lines) else []
    lines += [", ".join(f"{count} {name}" for name, count in counts.items())]
    if counts["uncovered"]:
        lines.append(f"{counts['uncovered']} rows are from before schema 0005, and nothing vouches for them")
    findings = [asdict(finding) for finding in outcome.findings]
    told = {"verdict": verdict, "found": outcome.found, "findings": findings, "counts": counts}
    show(told, as_json=as_json, line="\n".join([*lines, verdict]))
    if outcome.found:
        raise typer.Exit(1)
