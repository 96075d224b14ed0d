"""What the page's handlers work with, and how a template becomes HTML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from core.attribution import Inspector
from core.engine import Engine
from core.loop_lag import LoopLag
from core.settings import CoreSettings
from core.web.access import Access
from core.web.film_jobs import FilmJobs
from core.web.film_shelf import FilmShelf
from core.web.jobs import Jobs
from core.web.parts import Part
from core.web.quotas import Quotas
from core.web.register import Register
from core.web.shelf import Shelf


@dataclass(frozen=True)
class Page:
    """One page. `arriving` is where recordings lie until they are heard; `refuses` says of which texts nothing is
    painted; `heard_by` is the name of the model that hears."""

    engine: Engine
    settings: CoreSettings
    parts: Sequence[Part]
    access: Access
    quotas: Quotas
    shelf: Shelf
    film_shelf: FilmShelf
    register: Register
    jobs: Jobs
    films: FilmJobs
    arriving: Path
    refuses: Callable[[str], bool]
    lag: LoopLag
    heard_by: str
    inspector: Inspector

    def render(self, template: str, **values: Any) -> str:
        """A template with what all of them know."""
        info = self.engine.loaded_info()
        return (
            environment()
            .get_template(template)
            .render(
                heard_by=self.heard_by,
                painted_by=info.model if info is not None else "",
                max_seconds=self.settings.max_seconds,
                max_mb=self.settings.max_file_mb,
                is_private=self.access.is_private,
                **values,
            )
        )


def load_templates() -> None:
    """Compile all templates, which takes a second or two. In a thread, before anybody waits for a page."""
    for name in environment().list_templates():
        environment().get_template(name)


@cache
def environment() -> jinja2.Environment:
    """The templates that come with the package."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("core.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
