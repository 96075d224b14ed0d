"""The scene in somebody's words, found by a language model that the self-hoster names.

Any server with OpenAI's `/v1/chat/completions` will do: Ollama, llama.cpp, vLLM, LM Studio. It is a stranger: it has
LIMIT_S in all, ANSWER_BYTES of its answer are read as they are, and it leads nowhere else. What was said, the answer
and the key are in no error and no log. What takes its place when it fails is not known here.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable

import aiohttp
from pydantic import SecretStr
from yarl import URL

from core.errors import ModelUnusable, WrongSetting
from core.speech.breaker import FAILURES, Breaker
from core.speech.chat import request_for, scene_in
from core.speech.spoken import SaidScene

LIMIT_S = 6.0
CHECK_S = 60.0
"""How long the check waits: Ollama loads a model when it is first asked, and gives up loading when nobody waits."""
CHECK_WORDS = "A brown dog is running along the beach in the rain."
ANSWER_BYTES = 16_000
CHAT = "/chat/completions"
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}

_TOO_SLOW = "choose a smaller model, or keep it loaded (with Ollama: OLLAMA_KEEP_ALIVE=-1), and try again"
_NOT_REACHED = "start its server, or correct SCENE_URL"
_BAD_TLS = "give its server a certificate that this machine trusts, or use http within your own network"
_BAD_ANSWER = "choose an instruct model that does not reason first, on a server that keeps to a JSON schema"
_BAD_STATUS = "look at the log of its server, and check SCENE_URL and SCENE_MODEL"
_BAD_KEY = "set SCENE_KEY to a key that it takes"


class NotServed(Exception):
    """The language model gave no scene: `str(error)` says why, `advice` what its owner can do.

    Neither holds anything that was said, sent or answered, and the error has no cause that does.
    """

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why)
        self.advice = advice


class ServedWriter:
    """Asks the language model `model` at `url`, with `key` where it wants one. `close` it in the end.

    `url` is the server's, with or without `/v1` or `/v1/chat/completions`; WrongSetting is raised for no such address.
    `clock` tells seconds, and never goes back.
    """

    def __init__(
        self, url: str, model: str, key: SecretStr | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address_of(url)
        self._model = model
        self._key = key
        self._clock = clock
        self._breaker = Breaker(clock)
        self._session: aiohttp.ClientSession | None = None

    async def write(self, words: str, language: str, *, within_s: float = LIMIT_S) -> SaidScene:
        """The scene in `words`, whose language is a code as Whisper has it, or empty.

        Raises NotServed: after `within_s` seconds at the latest, and at once after several failures.
        """
        if not self._breaker.admits():
            raise NotServed(f"left alone for a while after {FAILURES} failures", _BAD_STATUS)
        try:
            scene = await self._ask(words, language, within_s)
        except NotServed:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return scene

    async def check(self) -> str:
        """Ask it once, and say in a sentence how that went. Raises ModelUnusable where it is of no use as it is."""
        began = self._clock()
        try:
            scene = await self._ask(CHECK_WORDS, "en", CHECK_S)
        except NotServed as error:
            raise _unusable(str(error), error.advice) from error
        took_s = self._clock() - began
        if not scene.subjects:
            raise _unusable("it sees nothing in a plain sentence", "choose a larger model")
        if took_s > LIMIT_S:
            raise _unusable(f"it took {took_s:.1f} s, and {LIMIT_S:g} s are waited for it", _TOO_SLOW)
        return f"{self._model} on {self._address.host} answers in {took_s:.1f} s; {self._privacy()}"

    async def close(self) -> None:
        """Close the connections; whoever still waits for an answer gets NotServed."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, words: str, language: str, within_s: float) -> SaidScene:
        try:
            async with asyncio.timeout(within_s):
                body = await self._post(words, language)
        except NotServed:
            raise
        except TimeoutError:
            failure = NotServed(f"no answer within {within_s:.1f} s", _TOO_SLOW)
        except Exception as error:  # whatever a server's bytes lead the libraries to
            advice = _BAD_TLS if isinstance(error, aiohttp.ClientSSLError) else _NOT_REACHED
            failure = NotServed(type(error).__name__, advice)
        else:
            if scene := scene_in(body):
                return scene
            failure = NotServed("an answer that is not in the form that was asked for", _BAD_ANSWER)
        raise failure  # here, where it has no context: what aiohttp raises may quote what was answered

    async def _post(self, words: str, language: str) -> bytes:
        if self._session is None:
            self._session = _new_session()
        headers = HEADERS | ({"Authorization": f"Bearer {self._key.get_secret_value()}"} if self._key else {})
        request = request_for(self._model, words, language)
        async with self._session.post(self._address, json=request, headers=headers, allow_redirects=False) as answer:
            if answer.status != 200:
                raise NotServed(f"HTTP {answer.status}", _BAD_KEY if answer.status in (401, 403) else _BAD_STATUS)
            body = bytearray()
            while len(body) <= ANSWER_BYTES:
                part = await answer.content.read(ANSWER_BYTES + 1 - len(body))
                if not part:
                    return bytes(body)
                body += part
            raise NotServed(f"an answer of more than {ANSWER_BYTES / 1000:g} kB", _BAD_ANSWER)

    def _privacy(self) -> str:
        if is_local(str(self._address)):
            return "recognised words stay on this machine or its network"
        return "recognised words leave this machine" + (", unencrypted" if self._address.scheme == "http" else "")


def address_of(url: str) -> URL:
    """Where to post to, for a server's address with or without its path. Raises WrongSetting."""
    try:
        address = URL(url.strip())
    except ValueError:
        address = URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise WrongSetting("SCENE_URL is not an address of a server; write it like http://127.0.0.1:11434/v1.")
    if address.user is not None or address.password is not None:
        raise WrongSetting("SCENE_URL holds a user name or a password; put the server's key into SCENE_KEY.")
    path = address.path.rstrip("/")
    if path.endswith(CHAT):
        return address.with_path(path, keep_query=True)
    return address.with_path(path.removesuffix("/v1") + "/v1" + CHAT)


def is_local(url: str) -> bool:
    """Whether the server at `url` is this machine or in a private network, as far as its name or IP address tells."""
    try:
        host = (URL(url.strip()).host or "").rstrip(".").lower()
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_private  # so are loopback addresses
    except ValueError:
        return _is_local_name(host)


def _is_local_name(host: str) -> bool:
    """RFC 6761 and 6762, a container's name, or what containers call their host.

    What begins with a digit may be a public IP address in another notation: 134744072 is 8.8.8.8.
    """
    if "." in host:
        return host.endswith((".localhost", ".local", ".internal"))
    return host[:1].isalpha()


def _new_session() -> aiohttp.ClientSession:
    """A client that keeps nothing, not even connections: a POST is not repeated when a kept one turns out closed."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # whoever asks has a limit around it all
        auto_decompress=False,
        read_bufsize=ANSWER_BYTES,
        trust_env=False,
    )


def _unusable(why: str, advice: str) -> ModelUnusable:
    return ModelUnusable(f"The language model that SCENE_URL names is of no use ({why}); {advice}.")
