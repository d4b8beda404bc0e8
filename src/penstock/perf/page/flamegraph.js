/* Draws every `<div class="flame" id=ID data-source=JSON_ID>` of the page from its JSON (profile/flametree.py, `compact`;
   with a list `before` it draws the difference of two profiles). The static picture inside is replaced.
   Mouse, keyboard and address bar do the same: zoom, search, look. Text is always set as text, never as markup. */
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const ROW = 18, SHARE_MIN = 0.001, WIDTH_MIN = 0.5, TEXT_MIN = 24, LEGEND_MAX = 8, INVERT_MIN = 0.0002;
  const HASH = /^#flame:([^:]+):(i?)(\d+)(?::(.*))?$/;

  // ---- numbers as a person reads them; the same rules as profile/amounts.py
  const three = (value) =>
    value >= 99.95 || value === 0 ? Math.round(value).toLocaleString("en-US") : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
  const amount = (value, unit) => {
    if (value < 0) return "−" + amount(-value, unit);
    if (unit === "bytes") {
      const names = ["B", "KiB", "MiB", "GiB", "TiB"];
      let power = 0;
      while (value >= 999.5 && power < names.length - 1) { value /= 1024; power += 1; }
      return `${power ? three(value) : Math.round(value)} ${names[power]}`;
    }
    const task = unit === "task-seconds" ? "task-" : "";
    if (value >= 0.9995 || value === 0) return `${three(value)} ${task}s`;
    return value >= 0.0009995 ? `${three(value * 1e3)} ${task}ms` : `${three(value * 1e6)} ${task}µs`;
  };
  const percent = (share) => {
    const value = 100 * share, size = Math.abs(value);
    return `${value.toFixed(size === 0 || size >= 99.95 ? 0 : size >= 1 ? 1 : 2)} %`.replace("-", "−");
  };
  const points = (share) => `${share > 0 ? "+" : share < 0 ? "−" : "±"}${Math.abs(100 * share).toFixed(Math.abs(share) >= 0.1 ? 1 : 2)} points`;

  const make = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element && name !== "list") element[name] = value; else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  // ---- the tree: parallel arrays in depth-first order; `end[i]` is the first node that is not below i
  const grown = (data, frame, depth, own, before, lines) => {
    const count = frame.length;
    const parent = new Int32Array(count).fill(-1), end = new Int32Array(count);
    const total = Float64Array.from(own), totalBefore = Float64Array.from(before), both = new Float64Array(count);
    const path = [];
    for (let i = 0; i < count; i += 1) {
      path.length = depth[i];
      if (depth[i]) parent[i] = path[depth[i] - 1];
      path.push(i);
      both[i] = Math.max(own[i], before[i]);
    }
    end.fill(count);
    for (let i = count - 1; i >= 0; i -= 1) {
      if (i + 1 >= count || depth[i + 1] <= depth[i]) end[i] = i + 1;
      else { let j = i + 1; while (j < count && depth[j] === depth[i] + 1) j = end[j]; end[i] = j; }
      if (parent[i] >= 0) {
        total[parent[i]] += total[i];
        totalBefore[parent[i]] += totalBefore[i];
        both[parent[i]] += both[i];
      }
    }
    return { data, frame, depth, own, before, lines, parent, end, total, totalBefore, both, count };
  };
  const treeOf = (data) => grown(data, data.frame, data.depth, data.own, data.before || new Float64Array(data.own.length), data.lines);

  // Callers on top of what they call becomes: what ran itself, and below it who called it. A branch is followed until
  // it is too thin to be drawn even when zoomed; what is left of it stays with its last frame.
  const inverted = (tree) => {
    const all = tree.total[0] + tree.totalBefore[0], thin = all * INVERT_MIN;
    const frame = [tree.frame[0]], depth = [0], own = [tree.own[0]], before = [tree.before[0]], lines = [[]];
    // A branch: pairs of a node whose own weight is meant, and the ancestor of it that is next.
    const split = (pairs) => {
      const groups = new Map();
      for (let at = 0; at < pairs.length; at += 2) {
        const leaf = pairs[at], key = tree.frame[pairs[at + 1]];
        let group = groups.get(key);
        if (!group) groups.set(key, group = { weight: 0, pairs: [] });
        group.weight += tree.own[leaf] + tree.before[leaf];
        group.pairs.push(leaf, pairs[at + 1]);
      }
      return [...groups.values()].sort((x, y) => x.weight - y.weight);
    };
    const first = [];
    for (let i = 1; i < tree.count; i += 1) if (tree.own[i] || tree.before[i]) first.push(i, i);
    const waiting = split(first).map((group) => [group, 1]);
    while (waiting.length) {
      const [group, level] = waiting.pop(), up = [], byLine = new Map();
      let ownHere = 0, beforeHere = 0;
      for (let at = 0; at < group.pairs.length; at += 2) {
        const leaf = group.pairs[at], node = group.pairs[at + 1], parent = tree.parent[node];
        if (parent > 0 && group.weight >= thin) up.push(leaf, parent);
        else { ownHere += tree.own[leaf]; beforeHere += tree.before[leaf]; }
        // Where the weight of this leaf passed through the node: known for the node as a whole, so in proportion.
        const part = tree.total[node] ? tree.own[leaf] / tree.total[node] : 0;
        for (let k = 0; k < tree.lines[node].length; k += 2) {
          const line = tree.lines[node][k];
          byLine.set(line, (byLine.get(line) || 0) + tree.lines[node][k + 1] * part);
        }
      }
      frame.push(tree.frame[group.pairs[1]]);
      depth.push(level);
      own.push(ownHere);
      before.push(beforeHere);
      lines.push([...byLine].sort((x, y) => y[1] - x[1]).slice(0, 3).flat());
      for (const next of split(up)) waiting.push([next, level + 1]);
    }
    return grown(tree.data, frame, depth, own, before, lines);
  };

  class Flame {
    constructor(element) {
      this.element = element;
      this.data = JSON.parse(document.getElementById(element.dataset.source).textContent);
      this.unit = this.data.unit;
      this.isDiff = Boolean(this.data.before);
      this.trees = { false: treeOf(this.data), true: null };
      this.isInverted = false;
      this.isUp = false;
      this.widths = "after";
      this.isRelative = true;
      this.zoom = 0;
      this.current = 0;
      this.matched = null;
      this.group = -1;
      element.replaceChildren();
      this.build();
      if (!this.tree.both[0]) {
        element.replaceChildren(make("p", { className: "flame-empty", textContent: "No samples: nothing was recorded." }));
        return;
      }
      this.fromHash();
      addEventListener("hashchange", () => { if (this.fromHash()) this.draw(); });
      new ResizeObserver(() => {
        const width = Math.floor(this.view.clientWidth);
        if (width && width !== this.width) this.draw();
      }).observe(this.view);
      this.draw();
    }

    get tree() {
      if (this.isInverted && !this.trees.true) this.trees.true = inverted(this.trees.false);
      return this.trees[this.isInverted];
    }

    // ---- the parts around the picture
    build() {
      const button = (text, title, act) => make("button", { type: "button", textContent: text, title, onclick: act });
      const toggle = (text, title, act) => {
        const made = button(text, title, () => {
          const isOn = made.getAttribute("aria-pressed") !== "true";
          made.setAttribute("aria-pressed", String(isOn));
          act(isOn);
        });
        made.setAttribute("aria-pressed", "false");
        return made;
      };
      this.search = make("input", { type: "search", placeholder: "Search (regular expression)", spellcheck: false, "aria-label": "Search for frames by regular expression" });
      this.search.addEventListener("input", () => { this.setGroup(-1); this.find(); this.draw(); });
      this.search.addEventListener("keydown", (event) => { if (event.key === "Escape") { this.search.value = ""; this.reset(); event.preventDefault(); } });
      this.found = make("output", { "aria-live": "polite" });
      this.resetButton = button("Reset zoom", "Show everything again (Escape)", () => this.reset());
      this.invertButton = toggle("Callers", "Turn over: what ran itself on top, below it who called it", (isOn) => this.invert(isOn));
      this.upButton = toggle("Upwards", "Draw the root at the bottom, as a flame", (isOn) => { this.isUp = isOn; this.draw(); });
      this.tools = make("div", { className: "flame-tools", role: "toolbar", "aria-label": "Flamegraph" }, this.search, this.resetButton, this.invertButton, this.upButton);
      if (this.isDiff) this.buildDiff(toggle);
      this.tools.append(this.found, make("span", { className: "flame-hint", textContent: "click zooms · Esc resets · / searches" }));
      this.groups = make("ul", { className: "legend flame-groups", "aria-label": "Where the frames come from" });
      this.buildLegend();
      this.svg = document.createElementNS(SVG, "svg");
      this.svg.setAttribute("role", "tree");
      this.svg.setAttribute("tabindex", "0");
      this.svg.setAttribute("aria-label", `${this.element.dataset.label || "Flamegraph"}. Arrow keys move, Enter zooms, Escape resets.`);
      this.view = make("div", { className: "flame-view" }, this.svg);
      this.detail = make("p", { className: "flame-detail", "aria-live": "polite" });
      this.tip = make("div", { className: "tooltip flame-tip", hidden: true, "aria-hidden": "true" });
      this.element.append(this.tools, this.groups, this.view, this.detail);
      document.body.append(this.tip);
      this.listen();
    }

    buildDiff(toggle) {
      this.widthChoice = make("select", { title: "Whose weights make the widths", "aria-label": "Widths" },
        ...[["after", "widths: after"], ["before", "widths: before"], ["both", "widths: the larger"]].map(([value, textContent]) => make("option", { value, textContent })));
      this.widthChoice.addEventListener("change", () => { this.widths = this.widthChoice.value; this.reset(); });
      this.absoluteButton = toggle("Absolute", "Colour by the change of the weight instead of its share of the whole", (isOn) => { this.isRelative = !isOn; this.draw(); });
      this.tools.append(this.widthChoice, this.absoluteButton);
    }

    buildLegend() {
      if (this.isDiff) {
        for (const [label, side] of [["more than before", 1], ["as before", 0], ["less than before", -1]]) {
          const swatch = make("span", { className: "swatch" });
          swatch.style.background = this.changeColor(side);
          this.groups.append(make("li", { className: "change" }, swatch, label));
        }
        return;
      }
      const tree = this.trees.false, weights = new Map();
      for (let i = 1; i < tree.count; i += 1) {
        const group = this.data.groups[this.data.frames[tree.frame[i]][2]];
        const entry = weights.get(group.label) || { own: 0, group };
        entry.own += tree.own[i];
        weights.set(group.label, entry);
      }
      const entries = [...weights].filter(([, entry]) => entry.own > 0).sort((a, b) => b[1].own - a[1].own).slice(0, LEGEND_MAX);
      for (const [label, { own, group }] of entries) {
        const swatch = make("span", { className: "swatch" });
        swatch.style.background = this.groupColor(group);
        const button = make("button", { type: "button", title: "Own weight of these frames. Click to mark them." }, swatch, `${label} ${percent(own / tree.total[0])}`);
        button.setAttribute("aria-pressed", "false");
        button.dataset.label = label;
        button.onclick = () => { this.setGroup(this.group === label ? -1 : label); this.search.value = ""; this.find(); this.draw(); };
        this.groups.append(make("li", {}, button));
      }
    }

    setGroup(label) {
      this.group = label;
      for (const button of this.groups.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.label === label));
    }

    listen() {
      const indexOf = (event) => { const node = event.target.closest("g[data-i]"); return node ? Number(node.dataset.i) : -1; };
      this.svg.addEventListener("click", (event) => { const i = indexOf(event); if (i >= 0) this.zoomTo(i); });
      this.svg.addEventListener("pointermove", (event) => {
        const i = indexOf(event);
        if (i < 0) this.tip.hidden = true; else this.showTip(i, event.clientX, event.clientY);
      });
      this.svg.addEventListener("pointerleave", () => { this.tip.hidden = true; });
      addEventListener("scroll", () => { this.tip.hidden = true; }, { passive: true });
      this.svg.addEventListener("focus", () => this.setCurrent(this.current));
      this.svg.addEventListener("keydown", (event) => this.key(event));
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const moves = { ArrowUp: this.isUp ? "child" : "parent", ArrowDown: this.isUp ? "parent" : "child", ArrowLeft: "previous", ArrowRight: "next", Home: "root" };
      if (event.key in moves) this.setCurrent(this.neighbour(this.current, moves[event.key]));
      else if (event.key === "Enter" || event.key === " ") this.zoomTo(this.current);
      else if (event.key === "Escape") this.reset();
      else if (event.key === "/") this.search.focus();
      else return;
      event.preventDefault();
    }

    neighbour(i, way) {
      const { parent } = this.tree, shown = this.shown;
      if (way === "root") return this.zoom;
      if (way === "parent") return parent[i] >= 0 ? parent[i] : i;
      const row = [...shown.keys()].filter((j) => (way === "child" ? parent[j] === i : parent[j] === parent[i]));
      if (way === "child") return row.length ? row[0] : i;
      const at = row.indexOf(i) + (way === "next" ? 1 : -1);
      return row[at] ?? i;
    }

    // ---- what changes the picture
    zoomTo(i) {
      this.zoom = i;
      this.tip.hidden = true;
      this.draw();
      this.setCurrent(i);
      this.toHash();
    }

    reset() {
      this.zoom = 0;
      this.setGroup(-1);
      this.find();
      this.draw();
      this.setCurrent(0);
      this.toHash();
    }

    invert(isOn) {
      this.isInverted = isOn;
      this.invertButton.setAttribute("aria-pressed", String(isOn));
      this.zoom = this.current = 0;
      this.find();
      this.draw();
      this.toHash();
    }

    find() {
      const text = this.search.value.trim(), { tree, data } = this;
      this.search.removeAttribute("aria-invalid");
      if (!text && this.group === -1) { this.matched = null; this.found.replaceChildren(); return; }
      let test;
      if (this.group !== -1) test = ([, , group]) => data.groups[group].label === this.group;
      else {
        let pattern;
        try { pattern = new RegExp(text, "iu"); } catch {
          pattern = { test: (name) => name.toLowerCase().includes(text.toLowerCase()) };
          this.search.setAttribute("aria-invalid", "true");
        }
        test = ([name, file]) => pattern.test(name) || (file && pattern.test(file));
      }
      const hits = data.frames.map((frame) => test(frame));
      this.matched = new Uint8Array(tree.count);
      const weights = this.weights();
      let sum = 0, count = 0, covered = 0;
      for (let i = 1; i < tree.count; i += 1) {
        if (!hits[tree.frame[i]]) continue;
        this.matched[i] = 1;
        count += 1;
        if (i >= covered) { sum += weights[i]; covered = tree.end[i]; }  // what is below a match is counted with it
      }
      const share = weights[0] ? sum / weights[0] : 0;
      this.found.replaceChildren(make("strong", { textContent: percent(share) }), ` matched · ${amount(sum, this.unit)} · ${count.toLocaleString("en-US")} ${count === 1 ? "frame" : "frames"}`);
    }

    toHash() {
      const where = this.zoom || this.search.value ? `#flame:${this.element.id}:${this.isInverted ? "i" : ""}${this.zoom}${this.search.value ? ":" + encodeURIComponent(this.search.value) : ""}` : "";
      const url = location.pathname + location.search + where;
      try { history.replaceState(null, "", url); } catch { if (location.hash !== where) location.hash = where; }
    }

    fromHash() {
      const read = HASH.exec(location.hash);
      if (!read || read[1] !== this.element.id) return false;
      if ((read[2] === "i") !== this.isInverted) { this.isInverted = read[2] === "i"; this.invertButton.setAttribute("aria-pressed", String(this.isInverted)); }
      const at = Number(read[3]);
      this.zoom = this.current = at < this.tree.count ? at : 0;
      try { this.search.value = read[4] ? decodeURIComponent(read[4]) : ""; } catch { this.search.value = ""; }
      this.find();
      return true;
    }

    weights() {
      const { tree } = this;
      return !this.isDiff || this.widths === "after" ? tree.total : this.widths === "before" ? tree.totalBefore : tree.both;
    }

    // ---- the picture
    draw() {
      const { tree, zoom } = this, weights = this.weights();
      const width = this.width = Math.floor(this.view.clientWidth) || 1000;
      const boxes = [], above = [];
      for (let up = tree.parent[zoom]; up >= 0; up = tree.parent[up]) above.push(up);
      for (const i of above.reverse()) boxes.push([i, 0, width, true]);
      const scale = weights[zoom] ? width / weights[zoom] : 0;
      const smallest = Math.max(SHARE_MIN * width, WIDTH_MIN);
      let rows = above.length + 1;
      const starts = new Map([[zoom, 0]]);
      for (let i = zoom; i < tree.end[zoom]; ) {
        const x = starts.get(i), wide = weights[i] * scale;
        if (wide < smallest && i !== zoom) { i = tree.end[i]; continue; }
        boxes.push([i, x, wide, false]);
        rows = Math.max(rows, tree.depth[i] + 1);
        let next = x;
        for (let child = i + 1; child < tree.end[i]; child = tree.end[child]) { starts.set(child, next); next += weights[child] * scale; }
        i += 1;
      }
      const height = rows * ROW, fragment = document.createDocumentFragment();
      this.shown = new Map();
      for (const [i, x, wide, isAbove] of boxes) {
        const y = this.isUp ? height - (tree.depth[i] + 1) * ROW : tree.depth[i] * ROW;
        const node = this.box(i, x, y, wide, isAbove);
        this.shown.set(i, node);
        fragment.append(node);
      }
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.svg.setAttribute("height", height);
      this.svg.classList.toggle("searching", this.matched !== null);
      this.svg.replaceChildren(fragment);
      this.resetButton.disabled = !zoom && this.matched === null;
      if (!this.shown.has(this.current)) this.current = zoom;
      if (this.isUp) this.view.scrollTop = this.view.scrollHeight;
      this.describe(this.current);
    }

    box(i, x, y, wide, isAbove) {
      const { tree } = this, [name, file] = this.data.frames[tree.frame[i]];
      const node = document.createElementNS(SVG, "g"), rect = document.createElementNS(SVG, "rect");
      node.dataset.i = i;
      node.id = `${this.element.id}-node-${i}`;
      node.setAttribute("role", "treeitem");
      node.setAttribute("aria-level", tree.depth[i] + 1);
      node.setAttribute("aria-label", `${name}, ${percent(this.shareOf(i))}, ${amount(this.weights()[i], this.unit)}`);
      if (isAbove) node.classList.add("above");
      if (this.matched && this.matched[i]) node.classList.add("match");
      rect.setAttribute("x", x.toFixed(2));
      rect.setAttribute("y", y);
      rect.setAttribute("width", wide.toFixed(2));
      rect.setAttribute("height", ROW - 1);
      rect.setAttribute("rx", 1.5);
      rect.style.fill = this.isDiff ? this.changeColor(this.change(i)) : this.groupColor(this.data.groups[this.data.frames[tree.frame[i]][2]], i);
      node.append(rect);
      if (wide >= TEXT_MIN) {
        const room = Math.floor((wide - 7) / this.character());
        const shown = name === "<module>" && file ? `${file} ${name}` : name;  // every file has one; the file tells them apart
        const text = document.createElementNS(SVG, "text");
        text.setAttribute("x", (x + 4).toFixed(2));
        text.setAttribute("y", y + 12.5);
        text.textContent = shown.length <= room ? shown : room >= 3 ? `${shown.slice(0, room - 1)}…` : "";
        node.append(text);
      }
      return node;
    }

    character() {
      if (!this.advance) {
        const probe = document.createElementNS(SVG, "text");
        probe.textContent = "m".repeat(100);
        this.svg.append(probe);
        this.advance = (probe.getComputedTextLength() || 660) / 100;
        probe.remove();
      }
      return this.advance;
    }

    groupColor(group, i = 0) {
      if (group.role) return `color-mix(in oklab, var(--c-${group.role}) 40%, var(--card))`;
      const step = i ? ((this.tree.frame[i] * 7) % 5 - 2) * 0.008 : 0;
      return `oklch(calc(var(--flame-l) + ${step.toFixed(3)}) calc(var(--flame-c) * ${group.chroma}) ${group.hue})`;
    }

    change(i) {
      const { tree } = this, after = tree.total[0], before = tree.totalBefore[0];
      if (this.isRelative) return (after ? tree.total[i] / after : 0) - (before ? tree.totalBefore[i] / before : 0);
      return (tree.total[i] - tree.totalBefore[i]) / Math.max(after, before);
    }

    // A fifth of the whole, more or less, is the full colour.
    changeColor(change) {
      const strength = Math.min(1, Math.abs(change) / 0.2) ** 0.6;
      if (strength < 0.06) return "oklch(var(--flame-l) 0.006 250)";
      return `oklch(calc(var(--flame-l) - ${(0.14 * strength).toFixed(3)} * (var(--flame-l) - 0.5)) ${(0.02 + 0.13 * strength).toFixed(3)} ${change > 0 ? 25 : 250})`;
    }

    shareOf(i) { const weights = this.weights(); return weights[0] ? weights[i] / weights[0] : 0; }

    // ---- what is said about a frame
    setCurrent(i) {
      for (const node of this.svg.querySelectorAll("g.current")) node.classList.remove("current");
      this.current = this.shown.has(i) ? i : this.zoom;
      const node = this.shown.get(this.current);
      node.classList.add("current");
      if (document.activeElement === this.svg) { this.svg.append(node); node.scrollIntoView({ block: "nearest", inline: "nearest" }); }
      this.svg.setAttribute("aria-activedescendant", node.id);
      this.describe(this.current);
    }

    facts(i) {
      const { tree, unit } = this, all = tree.total[0], allBefore = tree.totalBefore[0];
      const part = (value, whole) => `${amount(value, unit)} · ${percent(whole ? value / whole : 0)}`;
      if (!this.isDiff) return [["total", part(tree.total[i], all)], ["own", part(tree.own[i], all)]];
      const share = (all ? tree.total[i] / all : 0) - (allBefore ? tree.totalBefore[i] / allBefore : 0);
      return [
        ["before", part(tree.totalBefore[i], allBefore)],
        ["after", part(tree.total[i], all)],
        ["change", `${amount(tree.total[i] - tree.totalBefore[i], unit)} · ${points(share)}`],
        ["own", `${amount(tree.before[i], unit)} → ${amount(tree.own[i], unit)}`],
      ];
    }

    place(i) {
      const [, file] = this.data.frames[this.tree.frame[i]], lines = this.tree.lines[i];
      if (!file) return "";
      return lines.length ? `${file}:${lines[0]}` : file;
    }

    describe(i) {
      const [name] = this.data.frames[this.tree.frame[i]], place = this.place(i);
      this.detail.replaceChildren(make("strong", { textContent: name }), `${place ? "  " + place : ""}  ${this.facts(i).map(([label, value]) => `${label} ${value}`).join("   ")}`);
    }

    showTip(i, x, y) {
      const { tree, tip } = this;
      if (this.tipped !== i || tip.hidden) {
        this.tipped = i;
        const [name, file] = this.data.frames[tree.frame[i]], lines = tree.lines[i];
        const rows = this.facts(i);
        if (this.zoom && tree.total[this.zoom]) rows.push(["of the zoomed", percent(tree.total[i] / tree.total[this.zoom])]);
        for (let at = 0; lines.length > 2 && at < lines.length; at += 2) rows.push([`line ${lines[at]}`, percent(tree.total[i] ? lines[at + 1] / tree.total[i] : 0) + " of it"]);
        const table = make("table", {}, ...rows.map(([label, value]) => make("tr", {}, make("td", { textContent: label }), make("td", { textContent: value }))));
        tip.replaceChildren(make("strong", { textContent: name }));
        if (file) tip.append(make("span", { className: "place", textContent: this.place(i) }));
        tip.append(table);
        tip.hidden = false;
      }
      const left = Math.max(8, Math.min(x + 14, innerWidth - tip.offsetWidth - 8));
      const top = y + 18 + tip.offsetHeight > innerHeight ? Math.max(8, y - tip.offsetHeight - 12) : y + 18;
      tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    }
  }

  const start = () => { for (const element of document.querySelectorAll(".flame[data-source]")) element.flame = new Flame(element); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
