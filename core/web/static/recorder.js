// The microphone: nothing filtered out, a level to be seen, and a stop by itself.

import { clock, copy, hang, main, piece, say, shown } from "./dom.js";

const KINDS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4", "audio/webm"];
// They take away what is not speech.
const UNFILTERED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const STEP = 12;
const WIDTH = 1280;
const MIDDLE = 56;
const SVG = "http://www.w3.org/2000/svg";

let now = null;

/** Whether a recording is being made. */
export const isRecording = () => now !== null;

/** Begin. `finished` gets the recording; `failed` a sentence. */
export async function begin(finished, failed) {
  if (now) return;
  const here = { chunks: [], discarded: false };
  now = here;
  try {
    here.stream = await navigator.mediaDevices.getUserMedia({ audio: UNFILTERED });
  } catch (error) {
    now = null;
    failed(
      error.name === "NotAllowedError"
        ? "The browser does not let me use the microphone; allow it beside the address, or choose a file."
        : "There is no microphone that I can use; choose a file instead.",
    );
    return;
  }
  if (here.discarded) return end(here);
  const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
  here.recorder = new MediaRecorder(here.stream, mimeType ? { mimeType } : undefined);
  here.recorder.ondataavailable = ({ data }) => here.chunks.push(data);
  here.recorder.onstop = () => {
    end(here);
    if (!here.discarded) finished(new Blob(here.chunks, { type: here.recorder.mimeType.split(";")[0] }));
  };
  hang(copy("recording"), { state: "recording", focused: '[data-does="stop"]' });
  say("I am listening.");
  here.recorder.start();
  here.since = performance.now();
  listen(here);
}

/** Stop, and take what was recorded. */
export function stop() {
  if (now?.recorder?.state === "recording") now.recorder.stop();
}

/** Stop, and forget it. */
export function discard() {
  if (!now) return;
  now.discarded = true;
  stop();
}

function end(here) {
  here.stream.getTracks().forEach((track) => track.stop());
  here.context?.close();
  cancelAnimationFrame(here.frame);
  if (now === here) now = null;
}

function listen(here) {
  here.context = new AudioContext();
  const analyser = here.context.createAnalyser();
  analyser.fftSize = 2048;
  here.context.createMediaStreamSource(here.stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const bars = meter(shown("level"));
  const [button, time] = [piece().querySelector(".record"), shown("clock")];
  const most = Number(main.dataset.maxSeconds);
  let drawn = 0;
  const look = (at) => {
    here.frame = requestAnimationFrame(look);
    const seconds = (at - here.since) / 1000;
    if (seconds >= most) return stop();
    if (at - drawn < 66) return undefined;
    drawn = at;
    analyser.getFloatTimeDomainData(samples);
    const level = loudness(samples);
    bars(level);
    button.style.setProperty("--at", Math.round(100 * level));
    time.textContent = clock(Math.max(0, seconds));
    return undefined;
  };
  here.frame = requestAnimationFrame(look);
}

/** 0 to 1, from -60 dBFS on. */
function loudness(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-12)) / 60));
}

/** Bars in the strip, the newest on the right; returns what adds one. */
function meter(svg) {
  const bars = [];
  for (let x = WIDTH - STEP; x > -STEP; x -= STEP) {
    const bar = document.createElementNS(SVG, "rect");
    for (const [name, value] of [["x", x], ["y", MIDDLE - 2], ["width", 6], ["height", 4], ["rx", 2], ["class", "zero"]])
      bar.setAttribute(name, value);
    svg.append(bar);
    bars.push(bar);
  }
  const levels = [];
  return (level) => {
    levels.unshift(level);
    levels.length = Math.min(levels.length, bars.length);
    levels.forEach((loud, index) => {
      const height = Math.max(4, Math.round(loud * 96));
      bars[index].setAttribute("y", MIDDLE - height / 2);
      bars[index].setAttribute("height", height);
      bars[index].removeAttribute("class");
    });
  };
}
