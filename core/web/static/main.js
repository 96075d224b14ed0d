// What people do on the page, and who does it.

import { copy, main, piece, say, settle } from "./dom.js";
import * as film from "./film.js";
import * as player from "./player.js";
import * as recorder from "./recorder.js";
import * as request from "./request.js";

const record = () => {
  player.hush();
  recorder.begin((blob) => request.send(blob), request.trouble);
};
const discard = () => {
  recorder.discard();
  request.cancel();
};

const does = {
  record,
  stop: recorder.stop,
  discard,
  play: player.toggle,
  film: request.makeFilm,
  chapter: ({ value }) => film.seek(value),
};

main.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-does]");
  if (button && does[button.dataset.does]) does[button.dataset.does](button);
});

main.addEventListener("submit", (event) => {
  const form = event.target;
  const { submitter } = event;
  if (!form.dataset.does) return;
  event.preventDefault();
  if (form.dataset.does === "cancel") request.cancel();
  if (form.dataset.does === "remove-film") request.removeFilm();
  if (form.dataset.does === "sample") request.sample(submitter.value);
  if (form.dataset.does === "again") request.again(new FormData(form, submitter));
});

const choose = ({ files }) => {
  if (files.length) request.send(files[0], files[0].name);
};
main.addEventListener("change", ({ target }) => {
  if (target.dataset.does === "choose") choose(target);
});
main.addEventListener("input", ({ target }) => {
  if (target.dataset.does === "seek") player.seek(target);
});

// Space records and stops where nothing else has the focus, which would want it for itself.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && recorder.isRecording()) {
    event.preventDefault();
    discard();
    return;
  }
  const free = !document.activeElement.matches("button, a, input, textarea, select, summary, label");
  if (event.key !== " " || event.repeat || event.ctrlKey || event.altKey || event.metaKey || !free) return;
  if (recorder.isRecording()) {
    event.preventDefault();
    recorder.stop();
  } else if (piece().querySelector('[data-does="record"]:not([hidden] *)')) {
    event.preventDefault();
    record();
  }
});

// A file may be let go anywhere on the page.
let over = null;
const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const leave = () => {
  if (!over) return;
  over.shown.remove();
  over.hidden.hidden = false;
  over = null;
};
document.addEventListener("dragover", (event) => {
  if (!hasFile(event) || recorder.isRecording()) return;
  event.preventDefault();
  if (over) return;
  const stage = piece().querySelector(".stage");
  stage.before(copy("over"));
  over = { shown: stage.previousElementSibling, hidden: stage };
  stage.hidden = true;
  say("Let go, and I listen.");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) leave();
});
document.addEventListener("drop", (event) => {
  if (!hasFile(event) || recorder.isRecording()) return;
  event.preventDefault();
  leave();
  const [file] = event.dataTransfer.files;
  if (file) request.send(file, file.name);
});

window.addEventListener("popstate", () => location.reload());

settle(piece());
say(piece().dataset.say);
request.follow();
request.look();
// On a slow line somebody may have chosen before this script was here to see it.
piece().querySelectorAll('[data-does="choose"]').forEach(choose);
