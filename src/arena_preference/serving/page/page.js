// The page talks to the service that it came from, and shows texts as texts: nothing is ever parsed as HTML.

const EXAMPLES = [
  {
    name: "Short and right, or long and vague",
    prompt: "How many minutes are there in a week?",
    responses: [
      "There are 10,080 minutes in a week: 7 days × 24 hours × 60 minutes.",
      "That is an interesting question! Time can be measured in many ways, and a week is made up of several days. "
        + "Depending on how you look at it, there are quite a lot of minutes in a week, probably around ten thousand or so.",
    ],
  },
  {
    name: "A list, or a paragraph",
    prompt: "What should I take on a day hike?",
    responses: [
      "Take water, food and a map.\n\n- **Water**: two litres\n- **Food**: sandwiches, fruit, nuts\n"
        + "- **Clothes**: a rain jacket and a warm layer\n- **Safety**: a map, a charged phone, plasters",
      "You should take enough water and something to eat, and since the weather can change you will want a jacket. "
        + "A map and a phone are useful too, in case you lose the path.",
    ],
  },
  {
    name: "An answer, or a refusal",
    prompt: "Write a two-line poem about rain.",
    responses: [
      "Rain taps its rhythm on the sill,\nand, when it stops, the drops hum still.",
      "I'm sorry, but as an AI language model I cannot write poems.",
    ],
  },
  {
    name: "Four responses to rank",
    prompt: "Explain what a hash function does, for a beginner.",
    responses: [
      "A hash function turns any amount of data into a short value of fixed size. The same data always gives the same "
        + "value, and even a small change gives a completely different one. That makes it easy to check whether a file "
        + "has changed: you compare two short values instead of two long files.",
      "It hashes things.",
      "Think of a fingerprint: it is small, it belongs to one person, and you cannot rebuild the person from it. A hash "
        + "function makes such a fingerprint of data.",
      "A hash function is h: {0,1}* → {0,1}^n.",
    ],
  },
];
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

const find = (id) => document.getElementById(id);
const texts = () => [...document.querySelectorAll("#responses textarea")];
const percent = (value) => `${(100 * value).toFixed(1)}\u00a0%`;

// What was compared last, for the swap to be compared with.
let last = null;

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function addResponse(text = "") {
  const box = find("response").content.cloneNode(true).firstElementChild;
  box.querySelector("textarea").value = text;
  box.querySelector(".remove").addEventListener("click", () => {
    box.remove();
    nameResponses();
    clearResult();
    texts()[0].focus();
  });
  find("responses").append(box);
  nameResponses();
}

function nameResponses() {
  const fields = texts();
  fields.forEach((field, index) => {
    const box = field.parentElement;
    field.id = `response-${index}`;
    box.querySelector("label").htmlFor = field.id;
    box.querySelector("label").textContent = `Response ${LETTERS[index]}`;
    box.querySelector(".remove").hidden = fields.length < 3;
    box.querySelector(".remove").setAttribute("aria-label", `Remove response ${LETTERS[index]}`);
  });
  find("submit").textContent = fields.length > 2 ? "Rank" : "Compare";
  find("swap").hidden = fields.length > 2;
  find("add").hidden = fields.length >= LETTERS.length;
}

function fill({ prompt, responses }) {
  find("prompt").value = prompt;
  find("responses").replaceChildren();
  responses.forEach(addResponse);
  clearResult();
}

function clearResult() {
  last = null;
  find("result").hidden = true;
  showError("");
}

function showError(message, field = "") {
  find("error").textContent = message;
  for (const element of [find("token"), find("prompt"), ...texts()]) element.removeAttribute("aria-invalid");
  const index = { a: 0, b: 1 }[field] ?? Number(/\[(\d+)\]/.exec(field)?.[1] ?? NaN);
  const element = ["token", "prompt"].includes(field) ? find(field) : texts()[index];
  element?.setAttribute("aria-invalid", "true");
  element?.focus();
}

async function request(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (find("token").value) headers.Authorization = `Bearer ${find("token").value}`;
  const options = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  if (response.ok) return response.json();
  const { error = response.statusText, field } = await response.json().catch(() => ({}));
  const needsToken = response.status === 401;
  if (needsToken) find("token-row").hidden = false;
  throw Object.assign(new Error(error), { field: needsToken ? "token" : field });
}

async function submit(swapped = null) {
  if (find("submit").disabled) return;
  const prompt = find("prompt").value;
  const responses = texts().map((field) => field.value);
  if (!prompt.trim()) return showError("Write a prompt.", "prompt");
  showError("");
  find("submit").disabled = true;
  try {
    if (responses.length > 2) {
      showRanking(await request("/v1/rank", { prompt, responses }));
    } else {
      const [a, b] = responses;
      const result = await request("/v1/compare", { prompt, a, b, explain: true });
      showPreference(result, swapped);
      last = { result, texts: JSON.stringify([prompt, a, b]) };
    }
  } catch (error) {
    find("result").hidden = true;
    showError(error instanceof TypeError ? "The service cannot be reached." : error.message, error.field);
  } finally {
    find("submit").disabled = false;
  }
}

function show(headline, ...details) {
  find("details").replaceChildren(...details);
  find("result").hidden = false;
  // Filled after it is visible, so that a screen reader announces it.
  find("headline").textContent = headline;
  find("result").scrollIntoView({ block: "nearest" });
}

function drawBars(caption, rows) {
  const table = make("table", "", { class: "bars" });
  table.append(make("caption", caption, { class: "hidden" }));
  for (const { name, value, kind = "" } of rows) {
    const row = table.insertRow();
    row.append(make("th", name, { scope: "row" }));
    const bar = make("div", "", { class: kind });
    bar.style.width = `${100 * value}%`;
    const rail = make("div", "", { class: "rail" });
    rail.append(bar);
    const cell = make("td", "", { class: "bar", "aria-hidden": "true" });
    cell.append(rail);
    row.append(cell, make("td", percent(value), { class: "number" }));
  }
  return table;
}

function showPreference(result, swapped) {
  const winner = result.winner.toUpperCase();
  const headline = result.winner === "tie" ? "A person most likely calls it a tie" : `A person most likely prefers ${winner}`;
  const bars = drawBars("Probability of each outcome", [
    { name: "A", value: result.a, kind: "a" },
    { name: "B", value: result.b, kind: "b" },
    { name: "Tie", value: result.tie, kind: "tie" },
  ]);
  const reasons = make("div", "", { class: "reasons" });
  for (const side of ["a", "b"]) {
    const box = make("div");
    const list = make("ul");
    for (const reason of result.why.filter((other) => other.side === side)) {
      const item = make("li", `${reason.text} `);
      item.append(make("span", `+${reason.contribution.toFixed(2)}`, { class: "number", title: "Contribution in log-odds" }));
      list.append(item);
    }
    box.append(make("h3", `Speaks for ${side.toUpperCase()}`), list.children.length ? list : make("p", "Nothing much.", { class: "note" }));
    reasons.append(box);
  }
  show(headline, ...(swapped ? [describeSwap(swapped, result)] : []), bars, reasons);
}

function describeSwap(before, after) {
  const isSame = before.a === after.b && before.b === after.a && before.tie === after.tie;
  const box = make("div", "", { class: "swapped" });
  box.append(
    make("p", isSame ? "Nothing has changed but the names: all digits are equal." : "The probabilities have changed."),
    make("p", `A, which was B: ${percent(before.b)} before, ${percent(after.a)} now`),
    make("p", `B, which was A: ${percent(before.a)} before, ${percent(after.b)} now`),
  );
  return box;
}

function showRanking(result) {
  const bars = drawBars(
    "Mean probability to win against another response, a tie counted half",
    result.order.map((index) => ({ name: LETTERS[index], value: result.win_probabilities[index] })),
  );
  const table = make("table", "", { class: "matrix" });
  table.append(make("caption", "Probability that the response on the left is preferred to the one above"));
  const head = table.createTHead().insertRow();
  head.append(make("td"), ...result.order.map((index) => make("th", LETTERS[index], { scope: "col" })));
  const body = table.createTBody();
  for (const index of result.order) {
    const row = body.insertRow();
    row.append(make("th", LETTERS[index], { scope: "row" }));
    row.append(...result.order.map((other) => make("td", index === other ? "–" : percent(result.matrix[index][other]))));
  }
  const scroll = make("div", "", { class: "scroll", tabindex: "0", role: "group", "aria-label": "All pairs" });
  scroll.append(table);
  const note = make("p", "Mean probability to win against another response; a tie counts half.", { class: "note" });
  show(`Response ${LETTERS[result.order[0]]} is ranked first`, bars, note, scroll);
}

async function showModel() {
  try {
    const { run_id: run, metrics } = await request("/model");
    const loss = metrics.log_loss === undefined ? "" : `, log loss ${metrics.log_loss.toFixed(4)}`;
    find("model").textContent = `Model of run ${run}${loss}.`;
  } catch {
    find("model").textContent = "";
  }
}

EXAMPLES.forEach(({ name }, index) => find("example").append(make("option", name, { value: index })));
find("example").addEventListener("change", ({ target }) => target.value && fill(EXAMPLES[target.value]));
find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
find("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
});
find("token").addEventListener("change", showModel);
find("add").addEventListener("click", () => {
  addResponse();
  clearResult();
  texts().at(-1).focus();
});
find("swap").addEventListener("click", async () => {
  const [a, b] = texts();
  const isLast = () => last?.texts === JSON.stringify([find("prompt").value, a.value, b.value]);
  if (!isLast() && find("prompt").value.trim()) await submit();
  const before = isLast() ? last.result : null;
  [a.value, b.value] = [b.value, a.value];
  if (before) submit(before);
});
addResponse();
addResponse();
showModel();
