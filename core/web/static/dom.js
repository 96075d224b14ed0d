// Small things that all modules need of the page.

export const main = document.getElementById("main");

/** The piece that hangs on the wall now. */
export const piece = () => main.querySelector(".piece");

/** The element of the piece that shows something, by its name. */
export const shown = (name, within = piece()) => within.querySelector(`[data-shows="${name}"]`);

/** Tell a screen reader, once, in the page's one line. */
export function say(text) {
  const line = document.getElementById("say");
  if (text && line.textContent !== text) line.textContent = text;
}

/** Hang another piece in the place of this one. The focus stays on what does the same there, if it is to; else it goes to
 * what `focused` finds, or to the first heading: never back to the top of the page. */
export function hang(content, { state, focused, back } = {}) {
  const old = piece();
  const active = document.activeElement;
  const hadFocus = old.contains(active) || active === document.body;
  const same = old.contains(active) ? nameOf(active) : "";
  let fresh = content;
  if (content instanceof DocumentFragment) {
    fresh = old.cloneNode(false);
    for (const name of Object.keys(fresh.dataset)) delete fresh.dataset[name];
    fresh.dataset.state = state;
    if (back) fresh.dataset.back = back;
    fresh.append(content);
  }
  carryOver(old, fresh);
  old.replaceWith(fresh);
  settle(fresh);
  if (!hadFocus) return;
  const found = [focused, same, "h1, h2"].map((selector) => selector && fresh.querySelector(selector)).find(Boolean);
  if (found.matches("h1, h2")) found.tabIndex = -1;
  found.focus({ preventScroll: true });
  if (found.matches("textarea") && active.matches("textarea"))
    found.setSelectionRange(active.selectionStart, active.selectionEnd);
}

/** How the same control is found in another piece. */
function nameOf(element) {
  if (element.id) return `#${element.id}`;
  if (element.dataset.does) return `[data-does="${element.dataset.does}"]`;
  const form = element.closest("form[data-does]")?.dataset.does;
  return form === "cancel" ? `[data-does="${form}"] button` : "";
}

/** Of the same request, what somebody is writing stays written, and what was opened stays open. */
function carryOver(old, fresh) {
  if (!old.dataset.job || old.dataset.job !== fresh.dataset.job) return;
  for (const area of old.querySelectorAll("textarea[id]")) {
    const next = fresh.querySelector(`#${area.id}`);
    if (next && area.value !== area.defaultValue) next.value = area.value;
  }
  const opened = fresh.querySelectorAll("details");
  old.querySelectorAll("details").forEach((details, index) => {
    if (opened[index]) opened[index].open = details.open;
  });
}

/** What only a script can do for a piece: values for the style sheet, and what this browser can and cannot. */
export function settle(within) {
  for (const element of within.querySelectorAll("[data-at]")) element.style.setProperty("--at", element.dataset.at);
  const hears = Boolean(navigator.mediaDevices?.getUserMedia) && "MediaRecorder" in window;
  for (const element of within.querySelectorAll("[data-when]"))
    element.hidden = (element.dataset.when === "microphone") !== hears;
}

/** A copy of one of the page's templates. */
export const copy = (name) => document.getElementById(name).content.cloneNode(true);

/** Minutes and seconds, as a player shows them. */
export const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
