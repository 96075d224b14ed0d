// One request: sent, followed to its picture, cancelled. What is to be seen of it is the server's page of it; here only
// what changes often is changed in place.

import { copy, hang, main, piece, say, shown } from "./dom.js";
import * as film from "./film.js";
import { offer, play } from "./player.js";
import * as sounds from "./sounds.js";

const OVER = ["painted", "nothing", "error", "filmed", "film-error"];

let events = null;
let sending = null;

/** Send a recording. */
export async function send(blob, name = "") {
  if (blob.size > Number(main.dataset.maxBytes))
    return trouble(`This recording has ${(blob.size / 1e6).toFixed(1)} MB, more than the ${Number(main.dataset.maxBytes) / 1e6} MB that I take; please send a shorter or more compressed one.`);
  const type = blob.type || (name ? "application/octet-stream" : "audio/webm");
  return ask("/api/jobs", { body: blob, headers: { "Content-Type": type } }, (id) => sounds.keep(id, blob));
}

/** Play a sample, and send for its picture. */
export async function sample(name) {
  const sound = fetch(`/samples/${name}.wav`).then((answer) => answer.blob());
  sound.then(play).catch((error) => console.debug("the sample cannot be played", error));
  return ask("/api/jobs", { body: new URLSearchParams({ sample: name }) }, async (id) => sounds.keep(id, await sound));
}

/** Paint again what was heard, as a form says. */
export async function again(form) {
  const from = form.get("of");
  return ask("/api/jobs", { body: new URLSearchParams(form) }, (id) => sounds.share(from, id));
}

/** Make a film of the sound of the picture that hangs on the wall: the server has kept none. */
export async function makeFilm() {
  const { job } = piece().dataset;
  const blob = await sounds.find(job);
  if (!blob) return;
  const headers = { "Content-Type": blob.type || "application/octet-stream" };
  await ask(`/api/films?of=${job}`, { body: blob, headers }, () => undefined, `/jobs/${job}`);
}

/** Nobody wants it any more. */
export async function cancel() {
  const { job, back } = piece().dataset;
  sending?.abort();
  close();
  if (job) await fetch(`/api/jobs/${job}`, { method: "DELETE" }).catch(() => undefined);
  await goTo(back ?? "/");
}

/** Nobody is to have the film any more. */
export async function removeFilm() {
  const { job, back } = piece().dataset;
  await fetch(`/api/films/${job}`, { method: "DELETE" }).catch(() => undefined);
  await goTo(back);
}

async function goTo(address) {
  if (location.pathname !== address) history.pushState(null, "", address);
  await refresh(address);
}

async function ask(address, options, then, back = "/") {
  close();
  sending?.abort();
  const here = new AbortController();
  sending = here;
  hang(copy("sending"), { state: "hearing", back });
  let told;
  try {
    const answer = await fetch(address, { method: "POST", signal: here.signal, ...options });
    told = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") return;
    trouble("It did not reach the server, or its answer did not reach me; please try again.", back);
    return;
  }
  if (sending === here) sending = null;
  if (!told.id) {
    trouble(told.error, back);
    return;
  }
  const kept = then(told.id);
  history.pushState(null, "", told.page);
  await refresh(told.page);
  await kept;
  await look();
}

/** Follow the request that hangs on the wall, if it is not over. */
export function follow() {
  const { job, last, state } = piece().dataset;
  if (!job || OVER.includes(state) || events) return;
  events = new EventSource(`/api/jobs/${job}/events?after=${last}`);
  for (const kind of ["heard", "painted", "cut", "filmed", "failed"]) events.addEventListener(kind, () => refresh());
  events.addEventListener("queued", ({ data }) => waits(JSON.parse(data)));
  events.addEventListener("painting", ({ data }) => steps(JSON.parse(data)));
  events.addEventListener("preview", ({ data }) => preview(JSON.parse(data)));
  events.addEventListener("progress", ({ data }) => film.progress(JSON.parse(data)));
  events.addEventListener("still", ({ data }) => film.still(JSON.parse(data)));
}

function close() {
  events?.close();
  events = null;
}

function waits({ position, line, about }) {
  const state = position === null ? "heard" : "queued";
  if (!shown("line") || piece().dataset.state !== state) return refresh();
  shown("line").textContent = line;
  shown("about").textContent = about;
  return undefined;
}

function steps({ step, steps: all }) {
  if (!shown("progress")) return refresh();
  shown("progress").value = step;
  shown("progress").max = all;
  shown("steps").textContent = `${step} of ${all}`;
  shown("coming")?.style.setProperty("--at", (100 * step) / all);
  return undefined;
}

async function preview({ preview: picture, strip }) {
  const [stage, coming] = [shown("preview"), shown("coming")];
  if (!stage || !coming) return refresh();
  await Promise.all([loaded(picture), loaded(strip)]);
  stage.src = picture;
  coming.src = strip;
  return undefined;
}

/** Wait until a picture can be shown at once; one that cannot be had is no reason to wait. */
async function loaded(address) {
  const image = new Image();
  image.src = address;
  await image.decode().catch(() => undefined);
}

let refreshing = null;
let wanted = "";

/** Hang the page of `address` as the server shows it now. Asked for again meanwhile, it is done once more. */
export function refresh(address = location.pathname) {
  wanted = address;
  refreshing ??= (async () => {
    while (wanted) {
      const next = wanted;
      wanted = "";
      await replace(next);
    }
  })().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function replace(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "text/html" } });
  } catch {
    return; // the connection is gone; the events come again with it
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(".piece");
  if (wanted) return; // overtaken
  if (!fresh || fresh.dataset.state === "picture") {
    location.assign(answer.url); // the door, say
    return;
  }
  if (answer.redirected) history.replaceState(null, "", answer.url);
  const picture = fresh.querySelector(".stage > img")?.getAttribute("src");
  if (picture) await loaded(picture);
  hang(document.adoptNode(fresh));
  const session = page.querySelector(".session");
  main.querySelector(".session")?.remove();
  if (session) main.append(document.adoptNode(session));
  document.title = page.title;
  document.querySelector(".foot").replaceWith(document.adoptNode(page.querySelector(".foot")));
  say(piece().dataset.say);
  if (OVER.includes(piece().dataset.state)) close();
  else follow();
  await look();
}

/** What hangs now may be played, or made a film of, if there is a copy of its sound; a film may be watched. */
export async function look() {
  film.watch();
  await Promise.all([offer(), film.offer()]);
}

/** Say what did not work, and lead back to a picture where there is one. */
export function trouble(sentence, back = "/") {
  const content = copy(back === "/" ? "trouble" : "film-trouble");
  content.querySelector('[data-shows="sentence"]').textContent = sentence;
  const way = content.querySelector('[data-shows="back"]');
  if (way) {
    way.href = back;
    way.textContent = "Back to the picture";
  }
  hang(content, { state: way ? "film-error" : "error" });
  document.title = "That did not work · imagine-sound";
  say(`That did not work. ${sentence}`);
}
