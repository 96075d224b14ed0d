// One request: sent, followed to its picture, cancelled. What is to be seen of it is the server's page of it; here only
// what changes often is changed in place.

import { copy, hang, main, piece, say, shown } from "./dom.js";
import { offer, play } from "./player.js";
import * as sounds from "./sounds.js";

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

/** Nobody wants the picture any more. */
export async function cancel() {
  const { job } = piece().dataset;
  sending?.abort();
  close();
  if (job) await fetch(`/api/jobs/${job}`, { method: "DELETE" }).catch(() => undefined);
  history.pushState(null, "", "/");
  await refresh("/");
}

async function ask(address, options, then) {
  close();
  sending?.abort();
  const here = new AbortController();
  sending = here;
  hang(copy("sending"), { state: "hearing" });
  let told;
  try {
    const answer = await fetch(address, { method: "POST", signal: here.signal, ...options });
    told = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") return;
    trouble("It did not reach the server, or its answer did not reach me; please try again.");
    return;
  }
  if (sending === here) sending = null;
  if (!told.id) {
    trouble(told.error);
    return;
  }
  const kept = then(told.id);
  history.pushState(null, "", told.page);
  await refresh(told.page);
  await kept;
  await offer();
}

/** Follow the request that hangs on the wall, if it is not over. */
export function follow() {
  const { job, last, state } = piece().dataset;
  if (!job || ["painted", "nothing", "error"].includes(state) || events) return;
  events = new EventSource(`/api/jobs/${job}/events?after=${last}`);
  for (const kind of ["heard", "painted", "failed"]) events.addEventListener(kind, () => refresh());
  events.addEventListener("queued", ({ data }) => waits(JSON.parse(data)));
  events.addEventListener("painting", ({ data }) => steps(JSON.parse(data)));
  events.addEventListener("preview", ({ data }) => preview(JSON.parse(data)));
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
  if (["painted", "nothing", "error"].includes(piece().dataset.state)) close();
  else follow();
  await offer();
}

/** Say what did not work. */
export function trouble(sentence) {
  const content = copy("trouble");
  content.querySelector('[data-shows="sentence"]').textContent = sentence;
  hang(content, { state: "error" });
  document.title = "That did not work · imagine-sound";
  say(`That did not work. ${sentence}`);
}
