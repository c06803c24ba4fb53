"""S21: the parser that adapters use opens no socket and no file, whatever the XML asks for."""

import os
import socket
import threading

import pytest

from gateway import limits
from gateway.errors import StructureError
from gateway.spi import read_xml

SECRET = "barnets navn"
# {file}: a file with a secret; {pipe}: a file that whoever opens it waits at for ever; {url}: a server on loopback.
REFUSED = {
    "entities": '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
    "doctype": "<!DOCTYPE a><a/>",
    "external entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "{file}">]><a>&x;</a>',
    "external entity of a pipe": '<!DOCTYPE a [<!ENTITY x SYSTEM "{pipe}">]><a>&x;</a>',
    "parameter entity": '<!DOCTYPE a [<!ENTITY % x SYSTEM "{url}/p">%x;]><a/>',
    "external doctype": '<!DOCTYPE a SYSTEM "{url}/a.dtd"><a/>',
    "external doctype in a file": '<!DOCTYPE a SYSTEM "{pipe}"><a/>',
    "public doctype": '<!DOCTYPE a PUBLIC "-//x//y" "{url}/a.dtd"><a/>',
    "undeclared entity": "<a>&undeclared;</a>",
    "not well-formed": "<a><b></a>",
    "empty": "",
    "deep": "<a>" * 300 + "</a>" * 300,
    "large": "<a>" + " " * limits.PARTNER_XML_BYTES_MAX + "</a>",
}
HARMLESS = {
    "xinclude": '<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{file}" parse="text"/>'
    '<xi:include href="{pipe}"/><xi:include href="{url}/x"/></a>',
    "schema locations": '<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x {url}/a.xsd"'
    ' xsi:noNamespaceSchemaLocation="{pipe}"/>',
    "stylesheet": '<?xml-stylesheet type="text/xsl" href="{url}/a.xsl"?><?xml-model href="{pipe}"?><a/>',
    "transformation": '<a xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:import href="{url}/a.xsl"/></a>',
    "base": '<a xml:base="{url}/"/>',
}


@pytest.fixture
def traps(tmp_path):
    """Where the corpus points, and who came there."""
    (tmp_path / "secret").write_text(SECRET)
    os.mkfifo(tmp_path / "pipe")
    came = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen():
            try:
                while True:
                    connection, _ = server.accept()
                    came.append(connection.recv(1000))
                    connection.close()
            except OSError:
                return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        yield {"file": (tmp_path / "secret").as_uri(), "pipe": (tmp_path / "pipe").as_uri(), "url": url}, came
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.proves("S21")
@pytest.mark.timeout(10)  # the pipe would hold whoever opens it
def test_xxe_corpus_opens_nothing(traps):
    places, came = traps
    for text in REFUSED.values():
        with pytest.raises(StructureError, match="xml"):
            read_xml(_filled(text, places))
    for text in HARMLESS.values():
        root = read_xml(_filled(text, places))
        assert SECRET not in "".join(root.itertext())
    assert came == []


def test_the_traps_would_be_seen(traps):
    places, came = traps
    host, port = places["url"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"here")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert came == [b"here"]


@pytest.mark.proves("S21")
def test_control_plain_xml_is_read_and_comments_are_not():
    root = read_xml('<?xml version="1.0" encoding="UTF-8"?><a><!-- x --><?y z?>æ</a>'.encode())
    assert (root.tag, len(root)) == ("a", 0)
    assert "".join(root.itertext()) == "æ"


def _filled(text, places):
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", place)
    return text.encode()
