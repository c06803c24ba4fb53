"""Calls of ours: TLS as we want it, an answer's body within bounds, and addresses that others chose.

Those are checked where the socket is made, so that no name, redirect or rebinding passes. An address is refused when it is
loopback, private, link-local, shared, multicast or otherwise not public, also when it is wrapped in IPv6; the port must be
443. A custom resolver would not see literal addresses, a socket factory sees all (S53).
"""

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.errors import ConfigError, TooLargeError
from gateway.limits import CHUNK_BYTES

TLS_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
HTTPS_PORT: Final = 443
_TOTAL_S: Final = 10.0
_CONNECT_S: Final = 5.0
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_IPV4_BITS: Final = 0xFFFFFFFF
_IPV6: Final = 6
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
_RELAY_ANYCAST: Final = ipaddress.ip_network("192.88.99.0/24")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(text: str) -> bool:
    """Whether an address is one of the open Internet, looking through IPv6 wrappings of IPv4."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & _IPV4_BITS)
        else:
            address = address.ipv4_mapped or address.sixtofour or address
    # The library calls much else of IPv6 global: IPv4-compatible, site-local and local-use NAT64 addresses.
    assigned = address in _GLOBAL_UNICAST if address.version == _IPV6 else address not in _RELAY_ANYCAST
    return assigned and address.is_global and not address.is_multicast


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for a public address and port 443. Raises OSError for any other, as an unreachable host would."""
    family, kind, protocol, _, where = info
    if not is_public(where[0]) or where[1] != HTTPS_PORT:
        message = "the address is not a public one on port 443"
        raise OSError(message)
    return socket.socket(family, kind, protocol)


def plain_socket(info: tuple[Any, ...]) -> socket.socket:
    """Any address: for demo and tests, where everybody lives on loopback. Production cannot be configured so."""
    family, kind, protocol, _, _ = info
    return socket.socket(family, kind, protocol)


@asynccontextmanager
async def egress_session(factory: Callable[[tuple[Any, ...]], socket.socket]) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for such calls: short, without redirects' help, cookies or proxy variables (S54, S55)."""
    connector = aiohttp.TCPConnector(socket_factory=factory, limit_per_host=4, force_close=True, use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=_TOTAL_S, connect=_CONNECT_S)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield session


async def read_body(content: aiohttp.StreamReader, most: int) -> bytes:
    """An answer's body of at most so many octets; no more than one piece beyond them is ever held. Raises TooLargeError."""
    body = bytearray()
    while piece := await content.read(CHUNK_BYTES):
        body += piece
        if len(body) > most:
            message = "the answer is too large"
            raise TooLargeError(message)
    return bytes(body)


def client_context(roots: Sequence[Path] = ()) -> ssl.SSLContext:
    """For calls to a server whose certificate goes back to these roots, or to a public one where none are given.

    Its name is checked. Raises ConfigError when a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS_SUITES)
    if not roots:
        context.load_default_certs()
    for file in roots:
        try:
            context.load_verify_locations(file)
        except OSError:  # ssl.SSLError among them
            message = f"{file.name}: no PEM certificates can be read from it"
            raise ConfigError(message) from None
    return context
