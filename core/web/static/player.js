// Plays the browser's own copy of a sound; the strip under the picture is where it is and where it goes to.

import { clock, piece } from "./dom.js";
import { find } from "./sounds.js";

const audio = new Audio();
let sound = null;

const length = () => Number(piece().dataset.seconds) || (Number.isFinite(audio.duration) ? audio.duration : 0);

/** Show the player of the piece that hangs now, if there is a copy of its sound. */
export async function offer() {
  const { job } = piece().dataset;
  const button = piece().querySelector('[data-does="play"]');
  if (!button) return;
  const blob = await find(job);
  if (!blob || piece().dataset.job !== job) return;
  load(blob);
  button.hidden = false;
  const strip = piece().querySelector('[data-does="seek"]');
  if (strip) strip.hidden = false;
  show();
}

/** Begin, or pause. */
export async function toggle() {
  if (!audio.paused) return audio.pause();
  try {
    await audio.play();
  } catch (error) {
    console.debug("the sound cannot be played here", error);
  }
}

/** Be silent: a recording begins. */
export const hush = () => audio.pause();

/** Play a sound from its beginning, whether it is asked about yet or not. */
export async function play(blob) {
  load(blob);
  audio.currentTime = 0;
  if (audio.paused) await toggle();
}

function load(blob) {
  if (sound === blob) return;
  audio.pause();
  if (audio.src) URL.revokeObjectURL(audio.src);
  audio.src = URL.createObjectURL(blob);
  sound = blob;
}

/** Go to where the strip was pressed. */
export function seek(input) {
  audio.currentTime = Number(input.value);
  show();
}

function show() {
  const button = piece().querySelector('[data-does="play"]');
  if (!button || button.hidden) return;
  const is = audio.paused ? "play" : "pause";
  button.classList.toggle("live", !audio.paused);
  button.querySelector("use").setAttribute("href", `#i-${is}`);
  button.querySelector("span").textContent = audio.paused ? "Play the sound" : "Pause";
  const begun = !audio.paused || (audio.currentTime > 0 && !audio.ended);
  const time = piece().querySelector(".time");
  time.textContent = begun ? `${clock(audio.currentTime)} / ${time.dataset.length}` : time.dataset.length;
  const input = piece().querySelector('[data-does="seek"]');
  if (!input) return;
  input.value = Math.min(audio.currentTime, length());
  input.setAttribute("aria-valuetext", `${audio.currentTime.toFixed(1)} of ${input.max} seconds`);
  input.parentElement.classList.toggle("begun", begun);
}

for (const event of ["play", "pause", "ended", "timeupdate"]) audio.addEventListener(event, show);
