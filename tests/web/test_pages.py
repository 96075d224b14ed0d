"""What people see without any script, and what is said of how the program is."""

import asyncio
import re
from collections.abc import Callable

import aiohttp
import pytest

from core.findings import Finding, Mark
from core.generation.protocol import Figures, GpuMemory, PainterState
from core.hearing.samples import make_wav, siren
from tests.bot.painter import ScriptedPainter
from tests.web.browser import HTML, Browser, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIREN = make_wav(siren(2))


def form(**fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(fields)
    form.add_field("file", SIREN, filename="siren.wav")
    return form


async def test_plain_form_leads_to_a_page_that_reloads_until_there_is_a_picture(
    browser: Browser, painter: ScriptedPainter
) -> None:
    painter.held = True
    answer = await browser.post("/api/jobs", form(), headers=HTML)
    assert answer.status == 303
    page = answer.headers["Location"]

    waiting = await (await browser.get(page)).text()
    async with asyncio.timeout(30):
        while "Next in line" not in waiting:  # it is being heard, and the page asks for itself again
            assert 'http-equiv="refresh"' in waiting
            await asyncio.sleep(0.02)
            waiting = await (await browser.get(page)).text()
    painter.finish_all()
    await browser.followed(page.rpartition("/")[2])
    painted = await (await browser.get(page)).text()

    assert 'http-equiv="refresh"' in waiting
    assert 'http-equiv="refresh"' not in painted
    assert "<h1>Siren</h1>" in painted
    assert 'alt="A picture painted by a model from the sound of siren' in painted


async def test_plain_form_cancels(browser: Browser, painter: ScriptedPainter) -> None:
    painter.held = True
    page = (await browser.post("/api/jobs", form(), headers=HTML)).headers["Location"]
    [address] = re.findall(r'action="(/api/jobs/\w+/cancel)"', await (await browser.get(page)).text())

    answer = await browser.post(address, b"", headers={**HTML, "Content-Type": "application/x-www-form-urlencoded"})

    assert (answer.status, answer.headers["Location"]) == (303, "/")
    painter.finish_all()


async def test_plain_form_with_a_bad_file_shows_the_sentence_with_its_status(browser: Browser) -> None:
    data = aiohttp.FormData()
    data.add_field("file", b"nothing", filename="x.wav")

    answer = await browser.post("/api/jobs", data, headers=HTML)
    page = await browser.get(answer.headers["Location"])

    assert page.status == 415
    assert "This is not a recording that I can read" in await page.text()


async def test_page_of_this_visit_shows_what_was_asked_for(browser: Browser, site: Site) -> None:
    for _ in range(2):
        await browser.followed(await browser.ask(SIREN))

    mine = await (await browser.get("/")).text()
    async with site.browser() as other:
        theirs = await (await other.get("/")).text()

    assert mine.count('<a class="picture"') == 2
    assert "From this visit" not in theirs


async def test_picture_is_told_so_that_chat_programs_show_it(site: Site, browser: Browser) -> None:
    job = await browser.ask(SIREN)
    await browser.followed(job)

    answer = await browser.get(f"/p/{job}")
    told = dict(re.findall(r'<meta property="(og:[^"]+)" content="([^"]+)">', await answer.text()))
    through_a_proxy = await browser.get(f"/p/{job}", headers={"X-Forwarded-Proto": "https"})

    base = str(site.url.origin())
    assert told["og:image"] == f"{base}/p/{job}.png"
    assert told["og:title"].startswith("Siren")
    assert told["og:image:alt"].startswith("A picture painted by a model")
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert f"{base.replace('http:', 'https:')}/p/{job}.png" in await through_a_proxy.text()


async def test_words_that_look_like_html_stay_words(browser: Browser) -> None:
    job = await browser.ask(SIREN, "?prompt=%3Cscript%3Ealert(1)%3C/script%3E")
    await browser.followed(job)
    for path in (f"/jobs/{job}", f"/p/{job}"):
        text = await (await browser.get(path)).text()
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


class Gateway:
    name = "Discord"

    def __init__(self, mark: Mark) -> None:
        self.mark = mark

    async def look(self) -> Finding:
        return Finding(self.mark, "The gateway is quiet.")


class Broken:
    name = "Store"

    async def look(self) -> Finding:
        raise OSError("no such disk")


async def test_parts_of_the_process_are_shown_with_the_pages_own(open_site: Callable[..., object]) -> None:
    site: Site = await open_site(parts=[Gateway(Mark.BETTER)])  # type: ignore[misc]
    async with site.browser() as browser:
        ready = await browser.get("/readyz")
        status = await (await browser.get("/status")).text()

    assert ready.status == 200
    assert (await ready.json())["parts"]["Discord"] == {"ready": True, "sentence": "The gateway is quiet."}
    assert "The gateway is quiet." in status
    assert "All is well." in status


async def test_part_that_is_not_ready_makes_all_of_it_not_ready(open_site: Callable[..., object]) -> None:
    site: Site = await open_site(parts=[Gateway(Mark.WRONG), Broken()])  # type: ignore[misc]
    async with site.browser() as browser:
        ready = await browser.get("/readyz")
        health = await browser.get("/healthz")
        status = await (await browser.get("/status")).text()

    parts = (await ready.json())["parts"]
    assert (ready.status, health.status) == (503, 200)
    assert {name for name, part in parts.items() if not part["ready"]} == {"Discord", "Store"}
    assert "Two things are wrong." in status


async def test_metrics_tell_batches_and_the_gpu_s_memory_where_there_is_one(
    browser: Browser, painter: ScriptedPainter
) -> None:
    await browser.followed(await browser.ask(SIREN))
    painter.told = Figures({1: 2, 4: 3})
    without_gpu = await (await browser.get("/metrics")).text()
    painter.told = Figures({1: 2, 4: 3}, GpuMemory(used=6_000_000_000, total=8_000_000_000))
    with_gpu = await (await browser.get("/metrics")).text()

    for line in ('bucket{le="1.0"} 2.0', 'bucket{le="4.0"} 5.0', 'bucket{le="+Inf"} 5.0', "sum 14.0", "count 5.0"):
        assert f"imagine_sound_batch_size_{line}\n" in without_gpu
    assert "gpu_memory" not in without_gpu
    assert "imagine_sound_gpu_memory_used_bytes 6e+09\n" in with_gpu
    assert "imagine_sound_gpu_memory_bytes 8e+09\n" in with_gpu


async def test_of_several_painters_each_is_told(browser: Browser, painter: ScriptedPainter) -> None:
    await browser.followed(await browser.ask(SIREN))
    well, away = PainterState("http://gpu1:8090", "", 3, 9), PainterState("http://gpu2:8090", "It is silent.", 0, 9)
    painter.told = Figures(painters=(well, away))
    metrics = await (await browser.get("/metrics")).text()
    status = await (await browser.get("/status")).text()
    painter.told = Figures()

    assert 'imagine_sound_painter_busy{painter="http://gpu1:8090"} 3.0\n' in metrics
    assert 'imagine_sound_painter_up{painter="http://gpu2:8090"} 0.0\n' in metrics
    assert "1 of 2 painters. It is silent." in status


async def test_metrics_count_requests_without_naming_anybody(browser: Browser) -> None:
    def painted(text: str) -> float:
        found = re.findall(r'imagine_sound_jobs_total\{source="page",state="painted"\} (\S+)', text)
        return float(found[0]) if found else 0

    before = painted(await (await browser.get("/metrics")).text())
    await browser.followed(await browser.ask(SIREN))
    await browser.refused(b"nothing")
    text = await (await browser.get("/metrics")).text()

    assert painted(text) == before + 1
    assert 'imagine_sound_refused_recordings_total{reason="NotAudio"}' in text
    assert "imagine_sound_loop_lag_seconds" in text
    labels = set(re.findall(r"[{,](\w+)=", text))
    assert labels <= {"source", "state", "reason", "le", "model", "revision", "generation", "version",
                      "implementation", "major", "minor", "patchlevel"}  # fmt: skip
