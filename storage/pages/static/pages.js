// What a script adds to pages that work without it: pictures of numbers, times of the reader's own clock, copying,
// and a word when the connection for news is lost. Nothing here is needed to read or to send anything.
"use strict";

(() => {
  const root = document.documentElement;
  const language = root.lang || "en";
  root.classList.add("js");

  // times -----------------------------------------------------------------------------------------------------------
  const moments = new Intl.DateTimeFormat(language, {dateStyle: "medium", timeStyle: "short"});
  const days = new Intl.DateTimeFormat(language, {dateStyle: "medium"});
  const relative = new Intl.RelativeTimeFormat(language, {numeric: "auto"});
  const spans = [["day", 86400], ["hour", 3600], ["minute", 60]];

  function since(date) {
    const seconds = (date - Date.now()) / 1000;
    for (const [unit, size] of spans) {
      if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
    }
    return relative.format(Math.trunc(seconds), "second");
  }

  function tellTimes() {
    for (const element of document.querySelectorAll("time[data-time]")) {
      const date = new Date(element.dateTime);
      const full = (element.dataset.time === "date" ? days : moments).format(date);
      const text = element.closest("[data-ago]") ? since(date) : full;
      if (element.textContent !== text) element.textContent = text;
      if (text !== full) element.title = full;
    }
  }

  // charts ----------------------------------------------------------------------------------------------------------
  const drawn = new Map();  // plot by element
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const short = new Intl.NumberFormat(language, {maximumFractionDigits: 3});
  const dense = new Intl.NumberFormat(language, {notation: "compact", maximumFractionDigits: 2});
  const number = (value) => value == null ? "" : (Math.abs(value) >= 1e5 ? dense : short).format(value);

  const whole = [1, 2, 5].flatMap((digit) => [0, 1, 2, 3, 4, 5].map((power) => digit * 10 ** power)).sort((a, b) => a - b);

  function axis(text, extra) {
    const line = {stroke: colour("--line"), width: 1};
    return {
      stroke: colour("--quiet"), font: "13px system-ui, sans-serif", labelFont: "13px system-ui, sans-serif",
      label: text || undefined, labelSize: text ? 20 : 0, grid: line, ticks: {...line, size: 4}, ...extra,
    };
  }

  function line(one, index) {
    const stroke = colour(`--chart-${index % 4 + 1}`);
    const made = {label: one.name, scale: one.scale, stroke, width: 2, spanGaps: false, points: {show: undefined}};
    if (one.style === "dashed") made.dash = [6, 5];
    if (one.style === "area") made.fill = `${stroke}26`;
    if (one.style === "steps") made.paths = uPlot.paths.stepped({align: 1});
    if (one.style === "points") Object.assign(made, {paths: () => null, points: {show: true, size: 7}});
    return made;
  }

  function draw(element) {
    const data = JSON.parse(element.dataset.chart);
    const old = drawn.get(element);
    if (old) old.destroy();
    element.replaceChildren();
    const width = element.clientWidth;
    if (!width || !data.x.length) return;
    const axes = [
      axis("", {incrs: data.time || !data.x.every(Number.isInteger) ? undefined : whole, space: data.time ? 84 : 50, size: 34, values: (_, found) => found.map(number)}),
      axis(data.left, {scale: "left", size: 58, values: (_, found) => found.map(number)}),
    ];
    if (data.series.some((one) => one.scale === "right")) {
      axes.push(axis(data.right, {scale: "right", side: 1, size: 58, grid: {show: false}, values: (_, found) => found.map(number)}));
    }
    if (data.time) axes[0].values = (_, found, __, ___, step) => found.map((at) => tick(at, step));
    const options = {
      width, height: element.clientHeight || 240, legend: {live: false, show: data.series.length > 1},
      cursor: {drag: {x: false, y: false}, points: {size: 7}}, scales: {x: {time: data.time}}, axes,
      series: [{label: data.across}, ...data.series.map(line)],
    };
    drawn.set(element, new uPlot(options, [data.x, ...data.series.map((one) => one.values)], element));
    element.dataset.drawn = "1";
  }

  const clocks = new Intl.DateTimeFormat(language, {hour: "numeric", minute: "2-digit"});
  const dates = new Intl.DateTimeFormat(language, {day: "numeric", month: "short"});
  function tick(at, step) {
    const date = new Date(at * 1000);
    return step >= 86400 || (date.getHours() === 0 && date.getMinutes() === 0) ? dates.format(date) : clocks.format(date);
  }

  function drawAll(again) {
    if (typeof uPlot === "undefined") return;
    for (const [element, plot] of drawn) {
      if (!element.isConnected) { plot.destroy(); drawn.delete(element); }
    }
    for (const element of document.querySelectorAll("[data-chart]")) {
      if (again || element.drawnData !== element.dataset.chart || !element.firstElementChild) {
        element.drawnData = element.dataset.chart;
        draw(element);
      }
    }
  }

  // copying ---------------------------------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button || !navigator.clipboard) return;
    const source = document.getElementById(button.dataset.copy);
    navigator.clipboard.writeText(source.value ?? source.textContent.trim()).then(() => {
      button.textContent = button.dataset.copied || button.textContent;
    });
  });

  // a question before what cannot be taken back; the server asks again where it matters
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm || event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  // news ------------------------------------------------------------------------------------------------------------
  const lost = document.getElementById("live-lost");
  if (lost) {
    const show = (gone) => { lost.hidden = !gone; };
    document.addEventListener("htmx:sse:after:connection", () => show(false));
    document.addEventListener("htmx:sse:after:message", () => show(false));
    document.addEventListener("htmx:sse:error", () => show(true));
    document.addEventListener("htmx:sse:before:connection", (event) => {
      if (event.detail?.connection?.attempt > 0) show(true);
    });
  }

  // a region that is not in the answer any more: the page has become another one, so all of it is loaded; what a server
  // says that has trouble is no news
  document.addEventListener("htmx:after:request", (event) => {
    const {ctx} = event.detail;
    const region = ctx?.sourceElement;
    if (!region?.id || !region.hasAttribute("hx-select") || ctx.text.includes(`id="${region.id}"`)) return;
    event.preventDefault();
    if (ctx.response.status < 500) window.location.reload();
  });

  function refresh() { tellTimes(); drawAll(false); }
  document.addEventListener("htmx:after:swap", refresh);
  document.addEventListener("htmx:after:settle", refresh);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(true));
  let resized = 0;
  window.addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => drawAll(true), 150); });
  document.addEventListener("toggle", () => drawAll(false), true);
  setInterval(tellTimes, 20000);
  refresh();
})();
