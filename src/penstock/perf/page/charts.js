/* Charts of Penstock's pages: columns of numbers in, SVG with axes, legend, shared crosshair and data table out.
   A classic script without dependencies; works under `script-src 'self'; style-src 'self'` and from a file.
   It knows nothing of runs (runcharts.js does). Rule: text goes in by textContent only, looks come from charts.css.

   spec = {
     title, note?,                    shown above the plot; `note` says the unit or what to look for
     x: [number],                     end of each window in seconds, ascending
     span: [number],                  length of each window in seconds
     unit: "s" | "bytes" | "bytes/s" | "count" | "per_s" | "share" | "cores",
     series: [{name, values: [number | null], color, kind?: "line" | "area" | "stack" | "bars", dash?, hint?}],
     max?,                            top of the axis at least; a share's axis is always 0 to 100 %
     breaks?: [index],                windows before which lines are cut (another process began)
     marks?: [{x, text}], bands?: [{from, to, name, text}],    `tellsMarks: true` writes the texts into the plot
     total?: "mean" | "most",         what is said of the whole when there is one series (default mean)
     height?, compact?,               compact: title and mean shares at the left, no time axis unless `axis: true`
     group?                           from charts.group(): charts whose crosshairs move together
   }
   color: a token of theme.css without its `--c-`: source fetch process sink rate host idle bad p50 p95 p99, `ended`, `rest` or `commit`.
   Each function returns {update(spec), destroy(), element}. */
(function () {
  "use strict";

  const Penstock = (window.Penstock = window.Penstock || {});
  const THIN = "\u202f";
  const MARGIN = { left: 64, right: 14, top: 10, bottom: 24 };

  // ---------------------------------------------------------------------------------------------- numbers as text

  const UNITS = {
    s: [[60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"]],
    bytes: [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]],
    "bytes/s": [[1e12, "TB/s"], [1e9, "GB/s"], [1e6, "MB/s"], [1e3, "kB/s"], [1, "B/s"]],
    count: [[1e9, "G"], [1e6, "M"], [1, ""]],
    per_s: [[1e9, "G/s"], [1e6, "M/s"], [1, "/s"]],
    share: [[0.01, "%"]],
    cores: [[1, ""]],
  };

  /** Grouped by thin spaces: 12 345.6 with `decimals` digits. */
  function grouped(number, decimals) {
    const [whole, fraction] = number.toFixed(decimals).split(".");
    const text = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
    return fraction ? text + "." + fraction : text;
  }

  function scaleFor(unit, largest) {
    const steps = UNITS[unit] || UNITS.count;
    const fitting = steps.find(([size, suffix]) => Math.abs(largest) >= (suffix === "min" ? 180 : size * 0.9995));
    return fitting || (largest > 0 ? steps[steps.length - 1] : steps.find(([size]) => size === 1) || steps[0]);
  }

  function joined(number, suffix) {
    return suffix.startsWith("/") || !suffix ? number + suffix : number + THIN + suffix;
  }

  /** A value as people read it: three digits, with its unit; a dash for null. */
  function format(value, unit) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    const [size, suffix] = scaleFor(unit, value);
    const scaled = value / size;
    const isWhole = Math.abs(scaled) >= 99.95 || scaled === 0 || (size === 1 && unit !== "s" && Number.isInteger(scaled));
    const decimals = isWhole ? 0 : unit === "cores" || Math.abs(scaled) < 0.0995 ? 2 : 1;
    return joined(grouped(scaled, decimals), suffix);
  }

  /** A moment of the run: 7 s, 2:05, 1:02:03. */
  function clock(seconds, step) {
    if (seconds < 60 || (step || 0) < 1) {
      if (seconds < 60) return grouped(seconds, step === undefined ? (seconds < 10 ? 1 : 0) : step < 1 ? 1 : 0) + THIN + "s";
    }
    const whole = Math.round(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  }

  function niceStep(range, count) {
    const raw = range / Math.max(1, count);
    const power = Math.pow(10, Math.floor(Math.log10(raw)));
    return power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999);
  }

  /** Ticks from 0 to at least `top`: {top, ticks: [{value, text}]}, all in one unit. */
  function valueTicks(unit, top, count) {
    if (unit === "share") {
      const shares = count < 2 ? [0, 1] : [0, 0.5, 1];
      return { top: 1, ticks: shares.map((value) => ({ value, text: joined(String(100 * value), "%") })) };
    }
    const [size, suffix] = scaleFor(unit, top);
    const step = niceStep(top / size, count);
    const decimals = step >= 1 && Number.isInteger(step) ? 0 : step >= 0.1 && Number.isInteger(Math.round(step * 100) / 10) ? 1 : 2;
    const last = Math.ceil(top / size / step - 1e-9);
    const ticks = Array.from({ length: last + 1 }, (_, index) => ({
      value: index * step * size,
      text: joined(grouped(index * step, index ? decimals : 0), suffix),
    }));
    return { top: last * step * size, ticks };
  }

  const TIME_STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200];

  function timeTicks(from, to, count) {
    const day = 86400;
    const step = TIME_STEPS.find((size) => (to - from) / size <= count) || day * Math.ceil((to - from) / day / count);
    const ticks = [];
    for (let value = Math.ceil(from / step) * step; value <= to + 1e-9 && ticks.length < 50; value += step) {
      ticks.push({ value, text: value === 0 ? "0" : clock(value, step) });
    }
    return ticks;
  }

  // -------------------------------------------------------------------------------------------------------- pieces

  function svg(name, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  function html(name, className, text) {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  /** Runs of window indexes without a hole: cut at breaks, at windows that do not touch, and where `has` says no. */
  function segments(spec, has) {
    const breaks = new Set(spec.breaks || []);
    const found = [];
    let current = null;
    for (let index = 0; index < spec.x.length; index++) {
      const begin = spec.x[index] - spec.span[index];
      const isApart = index > 0 && begin - spec.x[index - 1] > 0.5 * Math.max(spec.span[index], spec.span[index - 1]);
      if (!has(index)) {
        current = null;
        continue;
      }
      if (!current || breaks.has(index) || isApart) found.push((current = []));
      current.push(index);
    }
    return found;
  }

  /** The line through the middles of windows, from the first window's begin to the last one's end. */
  function lineThrough(spec, segment, toX, y) {
    const [first, last] = [segment[0], segment[segment.length - 1]];
    const points = segment.map((index) => [toX(spec.x[index] - spec.span[index] / 2), y(index)]);
    points.unshift([toX(spec.x[first] - spec.span[first]), y(first)]);
    points.push([toX(spec.x[last]), y(last)]);
    return points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`);
  }

  function linePath(spec, values, toX, toY) {
    const parts = segments(spec, (index) => values[index] !== null && values[index] !== undefined);
    return parts.map((part) => "M" + lineThrough(spec, part, toX, (index) => toY(values[index])).join("L")).join("");
  }

  function areaPath(spec, lower, upper, toX, toY) {
    const has = (index) => upper[index] !== null && upper[index] !== undefined;
    const draw = (part) => {
      const over = lineThrough(spec, part, toX, (index) => toY(upper[index]));
      const under = lineThrough(spec, part, toX, (index) => toY(lower[index])).reverse();
      return "M" + over.concat(under).join("L") + "Z";
    };
    return segments(spec, has).map(draw).join("");
  }

  function barsPath(spec, values, toX, toY) {
    const bar = (index) => {
      if (!values[index]) return "";
      const [left, right] = [toX(spec.x[index] - spec.span[index]), toX(spec.x[index])];
      const gap = right - left > 4 ? 0.5 : 0;
      const points = [[left + gap, toY(0)], [left + gap, toY(values[index])], [right - gap, toY(values[index])], [right - gap, toY(0)]];
      return "M" + points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join("L") + "Z";
    };
    return spec.x.map((_, index) => bar(index)).join("");
  }

  function largestOf(spec, stacked) {
    let largest = spec.max || 0;
    for (const series of spec.series) {
      if (series.kind !== "stack") for (const value of series.values) if (value > largest) largest = value;
    }
    for (const value of stacked) if (value > largest) largest = value;
    return largest || (spec.unit === "s" ? 1e-3 : 1);
  }

  /** For each stacked series [lower, upper]; null for the others; and the sums. */
  function stack(spec) {
    const sums = spec.x.map(() => 0);
    const layers = spec.series.map((series) => {
      if (series.kind !== "stack") return null;
      const lower = sums.slice();
      series.values.forEach((value, index) => (sums[index] += value || 0));
      return [lower, sums.slice()];
    });
    return { layers, sums };
  }

  function meanOf(spec, values) {
    let [sum, weight] = [0, 0];
    values.forEach((value, index) => {
      if (value !== null && value !== undefined) [sum, weight] = [sum + value * spec.span[index], weight + spec.span[index]];
    });
    return weight ? sum / weight : null;
  }

  function describe(spec) {
    const told = spec.series.map((series) => {
      const known = series.values.filter((value) => value !== null && value !== undefined);
      if (!known.length) return `${series.name}: nothing known`;
      const largest = known.reduce((most, value) => Math.max(most, value), 0);
      return `${series.name}: mean ${format(meanOf(spec, series.values), spec.unit)}, most ${format(largest, spec.unit)}`;
    });
    return `${spec.title}. ${told.join("; ")}.`;
  }

  // --------------------------------------------------------------------------------------------------------- chart

  /** Charts that were given the same group show the same moment. */
  function group() {
    const members = new Set();
    return {
      add: (chart) => members.add(chart),
      remove: (chart) => members.delete(chart),
      show: (seconds, source) => members.forEach((chart) => chart.pointAt(seconds, chart === source)),
      hide: () => members.forEach((chart) => chart.pointAt(null, false)),
    };
  }

  function makeChart(element, firstSpec, kind, fixed) {
    // Out of sight a chart is drawn once; later updates wait until it is looked at, or printed.
    let spec, frame, pointed = null, isTableOpen = false, isSeen = true, isStale = false;
    const figure = html("figure", "chart");
    const caption = html("figcaption", "chart-head");
    const plot = html("div", "chart-plot");
    const tip = html("div", "tooltip chart-tip");
    const table = html("div", "chart-table");
    const button = html("button", "chart-button", "Table");
    const [title, note, legend] = [html("span", "chart-title"), html("span", "chart-note"), html("div", "chart-legend")];
    const linked = firstSpec.group || group();
    button.type = "button";
    plot.tabIndex = 0;
    tip.hidden = table.hidden = true;
    caption.append(title, note, button, legend);
    figure.append(caption, plot, table);
    element.append(figure);

    function take(next) {
      spec = Object.assign({}, next, fixed, { series: next.series.map((series) => Object.assign({ kind }, series)) });
      figure.classList.toggle("chart-compact", Boolean(spec.compact));
      title.textContent = spec.title;
      note.textContent = spec.note || "";
      plot.setAttribute("aria-label", spec.title + ", arrow keys move through time");
      button.setAttribute("aria-label", "Numbers of " + spec.title + " as a table");
      isStale = true;
      if (isSeen || !frame) refresh();
    }

    function refresh() {
      if (!isStale) return;
      isStale = false;
      draw();
      if (isTableOpen) fillTable();
    }

    function draw() {
      const width = Math.max(160, plot.clientWidth || 560);
      const isBare = spec.compact && !spec.axis;
      const [top, bottom] = [spec.compact ? 4 : MARGIN.top, isBare ? 4 : MARGIN.bottom];
      const height = (spec.height || (spec.compact ? 64 : 168)) + top + bottom;
      const count = spec.x.length;
      const [from, to] = count ? [Math.max(0, spec.x[0] - spec.span[0]), spec.x[count - 1]] : [0, 1];
      const { layers, sums } = stack(spec);
      const { top: most, ticks } = valueTicks(spec.unit, largestOf(spec, sums), spec.compact ? 1 : 4);
      const toX = (value) => MARGIN.left + ((value - from) / (to - from || 1)) * (width - MARGIN.left - MARGIN.right);
      const toY = (value) => height - bottom - (Math.min(value, most) / most) * (height - top - bottom);
      frame = { width, height, top, bottom, from, to, toX, toY };
      const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": describe(spec) });
      root.append(drawAxes(ticks, timeTicks(from, to, (width - MARGIN.left) / 84), isBare));
      for (const order of ["stack", "bars", "area", "line"]) {
        spec.series.forEach((series, index) => series.kind === order && root.append(drawSeries(series, layers[index])));
      }
      (spec.marks || []).forEach((mark) => root.append(drawMark(mark)));
      frame.cross = svg("g", { class: "chart-cross" });
      root.append(frame.cross);
      plot.replaceChildren(root, tip);
      drawLegend();
      if (pointed !== null) pointAt(pointed.seconds, pointed.isHere);
    }

    function drawAxes(ticks, times, isBare) {
      const { width, height, top, bottom, toX, toY } = frame;
      const axes = svg("g", { class: "chart-axes" });
      for (const band of spec.bands || []) {
        const [left, right] = [toX(Math.max(band.from, frame.from)), toX(Math.min(band.to, frame.to))];
        const shape = { class: "chart-band", x: left, y: top, width: Math.max(1, right - left), height: height - top - bottom };
        axes.append(svg("rect", shape, svg("title", {}, band.text)));
        if (spec.tellsMarks) axes.append(svg("text", { class: "chart-told", x: left + 5, y: height - bottom - 6 }, band.name));
      }
      for (const { value, text } of ticks) {
        const y = Math.round(toY(value)) + 0.5;
        axes.append(svg("line", { class: value ? "chart-grid" : "chart-base", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }));
        if (spec.compact && !value) continue;
        axes.append(svg("text", { class: "chart-tick", x: MARGIN.left - 8, y: y + (spec.compact ? 8 : 3.5), "text-anchor": "end" }, text));
      }
      if (isBare) return axes;
      for (const { value, text } of times) {
        const x = toX(value);
        const anchor = x > width - MARGIN.right - 12 ? "end" : x < MARGIN.left + 6 ? "start" : "middle";
        axes.append(svg("line", { class: "chart-base", x1: x, x2: x, y1: height - bottom, y2: height - bottom + 4 }));
        axes.append(svg("text", { class: "chart-tick", x, y: height - bottom + 17, "text-anchor": anchor }, text));
      }
      return axes;
    }

    function drawSeries(series, layer) {
      const { toX, toY } = frame;
      const values = series.values;
      const tone = `chart-${series.color || "fetch"}`;
      if (series.kind === "stack") return svg("path", { class: `chart-stack ${tone}`, d: areaPath(spec, layer[0], layer[1], toX, toY) });
      if (series.kind === "bars") return svg("path", { class: `chart-bars ${tone}`, d: barsPath(spec, values, toX, toY) });
      const both = svg("g", {});
      if (series.kind === "area") {
        both.append(svg("path", { class: `chart-area ${tone}`, d: areaPath(spec, values.map(() => 0), values, toX, toY) }));
      }
      const dash = series.dash ? " chart-dash" : "";
      both.append(svg("path", { class: `chart-line ${tone}${dash}`, d: linePath(spec, values, toX, toY) }));
      return both;
    }

    function drawMark({ x: seconds, text }) {
      const { toX, top, height, bottom, width } = frame;
      const x = toX(seconds);
      const mark = svg("g", { class: "chart-mark" }, svg("line", { x1: x, x2: x, y1: top, y2: height - bottom }), svg("title", {}, text));
      if (spec.tellsMarks) {
        const isRight = x > width * 0.7;
        mark.append(svg("text", { class: "chart-told", x: x + (isRight ? -5 : 5), y: top + 9, "text-anchor": isRight ? "end" : "start" }, text));
      }
      return mark;
    }

    function drawLegend(index) {
      const isAt = index !== undefined;
      const whole = spec.total === "most" ? (series) => largestOf({ series: [series], unit: "" }, []) : (series) => meanOf(spec, series.values);
      const worth = (series) => (isAt ? series.values[index] : whole(series)) ?? null;
      let entries = spec.series.map((series) => ({ series, value: worth(series) }));
      if (spec.compact) entries = entries.filter(({ value }) => spec.unit !== "share" || value >= 0.005).sort((a, b) => b.value - a.value).slice(0, frame.width < 420 ? 2 : 3);
      const isAlone = spec.series.length < 2 && !spec.compact;
      const items = entries.map(({ series, value }) => {
        const item = html("span", "chart-key");
        const swatch = html("i", `chart-swatch chart-${series.color || "fetch"} swatch-${series.dash ? "dash" : series.kind}`);
        if (series.hint) item.title = series.hint;
        if (!isAlone && !(spec.compact && spec.series.length < 2)) item.append(swatch, html("span", "", series.name));
        const prefix = isAt || spec.unit === "share" ? "" : spec.total === "most" ? "most " : "mean ";
        // Without a value the place is kept: the page must not move when the pointer comes.
        item.append(html("b", "chart-readout", isAt || spec.compact || isAlone ? prefix + format(value, spec.unit) : ""));
        return item;
      });
      legend.replaceChildren(...items);
    }

    // ------------------------------------------------------------------------------------------------- crosshair

    function indexAt(seconds) {
      let [low, high] = [0, spec.x.length - 1];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (spec.x[middle] < seconds) low = middle + 1;
        else high = middle;
      }
      return low;
    }

    function pointAt(seconds, isHere) {
      refresh();
      if (seconds === null || !spec.x.length) {
        if (pointed !== null) drawLegend();
        pointed = null;
        tip.hidden = true;
        frame.cross.replaceChildren();
        return;
      }
      pointed = { seconds, isHere };
      const index = indexAt(seconds);
      const x = frame.toX(Math.max(frame.from, spec.x[index] - spec.span[index] / 2));
      frame.cross.replaceChildren(svg("line", { x1: x, x2: x, y1: frame.top, y2: frame.height - frame.bottom }));
      for (const series of spec.series) {
        const value = series.values[index];
        if (series.kind === "stack" || series.kind === "bars" || value === null || value === undefined) continue;
        frame.cross.append(svg("circle", { class: `chart-${series.color || "fetch"}`, cx: x, cy: frame.toY(value), r: 3.5 }));
      }
      drawLegend(index);
      tip.hidden = !isHere;
      if (isHere) fillTip(index, x);
    }

    function fillTip(index, x) {
      const begin = Math.max(0, spec.x[index] - spec.span[index]);
      // Of many shares only those that are there.
      const told = spec.series.filter((series) => series.kind !== "stack" || spec.unit !== "share" || series.values[index] >= 0.0005);
      const rows = told.map((series) => {
        const row = html("div", "chart-tip-row");
        row.append(html("i", `chart-swatch chart-${series.color || "fetch"} swatch-${series.dash ? "dash" : series.kind}`));
        row.append(html("span", "", series.name), html("b", "", format(series.values[index] ?? null, spec.unit)));
        return row;
      });
      tip.replaceChildren(html("div", "chart-tip-time", `${clock(begin)} to ${clock(spec.x[index])}`), ...rows);
      const box = plot.getBoundingClientRect();
      const at = box.left + (x * (box.width || frame.width)) / frame.width;
      const isRight = at + 14 + tip.offsetWidth > Math.min(window.innerWidth - 8, box.right);
      const left = isRight ? at - 14 - tip.offsetWidth : at + 14;
      tip.style.left = `${Math.max(8, Math.min(left, window.innerWidth - tip.offsetWidth - 8))}px`;
      tip.style.top = `${Math.max(8, Math.min(box.top + 6, window.innerHeight - tip.offsetHeight - 8))}px`;
    }

    function onMove(event) {
      const box = plot.getBoundingClientRect();
      const share = ((event.clientX - box.left) / (box.width || 1)) * frame.width;
      const inside = (share - MARGIN.left) / (frame.width - MARGIN.left - MARGIN.right);
      linked.show(frame.from + Math.min(1, Math.max(0, inside)) * (frame.to - frame.from), self);
    }

    function onKey(event) {
      if (event.key === "Escape") return linked.hide();
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (!spec.x.length || (!step && event.key !== "Home" && event.key !== "End")) return undefined;
      event.preventDefault();
      const now = pointed === null ? -1 : indexAt(pointed.seconds);
      const last = spec.x.length - 1;
      const next = event.key === "Home" ? 0 : event.key === "End" ? last : Math.min(last, Math.max(0, now + step));
      return linked.show(spec.x[next], self);
    }

    // ------------------------------------------------------------------------------------------------ data table

    function fillTable() {
      const body = html("table");
      const head = body.createTHead().insertRow();
      head.append(html("th", "", "Until"), ...spec.series.map((series) => html("th", "", series.name)));
      const rows = body.createTBody();
      spec.x.forEach((seconds, index) => {
        const row = rows.insertRow();
        row.append(html("th", "", clock(seconds)), ...spec.series.map((series) => html("td", "", format(series.values[index] ?? null, spec.unit))));
      });
      table.replaceChildren(body);
    }

    function onToggle() {
      isTableOpen = !isTableOpen;
      table.hidden = !isTableOpen;
      button.setAttribute("aria-expanded", String(isTableOpen));
      if (isTableOpen) fillTable();
      else table.replaceChildren();
    }

    const watch = new ResizeObserver(() => plot.clientWidth && Math.abs(plot.clientWidth - frame.width) > 1 && draw());
    const sight = new IntersectionObserver((entries) => {
      isSeen = entries[entries.length - 1].isIntersecting;
      if (isSeen) refresh();
    }, { rootMargin: "200px" });
    const self = {
      element: figure,
      pointAt,
      update: take,
      destroy() {
        watch.disconnect();
        sight.disconnect();
        window.removeEventListener("beforeprint", refresh);
        linked.remove(self);
        figure.remove();
      },
    };
    linked.add(self);
    plot.addEventListener("pointermove", onMove);
    plot.addEventListener("pointerdown", onMove);
    plot.addEventListener("pointerleave", () => linked.hide());
    plot.addEventListener("blur", () => linked.hide());
    plot.addEventListener("keydown", onKey);
    button.addEventListener("click", onToggle);
    button.setAttribute("aria-expanded", "false");
    take(firstSpec);
    watch.observe(plot);
    sight.observe(figure);
    window.addEventListener("beforeprint", refresh);
    return self;
  }

  Penstock.charts = {
    line: (element, spec) => makeChart(element, spec, "line"),
    area: (element, spec) => makeChart(element, spec, "area"),
    bars: (element, spec) => makeChart(element, spec, "bars"),
    stacked: (element, spec) => makeChart(element, spec, "stack"),
    stackedShares: (element, spec) => makeChart(element, spec, "stack", { unit: "share" }),
    group,
    format,
    clock,
  };
})();
