/** A table of rollouts to filter, sort and search, with their transcripts and the rates of what is selected. */
const SHOWN = 200, MISSING = "no value";
let study, texts, shown = [], limit = SHOWN, sorted = {column: null, down: false}, current = -1;
const facets = new Map(), visible = new Set();

/** A value in words: what differs stays apart, the text "no value" from none. */
const word = value => value === null ? MISSING : value === MISSING ? `"${value}"` : String(value);

/** In a cell of the table, where a small number is told to four digits. */
const brief = value => typeof value === "number" && !Number.isInteger(value) && Math.abs(value) < 1e4 ? value.toPrecision(4) : word(value);

/** The text of a piece of a transcript, for searching. */
const bare = html => html.replace(/<[^>]*>/g, "\n").replace(/&(lt|gt|quot|#x27|amp|rarr);/g,
  (_, name) => ({lt: "<", gt: ">", quot: '"', "#x27": "'", amp: "&", rarr: "→"})[name]).toLowerCase();

function levels(column) {
  const counts = new Map(column.order.map(level => [level, 0]));
  for (const value of column.values) counts.set(value, (counts.get(value) || 0) + 1);
  const there = [...counts].filter(([, count]) => count);
  if (!column.order.length) there.sort(([a], [b]) => (a === null) - (b === null) || word(a).localeCompare(word(b), "en", {numeric: true}));
  return there;
}

function setUp() {
  for (const column of study.columns) {
    const there = levels(column);
    if (there.length > 1 && there.length <= 20) {
      const boxes = there.map(([level, count]) => {
        const box = make("input", {type: "checkbox", onchange: () => {
          const chosen = facets.get(column.name) || new Set();
          box.checked ? chosen.add(level) : chosen.delete(level);
          chosen.size ? facets.set(column.name, chosen) : facets.delete(column.name);
          update();
        }});
        return make("label", {}, box, ` ${word(level)} `, make("small", {textContent: count}));
      });
      const part = make("details", {open: column.shown}, make("summary", {textContent: column.name}), ...boxes);
      $("facets").append(part);
      $("by").append(make("option", {value: column.name, textContent: column.name}));
    }
    const box = make("input", {type: "checkbox", checked: column.shown, onchange: () => {
      box.checked ? visible.add(column.name) : visible.delete(column.name);
      table();
    }});
    if (column.shown) visible.add(column.name);
    $("columns").append(make("label", {}, box, ` ${column.name}`));
    if (column.rate) $("outcome").append(make("option", {value: column.name, textContent: column.name}));
  }
  $("rates").hidden = !$("outcome").options.length;
  $("search").oninput = update;
  $("by").onchange = $("outcome").onchange = rates;
  $("more").onclick = () => { limit += SHOWN; table(); };
  $("reset").onclick = () => {
    facets.clear();
    $("search").value = "";
    for (const box of $("facets").querySelectorAll("input")) box.checked = false;
    update();
  };
  onhashchange = follow;
  document.onkeydown = keys;
}

function update() {
  const sought = $("search").value.trim().toLowerCase();
  let hits = null;
  if (sought) {
    texts ||= study.pieces.map(bare);
    hits = new Set(texts.flatMap((text, i) => text.includes(sought) ? [i] : []));
  }
  const tests = [...facets].map(([name, chosen]) => [study.columns.find(column => column.name === name).values, chosen]);
  shown = study.ids.map((_, row) => row).filter(row => tests.every(([values, chosen]) => chosen.has(values[row])) &&
    (!hits || study.ids[row].toLowerCase().startsWith(sought) || study.rollouts[row].some(piece => hits.has(piece))));
  limit = SHOWN;
  $("count").textContent = `${shown.length.toLocaleString("en")} of ${study.ids.length.toLocaleString("en")} rollouts`;
  table();
  rates();
}

function sort() {
  const column = study.columns.find(({name}) => name === sorted.column);
  if (!column) return shown.sort((a, b) => a - b);
  const place = value => value === null ? null : column.order.length ? column.order.indexOf(value) : typeof value === "boolean" ? +value : value;
  return shown.sort((a, b) => {
    const [x, y] = [place(column.values[a]), place(column.values[b])];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    const order = typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y), "en", {numeric: true}) : x - y;
    return (sorted.down ? -order : order) || a - b;
  });
}

function table() {
  const columns = study.columns.filter(column => visible.has(column.name));
  const head = columns.map(column => {
    const mine = sorted.column === column.name;
    const button = make("button", {type: "button", title: column.about, onclick: () => {
      sorted = mine && sorted.down ? {column: null, down: false} : {column: column.name, down: mine};
      table();
      document.querySelector(`th[data-column="${CSS.escape(column.name)}"] button`).focus();
    }}, column.name, mine ? sorted.down ? " ▼" : " ▲" : "");
    const cell = make("th", {scope: "col", ariaSort: mine ? sorted.down ? "descending" : "ascending" : "none"}, button);
    cell.dataset.column = column.name;
    return cell;
  });
  const rows = sort().slice(0, limit).map(row => {
    const link = make("a", {href: `#${encodeURIComponent(study.ids[row])}`, textContent: study.ids[row]});
    const line = make("tr", {className: row === current ? "current" : ""}, make("th", {scope: "row"}, link), ...columns.map(column => {
      const value = column.values[row], text = value === null ? "" : brief(value);
      const title = text.length > 40 || text !== word(value) ? word(value) : "";
      return make("td", {className: typeof value === "number" ? "number" : "", title: value === null ? "" : title, textContent: text.slice(0, 80)});
    }));
    line.dataset.row = row;
    if (row === current) line.setAttribute("aria-current", "true");
    return line;
  });
  $("table").replaceChildren(make("thead", {}, make("tr", {}, make("th", {scope: "col", textContent: "id"}), ...head)), make("tbody", {}, ...rows));
  if (!rows.length) $("table").append(make("caption", {textContent: "No rollout fits: change the search or the filters."}));
  $("more").hidden = shown.length <= limit;
  $("more").textContent = `Show ${Math.min(SHOWN, shown.length - limit)} more of ${shown.length - limit}`;
}

/** Wilson's interval at 95%. */
function wilson(k, n) {
  const z = 1.959963984540054, middle = (k + z * z / 2) / (n + z * z), half = z / (n + z * z) * Math.sqrt(k * (n - k) / n + z * z / 4);
  return [k ? Math.max(0, middle - half) : 0, k < n ? Math.min(1, middle + half) : 1];
}

function rates() {
  const outcome = study.columns.find(column => column.name === $("outcome").value);
  if (!outcome) return;
  const by = study.columns.find(column => column.name === $("by").value);
  const groups = new Map(by ? levels(by).map(([level]) => [level, [0, 0, 0]]) : [["selection", [0, 0, 0]]]);
  for (const row of shown) {
    const counts = groups.get(by ? by.values[row] : "selection"), value = outcome.values[row];
    counts[value === null ? 2 : 1]++;
    if (value === true) counts[0]++;
  }
  const percent = share => (100 * share).toFixed(1);
  const rows = [...groups].filter(([, [, n, excluded]]) => n + excluded).map(([level, [k, n, excluded]]) => {
    const [low, high] = n ? wilson(k, n) : [];
    const cells = [`${k} of ${n}`, excluded, n ? percent(k / n) : "–", n ? `${percent(low)} to ${percent(high)}` : "–"];
    return make("tr", {}, make("th", {scope: "row", textContent: word(level)}), ...cells.map(text => make("td", {className: "number", textContent: text})));
  });
  const head = [by ? by.name : "rollouts", outcome.name, "excluded", "%", "95% interval"].map(text => make("th", {scope: "col", textContent: text}));
  $("rate-table").replaceChildren(make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}

const MARKED = 500;

/** Mark where a transcript has what is searched for, and unfold it; the first place. */
function mark(sought) {
  const walker = document.createTreeWalker($("transcript"), NodeFilter.SHOW_TEXT), nodes = [];
  while (sought && walker.nextNode()) nodes.push(walker.currentNode);
  let first = null, marked = 0;
  for (let node of nodes) {
    for (let at; marked < MARKED && (at = node.data.toLowerCase().indexOf(sought)) >= 0 && at + sought.length <= node.length; marked++) {
      const hit = node.splitText(at);
      node = hit.splitText(sought.length);
      const place = make("mark", {}, hit.cloneNode());
      hit.replaceWith(place);
      first ||= place;
      for (let up = place.closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
    }
  }
  return first;
}

/** Open the transcript that the address names. */
function follow() {
  let id = "";
  try { id = decodeURIComponent(location.hash.slice(1)); } catch { /* no address of ours */ }
  const row = id ? study.ids.findIndex(known => known === id || (id.length > 7 && known.startsWith(id))) : -1;
  current = row;
  document.body.classList.toggle("reading", row >= 0);
  $("reader").hidden = row < 0 && !id;
  if (row >= 0) {
    const other = study.columns.filter(column => column.rate && column.values[row] !== null).map(column => `${column.name}: ${column.values[row]}`);
    $("transcript").innerHTML = study.rollouts[row].map(piece => study.pieces[piece]).join(""); // ours, with all texts escaped
    $("about").textContent = other.join(" · ");
  } else if (id) {
    $("transcript").replaceChildren();
    $("about").textContent = `There is no rollout ${id} here.`;
  }
  for (const line of $("table").querySelectorAll("tbody tr")) {
    const mine = +line.dataset.row === row;
    line.classList.toggle("current", mine);
    mine ? line.setAttribute("aria-current", "true") : line.removeAttribute("aria-current");
    if (mine) line.scrollIntoView({block: "nearest"});
  }
  if (!id) return;
  $("reader").focus({preventScroll: true});
  $("reader").scrollTop = 0;
  if (innerWidth <= 900) $("reader").scrollIntoView();
  if (row >= 0) mark($("search").value.trim().toLowerCase())?.scrollIntoView({block: "center"});
}

function keys(event) {
  if (event.target === $("search") && ["Escape", "Enter"].includes(event.key)) {
    event.preventDefault();
    $("search").blur();
    if (event.key === "Enter" && shown.length) location.hash = encodeURIComponent(study.ids[shown[0]]), follow();
    return;
  }
  if (event.key === "Escape" && current >= 0) return $("close").click();
  if (typing(event)) return;
  const step = {j: 1, k: -1}[event.key];
  if (event.key === "/") {
    event.preventDefault();
    $("search").focus();
  } else if (step && shown.length) {
    const place = shown.indexOf(current), next = place < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, place + step));
    if (next >= limit) limit += SHOWN, table();
    location.hash = encodeURIComponent(study.ids[shown[next]]);
    follow(); // now, and not when the browser comes to it: the next key counts from here
  }
}

unpacked().then(data => {
  study = data;
  setUp();
  update();
  follow();
  $("close").onclick = () => {
    const row = current;
    history.pushState(null, "", location.pathname + location.search);
    follow();
    document.querySelector(`tr[data-row="${row}"] a`)?.focus();
  };
  document.body.dataset.ready = "true";
}).catch(failed);
