  // Markdown by markdown-it and formulas by KaTeX, as elements of our own making: of what the libraries write, known
  // elements are copied one by one, without links, images or styles. Formulas are set aside before Markdown reads them.
  const FORMULA = /\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\]|\\\(([\s\S]+?)\\\)|\$(?=\S)([^$\n]*?\S)\$(?!\d)|(\\boxed\{(?:[^{}]|\{[^{}]*\})*\})/g;
  const MARKS = /\$[^$\n]+\$|\\\(|\\\[|\*\*\S|^```|^#{1,4} /m;
  const KEPT = new Set("p br em strong s code pre ul ol li blockquote hr table thead tbody tr th td".split(" "));
  const IN_MATHML = new Set(("accent accentunder columnalign columnlines columnspacing depth display displaystyle fence height " +
    "linethickness lspace mathvariant maxsize minsize movablelimits rowlines rowspacing rspace scriptlevel separator " +
    "stretchy symmetric voffset width").split(" "));
  const MATHML = "http://www.w3.org/1998/Math/MathML";
  const markdown = typeof markdownit === "function" ? markdownit({ html: false }).disable(["image", "link", "autolink", "reference"]) : null;

  function rendered(text) {
    const formulas = [];
    const marked = visible(text).replace(/[\ue000\ue001]/g, "\ufffd").replace(FORMULA, (whole, ...parts) => {
      const at = parts.slice(0, 5).findIndex((part) => part !== undefined);
      formulas.push({ whole, tex: parts[at], display: at < 2 });
      return `\ue000${formulas.length - 1}\ue001`;
    });
    const box = make("div", undefined, { class: "rendered" });
    copied(parsed(markdown.render(marked)), box, formulas, false);
    return box;
  }

  const parsed = (html) => new DOMParser().parseFromString(html, "text/html").body;

  function copied(from, into, formulas, literal) {
    for (const child of from.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) withFormulas(child.data, into, formulas, literal);
      if (child.nodeType !== Node.ELEMENT_NODE) continue;
      const name = child.localName, math = child.namespaceURI === MATHML;
      if (name.startsWith("annotation")) continue; // the formula's source
      let node = into;
      if (math && name !== "semantics") {
        node = document.createElementNS(MATHML, name);
        for (const { name: key, value } of child.attributes) if (IN_MATHML.has(key)) node.setAttribute(key, value);
      } else if (/^h[1-6]$/.test(name)) {
        into.append(make("p"));
        node = make("strong");
        into.lastChild.append(node);
      } else if (KEPT.has(name)) node = make(name);
      if (node !== into && !node.parentNode) into.append(node);
      copied(child, node, formulas, literal || name === "code");
    }
  }

  function withFormulas(text, into, formulas, literal) {
    text.split(/\ue000(\d+)\ue001/).forEach((part, i) => {
      if (i % 2 === 0) { if (part) into.append(part); return; }
      const { whole, tex, display } = formulas[+part];
      if (literal) return into.append(whole);
      try {
        const html = katex.renderToString(tex, { output: "mathml", displayMode: display, trust: false, strict: "ignore", maxExpand: 200, maxSize: 20 });
        copied(parsed(html.replace(/ style="[^"]*"/g, "")), into, [], true);
      } catch {
        into.append(make("code", whole)); // what is no formula stands as it was written
      }
    });
  }
