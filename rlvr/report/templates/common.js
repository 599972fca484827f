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

  const save = (name, blob) => {
    const link = make("a", undefined, { download: name, href: URL.createObjectURL(blob) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  for (const button of document.querySelectorAll("button.download")) {
    button.hidden = false;
    button.addEventListener("click", () =>
      save(button.dataset.file, new Blob([data.files[button.dataset.file]], { type: "text/plain" })));
  }

  // A figure as a file of its own, in the colours that the page has now.
  const drawn = (svg) => {
    const copy = svg.cloneNode(true), { width, height } = svg.viewBox.baseVal, style = getComputedStyle(svg);
    for (const [name, value] of Object.entries({ width, height, "font-family": style.fontFamily })) copy.setAttribute(name, value);
    const text = new XMLSerializer().serializeToString(copy).replace(/var\((--\w+)\)/g, (_, name) => style.getPropertyValue(name));
    return new Blob([text], { type: "image/svg+xml" });
  };
  const painted = async (svg) => {
    const image = new Image(), url = URL.createObjectURL(drawn(svg)), canvas = make("canvas"), brush = canvas.getContext("2d");
    image.src = url;
    await image.decode();
    URL.revokeObjectURL(url);
    [canvas.width, canvas.height] = [image.width * 3, image.height * 3];
    brush.fillStyle = getComputedStyle(document.body).backgroundColor;
    brush.fillRect(0, 0, canvas.width, canvas.height);
    brush.drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  };
  for (const figure of document.querySelectorAll("main figure")) {
    const svg = figure.querySelector("svg"), name = figure.closest("section").id, saves = make("p", undefined, { class: "saves" });
    for (const [kind, made] of [["PNG", painted], ["SVG", drawn]]) {
      const button = make("button", kind, { type: "button", "aria-label": `Save this figure as ${kind}` });
      button.addEventListener("click", async () => save(`${name}.${kind.toLowerCase()}`, await made(svg)));
      saves.append(button, " ");
    }
    figure.append(saves);
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
