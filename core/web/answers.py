"""How an error is told over HTTP: its status, and its sentence as JSON or on a page. Nothing else gets out."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from core import errors
from core.log_lines import one_line
from core.web.access import ForeignOrigin, LogInNeeded, TooManyTries, WrongHost, wants_page
from core.web.followed import Followed
from core.web.quotas import TooMuch
from core.web.uploads import FORM, MULTIPART, BrokenBody, TooManyFields, TooSlow

log = logging.getLogger(__name__)

TellOnPage = Callable[[web.Request, str, int], Awaitable[web.Response]]

STATUS: dict[type[errors.ImagineSoundError], int] = {
    BrokenBody: 400,
    TooManyFields: 400,
    LogInNeeded: 401,
    ForeignOrigin: 403,
    TooSlow: 408,
    errors.RecordingTooLarge: 413,
    errors.NotAudio: 415,
    errors.NoSound: 415,
    WrongHost: 421,
    errors.RecordingError: 422,
    errors.InvalidOptions: 422,
    errors.NoPicture: 415,
    errors.PictureTooLarge: 413,
    errors.PictureFileTooLarge: 413,
    errors.TooManyInspections: 429,
    errors.NotInspectedInTime: 503,
    errors.WordsRefused: 422,
    TooMuch: 429,
    TooManyTries: 429,
    errors.ModelError: 503,
    errors.KeyUnusable: 503,
    errors.ShuttingDown: 503,
    errors.PainterLost: 503,
    errors.Cancelled: 410,
}
SENTENCES = {
    404: "There is nothing here, or not any more: pictures are gone after a day.",
    405: "That cannot be done here.",
    413: "This is larger than what is taken here; please send less.",
}
FAULT = "Something went wrong here; please try again."
RETRY_S = 30
FIRST_ANSWER_S = 1.5
"""So long an answer waits for what was heard, so that a recording which cannot be heard gets the status for that."""


class NotHere(errors.ImagineSoundError):
    """There is no such thing, or it is another browser's."""

    sentence = SENTENCES[404]


def status_of(error: errors.ImagineSoundError) -> int:
    """The status for it: that of its class, or of the nearest class above."""
    if isinstance(error, NotHere):
        return 404
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def headers_of(error: errors.ImagineSoundError) -> dict[str, str]:
    """When to try again."""
    if isinstance(error, TooMuch):
        return {"Retry-After": str(error.retry_s)}
    return {"Retry-After": str(RETRY_S)} if status_of(error) in (429, 503) else {}


def is_form(request: web.Request) -> bool:
    """Whether a browser sends it without any script, and shows what comes back."""
    return request.content_type in (FORM, MULTIPART) and wants_page(request)


def taken(request: web.Request, asked: Followed) -> web.Response:
    """A request was taken: where it is followed and seen. Where it has failed by now, the status says so."""
    if is_form(request):
        return web.Response(status=303, headers={"Location": asked.page})
    about = {"id": asked.id, "page": asked.page, "events": f"/api/jobs/{asked.id}/events"}
    if asked.error is not None:
        status, headers = status_of(asked.error), headers_of(asked.error)
        return web.json_response({"error": str(asked.error), **about}, status=status, headers=headers)
    return web.json_response(about, status=202, headers={"Location": asked.page})


def tell_errors(on_page: TellOnPage) -> Middleware:
    """The middleware that does so; `on_page` makes a page of a sentence."""

    async def told(request: web.Request, sentence: str, status: int) -> web.Response:
        if wants_page(request):
            return await on_page(request, sentence, status)
        return web.json_response({"error": sentence}, status=status)

    @web.middleware
    async def tell(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except errors.ImagineSoundError as error:
            log.info("%s %s: %s", request.method, one_line(request.path), one_line(str(error)))
            response = await told(request, str(error), status_of(error))
            response.headers.update(headers_of(error))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = await told(request, SENTENCES.get(error.status, error.reason), error.status)
            if error.status == 405:
                response.headers["Allow"] = error.headers["Allow"]
        except ConnectionError:
            raise
        except Exception:
            log.exception("%s %s failed", request.method, one_line(request.path))
            response = await told(request, FAULT, 500)
        return response

    return tell
