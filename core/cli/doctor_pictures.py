"""`imagine-sound doctor` on what is done with painted pictures: the check of what should not be shown, and signing."""

from PIL import Image

from core.errors import ModelMissing
from core.findings import Finding, Mark
from core.models import ModelStore
from core.options import PictureCheck
from core.provenance import credentials
from core.provenance.manifest import is_installed
from core.settings import CoreSettings


def picture_check(settings: CoreSettings, store: ModelStore) -> str | Finding:
    """What is done, and whether what decides works; what a setting asks for and lacks is wrong. Raises ModelError."""
    if settings.picture_check is PictureCheck.OFF:
        return "none: PICTURE_CHECK is off"
    try:
        located = store.picture_check()
    except ModelMissing as error:
        if settings.picture_check is not PictureCheck.AUTO:
            raise
        return Finding(Mark.BETTER, f"none, pictures are shown as they are painted: {error}")
    from core.generation.picture_check import load_picture_check

    load_picture_check(located.path)(Image.new("RGB", (64, 64), "gray"))
    does = "covers" if settings.picture_check is PictureCheck.SPOILER else "blocks"
    return f"{located.name} {does} what should not be shown"


def signing(settings: CoreSettings) -> str:
    """With what pictures are signed. Raises WrongSetting."""
    if not settings.c2pa:
        return "none: C2PA is off"
    if not is_installed():
        return "none; imagine-sound[c2pa] installs what signs pictures with C2PA manifests"
    found = credentials.read(settings.data_dir)
    place = settings.data_dir / credentials.CREDENTIALS_FILE
    if found is None:
        return f"with a certificate that is made at the first picture, in {place}"
    return f"with {place} ({found.algorithm})"
