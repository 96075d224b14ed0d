"""What the settings ask for, made: the painter, the enlarger, and the check of pictures.

Each imports its libraries when it is made, and not before. It knows nothing of requests.
"""

from typing import TYPE_CHECKING

from core.generation.enlarging import EnlargingThread
from core.generation.protocol import ImageGenerator
from core.importing import without_collections
from core.models import ModelStore
from core.settings import CoreSettings

if TYPE_CHECKING:
    from core.generation.picture_check import Look


def painter_of(settings: CoreSettings, models: ModelStore) -> ImageGenerator:
    """Painters elsewhere, a process a card, or one in this process. Raises ModelError, PainterLost."""
    if settings.painters:
        from core.fleet.fleet import Fleet

        return Fleet(settings.painters, token=settings.painter_secret, max_waiting=settings.max_waiting)
    if settings.has_process_a_device:
        from core.fleet.devices import fleet_of_devices

        return fleet_of_devices(settings)
    with without_collections():
        from core.generation.factory import make_generator  # torch and diffusers load here, not before
    return make_generator(settings, models)


def picture_check_of(settings: CoreSettings, models: ModelStore) -> "Look":
    """What tells pictures that should not be shown. Raises ModelError."""
    with without_collections():
        from core.generation.picture_check import load_picture_check
    return load_picture_check(models.picture_check().path)


def enlarger_of(settings: CoreSettings, models: ModelStore) -> EnlargingThread:
    """What enlarges pictures. Raises ModelError, PainterLost."""
    with without_collections():
        from core.generation.factory import make_enlarger
    return make_enlarger(settings, models)
