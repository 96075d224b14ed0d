// A film: asked for with the browser's own copy of the sound, shown as it is made, and gone through by its scenes.

import { piece, say, shown } from "./dom.js";
import { hush } from "./player.js";
import { find } from "./sounds.js";

const asks = () => piece().querySelector('[data-does="film"]');

/** Let a film be asked for, if there is a copy of the sound. */
export async function offer() {
  const { job } = piece().dataset;
  const button = asks();
  if (!button) return;
  const blob = await find(job);
  if (piece().dataset.job !== job) return;
  if (blob) button.disabled = false;
  else button.parentElement.hidden = true;
}

/** How far it is. */
export function progress({ line, about, done, all, scenes }) {
  if (!shown("line")) return;
  if (shown("line").textContent !== line) say(line);
  shown("line").textContent = line;
  shown("about").textContent = about;
  shown("progress").max = all;
  shown("progress").value = done;
  const signs = { "to-come": "to come", now: "being painted", painted: "painted", lost: "could not be painted" };
  for (const [index, rect] of piece().querySelectorAll("svg.scenes rect").entries()) rect.dataset.scene = scenes[index];
  for (const [index, row] of piece().querySelectorAll(".chapters li").entries()) {
    row.dataset.scene = scenes[index];
    row.querySelector(".sure").textContent = signs[scenes[index]];
  }
}

/** What is painted so far. */
export async function still({ picture }) {
  const image = new Image();
  image.alt = "What is painted so far";
  image.dataset.shows = "still";
  image.src = picture;
  const { job } = piece().dataset;
  try {
    await image.decode();
  } catch {
    return; // overtaken by a newer one
  }
  if (piece().dataset.job === job) shown("still")?.replaceWith(image);
}

/** Go to a scene, and play it. */
export async function seek(seconds) {
  const video = shown("film");
  const covered = video.closest("details");
  if (covered) covered.open = true;
  video.currentTime = Number(seconds);
  try {
    await video.play();
  } catch (error) {
    console.debug("the film cannot be played here", error);
  }
}

/** Say which scene is seen, and be silent besides. */
export function watch() {
  const video = shown("film");
  if (!video) return;
  const buttons = [...piece().querySelectorAll('[data-does="chapter"]')];
  const bars = [...piece().querySelectorAll("svg.scenes rect")];
  video.addEventListener("play", hush);
  video.addEventListener("timeupdate", () => {
    const now = buttons.findLast((button) => Number(button.value) <= video.currentTime + 0.05);
    for (const [index, button] of buttons.entries()) {
      if (button === now) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      bars[index].dataset.scene = button === now ? "now" : "painted";
    }
  });
}
