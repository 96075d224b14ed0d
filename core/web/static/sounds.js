// The browser's own copies of what it sent, by request: the server keeps none. They are gone after a day, as pictures are.

const KEPT_MS = 24 * 3600 * 1000;
const STORE = "sounds";

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("imagine-sound", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

const kept = new Map();

/** Keep the sound of a request; also only for as long as the page is open, where the browser stores nothing. */
export async function keep(id, blob) {
  kept.set(id, blob);
  try {
    const database = await opened();
    const store = database.transaction(STORE, "readwrite").objectStore(STORE);
    await done(store.put({ blob, since: Date.now() }, id));
    const [ids, sounds] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
    ids.forEach((old, index) => {
      if (Date.now() - sounds[index].since > KEPT_MS) store.delete(old);
    });
    database.close();
  } catch (error) {
    console.debug("the sound is not kept beyond this page", error);
  }
}

/** The sound of a request, or undefined. */
export async function find(id) {
  if (kept.has(id)) return kept.get(id);
  try {
    const database = await opened();
    const found = await done(database.transaction(STORE).objectStore(STORE).get(id));
    database.close();
    if (found) kept.set(id, found.blob);
    return found?.blob;
  } catch {
    return undefined;
  }
}

/** A request that paints the same sound again has the same copy. */
export async function share(from, to) {
  const blob = await find(from);
  if (blob) await keep(to, blob);
}
