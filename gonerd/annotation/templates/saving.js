// Documents from the server, and work saved to it: on its own, shortly after every change, and never over newer work.
const data = JSON.parse(document.getElementById("data").textContent);
for (const part of document.querySelectorAll("[data-only]")) if (part.dataset.only !== data.kind) part.remove();
const SOON = 400, AGAIN = 2000; // milliseconds to a save, and to another try

const saver = { number: -1, revision: 0, dirty: false, timer: 0, running: null, stuck: false, take: null };

function addressOf(number) {
  return location.pathname + "documents/" + number;
}

async function fetchDocument(number) {
  const answer = await fetch(addressOf(number));
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

function saveState(text, kind) {
  role("saved").textContent = text;
  role("saved").dataset.kind = kind;
}

// Begin with a document; `take` returns { done, content } whenever something is to be saved.
function watch(number, revision, take) {
  Object.assign(saver, { number, revision, dirty: false, stuck: false, take });
  saveState(revision ? "Saved" : "", "good");
}

function changed() {
  saver.dirty = true;
  if (saver.stuck) return;
  saveState("Saving …", "");
  clearTimeout(saver.timer);
  saver.timer = setTimeout(save, SOON);
}

// Save what has changed; true when nothing is left to save.
async function save() {
  clearTimeout(saver.timer);
  while (saver.running) await saver.running;
  if (!saver.dirty || saver.stuck) return !saver.dirty;
  saver.running = send();
  await saver.running;
  return !saver.dirty;
}

async function send() {
  saver.dirty = false;
  const body = JSON.stringify({ revision: saver.revision, ...saver.take() });
  try {
    const answer = await fetch(addressOf(saver.number), { method: "PUT", headers: { "Content-Type": "application/json" }, body });
    if (answer.ok) {
      const saved = await answer.json();
      saver.revision = saved.revision;
      Object.assign(data.queue[saver.number], { begun: true, done: saved.done });
      if (!saver.dirty) saveState("Saved", "good");
      drawProgress();
      return;
    }
    saver.dirty = true;
    saver.stuck = answer.status === 409;
    saveState(answer.status === 409 ? "Not saved: changed elsewhere" : (await answer.text()).trim(), "bad");
    if (saver.stuck) role("stale").showModal();
  } catch {
    saver.dirty = true;
    saveState("Not saved: no answer. Trying again …", "bad");
    saver.timer = setTimeout(save, AGAIN);
  } finally {
    saver.running = null;
  }
}

function drawProgress() {
  const done = data.queue.filter((item) => item.done).length;
  role("progress").max = data.queue.length;
  role("progress").value = done;
  role("progress-text").textContent = done + " of " + data.queue.length + " done";
  const mark = (item) => (item.done ? "✓ " : item.begun ? "… " : "");
  data.queue.forEach((item, number) => {
    role("document").options[number].textContent = mark(item) + (number + 1) + ". " + shortened(item.title || item.id, 60) + " (" + item.words + " words)";
  });
  role("finished").hidden = done < data.queue.length;
}

// The queue above the text: choosing a document saves the last one first.
function buildQueue(open) {
  data.queue.forEach((_, number) => {
    const option = element("option");
    option.value = String(number);
    role("document").append(option);
  });
  role("finished").textContent = "All documents are done. Everything is in " + data.output + "; the command that serves this page says what comes next.";
  let turn = 0; // who goes on while a document is on its way is answered with the last one asked for
  const go = async (number) => {
    if (number < 0 || number >= data.queue.length) return;
    const mine = ++turn;
    if (!(await save()) || mine !== turn) {
      role("document").value = String(saver.number);
      return;
    }
    role("document").value = String(number);
    role("before").disabled = number === 0;
    role("after").disabled = number === data.queue.length - 1;
    try {
      const found = await fetchDocument(number);
      if (mine !== turn) return;
      window.scrollTo(0, 0);
      open(number, found);
    } catch (error) {
      saveState("The document did not come: " + error.message, "bad");
    }
  };
  role("document").addEventListener("change", (event) => go(Number(event.target.value)));
  role("before").addEventListener("click", () => go(saver.number - 1));
  role("after").addEventListener("click", () => go(saver.number + 1));
  role("reload").addEventListener("click", () => {
    saver.dirty = false;
    location.reload();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!saver.dirty && !saver.running) return;
    save();
    event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") save();
  });
  drawProgress();
  const first = data.queue.findIndex((item) => !item.done);
  go(Math.max(first, 0));
  return go;
}

const nextOpen = () => {
  const order = data.queue.map((_, step) => (saver.number + 1 + step) % data.queue.length);
  const found = order.find((number) => !data.queue[number].done);
  return found === undefined ? -1 : found;
};

for (const dialog of document.querySelectorAll("dialog"))
  for (const closing of dialog.querySelectorAll("[data-close]")) closing.addEventListener("click", () => dialog.close());
role("help-button").addEventListener("click", () => role("help").showModal());
