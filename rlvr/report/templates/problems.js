  // Every problem under base and main policy: sorted by a click on a column's head, filtered; a click opens its samples.
  if (data.table) {
    const { base, tuned, columns, rows: each, single } = data.table;
    const held = new Set(data.browser.problems.map((problem) => problem.id)); // those that have samples on this page
    const [ID, N0, C0, N1, C1, VALUES] = [0, 1, 2, 3, 4, 5];
    const CHANGES = single
      ? { gained: "wrong → right", lost: "right → wrong", both: "right both times", neither: "wrong both times" }
      : { gained: `solved only by ${tuned}`, lost: `solved only by ${base}`, better: "better", worse: "worse", same: "equal", neither: "solved by neither" };
    const changes = (row) => {
      const before = row[C0] / row[N0], after = row[C1] / row[N1];
      return { gained: !before && after > 0, lost: before > 0 && !after, both: before > 0 && after > 0, neither: !before && !after, better: after > before, worse: after < before, same: after === before };
    };
    const inOrder = new Intl.Collator("en", { numeric: true }).compare; // many times faster than localeCompare
    const keys = [["Problem", (row) => row[ID]], ...columns.map((name, i) => [name, (row) => row[VALUES + i]]),
      [base, (row) => row[C0] / row[N0]], [tuned, (row) => row[C1] / row[N1]], ["Δ, points", (row) => row[C1] / row[N1] - row[C0] / row[N0]]];
    const form = byId("each-filters"), fields = form.elements;
    form.hidden = byId("each").hidden = false;
    for (const [key, words] of Object.entries(CHANGES)) fields.change.append(make("option", words, { value: key }));
    const selects = columns.map((name, i) => {
      const select = make("select"), label = make("label", name);
      select.append(make("option", "any", { value: "" }));
      const values = [...new Set(each.map((row) => row[VALUES + i]))].sort(inOrder);
      values.forEach((value) => select.append(make("option", value, { value })));
      label.append(select);
      form.insertBefore(label, byId("each-count"));
      return select;
    });
    let by = 0, down = false;
    const heads = keys.map(([name], i) => {
      const button = make("button", name, { type: "button" }), head = make("th", undefined, { scope: "col" });
      button.addEventListener("click", () => { down = by === i ? !down : i > columns.length; by = i; filter(); });
      head.append(button);
      return head;
    });
    byId("each-table").tHead.rows[0].replaceChildren(...heads);
    const rate = (c, n) => (single ? (c ? "right" : "wrong") : `${minus((100 * c / n).toFixed(1))}  (${c}/${n})`);
    const { set } = pages({ page: "each-page", earlier: "each-earlier", later: "each-later" }, 20, (shown) =>
      byId("each-table").tBodies[0].replaceChildren(...shown.map((row) => {
        const line = make("tr"), first = make("td"), delta = 100 * (row[C1] / row[N1] - row[C0] / row[N0]);
        first.append(held.has(row[ID]) ? make("a", row[ID], { href: linkTo(row[ID]) }) : row[ID]);
        line.append(first, ...row.slice(VALUES).map((value) => make("td", value)), make("td", rate(row[C0], row[N0]), { class: "n" }),
          make("td", rate(row[C1], row[N1]), { class: "n" }), make("td", (delta > 0 ? "+" : "") + minus(delta.toFixed(1)), { class: "n" }));
        return line;
      })));
    const filter = () => {
      const text = fields.id.value.trim().toLowerCase(), change = fields.change.value, read = keys[by][1];
      const found = each.filter((row) => row[ID].toLowerCase().includes(text) && (!change || changes(row)[change]) &&
        selects.every((select, i) => !select.value || select.value === row[VALUES + i]));
      const compare = (a, b) => (typeof a === "number" ? a - b : inOrder(a, b));
      found.sort((a, b) => (down ? -1 : 1) * compare(read(a), read(b)));
      heads.forEach((head, i) => head.setAttribute("aria-sort", i !== by ? "none" : down ? "descending" : "ascending"));
      byId("each-count").textContent = `${found.length.toLocaleString("en")} of ${each.length.toLocaleString("en")}`;
      set(found);
    };
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => { event.preventDefault(); filter(); });
    filter();
  }
