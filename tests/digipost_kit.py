"""What several tests of Digipost share: a reader of sealed documents that shares no code with their writer."""

from dataclasses import dataclass

from asn1crypto import cms
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC


@dataclass(frozen=True)
class Opened:
    """An envelope's form and content. ``recipient``: version, and how the key is named."""

    plain: bytes
    version: int
    recipient: tuple[int, bytes]
    algorithms: tuple[str, str, int]


def decrypted(sealed, private):
    info = cms.ContentInfo.load(sealed)
    assert info["content_type"].native == "enveloped_data"
    enveloped = info["content"]
    (recipient,) = enveloped["recipient_infos"]
    transport = recipient.chosen
    named = transport["rid"]
    name = named.chosen.native if named.name == "subject_key_identifier" else named.chosen.dump()
    content = enveloped["encrypted_content_info"]
    cipher = content["content_encryption_algorithm"]
    key = private.decrypt(transport["encrypted_key"].native, padding.PKCS1v15())
    decryptor = Cipher(AES(key), CBC(cipher["parameters"].native)).decryptor()
    clear = decryptor.update(content["encrypted_content"].native) + decryptor.finalize()
    unpadder = block_padding.PKCS7(128).unpadder()
    return Opened(
        unpadder.update(clear) + unpadder.finalize(),
        int(enveloped["version"]),
        (int(transport["version"]), name),
        (transport["key_encryption_algorithm"]["algorithm"].native, cipher["algorithm"].native, len(key)),
    )
