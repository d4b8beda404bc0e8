/* The connection of the dashboard: reads the event stream, comes back when it breaks, sends commands.
   A fetch instead of an EventSource, which cannot send the token. It knows nothing of what the events mean.

   Penstock.stream(token, {event(kind, data), state(name, text)}) -> {command(body) -> Promise, stop()}
   States: connecting, live, lost, refused (the token is not this run's), full, finished. */
(function () {
  "use strict";

  const Penstock = (window.Penstock = window.Penstock || {});
  const WAITS_MS = [500, 1000, 2000, 4000, 8000];
  const SILENT_MS = 12000; // a heartbeat comes every 5 s

  /** Server-sent events (HTML standard, 9.2.6) out of pieces of text: as much of it as our server sends. */
  function parser(take) {
    let rest = "";
    return (text) => {
      const blocks = (rest + text).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        let [kind, data] = ["message", ""];
        for (const line of block.split("\n")) {
          if (line.startsWith("event: ")) kind = line.slice(7);
          else if (line.startsWith("data: ")) data += line.slice(6);
        }
        if (data) take(kind, JSON.parse(data));
      }
    };
  }

  Penstock.stream = function (token, on) {
    let tries = 0, isOver = false, abort = null, timer = 0, watchdog = 0;
    const headers = { Authorization: "Bearer " + token };

    async function connect() {
      clearTimeout(timer);
      if (isOver) return;
      abort = new AbortController();
      on.state(tries ? "lost" : "connecting");
      let answer;
      try {
        answer = await fetch("/events", { headers, cache: "no-store", signal: abort.signal });
      } catch {
        return later("lost");
      }
      if (answer.status === 401) {
        isOver = true;
        return on.state("refused");
      }
      if (!answer.ok) return later(answer.status === 503 ? "full" : "lost");
      try {
        await read(answer.body);
      } catch (error) {
        if (error instanceof SyntaxError) console.error(error);
      }
      clearTimeout(watchdog);
      return isOver ? on.state("finished") : later("lost");
    }

    async function read(body) {
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      const feed = parser((kind, data) => {
        tries = 0;
        on.state("live");
        on.event(kind, data);
        if (kind === "finished") isOver = true;
      });
      for (;;) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => abort.abort(), SILENT_MS);
        const { value, done } = await reader.read();
        if (done) return;
        feed(value);
      }
    }

    function later(state) {
      if (isOver) return;
      on.state(state);
      timer = setTimeout(connect, WAITS_MS[Math.min(tries++, WAITS_MS.length - 1)]);
    }

    connect();
    return {
      /** Send a command; resolves to what the server says: {is_done, …}, or {error, hint}. */
      async command(body) {
        const sent = { ...headers, "Content-Type": "application/json" };
        try {
          const answer = await fetch("/control", { method: "POST", headers: sent, body: JSON.stringify(body), cache: "no-store" });
          return await answer.json();
        } catch {
          return { error: "the run did not answer", hint: "it may have ended" };
        }
      },
      stop() {
        isOver = true;
        on = { event() {}, state() {} };
        if (abort) abort.abort();
      },
    };
  };
})();
