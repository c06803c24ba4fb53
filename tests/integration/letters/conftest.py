"""One process that reads PDFs for all tests of a test process."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from gateway.letters.inspection import PDF, Inspected, Source, inspect
from gateway.letters.looked import Reading
from gateway.letters.reader import Reader
from gateway.letters.screening import Known

NOTHING = Known()


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.close()


@pytest.fixture
def read(reader: Reader) -> Callable[[bytes], Reading]:
    return lambda pdf: reader.read([pdf], len(pdf))


@pytest.fixture
def inspected(reader: Reader) -> Callable[..., Inspected]:
    def look(content: bytes, known: Known = NOTHING, media_type: str = PDF) -> Inspected:
        name = "brev.pdf" if media_type == PDF else "brev.json"
        (found,) = inspect(reader, [Source(name, media_type, len(content), partial(list, [content]))], known)
        return found

    return look
