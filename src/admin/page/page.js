// What moves on the admin page: GET /status is asked each second and shown; POST /reload is behind a button.
//
// Everything that came from the server becomes text (textContent) or a plain attribute from a short list, never markup.
// What is shown is described by `h(…)` and brought into the page by `fill(…)`, which touches only what differs, so that
// focus, selection and scroll positions outlive each tick. Order in this file: constants, texts, drawing, charts, the
// parts of the page from top to bottom, theme and reload, polling.
(() => {
  "use strict";

  const EVERY_MS = 1000;
  const LONGEST_PAUSE_MS = 10000;
  const PATIENCE_MS = 5000;
  const WARN_DAYS = 14;
  const SHOWN_REFUSALS = 6;
  const LONGEST_TEXT = 240;

  const byId = (id) => document.getElementById(id);
  const list = (value) => (Array.isArray(value) ? value : []);
  const known = (value) => value !== null && value !== undefined;

  // Texts ------------------------------------------------------------------------------------------------------------

  const UNKNOWN = "–";
  const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

  /** 1234567 as "1,234,567". */
  const count = (value) => (known(value) ? plain.format(value) : UNKNOWN);

  /** Three figures at most before the unit that the caller adds: 0.25, 12.5, 120, 12.3k. */
  function short(value) {
    if (!known(value)) return UNKNOWN;
    if (value >= 1e6) return `${(value / 1e6).toFixed(value < 1e7 ? 1 : 0)}M`;
    if (value >= 1e4) return `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)}k`;
    if (value >= 100) return count(value);
    if (value >= 10 || value === 0) return String(Math.round(value * 10) / 10);
    return String(Math.round(value * 100) / 100);
  }

  /** Milliseconds as [number, unit]. */
  function time(ms) {
    if (!known(ms)) return [UNKNOWN, ""];
    if (ms > 0 && ms < 1) return [count(ms * 1000), "µs"];
    if (ms >= 1000) return [short(ms / 1000), "s"];
    return [ms >= 100 ? count(ms) : (Math.round(ms * 10) / 10).toFixed(1), "ms"];
  }

  const timeText = (ms) => time(ms).join(" ").trim();

  /** Bytes in units of 1024, as [number, unit]. */
  function bytes(value) {
    if (!known(value)) return [UNKNOWN, ""];
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    const step = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
    return [short(value / 1024 ** step), units[step]];
  }

  /** Seconds by their two largest units: "3 d 4 h", "12 min 5 s". */
  function span(seconds) {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return s % 60 && s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return s < 30 * 86400
      ? `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`
      : `${Math.floor(s / 86400)} d`;
  }

  const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many || `${one}s`}`;
  const words = (name) => String(name ?? "").replaceAll("_", " ");

  /** Seconds from `from` to `to`, null where one is unknown. */
  function between(from, to) {
    const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
    return Number.isFinite(seconds) ? seconds : null;
  }

  /** What a peer sent: controls and marks of direction become visible, and what is very long ends in an ellipsis. */
  function visible(text) {
    const shown = String(text ?? "").replace(
      /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
      (mark) => `\\u{${mark.codePointAt(0).toString(16)}}`,
    );
    return shown.length > LONGEST_TEXT ? `${shown.slice(0, LONGEST_TEXT)}…` : shown;
  }

  // Drawing ----------------------------------------------------------------------------------------------------------

  const ATTRIBUTES = [
    "class",
    "title",
    "role",
    "scope",
    "datetime",
    "data-label",
    "colspan",
    "tabindex",
    "aria-label",
    "aria-hidden",
  ];

  /** Describes an element. `share` (0 to 100) sets the property of that name for bars. */
  const h = (tag, attributes, ...kids) => ({ tag, attributes: attributes || {}, kids });

  /** Makes the children of `parent` what `wanted` describes (strings and `h(…)`, nested lists, null for nothing). */
  function fill(parent, wanted) {
    const kids = [wanted].flat(Infinity).filter((kid) => known(kid) && kid !== false && kid !== "");
    kids.forEach((kid, at) => place(parent, parent.childNodes[at], kid));
    while (parent.childNodes.length > kids.length) parent.lastChild.remove();
  }

  function place(parent, old, kid) {
    if (typeof kid !== "object") {
      const text = String(kid);
      if (!old || old.nodeType !== Node.TEXT_NODE) put(parent, old, document.createTextNode(text));
      else if (old.textContent !== text) old.textContent = text;
      return;
    }
    const same = old && old.nodeType === Node.ELEMENT_NODE && old.localName === kid.tag;
    const element = same ? old : put(parent, old, document.createElement(kid.tag));
    for (const name of ATTRIBUTES) {
      const value = kid.attributes[name];
      if (!known(value)) element.removeAttribute(name);
      else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
    }
    if (known(kid.attributes.share)) element.style.setProperty("--share", kid.attributes.share);
    fill(element, kid.kids);
  }

  function put(parent, old, fresh) {
    if (old) old.replaceWith(fresh);
    else parent.append(fresh);
    return fresh;
  }

  const wire = (text) =>
    h("span", { class: "wire", title: String(text ?? "").length > LONGEST_TEXT ? text : null }, visible(text));
  const pill = (text, tone) => h("span", { class: `pill ${tone || ""}` }, text);
  const detail = (...kids) => h("span", { class: "detail" }, ...kids);
  const empty = (...kids) => h("p", { class: "empty" }, ...kids);
  const code = (text) => h("code", null, text);
  const row = (name, value, ...more) =>
    h("div", { class: "row" }, h("span", null, name), h("b", null, value), ...more);
  const bar = (share, tone) =>
    h(
      "span",
      { class: `bar ${tone || ""}`, "aria-hidden": "true" },
      h("i", { share: Math.max(0, Math.min(100, share)).toFixed(1) }),
    );

  /** "3 min ago", with the moment itself on hovering. */
  function ago(moment, now) {
    const seconds = between(moment, now);
    return h("time", { datetime: moment, title: moment }, seconds === null ? UNKNOWN : `${span(seconds)} ago`);
  }

  /** A table in a box that scrolls by itself. Columns are [name, class]; the roles outlive its turning into cards. */
  function table(label, columns, groups) {
    const head = h(
      "tr",
      { role: "row" },
      columns.map(([name, kind]) => h("th", { scope: "col", role: "columnheader", class: kind }, name)),
    );
    const cells = (values) =>
      values.map((value, at) =>
        h("td", { role: "cell", class: columns[at][1], "data-label": columns[at][0] }, value),
      );
    const bodies = groups.map((group) =>
      h(
        "tbody",
        { role: "rowgroup" },
        group.title &&
          h(
            "tr",
            { role: "row", class: "group" },
            h("th", { scope: "rowgroup", role: "rowheader", colspan: columns.length }, group.title),
          ),
        group.rows.map((values) => h("tr", { role: "row" }, cells(values))),
      ),
    );
    return h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
      h("table", { role: "table", "aria-label": label }, h("thead", { role: "rowgroup" }, head), bodies),
    );
  }

  // Charts -----------------------------------------------------------------------------------------------------------

  const CHARTS = [
    {
      id: "chart-requests",
      text: short,
      series: [
        ["requests", "requests", "one", true],
        ["errors", "errors", "three"],
      ],
    },
    {
      id: "chart-latency",
      text: timeText,
      series: [
        ["p50_ms", "p50", "one"],
        ["p90_ms", "p90", "two"],
        ["p99_ms", "p99", "three"],
      ],
    },
    { id: "chart-connections", text: count, series: [["connections", "open", "one", true]] },
  ];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /** Seconds before now as "−2 min". */
  const before = (seconds) => (seconds === 0 ? "now" : seconds % 60 ? `−${-seconds} s` : `−${-seconds / 60} min`);

  function axes(text) {
    const font = "11px system-ui, sans-serif";
    const common = {
      stroke: () => colour("soft"),
      font,
      grid: { stroke: () => colour("grid"), width: 1 },
      ticks: { show: false },
    };
    return [
      { ...common, size: 24, gap: 4, space: 56, incrs: [10, 15, 30, 60, 120], values: (_, at) => at.map(before) },
      {
        ...common,
        size: 48,
        gap: 6,
        space: 34,
        values: (_, at) => at.map((value) => (value === 0 ? "0" : text(value).replace(".0 ", " "))),
      },
    ];
  }

  function lines(series) {
    return series.map(([, , name, filled]) => ({
      stroke: () => colour(name),
      fill: filled ? () => `${colour(name)}22` : undefined,
      width: 1.5,
      points: { show: false },
      spanGaps: false,
    }));
  }

  /** Makes the plot of a chart: its box decides the width, the theme the colours. */
  function makePlot(chart) {
    const figure = byId(chart.id);
    const box = figure.querySelector(".plot");
    const plot = new uPlot(
      {
        width: Math.max(200, box.clientWidth),
        height: box.clientHeight,
        legend: { show: false },
        padding: [8, 12, 0, 0],
        cursor: { y: false, drag: { x: false, y: false } },
        scales: {
          x: { time: false },
          y: { range: (_, low, high) => [0, Math.max(high * 1.1, chart.text === timeText ? 1 : 4)] },
        },
        axes: axes(chart.text),
        series: [{}, ...lines(chart.series)],
        hooks: { setCursor: [(u) => drawLegend(chart, u.cursor.idx)] },
      },
      [[], ...chart.series.map(() => [])],
      box,
    );
    new ResizeObserver(() =>
      plot.setSize({ width: Math.max(200, box.clientWidth), height: box.clientHeight }),
    ).observe(box);
    Object.assign(chart, {
      plot,
      legend: figure.querySelector(".legend"),
      caption: figure.querySelector("figcaption"),
    });
  }

  function drawCharts(history) {
    const step = history?.interval_s || 1;
    for (const chart of CHARTS) {
      if (!chart.plot) makePlot(chart);
      const values = chart.series.map(([key]) => list(history?.[key]));
      const points = Math.max(...values.map((points) => points.length));
      const x = Array.from({ length: points }, (_, at) => (at + 1 - points) * step);
      chart.plot.setData([x, ...values]);
      drawLegend(chart, chart.plot.cursor.idx);
      fill(chart.caption, caption(chart, values, points * step));
    }
  }

  /** What stands under the pointer, else the newest. */
  function drawLegend(chart, at) {
    const [x, ...values] = chart.plot.data;
    const index = known(at) && at < x.length ? at : x.length - 1;
    fill(chart.legend, [
      chart.series.map(([, name, tone], i) =>
        h("li", { class: tone }, h("span", null, `${name} `, h("b", null, chart.text(values[i][index])))),
      ),
      h("span", { class: "soft" }, x.length ? before(x[index]) : ""),
    ]);
  }

  /** The chart in words. */
  function caption(chart, values, seconds) {
    const parts = chart.series
      .map(([, name], at) => {
        const seen = values[at].filter(known);
        if (!seen.length) return null;
        const mean = seen.reduce((sum, value) => sum + value, 0) / seen.length;
        return `${name} ${chart.text(mean)} on average, at most ${chart.text(Math.max(...seen))}`;
      })
      .filter(known);
    return parts.length
      ? `${span(seconds)}: ${parts.join("; ")}.`
      : `A line appears here with the first ${chart.id === "chart-connections" ? "connection" : "requests"}.`;
  }

  // The head and the notices -----------------------------------------------------------------------------------------

  const PROCESS_TONES = { serving: "good", starting: "warn", draining: "warn" };

  function drawHead(status) {
    const state = byId("state");
    state.className = `pill ${PROCESS_TONES[status.state] || ""}`;
    fill(state, words(status.state));
    fill(
      byId("facts"),
      [
        ["version", status.version],
        ["generation", count(status.generation)],
        ["up", span(between(status.started, status.time) ?? 0)],
      ].map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))),
    );
  }

  const allServers = (status) =>
    list(status.upstreams).flatMap((upstream) => list(upstream.servers).map((server) => ({ upstream, server })));
  const daysLeft = (certificate, now) => (between(now, certificate.expires) ?? Infinity) / 86400;

  /** What needs a person, the worst first: [tone, text, lines]. */
  function notices(status) {
    const found = [];
    const fault = status.config?.fault;
    if (fault)
      found.push([
        "bad",
        `The last reload was refused; generation ${count(status.config.generation)} goes on.`,
        fault.split("\n"),
      ]);
    const out = allServers(status).filter(({ server }) => server.state === "out");
    if (out.length)
      found.push(["bad", `${plural(out.length, "upstream server is", "upstream servers are")} out.`, named(out)]);
    for (const certificate of list(status.certificates)) {
      const days = daysLeft(certificate, status.time);
      const names = list(certificate.names).map(visible).join(", ");
      if (days <= 0) found.push(["bad", `The certificate of ${names} has expired: clients refuse to connect.`]);
      else if (days <= WARN_DAYS)
        found.push(["warn", `The certificate of ${names} expires in ${span(days * 86400)}.`]);
    }
    const memory = status.memory || {};
    if (memory.bound && memory.used / memory.bound > 0.9)
      found.push(["warn", "Memory is close to the most that traffic can take."]);
    if (status.log?.dropped)
      found.push([
        "warn",
        `${plural(status.log.dropped, "log record")} dropped: where the log goes is slower than what is written.`,
      ]);
    if (status.state === "draining")
      found.push(["warn", "This process drains: it finishes what it has and takes nothing new."]);
    return found;
  }

  function named(out) {
    const some = out
      .slice(0, 4)
      .map(
        ({ upstream, server }) =>
          `${visible(upstream.name)}: ${visible(server.url)}${server.reason ? `, ${visible(words(server.reason))}` : ""}`,
      );
    return out.length > 4 ? [...some, `and ${out.length - 4} more`] : some;
  }

  /** What the button was answered gives way to what /status says of the same, and to a later generation. */
  function drawNotices(status) {
    if (status.config?.fault || status.generation > outcomeOf) byId("outcome").hidden = true;
    fill(
      byId("notices"),
      notices(status).map(([tone, text, lines]) => notice(tone, text, lines)),
    );
  }

  const notice = (tone, text, lines) =>
    h(
      "div",
      { class: `notice ${tone}` },
      h("strong", null, text),
      list(lines).length > 0 &&
        h(
          "ul",
          null,
          lines.map((line) => h("li", null, line)),
        ),
    );

  // Tiles ------------------------------------------------------------------------------------------------------------

  function tile(name, [value, unit], note, tone) {
    return h(
      "div",
      null,
      h("dt", null, name),
      h("dd", { class: `value ${tone || ""}` }, value, unit && h("small", null, unit)),
      h("dd", { class: "note" }, note || "\u00a0"),
    );
  }

  function drawTiles(status) {
    const { requests = {}, connections = {}, memory = {}, log = {} } = status;
    const failing = requests.rate ? (100 * (requests.error_rate || 0)) / requests.rate : 0;
    const shareOf = (part, whole) =>
      whole ? `${part > 0 && part < 1 ? "under 1" : Math.round(part)} % of ${whole}` : "no bound";
    fill(byId("tiles"), [
      tile("Requests", [short(requests.rate), "/s"], `${count(requests.total)} in all`),
      tile(
        "Errors",
        [short(requests.error_rate), "/s"],
        requests.rate ? `${short(failing)} % of requests` : "no requests now",
        requests.error_rate > 0 ? "bad-ink" : "",
      ),
      tile("Latency p50", time(requests.p50_ms), "half are faster"),
      tile("Latency p90", time(requests.p90_ms), "1 in 10 is slower"),
      tile("Latency p99", time(requests.p99_ms), "1 in 100 is slower"),
      tile(
        "Connections",
        [count(connections.client), ""],
        shareOf((100 * connections.client) / connections.max, connections.max && count(connections.max)),
      ),
      tile(
        "Memory",
        bytes(memory.used),
        shareOf((100 * memory.used) / memory.bound, memory.bound && bytes(memory.bound).join(" ")),
      ),
      tile(
        "Log dropped",
        [count(log.dropped), ""],
        log.dropped ? "records lost" : "nothing lost",
        log.dropped ? "warn-ink" : "",
      ),
    ]);
  }

  // Upstreams --------------------------------------------------------------------------------------------------------

  const SERVER_TONES = { up: "good", out: "bad", starting: "warn" };
  const SERVER_ORDER = ["out", "starting", "up"];
  const SERVER_COLUMNS = [
    ["Server", "wide"],
    ["State", "wide state"],
    ["In use", "number"],
    ["Idle", "number"],
    ["Requests", "number"],
    ["Failures", "number"],
    ["p50", "number"],
    ["p99", "number"],
  ];

  function serverRow(server, now) {
    const since = between(server.since, now);
    return [
      [
        wire(server.url),
        server.verify === false &&
          h(
            "span",
            { class: "pill warn mark", title: "verify = false: whoever answers is believed" },
            "certificate not verified",
          ),
        server.address && detail("at ", wire(server.address)),
      ],
      [
        pill(words(server.state), SERVER_TONES[server.state]),
        since !== null && h("span", { class: "soft", title: server.since }, ` for ${span(since)}`),
        server.reason && detail(visible(words(server.reason))),
      ],
      count(server.in_use),
      count(server.idle),
      count(server.requests),
      h("span", { class: server.failures ? "bad-ink" : "" }, count(server.failures)),
      timeText(server.p50_ms),
      timeText(server.p99_ms),
    ];
  }

  function drawUpstreams(status) {
    const groups = list(status.upstreams).map((upstream) => {
      const rank = (server) => SERVER_ORDER.indexOf(server.state);
      const servers = [...list(upstream.servers)].sort((a, b) => rank(a) - rank(b));
      const states = SERVER_ORDER.map((state) => [
        servers.filter((server) => server.state === state).length,
        state,
      ]).filter(([n]) => n);
      const summary = states.map(([n, state]) => `${n} ${state}`).join(", ") || "no server";
      return {
        title: [h("span", { class: "wire" }, visible(upstream.name)), h("span", { class: "soft" }, summary)],
        rows: servers.map((server) => serverRow(server, status.time)),
      };
    });
    fill(
      byId("upstreams"),
      groups.length
        ? table("Upstream servers", SERVER_COLUMNS, groups)
        : empty(
            "No upstream is configured. With ",
            code("--upstream URL"),
            " or ",
            code("[upstream.NAME]"),
            " each of its servers stands here: whether it is up and why not, what it has served, how fast it answers.",
          ),
    );
  }

  // CORS -------------------------------------------------------------------------------------------------------------

  let allRefusals = false;

  /** The latest refusals, equal ones as one with their number, the newest first. */
  function groupRefusals(refused) {
    const groups = new Map();
    const newestFirst = [...list(refused)].sort((a, b) => Date.parse(b.time) - Date.parse(a.time));
    for (const one of newestFirst) {
      const key = JSON.stringify([
        one.origin,
        one.method,
        one.path,
        one.policy,
        one.kind,
        one.reason,
        one.setting,
        one.place,
      ]);
      if (groups.has(key)) groups.get(key).times += 1;
      else groups.set(key, { ...one, times: 1 });
    }
    return [...groups.values()];
  }

  function refusal(one, now) {
    const remedy = [
      one.setting && [h("dt", null, "Setting"), h("dd", null, code(visible(one.setting)))],
      one.place && [h("dt", null, "Place"), h("dd", null, h("code", { class: "wire" }, visible(one.place)))],
      one.hint && [h("dt", null, "To allow it"), h("dd", null, wire(one.hint))],
    ].filter(Boolean);
    return h(
      "li",
      { class: "refusal" },
      h(
        "div",
        { class: "who" },
        one.origin ? wire(one.origin) : h("span", { class: "soft" }, "no origin"),
        one.times > 1 && h("span", { class: "soft" }, `× ${count(one.times)}`),
        h("span", { class: "when" }, ago(one.time, now)),
      ),
      h(
        "div",
        { class: "what" },
        pill(visible(words(one.reason)), "bad"),
        h("span", { class: "wire clamp" }, visible(`${one.method ?? ""} ${one.path ?? ""}`.trim())),
        h(
          "span",
          { class: "soft" },
          [one.kind && words(one.kind), one.policy && `policy ${visible(one.policy)}`].filter(Boolean).join(", "),
        ),
      ),
      remedy.length > 0 && h("dl", { class: "remedy" }, remedy),
    );
  }

  function drawRefused(status) {
    const groups = groupRefusals(status.refused);
    const shown = allRefusals ? groups : groups.slice(0, SHOWN_REFUSALS);
    fill(
      byId("refused"),
      groups.length
        ? h(
            "ul",
            null,
            shown.map((one) => refusal(one, status.time)),
          )
        : empty(
            "Nobody was refused. An origin, method or field that a policy does not allow appears here, with the setting, its line in the file and what to write there.",
          ),
    );
    const more = byId("refused-more");
    more.hidden = groups.length <= SHOWN_REFUSALS;
    fill(more, allRefusals ? "Show fewer" : `Show all ${count(groups.length)}`);
  }

  const VERDICT_TONES = { allowed: "good", refused: "bad", unusable: "warn", reported: "warn" };
  const VERDICT_ORDER = ["refused", "unusable", "reported", "allowed"];

  function drawVerdicts(status) {
    const rank = (one) => VERDICT_ORDER.indexOf(one.result);
    const verdicts = list(status.cors)
      .filter((one) => one.count > 0)
      .sort((a, b) => rank(a) - rank(b) || b.count - a.count);
    const rows = verdicts.map((one) => [
      [
        pill(words(one.result), VERDICT_TONES[one.result]),
        one.reason && one.reason !== "none" && detail(visible(words(one.reason))),
      ],
      [words(one.kind), detail("policy ", wire(one.policy))],
      count(one.count),
    ]);
    fill(
      byId("cors"),
      rows.length
        ? table(
            "CORS verdicts",
            [
              ["Verdict", "verdict"],
              ["Request", ""],
              ["Count", "number"],
            ],
            [{ rows }],
          )
        : empty(
            "No request with an Origin yet. What the policies decide about preflights and requests is counted here.",
          ),
    );
  }

  // The rest ---------------------------------------------------------------------------------------------------------

  function drawErrors(status) {
    const causes = Object.entries(status.errors || {})
      .filter(([, n]) => n > 0)
      .sort((a, b) => b[1] - a[1]);
    const most = causes.length ? causes[0][1] : 1;
    fill(
      byId("errors"),
      causes.length
        ? h(
            "div",
            { class: "rows" },
            causes.map(([cause, n]) => row(visible(words(cause)), count(n), bar((100 * n) / most, "bad"))),
          )
        : empty(
            "No error since the start. What went wrong, with clients or upstreams, is counted here by its cause.",
          ),
    );
  }

  function drawCertificates(status) {
    const certificates = [...list(status.certificates)].sort((a, b) => Date.parse(a.expires) - Date.parse(b.expires));
    fill(
      byId("certificates"),
      certificates.length
        ? h(
            "div",
            { class: "rows" },
            certificates.map((one) => certificate(one, status.time)),
          )
        : empty(
            "No listener speaks TLS. With ",
            code("--tls-cert"),
            " each certificate stands here with its names and the day on which it expires.",
          ),
    );
  }

  function certificate(one, now) {
    const days = daysLeft(one, now);
    const tone = days <= 0 ? "bad" : days <= WARN_DAYS ? "warn" : "good";
    const text = !Number.isFinite(days)
      ? "expiry unknown"
      : days <= 0
        ? `expired ${span(-days * 86400)} ago`
        : `${span(days * 86400)} left`;
    return h(
      "div",
      { class: "row" },
      wire(list(one.names).join(", ")),
      pill(text, tone),
      detail(wire(one.listener), one.expires && ` until ${String(one.expires).slice(0, 16).replace("T", " ")} UTC`),
    );
  }

  function drawListeners(status) {
    const listeners = list(status.listeners);
    fill(
      byId("listeners"),
      listeners.length
        ? h(
            "div",
            { class: "rows" },
            listeners.map((one) =>
              h(
                "div",
                { class: "row" },
                wire(one.address),
                one.tls ? pill("TLS", "good") : pill("plain"),
                detail(list(one.services).map(words).join(", ") || "no service"),
              ),
            ),
          )
        : empty("Nothing listens yet. The addresses at which clients connect stand here."),
    );
  }

  function drawConfiguration(status) {
    const config = status.config || {};
    fill(
      byId("configuration"),
      h(
        "div",
        { class: "rows" },
        row("Generation", count(config.generation ?? status.generation)),
        row("Loaded", config.loaded ? ago(config.loaded, status.time) : UNKNOWN),
        row(
          "Last reload",
          config.fault
            ? h("span", { class: "bad-ink" }, "refused")
            : config.generation > 1
              ? h("span", { class: "good-ink" }, "accepted")
              : "none yet",
        ),
        h(
          "div",
          { class: "row" },
          h("span", null, "File"),
          detail(config.path ? wire(config.path) : "none: flags and environment alone"),
        ),
      ),
    );
  }

  function drawProcess(status) {
    const { connections = {}, memory = {}, log = {} } = status;
    const share = memory.bound ? (100 * memory.used) / memory.bound : 0;
    const clients = connections.max ? (100 * connections.client) / connections.max : 0;
    fill(
      byId("process"),
      h(
        "div",
        { class: "rows" },
        row(
          "Client connections",
          `${count(connections.client)}${connections.max ? ` / ${count(connections.max)}` : ""}`,
          bar(clients, clients > 90 ? "warn" : ""),
        ),
        row(
          "Upstream connections",
          count(connections.upstream),
          detail(`${count(connections.idle_upstream)} of them idle`),
        ),
        row(
          "Memory",
          `${bytes(memory.used).join(" ")}${memory.bound ? ` / ${bytes(memory.bound).join(" ")}` : ""}`,
          bar(share, share > 90 ? "warn" : ""),
        ),
        row("Log records dropped", count(log.dropped)),
        row("Started", ago(status.started, status.time)),
      ),
    );
  }

  function drawWorkers(status) {
    const workers = list(status.workers);
    const all = workers.reduce((sum, one) => sum + one.requests, 0) || 1;
    fill(
      byId("workers"),
      workers.length
        ? h(
            "div",
            { class: "rows" },
            workers.map((one, at) =>
              row(
                `Worker ${at + 1}`,
                plural(one.requests, "request"),
                bar((100 * one.requests) / all),
                detail(plural(one.connections, "connection")),
              ),
            ),
          )
        : empty("No worker yet. How the requests and connections are spread over the cores stands here."),
    );
  }

  // All of it --------------------------------------------------------------------------------------------------------

  const PARTS = [
    drawHead,
    drawNotices,
    drawTiles,
    (status) => drawCharts(status.history),
    drawUpstreams,
    drawRefused,
    drawVerdicts,
    drawErrors,
    drawCertificates,
    drawListeners,
    drawConfiguration,
    drawProcess,
    drawWorkers,
  ];

  let last = null;

  function draw(status) {
    tellChanges(last, status);
    last = status;
    for (const part of PARTS) part(status);
    document.title = title(status);
  }

  function title(status) {
    const out = allServers(status).filter(({ server }) => server.state === "out").length;
    const trouble = [out && `${out} out`, status.config?.fault && "reload refused"].filter(Boolean).join(", ");
    return trouble ? `(${trouble}) corsair` : "corsair";
  }

  /** Says aloud what has changed since the answer before; figures that merely move are not among it. */
  function tellChanges(old, status) {
    if (!old) return;
    const said = [];
    if (old.started !== status.started) said.push("corsair was restarted");
    else if (old.generation !== status.generation) said.push(`generation ${status.generation} runs`);
    if (old.state !== status.state) said.push(`corsair is ${words(status.state)}`);
    if (status.config?.fault && status.config.fault !== old.config?.fault) said.push("the last reload was refused");
    const key = ({ upstream, server }) => JSON.stringify([upstream.name, server.url, server.address]);
    const states = new Map(allServers(old).map((one) => [key(one), one.server.state]));
    const changed = allServers(status).filter(
      (one) => states.has(key(one)) && states.get(key(one)) !== one.server.state,
    );
    for (const { server } of changed.slice(0, 3)) said.push(`${visible(server.url)} is ${words(server.state)}`);
    if (changed.length > 3) said.push(`and ${changed.length - 3} more servers have changed`);
    if (said.length) announce(`${said.join("; ")}.`);
  }

  const announce = (text) => fill(byId("announce"), text);

  // Theme and reload -------------------------------------------------------------------------------------------------

  const THEMES = ["auto", "light", "dark"];

  /** Storage may be forbidden; then the choice lasts as long as the page. */
  function remembered() {
    try {
      return localStorage.getItem("corsair-theme");
    } catch {
      return null;
    }
  }

  function setTheme(theme) {
    if (theme === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", theme);
    fill(byId("theme"), `Theme: ${theme}`);
    try {
      localStorage.setItem("corsair-theme", theme);
    } catch {
      /* see remembered() */
    }
    recolour();
  }

  const recolour = () => CHARTS.forEach((chart) => chart.plot?.redraw(false));
  const currentTheme = () => document.documentElement.getAttribute("data-theme") || "auto";

  let outcomeOf = 0; // the generation that the shown outcome speaks of

  function outcome(tone, text, lines, generation) {
    const box = byId("outcome");
    outcomeOf = generation ?? last?.generation ?? 0;
    box.hidden = false;
    fill(box, notice(tone, text, lines));
    announce(text);
  }

  async function reload() {
    const button = byId("reload");
    button.disabled = true;
    fill(button, "Reloading…");
    try {
      const response = await fetch("reload", { method: "POST", cache: "no-store" });
      const answer = await response.json().catch(() => ({}));
      if (response.ok) outcome("good", `Reloaded: generation ${count(answer.generation)} runs.`, [], answer.generation);
      else if (list(answer.faults).length)
        outcome("bad", "Refused: the configuration stays as it was.", answer.faults.map(String));
      else outcome("bad", `The reload was answered with ${response.status}; the log of corsair says more.`);
    } catch {
      outcome("bad", "The reload was not answered: there is no contact to corsair.");
    }
    button.disabled = false;
    fill(button, "Reload configuration");
    button.focus();
    ask();
  }

  // Polling ----------------------------------------------------------------------------------------------------------

  let timer = 0;
  let under = null; // what aborts the question that is under way
  let failures = 0;
  let heard = null; // when the last answer came, by the clock of this computer

  async function ask() {
    clearTimeout(timer);
    if (document.hidden || under) return;
    under = new AbortController();
    const patience = setTimeout(() => under.abort(), PATIENCE_MS);
    let problem = null;
    let status = null;
    try {
      const response = await fetch("status", { cache: "no-store", signal: under.signal });
      if (response.ok) status = await response.json();
      else problem = `/status answers ${response.status}`;
    } catch (error) {
      problem = error instanceof SyntaxError ? "/status does not answer JSON" : "no answer";
    }
    clearTimeout(patience);
    under = null;
    if (status) contact(status);
    else lost(problem);
    if (!document.hidden) timer = setTimeout(ask, Math.min(LONGEST_PAUSE_MS, EVERY_MS * 2 ** Math.min(failures, 4)));
  }

  function contact(status) {
    if (failures) announce("Contact to corsair is back.");
    failures = 0;
    heard = new Date();
    byId("contact").hidden = true;
    byId("content").classList.remove("stale");
    draw(status);
  }

  function lost(problem) {
    failures += 1;
    const since = heard ? `Lost contact since ${heard.toLocaleTimeString("en-GB")}` : "No contact yet";
    const box = byId("contact");
    box.hidden = false;
    fill(box, [
      h("strong", null, `${since}: ${problem}.`),
      heard
        ? " What is shown is from then; it goes on by itself as soon as corsair answers."
        : " It is tried again by itself.",
    ]);
    byId("content").classList.add("stale");
    byId("state").className = "pill bad";
    fill(byId("state"), "no contact");
    document.title = "(no contact) corsair";
    if (failures === 1) announce(`${since}: ${problem}.`);
  }

  // Start ------------------------------------------------------------------------------------------------------------

  setTheme(THEMES.includes(remembered()) ? remembered() : "auto");
  byId("theme").addEventListener("click", () =>
    setTheme(THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length]),
  );
  byId("reload").addEventListener("click", reload);
  byId("refused-more").addEventListener("click", () => {
    allRefusals = !allRefusals;
    if (last) drawRefused(last);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
  ask();
})();
