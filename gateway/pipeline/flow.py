"""What each answer of a partner says about how much to send it, kept in the same commit as the answer."""

from typing import assert_never

from sqlalchemy import Connection

from gateway.domain.flow import Flow, FlowRules, asked_to_wait, failed, greeted, succeeded
from gateway.pipeline.backoff import jitter
from gateway.pipeline.environment import Environment
from gateway.spi import Outcome, Refused, Taken, TryLater, Uncertain
from gateway.store import partners


def rules_of(env: Environment) -> FlowRules:
    """The configured sizes and waits."""
    settings, engine = env.settings.flow, env.settings.engine
    return FlowRules(
        window_first=settings.window_first,
        window_max=settings.window_max,
        backoff_first_s=engine.backoff_first_s,
        backoff_max_s=engine.backoff_max_s,
        retry_after_max_s=settings.retry_after_s_max,
    )


def note(env: Environment, conn: Connection, adapter: str, outcome: Outcome) -> None:
    """An attempt or a question was answered, or was not."""
    before = partners.lock(conn, adapter, env.settings.flow.window_first)
    partners.save(conn, adapter, before, _after(env, before, outcome), env.now())


def greet(env: Environment, conn: Connection, adapter: str) -> None:
    """Something valid came from the partner: it lives."""
    before = partners.lock(conn, adapter, env.settings.flow.window_first)
    partners.save(conn, adapter, before, greeted(before, rules_of(env)), env.now())


def _after(env: Environment, before: Flow, outcome: Outcome) -> Flow:
    rules, now = rules_of(env), env.now()
    match outcome:
        case Taken() | Refused():
            return succeeded(before, rules)
        case TryLater(after_s=float() | int() as after_s):
            return asked_to_wait(before, rules, now, after_s)
        case TryLater(code=code) | Uncertain(code=code):
            return failed(before, rules, now, code[:64], jitter())
        case _:
            assert_never(outcome)
