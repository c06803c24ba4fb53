"""Asking KRR and Folkeregisteret about a person, for the rules (digipost.md 10.1, R08, R14, R23).

A register that is away, slow or not understood gives no fact, and the rules hold what needs one. Nothing is logged of a
person: the register's name and the kind of fault, nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from gateway import limits
from gateway.domain.persons import Contact, Resident
from gateway.errors import GatewayError
from gateway.pipeline.environment import Environment

_PURPOSE: Final = "resident"  # of the pseudonym: it cannot be compared with those that are stored

T = TypeVar("T")


async def contact(env: Environment, tenant: str, number: str) -> Contact | None:
    """What KRR says now, by national identity number. It is asked each time. None: it was not, or gave no answer."""
    register = env.roads.registers.contacts
    if register is None:
        _tell_missing(env, tenant, "contacts")
        return None
    name, contacts = register
    return await _answer(env, tenant, name, contacts.contact, number)


async def resident(env: Environment, tenant: str, number: str) -> Resident | None:
    """What Folkeregisteret says, or said less than a day ago. None: no answer, or nobody of that number."""
    registers = env.roads.registers
    if registers.population is None:
        _tell_missing(env, tenant, "population")
        return None
    pseudonym = env.vault.mac(tenant, _PURPOSE, number.encode())
    found = registers.remembered.find(pseudonym, env.clock)
    if found is not None:
        return found
    name, population = registers.population
    answer = await _answer(env, tenant, name, population.resident, number)
    if answer is not None:
        registers.remembered.keep(pseudonym, answer, env.clock)
    return answer


async def _answer(
    env: Environment, tenant: str, name: str, ask: Callable[[str], Awaitable[T]], number: str
) -> T | None:
    """An answer in time, or None: whatever else happens in an adapter, the letter is held."""
    try:
        async with asyncio.timeout(limits.LOOKUP_S_MAX):
            return await ask(number)
    except GatewayError as error:
        env.log.warning("register.no_answer", tenant=tenant, adapter=name, code=error.code)
    except TimeoutError:
        env.log.warning("register.no_answer", tenant=tenant, adapter=name, code="too-slow")
    except Exception:  # an adapter may be a stranger's
        env.log.exception("register.no_answer", tenant=tenant, adapter=name)
    return None


def _tell_missing(env: Environment, tenant: str, kind: str) -> None:
    env.log.warning("register.none", tenant=tenant, code=kind)
