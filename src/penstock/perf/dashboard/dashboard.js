/* The dashboard: puts what the stream tells into the page, and what its buttons ask into commands.
   Needs charts.js, runcharts.js and stream.js. Text goes in by textContent only. Only what has changed is touched, so
   that nothing flickers; while the page is hidden, nothing is drawn. */
(function () {
  "use strict";

  const { charts, runCharts, stream } = window.Penstock;
  const { format, clock } = charts;
  const FINE_MAX = 300; // windows of a second, as the server keeps them
  const CHARTS_SHARE = 0.1; // of the page's time goes into drawing charts, at most: the run may be on this machine
  const $ = (id) => document.getElementById(id);
  const CANNOT_TELL_MAX = 0.3; // as in telemetry/verdict.py
  const PHASES = {
    running: ["running", ""],
    paused: ["paused", "warn"],
    draining: ["draining", "warn"],
    complete: ["complete", "good"],
    interrupted: ["ended early", "warn"],
    stopped: ["stopped", "bad"],
  };
  const OVER = new Set(["complete", "interrupted", "stopped"]);
  const LINKS = {
    connecting: "connecting",
    live: "live",
    lost: "connection lost, trying again",
    full: "too many pages are open, trying again",
    refused: "not connected",
    finished: "the run has ended",
  };
  const state = { names: [], fine: {}, coarse: {}, range: "recent", live: null, verdict: null, about: {}, drawn: null, hasNews: false, isPending: false, chartsFrom: 0 };
  let connection = null, isLimitTouched = false;

  // ------------------------------------------------------------------------------------------------------ small parts

  function put(id, text) {
    const node = $(id);
    if (node.textContent !== text) node.textContent = text;
  }

  function show(id, isShown) {
    const node = $(id);
    if (node.hidden === isShown) node.hidden = !isShown;
  }

  function look(id, className) {
    const node = $(id);
    if (node.className !== className) node.className = className;
  }

  const isOver = () => Boolean(state.live) && OVER.has(state.live.phase);
  const count = (number) => (number === null || number === undefined ? "–" : Math.round(number).toLocaleString("en").replaceAll(",", "\u202f"));
  const percent = (part, whole) => (whole ? Math.min(100, (100 * part) / whole) : 0);

  function time(seconds) {
    return seconds === null || seconds === undefined ? "–" : clock(Math.round(seconds), 1).replace(".0", "");
  }

  // ---------------------------------------------------------------------------------------------------------- drawing

  function redraw() {
    if (state.isPending || document.hidden) return;
    state.isPending = true;
    requestAnimationFrame(() => {
      state.isPending = false;
      if (state.live) drawLive(state.live);
      drawVerdict(state.verdict);
      if (state.hasNews) drawCharts();
    });
  }

  function drawCharts() {
    const begun = performance.now();
    if (begun < state.chartsFrom && !isOver()) return;
    state.hasNews = false;
    const isLong = windows(state.fine) >= FINE_MAX;
    const series = isLong && state.range === "whole" ? state.coarse : state.fine;
    show("range", isLong);
    if (state.drawn) state.drawn.update({ series });
    else if (windows(series)) state.drawn = runCharts($("charts"), { series });
    const ended = performance.now();
    state.chartsFrom = ended + (ended - begun) * (1 / CHARTS_SHARE - 1);
  }

  const windows = (series) => (series.end_s || []).length;

  function setRange(range) {
    for (const id of ["recent", "whole"]) $(id).setAttribute("aria-pressed", String(id === range));
    [state.range, state.hasNews, state.chartsFrom] = [range, true, 0];
    redraw();
  }

  function drawLive(live) {
    const [word, tone] = PHASES[live.phase] || [live.phase, ""];
    const share = live.total ? percent(live.ended, live.total) : null;
    const about = live.is_total_estimated ? "~" : "";
    put("phase", live.phase === "draining" && live.text ? live.text.split(",")[0] : word);
    look("phase", "badge " + tone);
    document.title = `${share === null ? count(live.ended) : Math.floor(share) + " %"} · ${word} · ${state.about.title || "penstock"}`;
    put("ended", count(live.ended));
    put("total", live.total === null ? "items have ended" : `of ${about}${count(live.total)} items`);
    put("share", share === null ? "" : `${about}${share === 100 ? 100 : (Math.floor(share * 10) / 10).toFixed(1)}\u202f%`);
    put("elapsed", time(live.elapsed_s));
    put("elapsed-word", isOver() ? "took" : "running for");
    put("rate", isOver() ? `${format((live.ended - live.items.from_earlier_runs) / (live.elapsed_s || 1), "per_s")} on average` : format(live.items_per_s, "per_s"));
    put("rate-bytes", isOver() ? "" : format(live.bytes_per_s, "bytes/s"));
    show("eta-line", !isOver() && live.total !== null);
    put("eta", live.phase === "paused" ? "paused" : about + time(live.left_s));
    drawBar(live, share);
    drawAccounts(live);
    drawFigures(live);
    drawFailures(live.failures);
    drawHosts(live);
    drawControls(live);
  }

  function drawBar(live, share) {
    const items = live.items;
    const durable = percent(items.written + items.failed + items.skipped, live.total);
    show("bar", live.total !== null);
    $("bar").setAttribute("aria-valuenow", String(Math.floor(share || 0)));
    $("bar-durable").style.width = durable.toFixed(2) + "%";
    $("bar-ended").style.width = Math.max(0, (share || 0) - durable).toFixed(2) + "%";
  }

  function drawAccounts(live) {
    for (const name of ["written", "failed", "skipped", "pending", "admitted"]) put(name, count(live.items[name]));
    look("failed", live.items.failed ? "bad" : "");
    const earlier = live.items.from_earlier_runs;
    show("earlier", earlier > 0);
    put("earlier", `${count(earlier)} of them by earlier runs`);
  }

  function drawFigures(live) {
    const held = live.bytes_held_max ? `of ${format(live.bytes_held_max, "bytes")}` : "";
    const figures = [
      ["In flight", count(live.in_flight), live.limit === null ? "" : `of ${count(live.limit)}`],
      ["Ready, waiting for a place", count(live.queued), ""],
      ["Backoff, pause, pacing", count(live.delayed), ""],
      ["Put off to the end", count(live.deferred), "", live.deferred],
      ["Retries", count(live.retries), ""],
      ["429 and 503", count(live.throttled), "", live.throttled],
      ["Held in memory", format(live.bytes_held, "bytes"), held],
      ["Fetched", format(live.bytes_body, "bytes"), ""],
      ["Committed", format(live.bytes_durable, "bytes"), `in ${count(live.shards)} ${live.shards === 1 ? "file" : "files"}`],
    ].filter(([, , , isShown]) => isShown === undefined || isShown);
    rows($("figures"), figures.length, "div", (node) => {
      node.append(document.createElement("dt"), document.createElement("dd"));
      node.lastChild.append(document.createElement("span"), " ", document.createElement("span"));
      node.lastChild.lastChild.className = "unit";
    }).forEach((node, index) => {
      const [label, value, unit] = figures[index];
      texts([node.firstChild, node.lastChild.firstChild, node.lastChild.lastChild], [label, value, unit]);
    });
  }

  function drawFailures(failures) {
    const kinds = Object.entries(failures).sort((a, b) => b[1] - a[1]);
    show("failures", kinds.length > 0);
    put("failures", kinds.length ? "Given up: " + kinds.map(([kind, number]) => `${kind} ${count(number)}`).join(" · ") : "");
  }

  function drawHosts(live) {
    const hidden = live.hosts_known - live.hosts.length;
    put("hosts-note", hidden > 0 ? `the ${live.hosts.length} busiest of ${count(live.hosts_known)}` : "");
    rows($("hosts"), live.hosts.length, "tr", (node) => {
      for (let column = 0; column < 9; column++) node.insertCell().className = column && column < 8 ? "number" : "";
    }).forEach((node, index) => {
      const [host, inFlight, limit, queued, answers, failures, throttled, ttfb, bytes, note] = live.hosts[index];
      const flight = limit === null ? count(inFlight) : `${count(inFlight)} of ${count(limit)}`;
      const shown = [host, flight, count(queued), count(answers), count(failures), count(throttled), format(ttfb, "s"), format(bytes, "bytes"), note];
      texts(Array.from(node.cells), shown);
    });
  }

  /** As many children of `parent` as asked for: kept, made with `make`, or removed at the end. */
  function rows(parent, length, element, make) {
    while (parent.children.length > length) parent.lastElementChild.remove();
    while (parent.children.length < length) {
      const node = document.createElement(element);
      make(node);
      parent.append(node);
    }
    return Array.from(parent.children);
  }

  function texts(nodes, values) {
    nodes.forEach((node, index) => {
      if (node.textContent !== values[index]) node.textContent = values[index];
    });
  }

  function drawVerdict(verdict) {
    const isKnown = Boolean(verdict);
    const isTold = isKnown && verdict.confidence > CANNOT_TELL_MAX;
    put("verdict-name", isTold ? verdict.name : isOver() ? "Cannot tell" : "Cannot tell yet");
    look("verdict-name", isTold ? "verdict-name" : "verdict-name soft");
    show("verdict-sure", isTold);
    show("verdict-more", isTold);
    const isWatched = !state.live || state.live.has_series;
    const why = isWatched ? "The first verdict comes after some seconds of work." : "This run keeps no time series (--no-telemetry): no verdict, no charts.";
    if (!isKnown) return put("verdict-next", isOver() && isWatched ? "" : why);
    put("verdict-sure", `${Math.round(verdict.confidence * 100)}\u202f% sure`);
    look("verdict-sure", "badge " + (verdict.confidence >= 0.9 ? "good" : verdict.confidence >= 0.6 ? "" : "warn"));
    const evidence = rows($("verdict-evidence"), Math.min(4, verdict.evidence.length), "li", () => {});
    texts(evidence, verdict.evidence);
    put("verdict-next", verdict.next ? "Next: " + verdict.next : "");
    put("verdict-twice", verdict.at_twice_concurrency);
    return put("verdict-falsify", verdict.falsify);
  }

  // --------------------------------------------------------------------------------------------------------- controls

  function drawControls(live) {
    const isPaused = live.phase === "paused";
    const isSteerable = !isOver() && live.phase !== "draining";
    put("pause", isPaused ? "Resume" : "Pause");
    put("pause-note", isPaused ? "Nothing new starts until then." : "Start nothing new; what is in flight goes on.");
    for (const id of ["pause", "drain", "limit", "limit-half", "limit-double"]) $(id).disabled = !isSteerable;
    $("limit-form").querySelector("[type=submit]").disabled = !isSteerable;
    if (!isLimitTouched && live.limit !== null) $("limit").value = String(live.limit);
  }

  async function command(body, said) {
    put("answer", "…");
    const answer = await connection.command(body);
    if (answer.error) put("answer", `${answer.error}. ${answer.hint || ""}`);
    else if (!answer.is_done) put("answer", "The event loop is blocked; the run obeys as soon as it turns again.");
    else put("answer", said(answer));
    look("answer", "answer " + (answer.error ? "bad" : "soft"));
    return answer;
  }

  async function setLimit(value) {
    const answer = await command({ action: "concurrency", value }, ({ concurrency }) => `At most ${count(concurrency)} attempts at once now.`);
    if (!answer.error) isLimitTouched = false;
  }

  const limit = () => Number.parseInt($("limit").value, 10);

  function listen() {
    $("pause").addEventListener("click", () => {
      const action = state.live.phase === "paused" ? "resume" : "pause";
      command({ action }, () => (action === "pause" ? "Paused." : "Going on."));
    });
    $("drain").addEventListener("click", () => $("confirm").showModal());
    $("confirm").addEventListener("close", () => {
      if ($("confirm").returnValue === "drain") command({ action: "drain" }, () => "Draining.");
      $("confirm").returnValue = "";
    });
    $("limit").addEventListener("input", () => (isLimitTouched = true));
    $("limit").addEventListener("blur", () => (isLimitTouched = isLimitTouched && Number.isInteger(limit())));
    $("limit-half").addEventListener("click", () => setLimit(Math.max(1, Math.floor(limit() / 2))));
    $("limit-double").addEventListener("click", () => setLimit(Math.min(10000, limit() * 2)));
    $("limit-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (Number.isInteger(limit())) setLimit(limit());
    });
    $("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      open($("token").value.trim().replace(/^.*#?token=/, ""));
    });
    for (const id of ["recent", "whole"]) $(id).addEventListener("click", () => setRange(id));
    document.addEventListener("visibilitychange", redraw);
  }

  // ----------------------------------------------------------------------------------------------------------- events

  function addRows(series, added) {
    for (const row of added) state.names.forEach((name, index) => series[name].push(row[index]));
    if (added.length) state.hasNews = true;
  }

  const empty = (names) => Object.fromEntries(names.map((name) => [name, []]));

  function onEvent(kind, data) {
    if (kind === "blocked") {
      show("blocked", data.blocked_s > 0);
      return put("blocked", `The event loop has been blocked for ${Math.round(data.blocked_s)} s: nothing is fetched meanwhile. Something on it does not await.`);
    }
    if (data.columns) {
      [state.names, state.about, state.hasNews] = [data.columns, data.about, true];
      [state.fine, state.coarse] = [empty(data.columns), empty(data.columns)];
      drawAbout();
    }
    if (data.live) state.live = data.live;
    if (data.verdict) state.verdict = data.verdict;
    addRows(state.fine, data.fine);
    addRows(state.coarse, data.coarse);
    for (const name of state.names) state.fine[name].splice(0, windows(state.fine) - FINE_MAX);
    show("run", state.live !== null);
    if (kind === "finished") onFinished();
    return redraw();
  }

  function drawAbout() {
    const { title, version } = state.about;
    put("title", title || "penstock");
    put("version", version ? `penstock ${version}` : "penstock");
  }

  function onFinished() {
    show("blocked", false);
    show("news", true);
    put("answer", "");
    setRange("whole");
    const isResumable = state.live && state.live.phase !== "complete";
    put("news", isResumable ? "The run has ended before everything was done. The same command goes on where it stopped." : "The run is complete.");
    look("news", "note " + (isResumable ? "warn" : "good"));
  }

  function onState(name) {
    if ($("link").dataset.state !== name) $("link").dataset.state = name;
    put("link-text", LINKS[name]);
    show("ask", name === "refused");
    $("run").classList.toggle("stale", name === "lost" || name === "full");
    if (name === "refused") {
      put("phase", "locked");
      sessionStorage.removeItem("penstock-token");
    }
  }

  // ------------------------------------------------------------------------------------------------------------ start

  function open(token) {
    if (connection) connection.stop();
    sessionStorage.setItem("penstock-token", token);
    connection = stream(token, { event: onEvent, state: onState });
  }

  /** The token out of the link, which is then taken out of the address bar; a reload finds it in the tab's storage. */
  function givenToken() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given) history.replaceState(null, "", location.pathname);
    return given || sessionStorage.getItem("penstock-token");
  }

  listen();
  const token = givenToken();
  if (token) open(token);
  else onState("refused");
})();
