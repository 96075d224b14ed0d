"""Nonces of messages: Discord makes no second message with one that it has seen in the past few minutes."""

import base64
import hashlib

NONCE_BYTES = 15
"""24 characters; Discord takes 25 (https://discord.com/developers/docs/resources/message#create-message)."""


def digest(*parts: object) -> bytes:
    """64 bytes that follow from the parts alone."""
    return hashlib.blake2b(":".join(map(str, parts)).encode()).digest()


def nonce(*parts: object) -> str:
    """The nonce of the message that is about these."""
    return base64.b32encode(digest(*parts)[:NONCE_BYTES]).decode()
