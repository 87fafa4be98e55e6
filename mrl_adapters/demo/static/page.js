// The page's own script: asks the server what the sliders say, and shows what it answers.
// Texts go through textContent alone, so that nothing of a passage is ever markup.

const find = (id) => document.getElementById(id);
const given = (name) => JSON.parse(document.body.dataset[name]);
const sizes = given("sizes");
const bits = given("bits").toReversed(); // fewest first, as a slider grows
const candidates = given("candidates");
const points = given("points");

let sample = 0; // which sample question stands in the box; null once it was edited
const pending = {};
const charts = {};
let latest = {};

function setting() {
  return {
    dimensions: sizes[find("dimensions").value],
    bits: bits[find("bits").value][0],
    candidates: candidates[find("candidates").value],
    rotated: find("rotated").checked,
  };
}

async function ask(path, parameters) {
  pending[path]?.abort();
  const control = new AbortController();
  pending[path] = control;
  let answer;
  try {
    const response = await fetch(`${path}?${new URLSearchParams(parameters)}`, { signal: control.signal });
    answer = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  } catch (error) {
    if (error.name === "AbortError") return null;
    answer = { error: "The server does not answer. Is the command still running?" };
  }
  if (pending[path] !== control) return null;
  tell(path, answer.error);
  return answer.error ? null : answer;
}

const errors = {}; // of each path's last answer: another's success does not take them back

function tell(path, message) {
  errors[path] = message;
  const [first] = Object.values(errors).filter(Boolean);
  find("error").textContent = first ?? "";
  find("error").hidden = !first;
}

function make(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (bytes >= 1000 && step < units.length - 1) {
    bytes /= 1000;
    step += 1;
  }
  return `${bytes >= 100 || step === 0 ? Math.round(bytes) : bytes.toPrecision(3)} ${units[step]}`;
}

function movement(hit, here) {
  if (hit.place === here) return make("span", "same", "= full");
  const moved = hit.place - here;
  const span = make("span", "moved", moved > 0 ? `▲${moved.toLocaleString("en")}` : `▼${-moved}`);
  span.title = `place ${hit.place} in the full search`;
  span.append(` from ${hit.place.toLocaleString("en")}`);
  return span;
}

function column(id, shown) {
  const section = find(id);
  section.querySelector(".latency").textContent = `${shown.latency_ms.toFixed(1)} ms`;
  const items = shown.hits.map((hit, index) => {
    const item = make("li");
    item.dataset.row = hit.row;
    const line = make("div", "hit");
    line.append(make("strong", "", hit.title));
    const numbers = make("span", "numbers", `${hit.score.toFixed(3)} `);
    if (id !== "full") numbers.append(movement(hit, index + 1));
    line.append(numbers);
    item.append(line, make("p", "snippet", hit.snippet));
    return item;
  });
  if (!items.length) items.push(make("li", "", "nothing found"));
  section.querySelector("ol").replaceChildren(...items);
}

// The columns, each as soon as it is there.

async function scans(parameters) {
  const found = await ask("answer", parameters);
  if (!found) return;
  find("overlap").textContent = found.overlap_two_stage.toFixed(2);
  find("overlap-short").textContent = found.overlap_short.toFixed(2);
  for (const id of ["short", "two_stage", "full"]) column(id, found[id]);
  latest.latency_ms = found.two_stage.latency_ms;
  mark();
}

async function engine(id, parameters) {
  const found = await ask(id, parameters);
  if (!found) return;
  find(id).querySelector(".how").textContent = found.how + (found.at_setting ? "" : " (it has no stage of this size)");
  column(id, found);
}

function columns() {
  const parameters = { question: find("question").value, ...setting() };
  if (!parameters.question.trim()) return tell("answer", "The question is empty. Type what to look for.");
  if (sample !== null) parameters.sample = sample;
  if (find("own")) find("own").hidden = sample === null;
  const asked = [scans(parameters), engine("collection", parameters)];
  if (find("hybrid")) asked.push(engine("hybrid", { ...parameters, how: find("plan").value }));
  return Promise.all(asked);
}

async function answer() {
  await columns();
  show();
}

async function judge() {
  const now = setting();
  const judged = await ask("setting", now);
  if (!judged) return;
  latest = { ...latest, ...now, judged };
  find("questions").textContent = judged.questions;
  find("mean").textContent = judged.overlap_two_stage.toFixed(3);
  find("mean-short").textContent = judged.overlap_short.toFixed(3);
  find("bytes").textContent = size(judged.bytes);
  find("full-bytes").textContent = size(judged.full_bytes);
  find("total").textContent = size(judged.bytes * points);
  find("full-total").textContent = size(judged.full_bytes * points);
  scale();
  find("code").textContent = judged.code;
  draw("spread", judged.chart);
  harmed(judged.harmed);
  mark();
}

function scale() {
  const { judged } = latest;
  if (!judged) return;
  const count = Number(find("points").value);
  find("scaled").textContent = size(judged.bytes * count);
  find("full-scaled").textContent = size(judged.full_bytes * count);
}

function harmed(questions) {
  find("harmed-note").textContent = questions.length ? "Overlap in two stages, and by short codes only:" : "None: short codes alone find everything.";
  find("harmed").replaceChildren(
    ...questions.map((each) => {
      const button = make("button", "", `${each.two_stage.toFixed(1)} / ${each.short.toFixed(1)}  `);
      button.type = "button";
      button.append(make("span", "quiet", each.question.slice(0, 140)));
      button.addEventListener("click", () => {
        sample = each.sample;
        find("question").value = each.question;
        find("question").focus();
        answer();
      });
      const item = make("li");
      item.append(button);
      return item;
    }),
  );
}

// Charts

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const due = new Set(); // charts to paint when all numbers are there: painting holds the others up

function draw(id, chart, extra) {
  if (chart) charts[id] = { ...charts[id], chart };
  if (extra !== undefined) charts[id] = { ...charts[id], extra };
  due.add(id);
}

function show() {
  requestAnimationFrame(() => setTimeout(() => {
    for (const id of due) paint(id);
    due.clear();
  }));
}

function paint(id) {
  const kept = charts[id];
  if (!kept?.chart || !window.Plotly) return;
  const axis = { gridcolor: colour("grid"), linecolor: colour("line"), zeroline: false };
  const { layout } = kept.chart;
  const width = find(id).clientWidth;
  const narrow = width < 480; // two names a line above the chart
  const themed = {
    ...layout,
    legend: {
      ...layout.legend,
      ...(narrow && { entrywidth: 0.5, entrywidthmode: "fraction" }),
      ...(width < 340 && { font: { size: 9.5 } }),
    },
    font: { color: colour("ink"), family: "system-ui, sans-serif", size: 12 },
    xaxis: { ...layout.xaxis, ...axis },
    yaxis: { ...layout.yaxis, ...axis },
  };
  const data = kept.extra ? [...kept.chart.data, kept.extra] : kept.chart.data;
  window.Plotly.react(find(id), data, themed, { displayModeBar: false, responsive: true });
  find(id).removeAllListeners("plotly_click");
  find(id).on("plotly_click", choose);
}

function mark() {
  const { judged, dimensions, latency_ms } = latest;
  if (!judged) return;
  const here = (x, y) => ({
    x: [x], y: [y], name: "this setting", mode: "markers", hoverinfo: "x+y",
    marker: { symbol: "circle-open", size: 17, color: colour("ink"), line: { width: 3 } },
  });
  draw("curve", null, here(dimensions, 100 * judged.overlap_two_stage));
  if (latency_ms) draw("frontier", null, here((judged.bytes * points) / 1e6, latency_ms));
}

// A mark that stands for a setting, as the frontier's do, sets the sliders to it.
function choose({ points: [mark] }) {
  if (!mark.customdata) return;
  const [size, width, shortlist] = mark.customdata;
  find("dimensions").value = sizes.indexOf(size);
  find("bits").value = bits.findIndex(([each]) => each === width);
  find("candidates").value = candidates.indexOf(shortlist);
  move();
}

async function curve() {
  const measured = await ask("curve", {});
  if (!measured) return;
  find("curve-note").textContent = `${measured.title}. float32, ${measured.oversampling * 10} candidates; the ring is the mean at this setting.`;
  draw("curve", measured.chart);
  show();
}

async function frontier() {
  const weighed = await ask("frontier", setting());
  if (weighed) draw("frontier", weighed.chart);
  show();
}

function labels() {
  const now = setting();
  find("dimensions-value").textContent = now.dimensions;
  find("bits-value").textContent = bits[find("bits").value][1];
  find("candidates-value").textContent = now.candidates;
  for (const id of ["dimensions", "bits", "candidates"]) {
    find(id).setAttribute("aria-valuetext", find(`${id}-value`).textContent);
  }
}

async function move() {
  labels();
  await Promise.all([columns(), judge()]);
  show();
}

for (const id of ["dimensions", "bits", "candidates"]) find(id).addEventListener("input", move);
find("rotated").addEventListener("input", async () => {
  await move();
  await frontier();
});
find("plan")?.addEventListener("input", answer);
find("points").addEventListener("input", scale);
find("question").addEventListener("input", () => {
  sample = null;
});
find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  answer();
});
find("copy").addEventListener("click", async () => {
  const text = find("code").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Where the browser has no clipboard for pages without TLS: select, so that the keys copy.
    getSelection().selectAllChildren(find("code"));
    document.execCommand("copy");
  }
  find("copy").textContent = "Copied";
  setTimeout(() => {
    find("copy").textContent = "Copy";
  }, 1500);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const id of Object.keys(charts)) draw(id);
  mark();
  show();
});
addEventListener("load", () => {
  for (const id of Object.keys(charts)) draw(id);
  show();
});

await move();
await curve();
await frontier();
