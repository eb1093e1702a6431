// The page draws what /dashboard/live sends (message.go), and connects again when that
// ends. Nothing is computed here that is not about drawing.

const $ = (id) => document.getElementById(id);

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

// text changes an element only if there is a change: four times a second adds up.
function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

function attribute(element, name, value) {
  value = String(value);
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// share is how much of an element's bar is filled, from 0 to 1.
function share(element, value) {
  value = value.toFixed(3);
  if (element.style.getPropertyValue("--share") !== value) element.style.setProperty("--share", value);
}

// make adds an element to its parent.
function make(parent, tag, className = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  return parent.appendChild(element);
}

// listed gives parent as many children as there are items, made by build, which returns
// what show needs; most of the time they are there already.
function listed(parent, items, build, show) {
  const parts = (parent.parts ??= []);
  while (parts.length > items.length) parts.pop().root.remove();
  while (parts.length < items.length) parts.push(build(parent));
  items.forEach((item, i) => show(parts[i], item));
}

// time is a duration, given in microseconds, as number and unit, in three digits.
function time(us) {
  const [value, unit] = us < 999_500 ? [us / 1e3, "ms"] : [us / 1e6, "s"];
  return [value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0), unit];
}

function interval(us) {
  return us >= 1e6 ? `${us / 1e6} s` : `${us / 1e3} ms`;
}

function uptime(seconds) {
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  const [m, h, d] = [seconds / 60, seconds / 3600, seconds / 86400].map(Math.floor);
  if (d > 0) return `${d} d ${two(h % 24)} h`;
  if (h > 0) return `${h} h ${two(m % 60)} min`;
  return m > 0 ? `${m} min ${two(seconds % 60)} s` : `${seconds} s`;
}

function counted(n, what) {
  return `${whole.format(n)} ${what}${n === 1 ? "" : "s"}`;
}

// known is a ratio, if there was anything to divide by.
const known = (n) => (n ? tenths.format(n) : "–");

// ceiling is a round number that is not below n: charts change their scale rarely.
function ceiling(n) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(n, 10)));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].find((f) => f * unit >= n) * unit;
}

function throughput(m) {
  text($("tps"), whole.format(m.tps));
  text($("txs"), whole.format(m.txs));
  text($("load"), m.load ? `load ${whole.format(m.load)} tx/s` : "");

  const rates = m.rates ?? []; // none in the first message
  const most = Math.max(0, ...rates);
  const top = ceiling(most * 1.05);
  text($("tps-top"), whole.format(top));
  text($("tps-middle"), whole.format(top / 2));
  const step = 1000 / (m.points - 1);
  const begin = 1000 - step * (rates.length - 1);
  const points = rates.map((rate, i) => `${(begin + i * step).toFixed(1)} ${(100 - (100 * rate) / top).toFixed(2)}`);
  const line = points.length ? `M${points.join("L")}` : "";
  attribute($("tps-line"), "d", line);
  attribute($("tps-area"), "d", line && `${line}L1000 100L${begin.toFixed(1)} 100Z`);
  attribute($("tps-chart"), "aria-label",
    `Transactions per second, last minute: now ${whole.format(m.tps)}, at most ${whole.format(most)}`);
}

function latency(m) {
  const l = m.latency;
  $("latency").hidden = !l;
  if (!l) return;
  text($("latency-note"), m.durability === "fsync" ? "fsync included" : "without fsync");
  const most = l.bounds.at(-1);
  for (const p of ["p50", "p99"]) {
    const [value, unit] = time(l[p]);
    text($(p), l.total ? (l[p] >= most ? ">" : "") + value : "–");
    text($(`${p}-unit`), l.total ? unit : "");
  }

  // The axis is logarithmic, and ends one class after the last bound.
  const edges = [l.from, ...l.bounds, most * (most / l.bounds.at(-2))].map(Math.log10);
  const x = (us) => {
    const at = (Math.log10(Math.max(us, l.from)) - edges[0]) / (edges.at(-1) - edges[0]);
    return Math.min(Math.max(at, 0), 1) * 1000;
  };
  // Area is share: classes may differ in width.
  const heights = l.counts.map((n, i) => n / (edges[i + 1] - edges[i]));
  const top = Math.max(...heights);
  let bars = "";
  heights.forEach((h, i) => {
    if (!h) return;
    const [left, right] = [edges[i], edges[i + 1]].map((e) => x(10 ** e));
    const height = Math.max((100 * h) / top, 1.5);
    const space = Math.min(2, (right - left) / 5);
    bars += `M${left.toFixed(1)} 100V${(100 - height).toFixed(1)}H${(right - space).toFixed(1)}V100Z`;
  });
  attribute($("latency-bars"), "d", bars);
  for (const p of ["p50", "p99"]) {
    attribute($(`${p}-line`), "x1", x(l[p]).toFixed(1));
    attribute($(`${p}-line`), "x2", x(l[p]).toFixed(1));
    $(`${p}-line`).style.display = l.total ? "" : "none";
  }
  const decades = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7].filter((us) => us >= l.from && us <= most);
  listed($("latency-ticks"), decades, (parent) => ({ root: make(parent, "span") }), ({ root }, us) => {
    text(root, us < 1e3 ? "0.1 ms" : interval(us));
    const at = x(us) / 10;
    root.style.left = `${at}%`;
    root.style.transform = `translateX(${at < 5 ? 0 : at > 95 ? -100 : -50}%)`; // not beyond the edges
  });
  attribute($("latency-chart"), "aria-label",
    `Histogram of the latency of ${counted(l.total, "receipt")}, last minute: p50 ${time(l.p50).join(" ")}, p99 ${time(l.p99).join(" ")}`);
}

const cells = 48; // of which the style sheet shows half on a narrow screen
const narrow = matchMedia("(max-width: 600px)");

function heads(m) {
  const h = m.heads;
  const open = h.number > h.sealed ? Math.min((h.index + 1) / m.minis.inBlock, 1) : 1;
  const behind = (n) => (h.number === n ? "newest" : `${whole.format(h.number - n)} behind`);
  const rows = [
    { name: "Executed", kind: "executed", at: h.number, open, number: `${whole.format(h.number)}/${h.index}`, note: "mini-block" },
    { name: "Sealed", kind: "sealed", at: h.sealed, number: whole.format(h.sealed), note: behind(h.sealed) },
    { name: "Published", kind: "published", at: h.published, number: whole.format(h.published), note: behind(h.published) },
  ];
  if (h.proven !== null) {
    rows.push({ name: "Proven", kind: "proven", at: h.proven, number: whole.format(h.proven), note: behind(h.proven) });
  }
  const first = Math.max(0, h.number + 1 - (narrow.matches ? cells / 2 : cells));
  listed($("heads"), rows, buildHead, (parts, row) => {
    text(parts.name, row.name);
    parts.cells.className = `cells ${row.kind}`;
    text(parts.number, row.number);
    text(parts.note, row.note);
    for (let i = 0; i < cells; i++) {
      const block = first + i;
      share(parts.cells.children[i], block < row.at ? 1 : block === row.at ? row.open ?? 1 : 0);
    }
  });
}

function buildHead(parent) {
  const root = make(parent, "div");
  const name = make(root, "dt");
  const value = make(root, "dd", "number");
  const number = make(value, "b");
  const note = make(value, "span");
  const row = make(root, "dd");
  row.setAttribute("aria-hidden", "true");
  for (let i = 0; i < cells; i++) make(row, "i");
  return { root, name, number, note, cells: row };
}

function tiles(m) {
  text($("minis"), tenths.format(m.minis.perSecond));
  text($("minis-note"), `newest ${whole.format(m.heads.number)}/${m.heads.index}, every ${interval(m.minis.interval)}`);
  text($("diff"), known(m.diff));
  text($("witness"), known(m.witness));
  text($("groups"), tenths.format(m.groups.perSecond));
  const sync = m.durability === "fsync" ? `fsync ${time(m.groups.sync).join(" ")}` : "no fsync";
  text($("groups-note"), m.groups.perSecond ? `${tenths.format(m.groups.txs)} tx each, ${sync}` : "nothing to commit");
}

function queues(m) {
  listed($("queues"), m.queues ?? [], buildQueue, (parts, q) => {
    const part = q.most ? Math.min(q.length / q.most, 1) : 0;
    const [kind, word] = part >= 1 ? ["full", "full: "] : part >= 0.75 ? ["full", "nearly full: "]
      : part > 0.5 ? ["filling", "filling: "] : ["", ""];
    if (parts.root.className !== kind) parts.root.className = kind;
    text(parts.name, q.name);
    text(parts.what, q.what);
    text(parts.length, word + whole.format(q.length));
    text(parts.most, ` / ${whole.format(q.most)}`);
    share(parts.bar, part);
    attribute(parts.meter, "aria-label", `${q.name}: ${q.what}`);
    attribute(parts.meter, "aria-valuemax", q.most);
    attribute(parts.meter, "aria-valuenow", q.length);
  });
}

function buildQueue(parent) {
  const root = make(parent, "li");
  const label = make(root, "p", "what");
  const name = make(label, "b");
  const what = make(label, "span");
  const value = make(root, "p", "length");
  const length = make(value, "b");
  const most = make(value, "span");
  const meter = make(root, "div", "bar");
  meter.setAttribute("role", "meter");
  meter.setAttribute("aria-valuemin", "0");
  return { root, name, what, length, most, meter, bar: make(meter, "i") };
}

// table shows items as rows; each column gives a text and, if there is something to worry
// about, a class.
function table(id, items, columns) {
  $(id).hidden = !items?.length;
  listed($(`${id}-rows`), items ?? [], (parent) => {
    const root = make(parent, "tr");
    const name = make(root, "th");
    name.scope = "row";
    return { root, name, cells: columns.map(() => make(root, "td")) };
  }, (parts, item) => {
    text(parts.name, item.name);
    columns.forEach((column, i) => {
      const [value, kind = ""] = column(item);
      text(parts.cells[i], value);
      if (parts.cells[i].className !== kind) parts.cells[i].className = kind;
    });
  });
}

// worry marks numbers that are higher than they should be.
const worry = (n, warn, bad) => [whole.format(n), n >= bad ? "bad" : n >= warn ? "warn" : ""];

function others(m) {
  const block = m.minis.inBlock;
  table("nodes", m.nodes, [
    (n) => worry(n.lag, block / 4, block),
    (n) => worry(n.worst, block, 10 * block),
    (n) => worry(n.roots, 3, 10),
    (n) => [known(n.diff)],
  ]);
  table("provers", m.provers, [
    (p) => [whole.format(p.attested)],
    (p) => [whole.format(p.waiting)],
    (p) => worry(p.refused, 1, 1),
  ]);
}

function facts(m) {
  text($("name"), m.name);
  text($("chain"), String(m.chainId));
  text($("uptime"), uptime(m.uptime));
  listed($("addresses"), m.addresses ?? [], (parent) => {
    const root = make(parent, "div");
    return { root, name: make(root, "dt"), urls: make(root, "dd") };
  }, (parts, a) => {
    text(parts.name, a.name);
    listed(parts.urls, a.urls, (parent) => ({ root: make(parent, "code") }), ({ root }, url) => text(root, url));
  });
  const title = `${whole.format(m.tps)} tx/s – Vivace ${m.name}`;
  if (document.title !== title) document.title = title;
}

function draw(m) {
  facts(m);
  throughput(m);
  latency(m);
  heads(m);
  tiles(m);
  queues(m);
  others(m);
  $("main").hidden = false;
}

// The feed. A message comes every quarter of a second: when none came for a while the
// connection is dead, whatever the browser thinks.

const patience = 3000;
const delays = { first: 500, most: 5000 };
let socket = null;
let newest = null; // text of the newest message
let heard = 0; // when it came
let began = 0; // when the connection did
let delay = delays.first;
let retry = 0; // when to connect again

function state(name) {
  if (document.body.className === name) return;
  document.body.className = name;
  text($("status"), name);
  $("lost").hidden = name !== "disconnected";
}

function connect() {
  retry = 0;
  began = performance.now();
  const own = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/dashboard/live`);
  socket = own;
  own.onmessage = (event) => {
    if (socket !== own) return;
    newest = event.data;
    heard = performance.now();
    delay = delays.first;
    state("live");
    show();
  };
  own.onclose = () => {
    if (socket === own) lose();
  };
}

function lose() {
  socket.close();
  socket = null;
  retry = performance.now() + delay;
  delay = Math.min(delay * 2, delays.most);
  if (document.body.className !== "disconnected") {
    const since = newest ? `Connection lost at ${new Date().toLocaleTimeString("en-GB")}.` : "No connection.";
    text($("lost"), `${since} Trying again…`);
    state("disconnected");
  }
}

// show draws, unless nobody looks.
function show() {
  if (newest && !document.hidden) draw(JSON.parse(newest));
}

// watch sees to it that the feed lives.
function watch() {
  const now = performance.now();
  if (socket) {
    if (now - Math.max(began, heard) > patience) lose();
    return;
  }
  if (now >= retry) connect();
}

document.addEventListener("visibilitychange", show);
setInterval(watch, 250);
connect();
