"use strict";
(function () {
  var root = document.documentElement;
  var holder = document.getElementById("figure");
  var plot = document.getElementById("plot");

  // Colours are CSS variables in the data, so that light, dark and paper share one figure.
  function painted(value, style) {
    if (typeof value === "string") {
      return value.slice(0, 2) === "--" ? style.getPropertyValue(value).trim() || value : value;
    }
    if (Array.isArray(value)) {
      return value.map(function (one) { return painted(one, style); });
    }
    if (value && typeof value === "object") {
      var copy = {};
      Object.keys(value).forEach(function (key) {
        // what people wrote is never taken for a colour
        var text = key === "text" || key === "hovertext" || key === "customdata";
        copy[key] = text && typeof value[key] !== "object" ? value[key]
          : text && Array.isArray(value[key]) ? value[key] : painted(value[key], style);
      });
      return copy;
    }
    return value;
  }

  function start(views) {
    var current = document.querySelector("input[name=view]:checked").value;

    function draw() {
      var style = getComputedStyle(root);
      var view = views[current];
      var data = painted(view.data, style);
      var layout = painted(view.layout, style);
      layout.font.family = getComputedStyle(document.body).fontFamily;
      if (plot.clientWidth < 560) {
        layout.margin = { l: 46, r: 8, t: 10, b: 44 };
        layout.legend = { orientation: "h", y: -0.25, yanchor: "top", x: 0 };
        layout.font.size = 12;
        data.forEach(function (trace) {
          if (trace.text) { trace.mode = "markers"; }
        });
      }
      plot.setAttribute("aria-label", view.summary);
      return Plotly.react(plot, data, layout, { responsive: true, displayModeBar: false });
    }

    function mark(name) {
      var points = [];
      (plot.data || []).forEach(function (trace, curve) {
        (trace.customdata || []).forEach(function (one, point) {
          if (one === name) { points.push({ curveNumber: curve, pointNumber: point }); }
        });
      });
      Plotly.Fx.hover(plot, points);
    }

    Array.prototype.forEach.call(document.querySelectorAll("input[name=view]"), function (input) {
      input.addEventListener("change", function () { current = input.value; draw(); });
    });
    document.getElementById("reset").addEventListener("click", function () {
      Plotly.relayout(plot, { "xaxis.autorange": true, "yaxis.autorange": views[current].layout.yaxis.range ? "reversed" : true });
    });
    document.getElementById("save").addEventListener("click", function () {
      Plotly.downloadImage(plot, { format: "png", width: 1100, height: 640, scale: 2, filename: "front" });
    });
    Array.prototype.forEach.call(document.querySelectorAll("a[data-mark]"), function (link) {
      ["focus", "mouseenter"].forEach(function (event) {
        link.addEventListener(event, function () { mark(link.getAttribute("data-mark")); });
      });
      ["blur", "mouseleave"].forEach(function (event) {
        link.addEventListener(event, function () { Plotly.Fx.hover(plot, []); });
      });
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    addEventListener("beforeprint", draw);
    addEventListener("afterprint", draw);
    draw().then(function () {
      root.setAttribute("data-drawn", current);
      plot.on("plotly_click", function (event) {
        var name = event.points[0].customdata;
        Array.prototype.forEach.call(document.querySelectorAll("a[data-mark]"), function (link) {
          if (link.getAttribute("data-mark") === name) { location.hash = link.getAttribute("href"); }
        });
      });
    });
  }

  function openTarget() {
    var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  }

  function copy(button) {
    var code = document.getElementById(button.getAttribute("data-copy"));
    function done() {
      button.textContent = "Copied";
      setTimeout(function () { button.textContent = "Copy"; }, 1500);
    }
    function select() {
      getSelection().selectAllChildren(code);
      if (document.execCommand("copy")) { done(); }
    }
    if (navigator.clipboard && isSecureContext) {
      navigator.clipboard.writeText(code.textContent).then(done, select);
    } else {
      select();
    }
  }

  var closed = [];
  addEventListener("beforeprint", function () {
    root.classList.add("paper");
    closed = Array.prototype.filter.call(document.querySelectorAll("details:not(.skips)"), function (one) { return !one.open; });
    closed.forEach(function (one) { one.open = true; });
  });
  addEventListener("afterprint", function () {
    root.classList.remove("paper");
    closed.forEach(function (one) { one.open = false; });
  });
  addEventListener("hashchange", openTarget);
  openTarget();
  Array.prototype.forEach.call(document.querySelectorAll("button.copy"), function (button) {
    button.addEventListener("click", function () { copy(button); });
  });
  if (holder && plot) { start(JSON.parse(holder.textContent)); }
})();
