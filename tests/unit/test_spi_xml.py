"""The parser that adapters use refuses what XML can do beyond elements and text."""

import pytest

from gateway import limits
from gateway.errors import StructureError
from gateway.spi import read_xml

BOMB = """<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>"""


@pytest.mark.proves("S21")
@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "<!DOCTYPE a><a/>",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
        "<a>&undeclared;</a>",
        "<a><b></a>",
        "",
        "<a>" * 300 + "</a>" * 300,
        "<a>" + " " * limits.PARTNER_XML_BYTES_MAX + "</a>",
    ],
    ids=["entities", "doctype", "file", "network", "undeclared", "not-well-formed", "empty", "deep", "large"],
)
def test_hostile_xml_is_refused(text):
    with pytest.raises(StructureError, match="xml"):
        read_xml(text.encode())


def test_plain_xml_is_read_and_comments_are_not():
    root = read_xml('<?xml version="1.0" encoding="UTF-8"?><a><!-- x --><?y z?>æ</a>'.encode())
    assert (root.tag, len(root)) == ("a", 0)
    assert "".join(root.itertext()) == "æ"
