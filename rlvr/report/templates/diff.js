  // What two texts have in common: the longest common subsequence of their words, or of their lines where words are too many
  // for a moment's work.
  const UNITS = { words: /^\s+|\S+\s*/g, lines: /[^\n]*\n|[^\n]+/g };
  const MOST_CELLS = 40e6;

  // { unit, parts, same, common }: parts of each text, and for each of them 1 where the other has it too; null where even
  // lines are too many.
  function compared(...texts) {
    for (const [unit, form] of Object.entries(UNITS)) {
      const parts = texts.map((text) => text.match(form) ?? []);
      const same = parts.map((list) => new Uint8Array(list.length));
      const codes = new Map(); // equal but for the space behind it
      const [a, b] = parts.map((list) => list.map((part) => codes.get(part.trim()) ?? codes.set(part.trim(), codes.size).size - 1));
      let begin = 0, end = 0;
      while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin += 1;
      while (end < a.length - begin && end < b.length - begin && a.at(-1 - end) === b.at(-1 - end)) end += 1;
      const rows = a.length - begin - end, columns = b.length - begin - end;
      if (rows * columns > MOST_CELLS) continue;
      for (const flags of same) flags.fill(1, 0, begin).fill(1, flags.length - end);
      align(a.slice(begin, begin + rows), b.slice(begin, begin + columns), (i, j) => { same[0][begin + i] = same[1][begin + j] = 1; });
      return { unit, parts, same, common: same[0].reduce((sum, one) => sum + one, 0) };
    }
    return null;
  }

  // Calls `found` with the places of each pair, in their order.
  function align(a, b, found) {
    const width = b.length + 1, longest = new Uint16Array((a.length + 1) * width); // of what begins at i and j
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1, at = i * width + j; j >= 0; j -= 1, at -= 1) {
        longest[at] = a[i] === b[j] ? longest[at + width + 1] + 1 : Math.max(longest[at + width], longest[at + 1]);
      }
    }
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      if (a[i] === b[j]) found(i++, j++);
      else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i += 1;
      else j += 1;
    }
  }

  // One of two compared texts, with what the other has not as elements `tag`.
  function marked(parts, same, tag) {
    const box = make("pre");
    for (let from = 0, to = 0; from < parts.length; from = to) {
      while (to < parts.length && same[to] === same[from]) to += 1;
      const text = parts.slice(from, to).join(""), words = same[from] ? "" : text.trimEnd();
      if (words) box.append(make(tag, words));
      if (words !== text) box.append(visible(text.slice(words.length)));
    }
    box.normalize();
    return box;
  }
