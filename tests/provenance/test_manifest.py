"""Pictures carry C2PA manifests that hold, and all else in their files stays as it was; strangers' harm nothing."""

import hashlib
import io
import socket
import stat
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.attribution import Inspector, Verdict
from core.engine import Engine
from core.errors import WrongSetting
from core.generation.protocol import Picture
from core.pictures import PictureFile, encode_picture, read_recipe, to_file, without_recipe
from core.prompting.prompt import Prompt
from core.provenance import manifest
from core.provenance.credentials import CREDENTIALS_FILE, Credentials, read, read_or_make
from core.provenance.manifest import Manifest, Signer, read_manifest, signed
from core.provenance.xmp import TRAINED_MEDIA
from core.recipe import Recipe
from core.settings import CoreSettings
from tests.bot.painter import ScriptedPainter

pytest.importorskip("c2pa")

ENDINGS = ("png", "jpg", "webp")
RECIPE = Recipe(Prompt("a dog, “loud”", ""), 7, 4, 3.0, (64, 64), "some model", "1", None, ())
PICTURE = Picture(Image.effect_noise((64, 64), 60).convert("RGB"), RECIPE, 1.0)
HOLDS = Manifest(is_intact=True, is_own=True, signer="imagine-sound", says_model=True)

OwnOf = Callable[[str], tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return read_or_make(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return read_or_make(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def settings(tmp_path: Path) -> CoreSettings:
    return CoreSettings(_env_file=None, data_dir=tmp_path / "data")


def told(data: bytes, ending: str, own: Credentials) -> Manifest | None:
    return read_manifest(io.BytesIO(data), manifest.TYPES[ending], own.certificate)


def without_manifest(data: bytes, ending: str) -> bytes:
    """`data` with the manifest cut out by its bytes, by no code of the program's."""
    if ending == "png":
        at = data.index(b"caBX") - 4
        return data[:at] + data[at + 12 + struct.unpack_from(">I", data, at)[0] :]
    if ending == "jpg":
        at = data.index(b"\xff\xeb")
        return data[:at] + data[at + 2 + struct.unpack_from(">H", data, at + 2)[0] :]
    at = data.index(b"C2PA")
    length = struct.unpack_from("<I", data, at + 4)[0]
    rest = data[:at] + data[at + 8 + length + length % 2 :]
    return rest[:4] + struct.pack("<I", len(rest) - 8) + rest[8:]


@pytest.mark.parametrize("ending", ENDINGS)
def test_manifest_holds_and_all_else_in_the_file_is_as_it_was(ending: str, own: Credentials, tmp_path: Path) -> None:
    plain = to_file(PICTURE, ending)
    made = signed(plain, ending, "some model", own)

    assert told(plain, ending, own) is None
    assert told(made, ending, own) == HOLDS
    assert without_manifest(made, ending) == plain
    assert len(made) - len(plain) < 4000, "without a thumbnail"
    path = tmp_path / f"picture.{ending}"
    path.write_bytes(made)
    assert read_recipe(path) == RECIPE


@pytest.mark.parametrize("ending", ENDINGS)
def test_changed_pixel_or_recipe_breaks_it(ending: str, own: Credentials) -> None:
    made = bytearray(to_file(PICTURE, ending, partial(signed, credentials=own)))
    made[-40] ^= 1
    found = told(bytes(made), ending, own)
    assert found is not None
    assert not found.is_intact


@pytest.mark.parametrize("ending", ENDINGS)
def test_copy_without_the_recipe_is_signed_anew(ending: str, own: Credentials) -> None:
    sign = partial(signed, credentials=own)
    made = PictureFile(to_file(PICTURE, ending, sign), ending)
    assert told(without_recipe(made).data, ending, own) is None, "one that does not hold is left out"
    copy = without_recipe(made, sign, "some model")
    assert told(copy.data, ending, own) == HOLDS
    assert b"loud" not in copy.data


def test_signed_file_is_within_the_limit(own: Credentials) -> None:
    picture = replace(PICTURE, image=PICTURE.image.resize((256, 256)))
    for most in (10_000, 30_000, 1_000_000):
        assert len(encode_picture(picture, most, partial(signed, credentials=own)).data) <= most


def test_somebody_elses_manifest_is_told_as_theirs(own: Credentials, stranger: Credentials) -> None:
    made = to_file(PICTURE, "png", partial(signed, credentials=stranger))
    assert told(made, "png", own) == replace(HOLDS, is_own=False)
    assert read_manifest(io.BytesIO(made), "image/png", None) == replace(HOLDS, is_own=False)


def test_odd_manifests_are_told_as_such(own: Credentials) -> None:
    made = to_file(PICTURE, "png", partial(signed, credentials=own))
    at = made.index(b"caBX") - 4
    chunk = made[at : at + 12 + struct.unpack_from(">I", made, at)[0]]
    unreadable = Manifest(is_intact=False, is_readable=False)
    assert told(made[:at] + chunk + made[at:], "png", own) == unreadable, "two of them"
    assert told(made[: at + 500], "png", own) == unreadable, "cut off"
    flipped = []
    for place in range(at + 12, at + len(chunk), 97):
        damaged = bytearray(made)
        damaged[place] ^= 0xFF
        flipped.append(told(bytes(damaged), "png", own))
    assert sum(found is None or not found.is_intact for found in flipped) > len(flipped) / 2, "the rest is padding"
    assert told(signed(made, "png", "some model", own), "png", own) == HOLDS, "signed twice"


def test_reading_a_manifest_fetches_nothing(own: Credentials) -> None:
    """One that says that it lies elsewhere."""
    import c2pa

    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accepts() -> None:
            server.accept()
            asked.set()

        threading.Thread(target=accepts, daemon=True).start()
        made_so = {"action": "c2pa.created", "digitalSourceType": TRAINED_MEDIA}
        builder = c2pa.Builder({"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made_so]}}]})
        builder.set_no_embed()
        builder.set_remote_url(f"http://127.0.0.1:{server.getsockname()[1]}/manifest")
        parts = (own.algorithm.encode(), own.chain.encode(), own.key.encode(), None)
        out = io.BytesIO()
        with c2pa.Signer.from_info(c2pa.C2paSignerInfo(*parts)) as signer:
            builder.sign(signer, "image/png", io.BytesIO(to_file(PICTURE, "png")), out)
        found = read_manifest(out, "image/png", None)
        assert found in (None, Manifest(is_intact=False, is_readable=False))
        assert not asked.wait(0.3)


def test_credentials_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    assert read(tmp_path / "data") is None
    made = read_or_make(tmp_path / "data")
    assert read_or_make(tmp_path / "data") == made == read(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data" / CREDENTIALS_FILE).stat().st_mode) == 0o600
    assert made.key not in repr(made)


@pytest.mark.parametrize("kind", ["p384", "ed25519", "rsa"])
def test_operators_own_certificate_signs(kind: str, tmp_path: Path, own_of: OwnOf) -> None:
    certificate, key = own_of(kind)
    (tmp_path / CREDENTIALS_FILE).write_bytes(certificate + key)
    made = to_file(PICTURE, "png", Signer(CoreSettings(_env_file=None, data_dir=tmp_path)).sign)
    credentials = read(tmp_path)
    assert credentials is not None
    assert told(made, "png", credentials) == replace(HOLDS, signer="Somebody")
    assert (tmp_path / CREDENTIALS_FILE).read_bytes() == certificate + key


@pytest.fixture
def own_of() -> OwnOf:
    """Somebody's certificate and its key, in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    from core.provenance import credentials

    def make(kind: str) -> tuple[bytes, bytes]:
        keys: dict[str, Callable[[], Any]] = {
            "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "ed25519": ed25519.Ed25519PrivateKey.generate,
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
        }
        key = keys[kind]()
        attributes = [(NameOID.COMMON_NAME, "Somebody"), (NameOID.ORGANIZATION_NAME, "Some organisation")]
        name = x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])
        public = key.public_key()
        since, until = credentials._VALID_FROM, credentials._VALID_UNTIL
        certificate = (
            x509.CertificateBuilder(name, name, public, x509.random_serial_number(), since, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(credentials._only_signs(), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
            .sign(key, None if kind == "ed25519" else hashes.SHA256())
        )
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        return certificate.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)

    return make


def test_wrong_credentials_are_told_and_pictures_stay_as_they_are(
    tmp_path: Path, own_of: OwnOf, caplog: pytest.LogCaptureFixture
) -> None:
    (certificate, key), (_, other) = own_of("p384"), own_of("p384")
    for wrong in (key, certificate, certificate + other, b"no PEM"):
        (tmp_path / CREDENTIALS_FILE).write_bytes(wrong)
        with pytest.raises(WrongSetting, match="no certificate with its key"):
            read(tmp_path)
    (tmp_path / CREDENTIALS_FILE).unlink()
    (tmp_path / CREDENTIALS_FILE).mkdir()
    with pytest.raises(WrongSetting, match="cannot be read"):
        read_or_make(tmp_path)
    (tmp_path / "data").write_text("a file where a directory should be")
    plain = to_file(PICTURE, "png")
    assert Signer(CoreSettings(_env_file=None, data_dir=tmp_path / "data")).sign(plain, "png", "") == plain
    assert "pictures are not signed" in caplog.text
    assert Signer(CoreSettings(_env_file=None, data_dir=tmp_path, c2pa=False)).sign(plain, "png", "") == plain


def test_without_the_extra_nothing_is_signed_and_nothing_found(
    settings: CoreSettings, own: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = to_file(PICTURE, "png", partial(signed, credentials=own))
    monkeypatch.setattr(manifest, "is_installed", lambda: False)
    assert Signer(settings).sign(b"a picture", "png", "") == b"a picture"
    assert told(made, "png", own) is None


async def test_verify_says_what_the_manifest_says(settings: CoreSettings, stranger: Credentials) -> None:
    """The painter cannot tell anything of pixels here, and there is no key for marks."""
    async with Engine(settings, make_generator=lambda *_: ScriptedPainter()) as engine:
        inspector = Inspector(engine, settings.data_dir)
        own = to_file(PICTURE, "webp", engine.sign)
        found = await inspector.inspect(own)
        assert (found.verdict, found.says_model, found.manifest) == (Verdict.SIGNED_HERE, True, HOLDS)
        assert found.sentence.startswith("painted here: it is as it was when this program signed it; its C2PA manifest")
        found = await inspector.inspect(to_file(PICTURE, "jpg", partial(signed, credentials=stranger)))
        assert found.verdict is Verdict.NOT_MARKED
        assert "signed by “imagine-sound”, for whom nobody vouches here, is intact" in found.sentence
        damaged = bytearray(own)
        damaged[200] ^= 1
        found = await inspector.inspect(bytes(damaged))
        assert found.verdict is not Verdict.SIGNED_HERE
        assert "manifest" in found.sentence


def boxes(data: bytes) -> dict[str, bytes]:
    """The CBOR in a tree of JUMBF boxes by its label (ISO 19566-5, sections 5 and A.3)."""
    found: dict[str, bytes] = {}
    label, at = "", 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + length]
        if kind == b"jumb":
            found |= boxes(content)
        elif kind == b"jumd":
            label = content[17 : content.index(b"\0", 17)].decode()
        elif kind == b"cbor":
            found[label] = content
        at += length
    return found


def test_other_libraries_read_the_manifest_and_find_that_its_signature_and_hash_hold(own: Credentials) -> None:
    """CBOR by cbor2, the signature (RFC 9052, section 4.4) by cryptography, the hash by hashlib."""
    import cbor2
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    made = to_file(PICTURE, "png", partial(signed, credentials=own))
    at = made.index(b"caBX")
    found = boxes(made[at + 4 : at + 4 + struct.unpack_from(">I", made, at - 4)[0]])

    (action,) = cbor2.loads(found["c2pa.actions.v2"])["actions"]
    assert (action["digitalSourceType"], action["softwareAgent"]["name"]) == (TRAINED_MEDIA, "some model")
    protected, _, payload, signature = cbor2.loads(found["c2pa.signature"]).value
    assert payload is None, "it is the claim, which lies beside"
    stated = cbor2.loads(protected)[33]
    certificate = x509.load_der_x509_certificate(stated if isinstance(stated, bytes) else stated[0])
    assert certificate == x509.load_pem_x509_certificate(own.certificate.encode())
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    both = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    message = cbor2.dumps(["Signature1", protected, b"", found["c2pa.claim.v2"]])
    public.verify(both, message, ec.ECDSA(hashes.SHA256()))  # raises where it does not hold
    bound = cbor2.loads(found["c2pa.hash.data"])
    kept = bytearray(made)
    for left_out in reversed(bound["exclusions"]):
        del kept[left_out["start"] : left_out["start"] + left_out["length"]]
    assert hashlib.sha256(kept).digest() == bound["hash"]
    assert bytes(kept) == to_file(PICTURE, "png")
