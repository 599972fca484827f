  // Fragments of one script, in one closure: see page.py. Text from models, problems and files reaches the page
  // through text nodes only.
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
  // Half a surrogate pair cannot stand in an address.
  const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");
  const linkTo = (id) => "#problem=" + encodeURIComponent(wellFormed(id));
  const minus = (text) => text.replace("-", "−");

  const themes = ["auto", "light", "dark"];
  const setTheme = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    byId("theme").textContent = "Theme: " + theme;
    byId("theme").value = theme;
  };
  const asked = new URLSearchParams(location.hash.slice(1)).get("theme");
  byId("theme").hidden = false;
  setTheme(themes.includes(asked) ? asked : "auto");
  byId("theme").addEventListener("click", () =>
    setTheme(themes[(themes.indexOf(byId("theme").value) + 1) % themes.length]));

  for (const button of document.querySelectorAll("button.download")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const link = make("a", undefined, { download: button.dataset.file });
      link.href = URL.createObjectURL(new Blob([data.files[button.dataset.file]], { type: "text/plain" }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  // A table in pages of `size` rows, with buttons to leaf through.
  const pages = (ids, size, draw) => {
    let page = 0, rows = [];
    const show = () => {
      draw(rows.slice(page * size, (page + 1) * size));
      const count = Math.max(1, Math.ceil(rows.length / size));
      byId(ids.page).textContent = `${page + 1} / ${count}`;
      byId(ids.earlier).disabled = page === 0;
      byId(ids.later).disabled = page + 1 >= count;
    };
    byId(ids.earlier).addEventListener("click", () => { page -= 1; show(); });
    byId(ids.later).addEventListener("click", () => { page += 1; show(); });
    return { set: (found) => { rows = found; page = 0; show(); }, show };
  };
