"""More synthesised sounds with random parameters: birds, insects, voices, engines, rotors, bells, organs, hearts.

The second half of synthesis.py, with the same contract: a random generator in, a few seconds of 16 kHz sound out.
What this module does not know: what the teacher will call its sounds.
"""

import numpy as np

from .synthesis import (
    RATE,
    SECONDS,
    Recipe,
    Signal,
    band,
    beep,
    clock,
    coloured_noise,
    decay,
    explosion,
    gate,
    grains,
    harmonics,
    horn,
    log_uniform,
    noise,
    phase,
    place,
    rain,
    reverb,
    siren,
    steam,
    sweep_tone,
    telephone,
    thunder,
    unit,
    wind_or_waves,
)


def birds(rng: np.random.Generator) -> Signal:
    track = np.zeros(int(SECONDS * RATE))
    at, base, syllable = rng.uniform(0, 0.3), log_uniform(rng, 1800, 6000), rng.uniform(0.03, 0.18)
    glide, gap = rng.uniform(200, 2500), rng.uniform(0.02, 0.2)
    while at < SECONDS - 0.2:
        sign, centre = rng.choice([-1, 1]), base * rng.uniform(0.8, 1.2)
        for _ in range(int(rng.integers(1, 10))):
            count = int(syllable * rng.uniform(0.8, 1.2) * RATE)
            step = np.arange(count) / count
            warble = rng.uniform(0, 60) * np.sin(2 * np.pi * rng.uniform(20, 60) * np.arange(count) / RATE)
            angle = phase(np.clip(centre + sign * glide * (step - 0.5) + warble, 300, 7800))
            place(track, (np.sin(angle) + rng.uniform(0, 0.2) * np.sin(2 * angle)) * np.sin(np.pi * step) ** 0.7, at)
            at += count / RATE + gap
        at += rng.uniform(0.1, 0.8)
    wet = reverb(track, rng, rng.uniform(0.2, 1.2), rng.uniform(0, 0.5))
    return unit(wet) + rng.uniform(0, 0.01) * band(noise(rng), high=2500)


def insects(rng: np.random.Generator) -> Signal:
    time = clock()
    track = np.zeros_like(time)
    for _ in range(int(rng.integers(1, 4))):
        pitch, rate = log_uniform(rng, 2500, 7000), log_uniform(rng, 0.8, 12)
        wings = np.clip(np.sin(2 * np.pi * log_uniform(rng, 15, 120) * time), 0, 1)
        chirping = (time * rate + rng.uniform()) % 1 < rng.uniform(0.15, 1)
        track += rng.uniform(0.3, 1) * np.sin(2 * np.pi * pitch * time) * chirping * wings
    return unit(track) + rng.uniform(0, 0.01) * band(noise(rng), high=3000)


def chirps(rng: np.random.Generator) -> Signal:
    """Frogs, squeaks, whistles: short gliding harmonics at regular distances."""
    track = np.zeros(int(SECONDS * RATE))
    base, length = log_uniform(rng, 200, 6500), rng.uniform(0.02, 0.5)
    gap, at, glide = length * rng.uniform(1.05, 4), rng.uniform(0, 0.3), rng.uniform(-0.6, 0.6)
    trill, depth, partials = rng.uniform(0, 80), rng.uniform(0, 0.1), int(rng.integers(1, 9))
    while at < SECONDS - 0.1:
        count = int(length * rng.uniform(0.7, 1.3) * RATE)
        step = np.arange(count) / count
        bend = 1 + glide * (step - 0.5) + depth * np.sin(2 * np.pi * trill * np.arange(count) / RATE)
        pitch = np.clip(base * rng.uniform(0.9, 1.1) * (bend + 0.2 * glide * np.sin(np.pi * step)), 30, 7800)
        place(track, harmonics(phase(pitch), rng, partials) * np.sin(np.pi * step) ** 0.7, at)
        at += gap * rng.uniform(0.7, 1.3)
    return unit(track) + float(rng.choice([0, 0.003, 0.03])) * band(noise(rng), high=3000)


def throat(rng: np.random.Generator) -> Signal:
    """Formants over a buzzing source: cries, barks, meows, moos, howls, laughs, grunts."""
    track = np.zeros(int(SECONDS * RATE))
    length, at, base = rng.uniform(0.1, 1.6), rng.uniform(0, 0.4), log_uniform(rng, 60, 900)
    gap, breath = length * rng.uniform(1.05, 2.5), rng.choice([0, 0.05, 0.3])
    formants = [rng.uniform(250, 1000), rng.uniform(800, 2600), rng.uniform(2200, 4000)]
    widths, contour = [rng.uniform(60, 300) for _ in formants], rng.uniform(0.5, 2, 3)
    while at < SECONDS - 0.2:
        count = int(length * rng.uniform(0.8, 1.2) * RATE) + 64
        step = np.arange(count) / count
        line = contour[0] * (1 - step) + contour[1] * step + (contour[2] - 1) * np.sin(np.pi * step)
        vibrato = 1 + 0.02 * np.sin(2 * np.pi * rng.uniform(4, 9) * np.arange(count) / RATE)
        turns = np.cumsum(np.clip(base * rng.uniform(0.9, 1.1) * line * vibrato, 30, 4000)) / RATE
        source = 2 * (turns % 1) - 1 + breath * rng.standard_normal(count)
        frequency = np.fft.rfftfreq(count, 1 / RATE)
        mouth = np.full(len(frequency), 0.02)
        for centre, width in zip(formants, widths, strict=True):
            mouth += 1 / (1 + ((frequency - centre) / width) ** 2)
        voiced = np.fft.irfft(np.fft.rfft(source) * mouth, count)
        place(track, voiced * np.sin(np.pi * step ** rng.uniform(0.4, 1)) ** 0.6, at)
        at += gap * rng.uniform(0.8, 1.2)
    return track


def engine(rng: np.random.Generator) -> Signal:
    time = clock()
    drift = 1 + rng.uniform(0, 0.5) * np.sin(2 * np.pi * rng.uniform(0.05, 0.6) * time)
    angle = phase(log_uniform(rng, 8, 300) * (drift + 0.01 * band(noise(rng), high=5)))
    tone = harmonics(angle, rng, int(rng.integers(5, 22))) * (1 + 0.5 * np.sin(angle / rng.choice([2, 3, 4])))
    hiss = noise(rng) * (1 + np.sin(angle) * rng.uniform(0, 1))
    rough = rng.uniform(0.05, 1.5) * band(hiss, rng.uniform(50, 800), rng.uniform(900, 7000))
    return band(np.tanh(tone * rng.uniform(0.5, 3)) + rough, None, log_uniform(rng, 300, 6000))


def rotor(rng: np.random.Generator) -> Signal:
    time = clock()
    beat = np.exp(-((time * log_uniform(rng, 7, 30)) % 1) / rng.uniform(0.08, 0.5))
    thump = band(noise(rng), high=log_uniform(rng, 150, 1200)) * 3 * beat
    wash = rng.uniform(0.02, 0.4) * band(noise(rng), high=log_uniform(rng, 1000, 5000))
    whine = rng.uniform(0, 0.06) * np.tanh(3 * np.sin(2 * np.pi * rng.uniform(60, 140) * time)) * (0.4 + beat)
    return np.asarray(thump + wash + whine)


def bell(rng: np.random.Generator) -> Signal:
    time = clock()
    base, release = log_uniform(rng, 150, 3500), log_uniform(rng, 0.04, 2)
    stroke = np.zeros_like(time)
    if rng.random() < 0.5:
        ratio = rng.choice([1.4, 1.41, 2.76, 3.5]) * rng.uniform(0.97, 1.03)
        index = rng.uniform(1, 5) * np.exp(-time / release)
        stroke = np.sin(2 * np.pi * base * time + index * np.sin(2 * np.pi * base * ratio * time))
        stroke = stroke * np.exp(-time / release)
    else:
        for ratio in sorted(rng.uniform(0.5, 6, int(rng.integers(2, 8)))):
            partial = np.sin(2 * np.pi * min(base * ratio, 7800) * time)
            stroke += rng.uniform(0.2, 1) * partial * np.exp(-time / release * (1 + ratio / 3))
    track, at, gap = np.zeros_like(time), 0.02, log_uniform(rng, 0.06, 2)
    while at < SECONDS - 0.1:
        place(track, stroke, at)
        at += gap * rng.uniform(0.95, 1.05)
    return track


def organ(rng: np.random.Generator) -> Signal:
    time = clock()
    track = np.zeros_like(time)
    root, slope = log_uniform(rng, 60, 400), rng.uniform(0.2, 1.0)
    stops = rng.choice([1, 2, 3, 4, 6, 8, 10, 12], int(rng.integers(2, 9)), replace=False)
    for start in np.arange(0, SECONDS, rng.uniform(0.4, 2)):
        chord = root * 2 ** (rng.integers(-5, 7) / 12) * np.array([0.5, 1, rng.choice([1.19, 1.26]), 1.5])
        held = band(((time >= start) & (time < start + rng.uniform(0.4, 2))).astype(np.float64), high=25)
        for note in chord[rng.random(4) < 0.8]:
            for stop in stops:
                track += held * np.sin(2 * np.pi * note * stop * time + stop) / stop**slope
    tremor = 1 + rng.uniform(0, 0.08) * np.sin(2 * np.pi * rng.uniform(3, 7) * time)
    return reverb(track * tremor, rng, rng.uniform(0.3, 2.5), rng.uniform(0, 0.7))


def heartbeat(rng: np.random.Generator) -> Signal:
    track = np.zeros(int(SECONDS * RATE))
    time = np.arange(3200) / RATE
    period, low, split = rng.uniform(0.35, 1.3), rng.uniform(30, 90), rng.uniform(0.25, 0.45)
    attack, release = rng.uniform(0.004, 0.015), rng.uniform(0.02, 0.07)
    for at in np.arange(rng.uniform(0, 0.3), SECONDS, period):
        place(track, np.sin(2 * np.pi * low * time) * decay(3200, attack, release), float(at))
        second = np.sin(2 * np.pi * low * rng.uniform(1, 1.5) * time) * decay(3200, attack, release * 0.7)
        place(track, rng.uniform(0.4, 1) * second, float(at + split * period))
    return unit(track) + float(rng.choice([0, 0.003, 0.03])) * band(noise(rng), high=600)


def pulse_train(rng: np.random.Generator) -> Signal:
    """Guns, drills, ticking, purring: one burst, repeated."""
    time = clock()
    rate = log_uniform(rng, 1, 60)
    burst = np.exp(-((time * rate) % 1) / rate / log_uniform(rng, 0.003, 0.08))
    body = band(noise(rng), log_uniform(rng, 30, 2000), log_uniform(rng, 1000, 9000))
    tone = np.sin(2 * np.pi * log_uniform(rng, 60, 4000) * time) * float(rng.choice([0, 0.5, 2]))
    return (unit(body) + tone) * burst * gate(time, log_uniform(rng, 0.2, 2), rng.uniform(0.4, 1.3))


RECIPES: tuple[Recipe, ...] = (
    *(siren, siren, horn, telephone, beep, sweep_tone, rain, thunder, wind_or_waves, coloured_noise, steam, grains),
    *(explosion, birds, birds, insects, chirps, throat, throat, engine, rotor, bell, organ, heartbeat, pulse_train),
)


def synthesise(count: int, seed: int) -> list[Signal]:
    rng = np.random.default_rng(seed)
    return [0.7 * unit(RECIPES[i % len(RECIPES)](rng)) for i in range(count)]
