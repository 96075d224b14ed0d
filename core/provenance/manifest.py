"""C2PA manifests: signed claims in a picture's file of who made it (C2PA specification 2.2), by the library for them.

A manifest holds for the file as it is: whoever changes a pixel or a text breaks it, which its reader notices. Nothing
is fetched for reading one. Without the library nothing is written, and nothing found.
"""

import io
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, BinaryIO

from core import __version__
from core.errors import WrongSetting
from core.provenance.credentials import Credentials, read_or_make
from core.provenance.xmp import TRAINED_MEDIA
from core.settings import CoreSettings

log = logging.getLogger(__name__)

Sign = Callable[[bytes, str, str], bytes]
"""A picture's file, the ending that fits it and the model that painted it -> the same file, signed. Any thread."""

TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}
_NOT_WRONG = frozenset({"signingCredential.untrusted", "signingCredential.ocsp.skipped"})
_OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}
MOST_NAME = 100


class NotSigned(Exception):
    """The library did not sign, or what it signed does not hold."""


@dataclass(frozen=True)
class Manifest:
    """What a file's manifest says.

    `is_intact`: it fits the file, and its signature holds. `is_own`: it was signed with the certificate that is used
    here. `signer`: the name in its certificate, which anybody can choose. `says_model`: whether it says that a model
    made the picture. `is_readable`: if not, there is one of which nothing else is known.
    """

    is_intact: bool
    is_own: bool = False
    signer: str = ""
    says_model: bool = False
    is_readable: bool = True


def is_installed() -> bool:
    """Whether the extra is."""
    return find_spec("c2pa") is not None


def unsigned(data: bytes, ending: str, model: str) -> bytes:
    """Fulfils Sign: leaves the file as it is."""
    del ending, model
    return data


class Signer:
    """Signs as `settings` say: with the certificate in DATA_DIR, which is made when it is first needed."""

    def __init__(self, settings: CoreSettings) -> None:
        self._settings = settings
        self._credentials: Credentials | None = None
        self._is_of_no_use = not (settings.c2pa and is_installed())
        self._reading = threading.Lock()

    def sign(self, data: bytes, ending: str, model: str) -> bytes:
        """Fulfils Sign. What cannot be signed is left as it is, and the log says why."""
        if self._is_of_no_use:
            return data
        try:
            return signed(data, ending, model, self._own())
        except (WrongSetting, NotSigned) as error:
            log.error("pictures are not signed: %s", error)
            return data

    def _own(self) -> Credentials:
        with self._reading:
            if self._credentials is None:
                self._credentials = read_or_make(self._settings.data_dir)
        return self._credentials


def signed(data: bytes, ending: str, model: str, credentials: Credentials) -> bytes:
    """The picture `data` with a manifest that says that `model` made it, validated. Raises NotSigned."""
    import c2pa

    kind = TYPES[ending.lower().removeprefix(".")]
    stated = {
        "claim_generator_info": [{"name": "imagine-sound", "version": __version__}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "digitalSourceType": TRAINED_MEDIA,
                            "softwareAgent": {"name": model},
                        }
                    ]
                },
            }
        ],
    }
    parts = (credentials.algorithm.encode(), credentials.chain.encode(), credentials.key.encode(), None)
    out = io.BytesIO()
    try:
        context = _context({"builder": {"thumbnail": {"enabled": False}}, "verify": _OFFLINE})
        with c2pa.Signer.from_info(c2pa.C2paSignerInfo(*parts)) as signer:
            c2pa.Builder(json.dumps(stated), context).sign(signer, kind, io.BytesIO(data), out)
    except c2pa.C2paError as error:
        raise NotSigned(f"the library for C2PA does not sign with this certificate ({error})") from error
    found = read_manifest(io.BytesIO(out.getvalue()), kind, credentials.certificate)
    if found is None or not found.is_intact:
        raise NotSigned("what was signed does not hold; the certificate may be no good for signing, or not valid now")
    return out.getvalue()


def read_manifest(file: BinaryIO, kind: str, own: str | None) -> Manifest | None:
    """What the manifest in `file`, of the media type `kind`, says; None where there is none, or no library to read it.

    `own`: the certificate that is used here, as PEM.
    """
    if not is_installed():
        return None
    import c2pa

    trust = {"user_anchors": own} if own else {}
    file.seek(0)
    try:
        context = _context({"verify": {"verify_trust": True, **_OFFLINE}, "trust": trust})
        with c2pa.Reader(kind, file, context=context) as reader:
            told, state = json.loads(reader.json()), reader.get_validation_state()
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (c2pa.C2paError, ValueError) as error:
        log.info("a manifest cannot be read: %s", error)
        return Manifest(is_intact=False, is_readable=False)
    active: dict[str, Any] = told.get("manifests", {}).get(told.get("active_manifest"), {})
    wrong = {status.get("code") for status in told.get("validation_status", [])} - _NOT_WRONG
    return Manifest(
        is_intact=state in ("Valid", "Trusted") and not wrong,
        is_own=state == "Trusted",
        signer=str(active.get("signature_info", {}).get("common_name") or "")[:MOST_NAME],
        says_model=TRAINED_MEDIA in json.dumps(active.get("assertions", [])),
    )


def _context(settings: dict[str, object]) -> Any:
    import c2pa

    return c2pa.Context(c2pa.Settings.from_dict(settings))
