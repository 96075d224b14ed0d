"""What C2PA manifests are signed with: a certificate and its key, one file that is made here, or
that the operator put there.

The one that is made here signs itself: it says that the same program signed, and nobody vouches for who runs it. It is
valid for so long, from so early on, that a wrong clock does not matter. It knows nothing of manifests.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from core.errors import WrongSetting

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import KeyUsage

CREDENTIALS_FILE = "c2pa.pem"
"""In DATA_DIR: the key, its certificate, and those that vouch for it; readable by their owner only."""
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_VALID_FROM, _VALID_UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Credentials:
    """`chain`: the certificate and those that vouch for it, as PEM. `algorithm`: as C2PA calls it (es256, say)."""

    chain: str
    algorithm: str
    key: str = field(repr=False)

    @property
    def certificate(self) -> str:
        """The first of the chain, which belongs to the key."""
        end = "-----END CERTIFICATE-----"
        return self.chain[: self.chain.index(end) + len(end)] + "\n"


def read_or_make(directory: Path) -> Credentials:
    """Those in `directory`, the operator's own perhaps, made where there are none. Blocks. Raises WrongSetting."""
    found = read(directory)
    if found is not None:
        return found
    path = directory / CREDENTIALS_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=directory, prefix=f".{CREDENTIALS_FILE}.") as file:  # readable by its owner only
            file.write(_made())
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process was faster
                os.link(file.name, path)
    except OSError as error:
        raise WrongSetting(
            f"The key for signing pictures cannot be kept in {directory} ({error.strerror}); make DATA_DIR writable, "
            "or set C2PA=off."
        ) from error
    return _parsed(path)


def read(directory: Path) -> Credentials | None:
    """The same; None where there are none yet. Raises WrongSetting."""
    path = directory / CREDENTIALS_FILE
    return _parsed(path) if path.is_file() else None


def _parsed(path: Path) -> Credentials:
    """From a PEM file that holds certificates and one key, in any order."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        content = path.read_bytes()
    except OSError as error:
        raise WrongSetting(f"{path}, for signing pictures, cannot be read ({error.strerror}).") from error
    try:
        key = serialization.load_pem_private_key(content, None)
        chain = x509.load_pem_x509_certificates(content)
        if chain[0].public_key() != key.public_key():
            raise ValueError("the key is another one's")
        algorithm = _algorithm_of(key)
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm) as error:
        raise WrongSetting(
            f"{path} holds no certificate with its key, unencrypted, for signing pictures ({error}); mend that, or set "
            "C2PA=off."
        ) from error
    pem = "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in chain)
    return Credentials(pem, algorithm, _as_pem(key).decode())


def _as_pem(key: "PrivateKeyTypes") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _algorithm_of(key: object) -> str:
    """As C2PA calls it (specification 2.2, section 13.2). Raises ValueError for a kind that it does not take."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
        case rsa.RSAPrivateKey() if key.key_size >= 2048:
            return "ps256"
    raise ValueError("keys are P-256, P-384, P-521, Ed25519, or RSA of 2048 bits and more")


def _made() -> bytes:
    """A key and a certificate that it has signed itself, as C2PA asks for them (specification 2.2, section 14.5)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "imagine-sound, self-hosted"),
            x509.NameAttribute(NameOID.COMMON_NAME, "imagine-sound"),
        ]
    )
    certificate = (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number(), _VALID_FROM, _VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_only_signs(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _as_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _only_signs() -> "KeyUsage":
    from cryptography.x509 import KeyUsage

    return KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
