"""What is counted for `/metrics`, in prometheus-client's one registry, and how a request's stream is measured.

No person, server or file is named in a label. It knows events, and nothing of who reads the numbers.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info, Metric
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from core.errors import ImagineSoundError, RecordingError
from core.events import Event, Heard
from core.generation.protocol import Figures, Painted, PainterState, Painting, Queued

QUICK_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
BATCHES = (1, 2, 4, 8, 16, 32)
LONG_S = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 180.0, 600.0)

JOBS = Counter("imagine_sound_jobs", "Requests by who asked and how they ended.", ["source", "state"])
HEARING = Histogram("imagine_sound_hearing_seconds", "From asking to knowing what was heard.", buckets=QUICK_S)
WAITING = Histogram("imagine_sound_waiting_seconds", "In the queue for painting.", buckets=LONG_S)
PAINTING = Histogram("imagine_sound_painting_seconds", "From the first step to the picture.", buckets=LONG_S)
REFUSED = Counter("imagine_sound_refused_recordings", "Recordings that could not be heard, by reason.", ["reason"])
MODEL = Info("imagine_sound_model", "What painted last.")
QUEUE_LENGTH = Gauge("imagine_sound_queue_length", "Pictures that wait or are being painted.")
LOOP_LAG = Gauge("imagine_sound_loop_lag_seconds", "The longest that the event loop stood in the last minute.")


class PainterFigures(Collector):
    """What the painter has counted, read `of` it whenever somebody asks for the numbers."""

    def __init__(self) -> None:
        self.of: Callable[[], Figures] = Figures

    def collect(self) -> Iterator[Metric]:
        """The numbers as Prometheus knows them; those of a GPU only where there is one."""
        figures = self.of()
        counts = [
            (str(float(size)), sum(n for pictures, n in figures.steps.items() if pictures <= size)) for size in BATCHES
        ]
        yield HistogramMetricFamily(
            "imagine_sound_batch_size",
            "Pictures that were taken a step further together, by step.",
            buckets=[*counts, ("+Inf", sum(figures.steps.values()))],
            sum_value=sum(pictures * n for pictures, n in figures.steps.items()),
        )
        if figures.memory is not None:
            used, total = figures.memory.used, figures.memory.total
            yield GaugeMetricFamily(
                "imagine_sound_gpu_memory_used_bytes", "By all, after the painter's last step.", used
            )
            yield GaugeMetricFamily("imagine_sound_gpu_memory_bytes", "What the painter's GPU has.", total)
        if figures.painters:
            yield from _of_each(figures.painters)


def _of_each(painters: Sequence[PainterState]) -> Iterator[Metric]:
    paints = GaugeMetricFamily("imagine_sound_painter_up", "Whether it paints.", labels=["painter"])
    busy = GaugeMetricFamily("imagine_sound_painter_busy", "Its places that are taken.", labels=["painter"])
    places = GaugeMetricFamily("imagine_sound_painter_places", "Requests that it holds at most.", labels=["painter"])
    for painter in painters:
        paints.add_metric([painter.url], float(not painter.says))
        busy.add_metric([painter.url], painter.busy)
        places.add_metric([painter.url], painter.places)
    yield from (paints, busy, places)


PAINTER = PainterFigures()
REGISTRY.register(PAINTER)


async def measured(source: str, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """`events` of one request as they are, counted and timed; `source` is the front end that asked."""
    state, since = "cancelled", time.perf_counter()
    try:
        async with aclosing(events):
            async for event in events:
                now = time.perf_counter()
                match event:
                    case Heard():
                        HEARING.observe(now - since)
                        since = now
                    case Queued():
                        pass
                    case Painting(step=0, index=0):
                        WAITING.observe(now - since)
                        since = now
                    case Painted(picture, index=0):
                        PAINTING.observe(now - since)
                        MODEL.info({"model": picture.recipe.model, "revision": picture.recipe.revision})
                        state = "painted"
                yield event
    except ImagineSoundError as error:
        state = "failed"
        if isinstance(error, RecordingError):
            REFUSED.labels(type(error).__name__).inc()
        raise
    except Exception:
        state = "failed"
        raise
    finally:
        JOBS.labels(source, state).inc()
