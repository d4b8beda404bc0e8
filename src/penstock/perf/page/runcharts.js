/* The charts of a run: throughput, latency, concurrency, backpressure, event loop, machine. Needs charts.js before it.
   Used by the report (once) and by the dashboard (`update` every second). Rule: what was not measured is not drawn.

   Penstock.runCharts(root, model) -> {update(model), destroy()}
   model = {
     series: {column: [values]},     columnar(Window) of telemetry/window.py, at most about 1,000 windows
     breaks?: [index], marks?: [{x, text}]    where another process went on (index of its first window; seconds)
   } */
(function () {
  "use strict";

  const { charts } = (window.Penstock = window.Penstock || {});

  const WORDS = {
    source: "source",
    fetch: "fetch",
    process: "process function",
    sink: "sink",
    commit: "sink, committing",
    rate: "rate, pause or backoff",
    host: "limit of the host",
    ended: "nothing left to do",
    rest: "starved",
  };

  const SPREAD = "spread over the time since the commit before";

  /** One view on the columns: derived columns by name, null where a window has none. */
  function columns(series) {
    const length = (series.end_s || []).length;
    const raw = (name) => series[name] || Array(length).fill(null);
    const each = (make) => Array.from({ length }, (_, index) => make(index));
    const known = (value) => value !== null && value !== undefined;
    return {
      raw,
      each,
      x: raw("end_s"),
      span: raw("span_s"),
      has: (name) => raw(name).some(known),
      isAny: (...names) => names.some((name) => raw(name).some((value) => value > 0)),
      perS: (name) => each((index) => (known(raw(name)[index]) ? raw(name)[index] / (raw("span_s")[index] || 1) : null)),
      perAnswer: (name) => each((index) => (raw("answers")[index] > 0 ? (raw(name)[index] || 0) / raw("answers")[index] : null)),
      // Commits come in lumps: each counts for all windows since the one before it. After the last one: not known yet.
      // The first name tells where a lump ends; the others are added to it.
      spread: (...names) => {
        const rates = Array(length).fill(null);
        let [first, lump, spans] = [0, 0, 0];
        for (let index = 0; index < length; index++) {
          lump += names.reduce((total, name) => total + (raw(name)[index] || 0), 0);
          spans += raw("span_s")[index] || 0;
          if (!raw(names[0])[index]) continue;
          rates.fill(lump / (spans || 1), first, index + 1);
          [first, lump, spans] = [index + 1, 0, 0];
        }
        return rates;
      },
      rest: (...names) => each((index) => Math.max(0, 1 - names.reduce((sum, name) => sum + (raw(name)[index] || 0), 0))),
      minus: (whole, part) => each((index) => Math.max(0, (raw(whole)[index] || 0) - (raw(part)[index] || 0))),
    };
  }

  const share = (name, values, color) => ({ name, values, color, hint: WORDS[color] });

  // Each entry: [key, kind, (columns) => spec without x and span, or null when there is nothing to draw].
  const SPEED = [
    ["items", "line", (c) => c.has("ended") && {
      title: "Items", note: "per second", unit: "per_s", tellsMarks: true,
      series: [
        { name: "ended", values: c.perS("ended"), color: "fetch", kind: "area" },
        { name: "durable", hint: SPREAD, values: c.spread("written", "failed", "skipped"), color: "sink", dash: true },
      ],
    }],
    ["concurrency", "line", (c) => c.has("in_flight") && {
      title: "In flight", note: "attempts at once", unit: "count",
      series: [
        { name: "running", values: c.raw("in_flight"), color: "fetch", kind: "area" },
        { name: "limit", values: c.raw("limit"), color: "idle", dash: true },
        ...(c.isAny("processing") ? [{ name: "at the process stage", values: c.raw("processing"), color: "process" }] : []),
      ],
    }],
    ["ttfb", "line", (c) => c.has("ttfb_s_p50") && {
      title: "Time to first byte", unit: "s",
      series: [
        { name: "p95", values: c.raw("ttfb_s_p95"), color: "p95" },
        { name: "p50", values: c.raw("ttfb_s_p50"), color: "p50", kind: "area" },
      ],
    }],
    ["total", "line", (c) => c.has("total_s_p50") && {
      title: "Time of an attempt", note: "until the last byte", unit: "s",
      series: [
        { name: "p95", values: c.raw("total_s_p95"), color: "p95" },
        { name: "p50", values: c.raw("total_s_p50"), color: "p50", kind: "area" },
      ],
    }],
  ];

  const WORK = [
    ["bytes", "line", (c) => c.isAny("bytes_body", "bytes_durable") && {
      title: "Bytes", note: "per second", unit: "bytes/s",
      series: [
        { name: "bodies, decoded", values: c.perS("bytes_body"), color: "fetch", kind: "area" },
        { name: "committed", hint: SPREAD, values: c.spread("bytes_durable"), color: "sink", dash: true },
      ],
    }],
    ["waiting", "stacked", (c) => c.has("queued") && {
      title: "Waiting to start", note: "items", unit: "count",
      series: [
        { name: "ready, but for a limit", values: c.raw("queued"), color: "fetch" },
        { name: "backoff, pause or pacing", values: c.raw("delayed"), color: "rate" },
      ],
    }],
    ["phases", "stacked", (c) => c.isAny("ttfb_s", "body_s") && {
      title: "Where an attempt's time goes", note: "mean per answer", unit: "s",
      series: [
        { name: "name lookup", values: c.perAnswer("dns_s"), color: "host" },
        { name: "connect", values: c.perAnswer("connect_s"), color: "rate" },
        { name: "TLS", values: c.perAnswer("tls_s"), color: "process" },
        { name: "first byte", values: c.perAnswer("ttfb_s"), color: "fetch" },
        { name: "body", values: c.perAnswer("body_s"), color: "source" },
      ].filter((series) => series.values.some((value) => value > 0)),
    }],
    ["trouble", "line", (c) => c.isAny("failed", "retries", "throttled") && {
      title: "Trouble", note: "per second", unit: "per_s",
      series: [
        { name: "failed items", values: c.perS("failed"), color: "bad" },
        { name: "retries", values: c.perS("retries"), color: "idle" },
        { name: "429 and 503", values: c.perS("throttled"), color: "rate" },
      ],
    }],
  ];

  const BACKPRESSURE = [
    ["source", (c) => c.has("source_busy") && {
      title: "Source", unit: "share",
      series: [
        share("reads", c.raw("source_busy"), "source"),
        share("pushed back", c.raw("source_blocked"), "sink"),
        share("input ended", c.raw("source_ended"), "ended"),
        share("idle", c.rest("source_busy", "source_blocked", "source_ended"), "rest"),
      ],
    }],
    ["fetch", (c) => c.has("fetch_busy") && {
      title: "Fetch", unit: "share",
      series: [
        share("attempt runs", c.raw("fetch_busy"), "fetch"),
        share("in process", c.raw("fetch_process"), "process"),
        share("pushed back", c.raw("fetch_blocked"), "sink"),
        share("no input yet", c.raw("fetch_input"), "source"),
        share("rate or pause", c.raw("fetch_rate"), "rate"),
        share("host limit", c.raw("fetch_host"), "host"),
        share("nothing left", c.raw("fetch_ended"), "ended"),
      ],
    }],
    ["process", (c) => c.isAny("process_busy") && {
      title: "Process", unit: "share",
      series: [share("busy", c.raw("process_busy"), "process"), share("starved", c.rest("process_busy"), "rest")],
    }],
    ["sink", (c) => c.has("sink_busy") && {
      title: "Sink", unit: "share",
      series: [
        share("writes", c.minus("sink_busy", "sink_commit"), "sink"),
        share("commits", c.raw("sink_commit"), "commit"),
        share("starved", c.rest("sink_busy"), "rest"),
      ],
    }],
    ["channel", (c) => c.has("channel_items") && {
      title: "Channel to the sink", unit: "count", height: 40,
      series: [{ name: "items", values: c.raw("channel_items"), color: "sink", kind: "area" }],
    }],
    ["credits", (c) => c.has("credit_items") && {
      title: "Credits taken", unit: "count", height: 40,
      series: [{ name: "items", values: c.raw("credit_items"), color: "source", kind: "area" }],
    }],
    ["bytes", (c) => c.has("credit_bytes") && {
      title: "Memory held by items", unit: "bytes", height: 40,
      series: [{ name: "bytes", values: c.raw("credit_bytes"), color: "source", kind: "area" }],
    }],
  ];

  const MACHINE = [
    ["loop", "stacked", (c) => c.has("loop_run") && {
      title: "Event loop", note: "share of the time", unit: "share",
      series: [
        { name: "runs", values: c.raw("loop_run"), color: "fetch" },
        { name: "ready, but the machine is busy", values: c.raw("loop_runqueue"), color: "bad" },
        { name: "callbacks late", values: c.raw("loop_late"), color: "rate", kind: "line" },
      ],
    }],
    ["lag", "bars", (c) => c.has("loop_lag_s_max") && {
      title: "Event-loop lag", note: "longest in each window", unit: "s", total: "most",
      series: [{ name: "longest", values: c.raw("loop_lag_s_max"), color: "p95" }],
    }],
    ["cpu", "stacked", (c) => c.has("cpu_s") && {
      title: "CPU of this run", note: "cores", unit: "cores",
      series: [
        { name: "this process", values: c.perS("cpu_s"), color: "fetch" },
        { name: "its worker processes", values: c.perS("cpu_children_s"), color: "process" },
        { name: "ready, not running", values: c.perS("runqueue_s"), color: "bad", kind: "line", dash: true },
      ],
    }],
    ["machine", "line", (c) => c.has("machine_busy") && {
      title: "Whole machine", note: "share of all cores", unit: "share",
      series: [
        { name: "busy", values: c.raw("machine_busy"), color: "fetch", kind: "area" },
        { name: "stolen by the host", values: c.raw("machine_steal"), color: "bad" },
      ],
    }],
    ["memory", "line", (c) => c.has("rss_bytes") && {
      title: "Memory", note: "resident", unit: "bytes", total: "most",
      series: [{ name: "resident", values: c.raw("rss_bytes"), color: "fetch", kind: "area" }],
    }],
    ["fds", "line", (c) => c.has("fds") && {
      title: "Open files", note: "and sockets", unit: "count", total: "most",
      series: [{ name: "open", values: c.raw("fds"), color: "idle", kind: "area" }],
    }],
  ];

  /** Where the limit was lowered on purpose, as bands. */
  function probeBands(c) {
    const bands = [];
    c.raw("is_probe").forEach((isProbe, index) => {
      if (!isProbe) return;
      const [from, last] = [c.x[index] - c.span[index], bands[bands.length - 1]];
      if (last && from - last.to < 0.5 * c.span[index]) last.to = c.x[index];
      else bands.push({ from, to: c.x[index], name: "probe", text: "probe: the limit was lowered on purpose" });
    });
    return bands;
  }

  function makePanel() {
    const panel = document.createElement("section");
    panel.className = "run-panel";
    const heading = document.createElement("h3");
    heading.textContent = "Backpressure";
    const note = document.createElement("p");
    note.className = "run-panel-note";
    note.textContent =
      "Each row is one stage, from source to sink; a stage is drawn in its own colour while it works, and in the colour of " +
      "what it waits for while it cannot. A slow sink shows as its colour climbing from the bottom row to the top one.";
    const legend = document.createElement("ul");
    legend.className = "legend";
    for (const [tone, text] of Object.entries(WORDS)) {
      const entry = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.className = `chart-swatch chart-${tone}`;
      entry.append(swatch, text);
      legend.append(entry);
    }
    panel.append(heading, note, legend);
    return panel;
  }

  Penstock.runCharts = function (root, firstModel) {
    const group = charts.group();
    const drawn = new Map();
    const holder = document.createElement("div");
    holder.className = "run-charts";
    root.append(holder);
    const panel = makePanel();
    holder.append(panel);

    const order = [...SPEED, ["panel"], ...WORK, ...MACHINE].map(([key]) => key);
    const inPanel = BACKPRESSURE.map(([key]) => `pressure-${key}`);

    /** Draw, update or take away one chart; it goes before the next one of its order that is there. */
    function place(parent, keys, key, kind, spec) {
      const have = drawn.get(key);
      if (have && !spec) {
        have.destroy();
        drawn.delete(key);
      } else if (have) {
        have.update(spec);
      } else if (spec) {
        const made = charts[kind](parent, spec);
        drawn.set(key, made);
        const later = keys.slice(keys.indexOf(key) + 1).find((other) => other === "panel" || drawn.has(other));
        if (later) parent.insertBefore(made.element, later === "panel" ? panel : drawn.get(later).element);
      }
    }

    function update(model) {
      const c = columns(model.series);
      const shared = { x: c.x, span: c.span, group, breaks: model.breaks || [], marks: model.marks || [], bands: probeBands(c) };
      const complete = (spec) => {
        const known = spec && c.x.length ? spec.series.filter(({ values }) => values.some((value) => value !== null)) : [];
        return known.length ? Object.assign({}, shared, spec, { series: known }) : null;
      };
      for (const block of [SPEED, WORK, MACHINE]) {
        block.forEach(([key, kind, make]) => place(holder, order, key, kind, complete(make(c))));
        widenLast(block);
      }
      const rows = BACKPRESSURE.map(([, make]) => complete(make(c)));
      const last = rows.map(Boolean).lastIndexOf(true);
      rows.forEach((spec, index) => {
        const kind = spec && spec.unit === "share" ? "stackedShares" : "area";
        place(panel, inPanel, inPanel[index], kind, spec && Object.assign(spec, { compact: true, axis: index === last }));
      });
      panel.hidden = last < 0;
    }

    /** An odd chart at the end of a block takes the whole row. */
    function widenLast(block) {
      const shown = block.map(([key]) => drawn.get(key)).filter((chart) => chart);
      shown.forEach((chart, index) => chart.element.classList.toggle("run-wide", index === shown.length - 1 && index % 2 === 0));
    }

    update(firstModel);
    return {
      update,
      destroy() {
        drawn.forEach((chart) => chart.destroy());
        holder.remove();
      },
    };
  };
})();
