  // The browser of rollouts. The hash holds its state, so that a view can be linked:
  // #problem=…&policy=…&verdict=…&text=…&differs=1
  const { problems, policies, statuses, rows } = data.browser;
  if (!rows.length) return;
  const [PROBLEM, POLICY, SAMPLE, STATUS, TRACE, ANSWER, DETAIL, REST] = [0, 1, 2, 3, 4, 5, 6, 7];
  const PER_PAGE = 25;
  const form = byId("filters");
  const fields = form.elements;
  byId("filters").hidden = byId("browser").hidden = false;
  fields.differs.parentNode.hidden = policies.length < 2;
  for (const problem of problems) byId("problem-ids").append(make("option", undefined, { value: problem.id }));
  policies.forEach((name, i) => fields.policy.append(make("option", name, { value: i })));
  statuses.forEach((name, i) => fields.verdict.append(make("option", name, { value: i })));
  fields.rendered.checked = problems.some((problem) => MARKS.test(problem.prompt)) || rows.slice(0, 200).some((row) => MARKS.test(row[TRACE]));
  const lowered = rows.map((row) => (row[TRACE] + "\n" + (row[ANSWER] ?? "") + "\n" + row[DETAIL]).toLowerCase());

  const right = (row) => ({ correct: "right", "not judged": "none", error: "none", unverifiable: "none" })[statuses[row[STATUS]]] ?? "wrong";
  let found = [], page = 0, open = 0;

  function filter() {
    const problem = fields.problem.value.trim().toLowerCase();
    const ids = problems.map((p) => wellFormed(p.id).trim().toLowerCase()), exact = ids.includes(problem);
    const wanted = ids.map((id) => (exact ? id === problem : id.includes(problem)));
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
    const count = Math.max(1, Math.ceil(found.length / PER_PAGE));
    byId("page").textContent = `${page + 1} / ${count}`;
    byId("earlier").disabled = page === 0;
    byId("later").disabled = page + 1 >= count;
  }
  byId("earlier").addEventListener("click", () => { page -= 1; list(); });
  byId("later").addEventListener("click", () => { page += 1; list(); });

  const written = (text, otherwise) => (text && fields.rendered.checked && markdown ? rendered(text) : make("pre", text || otherwise));

  // Beside the chosen rollout: the other policies' samples of the same problem, with buttons to leaf through.
  function detail() {
    const box = byId("detail");
    if (!found.length) return box.replaceChildren(make("p", "No rollout matches.", { class: "muted" }));
    const chosen = rows[open], problem = problems[chosen[PROBLEM]];
    const question = make("div", undefined, { class: "question" }), head = make("h3", problem.id);
    head.append(make("a", "link", { class: "permalink", href: linkTo(problem.id), title: "the address of this problem on this page" }));
    question.append(head, written(problem.prompt, "(the file does not hold the problem's text)"));
    if (problem.reference) question.append(facts([["Gold answer", problem.reference]]));
    const columns = [];
    policies.forEach((name, p) => {
      const own = [];
      rows.forEach((row, i) => { if (row[POLICY] === p && row[PROBLEM] === chosen[PROBLEM]) own.push(i); });
      if (own.length) columns.push({ name, own, at: Math.max(0, own.indexOf(open)), box: make("div") });
    });
    const said = make("p", undefined, { class: "muted" }), pair = make("div", undefined, { class: "pair" });
    const draw = () => {
      const texts = columns.map((column) => rows[column.own[column.at]][TRACE]);
      const differing = fields.differs.checked && columns.length > 1 ? texts.slice(1).map((text) => differences(texts[0], text)) : [];
      said.textContent = differing.map((found, i) => alike(found, columns[0].name, columns[i + 1].name)).join(" ");
      said.hidden = !differing.length;
      columns.forEach((column, i) => fill(column, differing[Math.max(0, i - 1)], Math.min(i, 1), draw));
    };
    draw();
    pair.append(...columns.map((column) => column.box));
    box.replaceChildren(question, said, pair);
  }

  // Of the texts that were compared last: a change of the filters draws them again.
  const remembered = new Map();
  function differences(first, second) {
    const key = JSON.stringify([first, second]);
    if (!remembered.has(key)) {
      if (remembered.size > 20) remembered.clear();
      remembered.set(key, compared(first, second));
    }
    return remembered.get(key);
  }

  function alike(found, first, second) {
    if (!found) return `${first} and ${second}: too long to be compared.`;
    const [before, after] = found.parts;
    return `${first} and ${second}: ${found.common} ${found.unit} are the same, of ${before.length} and ${after.length}.`;
  }

  // A policy's chosen sample; `found` is what it was compared as, `side` 0 in the first column.
  function fill(column, found, side, drawAgain) {
    const row = rows[column.own[column.at]];
    const head = make("h3", column.name), verdict = make("span", statuses[row[STATUS]], { class: "verdict", "data-kind": right(row) });
    const next = make("button", `${column.at + 1} of ${column.own.length} ›`, { type: "button", title: "next sample of this problem" });
    next.addEventListener("click", () => {
      column.at = (column.at + 1) % column.own.length;
      drawAgain();
      column.box.querySelector("button").focus();
    });
    head.append(next);
    const lines = [["Verdict", verdict], ["Answer", row[ANSWER] ?? "none"]];
    if (row[DETAIL]) lines.push(["Reason", row[DETAIL]]);
    lines.push(["Sample", row[SAMPLE]]);
    const { tokens, complete, logprobs, advantage, replaced } = row[REST];
    if (Number.isInteger(tokens)) lines.push(["Tokens", tokens + (complete === false ? ", cut by the token limit" : "")]);
    for (const [policy, nats] of Object.entries(logprobs ?? {})) lines.push([`ln ${policy}(z, y | x)`, shown(nats, 2) + (typeof nats === "number" ? " nats" : "")]);
    if (typeof advantage === "number") lines.push(["Advantage", shown(advantage, 3)]);
    if (replaced) lines.push(["Round", `replaced in round ${replaced}, not trained on`]);
    const text = found && row[TRACE] ? marked(found.parts[side], found.same[side], side ? "ins" : "del") : written(row[TRACE], "(empty)");
    column.box.replaceChildren(head, text, facts(lines), raw(row));
  }

  const shown = (value, digits) => (typeof value === "number" ? minus(value.toFixed(digits)) : value ?? "–");

  // The row as the file has it, but for what is too long for a page.
  function raw(row) {
    const box = make("details", undefined, { class: "raw" });
    box.append(make("summary", "Row"));
    box.addEventListener("toggle", () => {
      const { id, prompt, reference } = problems[row[PROBLEM]];
      const entire = { problem_id: id, prompt, reference, trace: row[TRACE], answer: row[ANSWER], detail: row[DETAIL], ...row[REST] };
      if (box.childElementCount === 1) box.append(make("pre", JSON.stringify(entire, null, 1)));
    });
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

  for (const point of document.querySelectorAll("[data-problem]")) {
    const id = data.points[+point.dataset.problem];
    if (!problems.some((p) => p.id === id)) continue;
    point.setAttribute("tabindex", "0");
    point.addEventListener("click", () => { location.hash = linkTo(id); });
    point.addEventListener("keydown", (event) => { if (event.key === "Enter") location.hash = linkTo(id); });
  }

  // What is chosen goes into the address, and an address that is opened or clicked chooses.
  function follow() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (!["rollouts", "problem", "text", "policy", "verdict", "differs"].some((name) => asked.has(name))) return false;
    for (const name of ["problem", "text"]) fields[name].value = asked.get(name) ?? "";
    fields.differs.checked = asked.has("differs");
    fields.policy.value = asked.has("policy") ? policies.indexOf(asked.get("policy")) : "";
    fields.verdict.value = asked.has("verdict") ? statuses.indexOf(asked.get("verdict")) : "";
    filter();
    byId("rollouts").scrollIntoView();
    return true;
  }
  function remember() {
    const said = { problem: fields.problem.value, policy: policies[fields.policy.value], verdict: statuses[fields.verdict.value], text: fields.text.value, differs: fields.differs.checked ? "1" : "" };
    const known = Object.entries(said).filter(([, value]) => value);
    history.replaceState(null, "", "#rollouts" + known.map(([name, value]) => `&${name}=${encodeURIComponent(wellFormed(value))}`).join(""));
  }
  addEventListener("hashchange", follow);
  let waiting = 0;
  const changed = () => { remember(); filter(); };
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(changed, 60); });
  form.addEventListener("submit", (event) => { event.preventDefault(); changed(); });

  if (!follow()) {
    if (data.open !== null) fields.policy.value = data.open;
    filter();
  }
