/** Transcripts to code one after the other, blind: the codes stay in this browser until they are saved as a CSV. */
const DONT_KNOW = "unclear";
let task, coder = "", state = {codes: {}}, at = 0, since = 0;

const kept = () => `ppres-rating-${task.key}-${coder}`;
const codeOf = i => state.codes[task.ids[i]] || {code: "", quote: "", seconds: 0};

function keep() {
  if (!coder) return;
  try { localStorage.setItem(kept(), JSON.stringify(state)); }
  catch { $("told").textContent = "This browser keeps nothing: save the CSV before you close the page."; }
}

function loaded() {
  try { return JSON.parse(localStorage.getItem(kept())) || null; }
  catch { return null; }
}

/** Whether somebody has said who they are: codes are a person's, and nobody begins with another's. */
function named() {
  if (!coder) {
    $("told").textContent = "Give your name or initials first: they tell your codes from another coder's.";
    $("coder").focus();
  }
  return coder !== "";
}

/** Who codes from now on, with what they have done so far. */
function enter(name) {
  if (name === coder) return;
  tick();
  keep();
  [coder, since] = [name, 0];
  state = loaded() || {codes: {}};
  show(Math.max(0, task.ids.findIndex(id => !state.codes[id]?.code)));
}

/** Time counts while the page is in sight. */
function tick() {
  const now = performance.now(), entry = codeOf(at);
  if (since) state.codes[task.ids[at]] = {...entry, seconds: entry.seconds + (now - since) / 1000};
  since = document.hidden ? 0 : now;
}

function show(place) {
  tick();
  at = Math.min(task.ids.length - 1, Math.max(0, place));
  const entry = codeOf(at), done = task.ids.filter(id => state.codes[id]?.code).length;
  $("transcript").innerHTML = task.rollouts[at].map(piece => task.pieces[piece]).join(""); // ours, with all texts escaped
  $("place").textContent = `Transcript ${at + 1} of ${task.ids.length}, ${done} coded`;
  $("shown").textContent = task.told[at];
  $("quote").value = entry.quote;
  $("told").textContent = "";
  for (const button of $("codes").querySelectorAll("button")) button.ariaPressed = String(entry.code.split("; ").includes(button.dataset.code));
  keep();
  scrollTo(0, 0);
  $("transcript").focus({preventScroll: true});
}

/** What is selected within the transcript, if anything. */
function selected() {
  const selection = getSelection();
  return selection.rangeCount && $("transcript").contains(selection.getRangeAt(0).commonAncestorContainer) ? selection.toString().trim() : "";
}

function quote(text) {
  if (!named()) return;
  state.codes[task.ids[at]] = {...codeOf(at), quote: text};
  const flat = passage => passage.replace(/\s+/g, " ").trim();
  $("told").textContent = text && !flat($("transcript").textContent).includes(flat(text)) ? "The quote does not occur in this transcript." : "";
  keep();
}

function code(label) {
  if (!named()) return;
  const entry = codeOf(at), passage = selected(), last = [task.labels.at(-1), DONT_KNOW];
  let chosen = label;
  if (task.several && !last.includes(label)) { // one of several that may hold at once
    const held = entry.code.split("; ").filter(other => other && !last.includes(other) && other !== label);
    if (!entry.code.split("; ").includes(label)) held.push(label);
    chosen = task.labels.filter(other => held.includes(other)).join("; ");
  }
  state.codes[task.ids[at]] = {...entry, code: chosen, quote: passage || entry.quote};
  if (task.several) return show(at);
  if (at + 1 < task.ids.length) return show(at + 1);
  show(at);
  $("told").textContent = task.ids.every(id => state.codes[id]?.code) ? "All are coded: save the CSV." : "This was the last one; some before it have no code.";
}

/** A cell that no spreadsheet takes for a formula, as pp.to_csv writes it. */
function cell(value) {
  const text = /^'*(?:[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]|$)/.test(value) && value !== "" ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save() {
  if (!named()) return;
  tick();
  const rows = task.ids.filter(id => state.codes[id]?.code).map(id => {
    const {code, quote, seconds} = state.codes[id];
    return [id, task.rubric, coder, code, quote, seconds.toFixed(1)];
  });
  const lines = [["id", "rubric", "coder", "code", "quote", "seconds"], ...rows].map(row => row.map(cell).join(","));
  const address = URL.createObjectURL(new Blob([lines.join("\r\n"), "\r\n"], {type: "text/csv"}));
  const name = `${task.rubric}-${coder.replace(/[^\p{L}\p{N}]+/gu, "-")}.csv`;
  make("a", {href: address, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  $("told").textContent = `${rows.length} of ${task.ids.length} codes saved as ${name}.`;
}

/** A key for each label, and no key for two: what it is or begins with, its number, or one that is left; none where all are taken. */
function keysOf(labels) {
  const keys = new Map([[DONT_KNOW, "u"]]), taken = new Set("ujkq"); // the page's own
  const give = (label, key) => {
    if (!key || keys.has(label) || taken.has(key)) return;
    keys.set(label, key);
    taken.add(key);
  };
  const first = label => [...label][0];
  for (const label of labels) if (label === first(label)) give(label, label);
  for (const label of labels) if (labels.every(other => other === label || first(other) !== first(label))) give(label, first(label));
  labels.forEach((label, i) => i < 9 && give(label, String(i + 1)));
  for (const label of labels) give(label, [..."1234567890abcdefghilmnoprstvwxyz"].find(key => !taken.has(key)));
  return keys;
}

unpacked().then(data => {
  task = data;
  const keys = keysOf(task.labels);
  for (const label of [...task.labels, DONT_KNOW]) {
    const key = keys.has(label) ? ` (${keys.get(label)})` : "";
    const button = make("button", {type: "button", ariaPressed: "false", onclick: () => code(label)}, label + key);
    button.dataset.code = label;
    $("codes").append(button, " ");
  }
  $("coder").onchange = () => enter($("coder").value.trim());
  $("quote").oninput = () => quote($("quote").value);
  $("back").onclick = () => show(at - 1);
  $("next").onclick = () => show(at + 1);
  $("save").onclick = save;
  document.onvisibilitychange = () => { tick(); keep(); };
  document.onkeydown = event => {
    if (typing(event)) return;
    const pressed = [...keys].find(([, key]) => key === event.key);
    if (pressed) code(pressed[0]);
    else if (event.key === "q" && selected()) quote($("quote").value = selected());
    else if (["ArrowRight", "j"].includes(event.key)) show(at + 1);
    else if (["ArrowLeft", "k"].includes(event.key)) show(at - 1);
    else return;
    event.preventDefault();
  };
  show(0);
  document.body.dataset.ready = "true";
}).catch(failed);
