"use strict";
// Text from models, problems and files reaches the page through textContent only.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const make = (tag, text, attributes = {}) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = visible(text);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  // Control and direction-changing characters are shown by their code, so that they cannot rearrange a line.
  const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
  const visible = (text) =>
    String(text).replace(unseen, (c) => "⟨" + c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩");

  // The hash holds the state of the browser, so that a view can be linked: #rollouts&problem=…&verdict=…
  const state = new URLSearchParams(location.hash.slice(1));

  const themes = ["auto", "light", "dark"];
  const setTheme = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    byId("theme").textContent = "Theme: " + theme;
    byId("theme").value = theme;
  };
  byId("theme").hidden = false;
  setTheme(themes.includes(state.get("theme")) ? state.get("theme") : "auto");
  byId("theme").addEventListener("click", () =>
    setTheme(themes[(themes.indexOf(byId("theme").value) + 1) % themes.length]));

  for (const button of document.querySelectorAll("button.csv")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const link = make("a", undefined, { download: button.dataset.panel + ".csv" });
      link.href = URL.createObjectURL(new Blob([data.csv[button.dataset.panel]], { type: "text/csv" }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  const { problems, policies, statuses, rows } = data.browser;
  if (!rows.length) return;
  const [PROBLEM, POLICY, SAMPLE, STATUS, TRACE, ANSWER, DETAIL, COMPLETE, TOKENS, NATS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const PER_PAGE = 25;
  const form = byId("filters");
  const fields = form.elements;
  byId("filters").hidden = byId("browser").hidden = false;
  for (const problem of problems) byId("problem-ids").append(make("option", undefined, { value: problem.id }));
  policies.forEach((name, i) => fields.policy.append(make("option", name, { value: i })));
  statuses.forEach((name, i) => fields.verdict.append(make("option", name, { value: i })));
  const lowered = rows.map((row) => (row[TRACE] + "\n" + (row[ANSWER] ?? "") + "\n" + row[DETAIL]).toLowerCase());

  const right = (row) => ({ correct: "right", "not given": "none", error: "none", unverifiable: "none" })[statuses[row[STATUS]]] ?? "wrong";
  let found = [], page = 0, open = 0;

  function filter() {
    const problem = fields.problem.value.trim().toLowerCase();
    const exact = problems.findIndex((p) => p.id.toLowerCase() === problem);
    const wanted = problems.map((p, i) => (exact >= 0 ? i === exact : p.id.toLowerCase().includes(problem)));
    const policy = fields.policy.value, verdict = fields.verdict.value, text = fields.text.value.toLowerCase();
    found = [];
    rows.forEach((row, i) => {
      if (wanted[row[PROBLEM]] && (policy === "" || row[POLICY] === +policy) && (verdict === "" || row[STATUS] === +verdict) && lowered[i].includes(text)) found.push(i);
    });
    page = 0;
    if (!found.includes(open) && found.length) open = found[0];
    byId("count").textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
    list();
    detail();
  }

  function list() {
    const shown = found.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
    byId("results").tBodies[0].replaceChildren(...shown.map((i) => {
      const row = rows[i];
      const line = make("tr", undefined, { tabindex: "0", "aria-selected": i === open });
      const verdict = make("td");
      verdict.append(make("span", statuses[row[STATUS]], { class: "verdict", "data-kind": right(row) }));
      line.append(make("td", problems[row[PROBLEM]].id), make("td", policies[row[POLICY]]), make("td", row[SAMPLE]), verdict, make("td", row[ANSWER] ?? "–"));
      const choose = () => { open = i; list(); detail(); };
      line.addEventListener("click", choose);
      line.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
      return line;
    }));
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    byId("page").textContent = `${page + 1} / ${pages}`;
    byId("earlier").disabled = page === 0;
    byId("later").disabled = page + 1 >= pages;
  }
  byId("earlier").addEventListener("click", () => { page -= 1; list(); });
  byId("later").addEventListener("click", () => { page += 1; list(); });

  // Beside the chosen rollout: the other policies' samples of the same problem, with buttons to leaf through.
  function detail() {
    const box = byId("detail");
    if (!found.length) return box.replaceChildren(make("p", "No rollout matches.", { class: "muted" }));
    const chosen = rows[open], problem = problems[chosen[PROBLEM]];
    const question = make("div", undefined, { class: "question" });
    question.append(make("h3", problem.id), make("pre", problem.prompt || "(the file does not hold the problem's text)"));
    if (problem.reference) question.append(facts([["Reference", problem.reference]]));
    const pair = make("div", undefined, { class: "pair" });
    policies.forEach((name, p) => {
      const own = [];
      rows.forEach((row, i) => { if (row[POLICY] === p && row[PROBLEM] === chosen[PROBLEM]) own.push(i); });
      if (own.length) pair.append(column(name, own, Math.max(0, own.indexOf(open))));
    });
    box.replaceChildren(question, pair);
  }

  function column(name, own, at) {
    const box = make("div");
    const draw = () => {
      const row = rows[own[at]];
      const head = make("h3", name), verdict = make("span", statuses[row[STATUS]], { class: "verdict", "data-kind": right(row) });
      const next = make("button", `${at + 1} of ${own.length} ›`, { type: "button", title: "next sample of this problem" });
      next.addEventListener("click", () => { at = (at + 1) % own.length; draw(); });
      head.append(next);
      const lines = [["Verdict", verdict], ["Answer", row[ANSWER] ?? "none"]];
      if (row[DETAIL]) lines.push(["Reason", row[DETAIL]]);
      lines.push(["Sample", row[SAMPLE]]);
      if (row[TOKENS] >= 0) lines.push(["Tokens", row[TOKENS] + (row[COMPLETE] === 0 ? ", cut by the token limit" : "")]);
      for (const [policy, nats] of row[NATS]) lines.push([`ln ${policy}(z, y | x)`, nats === null ? "–" : nats.toFixed(2).replace("-", "−") + " nats"]);
      box.replaceChildren(head, make("pre", row[TRACE] || "(empty)"), facts(lines));
    };
    draw();
    return box;
  }

  function facts(lines) {
    const list = make("dl", undefined, { class: "facts" });
    for (const [key, value] of lines) {
      const holder = value instanceof Node ? make("dd") : make("dd", value);
      if (value instanceof Node) holder.append(value);
      list.append(make("dt", key), holder);
    }
    return list;
  }

  const show = (id) => { fields.problem.value = id; fields.policy.value = fields.verdict.value = fields.text.value = ""; filter(); byId("rollouts").scrollIntoView(); };
  for (const point of document.querySelectorAll("[data-problem]")) {
    const id = data.points[+point.dataset.problem];
    if (!problems.some((p) => p.id === id)) continue;
    point.setAttribute("tabindex", "0");
    point.addEventListener("click", () => show(id));
    point.addEventListener("keydown", (event) => { if (event.key === "Enter") show(id); });
  }
  let waiting = 0;
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 60); });
  form.addEventListener("submit", (event) => { event.preventDefault(); filter(); });

  for (const name of ["problem", "text"]) if (state.has(name)) fields[name].value = state.get(name);
  if (state.has("policy")) fields.policy.value = policies.indexOf(state.get("policy"));
  if (state.has("verdict")) fields.verdict.value = statuses.indexOf(state.get("verdict"));
  filter();
  if (state.has("rollouts")) byId("rollouts").scrollIntoView();
})();
