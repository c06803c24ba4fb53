"""A gateway on a real store behind its case-system listener, as the tests of the API have it."""

from tests.integration.http.conftest import case_system, env, intake, sender, site

__all__ = ["case_system", "env", "intake", "sender", "site"]
