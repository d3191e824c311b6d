"use strict";
(function () {
  var root = document.documentElement;
  root.classList.add("js");
  var holder = document.getElementById("figure");
  var axes = holder ? JSON.parse(holder.textContent) : {};
  var SVG = "http://www.w3.org/2000/svg";
  var MOST = 40; // how far the picture zooms in

  function each(selector, action, place) {
    Array.prototype.forEach.call((place || document).querySelectorAll(selector), action);
  }

  function element(name, attributes, text) {
    var made = document.createElementNS(SVG, name);
    Object.keys(attributes).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    if (text !== undefined) { made.textContent = text; }
    return made;
  }

  // --- numbers, written as the rest of the page writes them ---
  function digits(value) {
    if (value >= 1000) { return Math.round(value).toLocaleString("en"); }
    return value.toPrecision(3);
  }

  function amount(axis, ratio) {
    if (!axis.base || ratio <= 0) { return ""; }
    var value = axis.base / ratio;
    if (axis.unit === "ms") { return digits(value) + " ms"; }
    var units = [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]];
    for (var i = 0; i < units.length; i += 1) {
      if (value >= units[i][1]) { return (value / units[i][1]).toFixed(2) + " " + units[i][0]; }
    }
    return Math.round(value) + " B";
  }

  function rounds(window, most) {
    var low = Math.min(window[0], window[1]), high = Math.max(window[0], window[1]);
    var power = Math.pow(10, Math.floor(Math.log10((high - low) / most)));
    var step = [1, 2, 2.5, 5, 10].map(function (one) { return one * power; })
      .filter(function (one) { return one >= (high - low) / most; })[0];
    var found = [];
    for (var n = Math.ceil(low / step); n * step <= high; n += 1) { found.push(+(n * step).toPrecision(9)); }
    return found;
  }

  // --- one picture: the window on the whole, its ticks, its readout ---
  function Picture(plot) {
    var axis = axes[plot.getAttribute("data-view")];
    var area = plot.querySelector(".area");
    var tip = null;
    var x = axis.x.window.slice(), y = axis.y.window.slice();
    var spots = Array.prototype.slice.call(plot.querySelectorAll("a.spot"));
    spots.sort(function (a, b) { return a.getAttribute("data-at") - b.getAttribute("data-at"); });

    function place(whole, value) { return 100 * (value - whole[0]) / (whole[1] - whole[0]) + "%"; }

    function stretch(part, key, whole, window) {
      var size = window[1] - window[0];
      part.setAttribute(key, 100 * (whole[0] - window[0]) / size + "%");
      part.setAttribute(key === "x" ? "width" : "height", 100 * (whole[1] - whole[0]) / size + "%");
    }

    function ticks(kind, one, window) {
      var level = kind === "x";
      var space = level ? area.clientWidth / 88 : area.clientHeight / 62;
      var scale = plot.querySelector(level ? ".scale.across > svg" : ".scale.up > svg");
      var grid = plot.querySelector(".area [data-layer=" + kind + "] .ticks");
      scale.textContent = grid.textContent = "";
      rounds(window, Math.max(2, Math.floor(space))).forEach(function (value) {
        if (one.times && value <= 0) { return; }
        var at = place(one.whole, value);
        var text = String(value).replace("-", "\u2212") + (one.times ? "\u00d7" : "");
        if (level) {
          scale.appendChild(element("text", { x: at, y: 17 }, text));
          scale.appendChild(element("text", { x: at, y: 33, "class": "amount" }, amount(one, value)));
          grid.appendChild(element("line", { x1: at, x2: at, y2: "100%" }));
        } else {
          scale.appendChild(element("text", { x: "100%", y: at, dy: 4 }, text));
          grid.appendChild(element("line", { y1: at, y2: at, x2: "100%" }));
        }
      });
    }

    function show(across, up) {
      x = across; y = up;
      each("[data-layer]", function (part) {
        var kind = part.getAttribute("data-layer");
        if (kind !== "y") { stretch(part, "x", axis.x.whole, x); }
        if (kind !== "x") { stretch(part, "y", axis.y.whole, y); }
      }, plot);
      ticks("x", axis.x, x);
      ticks("y", axis.y, y);
      hide();
      names(x.join() !== axis.x.window.join() || y.join() !== axis.y.window.join());
    }

    // zoomed, names go where there is room now; what matters most is named first
    function names(zoomed) {
      plot.classList.toggle("zoomed", zoomed);
      each(".placed", function (one) { one.remove(); }, plot);
      if (!zoomed) { return; }
      var frame = area.getBoundingClientRect();
      var taken = spots.filter(inside).map(function (spot) { return spot.querySelector(".mark").getBoundingClientRect(); });
      ["chosen", "original", "front", "beaten"].forEach(function (kind) {
        spots.forEach(function (spot) {
          if (!spot.classList.contains(kind) || !inside(spot)) { return; }
          var text = element("text", { "class": "placed" }, spot.getAttribute("data-name").slice(0, 40));
          spot.querySelector("svg").appendChild(text);
          var free = [[9, -10, "start"], [9, 20, "start"], [-9, -10, "end"], [-9, 20, "end"], [9, -25, "start"], [-9, -25, "end"], [9, 35, "start"], [-9, 35, "end"]].some(function (at) {
            text.setAttribute("x", at[0]);
            text.setAttribute("y", at[1]);
            text.setAttribute("text-anchor", at[2]);
            var box = text.getBoundingClientRect();
            return box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom &&
              !taken.some(function (one) { return one.left < box.right && box.left < one.right && one.top < box.bottom && box.top < one.bottom; });
          });
          if (free) { taken.push(text.getBoundingClientRect()); } else { text.remove(); }
        });
      });
    }

    function held(window, whole) {
      // no farther out than the whole, no farther in than the digits carry, never past an end
      var size = window[1] - window[0], all = whole[1] - whole[0];
      if (Math.abs(size) >= Math.abs(all)) { return whole.slice(); }
      if (Math.abs(size) * MOST < Math.abs(all)) { size = all / MOST; }
      var middle = (window[0] + window[1]) / 2;
      var first = middle - size / 2;
      var low = Math.min(whole[0], whole[1] - size), high = Math.max(whole[0], whole[1] - size);
      first = Math.min(Math.max(first, low), high);
      return [first, first + size];
    }

    function zoom(factor) {
      function scaled(window, whole) {
        var middle = (window[0] + window[1]) / 2, half = (window[1] - window[0]) / 2 / factor;
        return held([middle - half, middle + half], whole);
      }
      show(scaled(x, axis.x.whole), scaled(y, axis.y.whole));
    }

    function hide() {
      if (tip) { tip.remove(); tip = null; }
    }

    function tell(spot) {
      hide();
      tip = document.createElement("div");
      tip.className = "tip";
      var head = document.createElement("strong");
      head.textContent = spot.getAttribute("data-name");
      tip.appendChild(head);
      spot.getAttribute("data-words").split("\n").forEach(function (line) {
        var row = document.createElement("div");
        row.textContent = line;
        tip.appendChild(row);
      });
      plot.appendChild(tip);
      var here = spot.querySelector(".mark").getBoundingClientRect(), frame = plot.getBoundingClientRect();
      var left = here.left - frame.left + here.width / 2 - tip.offsetWidth / 2;
      var top = here.top - frame.top - tip.offsetHeight - 14;
      tip.style.left = Math.max(0, Math.min(left, frame.width - tip.offsetWidth)) + "px";
      tip.style.top = (top < 0 ? here.bottom - frame.top + 14 : top) + "px";
    }

    function inside(spot) {
      var here = spot.querySelector(".mark").getBoundingClientRect(), frame = area.getBoundingClientRect();
      return here.right > frame.left && here.left < frame.right && here.bottom > frame.top && here.top < frame.bottom;
    }

    function step(spot, index) {
      spots.forEach(function (one) { one.setAttribute("tabindex", one === spots[index] ? "0" : "-1"); });
      spots[index].focus();
    }

    spots.forEach(function (spot, index) {
      spot.setAttribute("tabindex", index === spots.length - 1 ? "0" : "-1");
      spot.addEventListener("mouseenter", function () { tell(spot); });
      spot.addEventListener("mouseleave", hide);
      spot.addEventListener("focus", function () {
        if (!inside(spot)) { show(axis.x.whole.slice(), axis.y.whole.slice()); }
        tell(spot);
      });
      spot.addEventListener("blur", hide);
      spot.addEventListener("keydown", function (event) {
        var last = spots.length - 1;
        var next = { ArrowRight: index + 1, ArrowUp: index + 1, ArrowLeft: index - 1, ArrowDown: index - 1, Home: 0, End: last }[event.key];
        if (event.key === "Escape") { hide(); }
        if (next === undefined) { return; }
        event.preventDefault();
        step(spot, Math.min(Math.max(next, 0), last));
      });
    });
    drag();

    // a frame drawn with the mouse becomes the window
    function drag() {
      var start = null, frame = null;
      function at(event) {
        var box = area.getBoundingClientRect();
        return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      }
      area.addEventListener("pointerdown", function (event) {
        if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest("a")) { return; }
        event.preventDefault();
        start = at(event);
        frame = element("rect", { "class": "frame" });
        area.appendChild(frame);
        area.setPointerCapture(event.pointerId);
      });
      area.addEventListener("pointermove", function (event) {
        if (!start) { return; }
        var end = at(event);
        frame.setAttribute("x", 100 * Math.min(start[0], end[0]) + "%");
        frame.setAttribute("y", 100 * Math.min(start[1], end[1]) + "%");
        frame.setAttribute("width", 100 * Math.abs(end[0] - start[0]) + "%");
        frame.setAttribute("height", 100 * Math.abs(end[1] - start[1]) + "%");
      });
      ["pointerup", "pointercancel"].forEach(function (name) {
        area.addEventListener(name, function (event) {
          if (!start) { return; }
          var end = at(event), from = start;
          start = null;
          frame.remove();
          if (name === "pointercancel" || Math.abs(end[0] - from[0]) < 0.02 || Math.abs(end[1] - from[1]) < 0.02) { return; }
          function part(window, a, b) {
            var size = window[1] - window[0];
            return [window[0] + size * Math.max(0, Math.min(a, b)), window[0] + size * Math.min(1, Math.max(a, b))];
          }
          show(held(part(x, from[0], end[0]), axis.x.whole), held(part(y, from[1], end[1]), axis.y.whole));
        });
      });
      area.addEventListener("dblclick", home);
    }

    function home() { show(axis.x.window.slice(), axis.y.window.slice()); }

    return {
      plot: plot,
      again: function () { if (plot.classList.contains("zoomed")) { show(x, y); } },
      zoom: {
        "in": function () { zoom(1.6); },
        out: function () { zoom(1 / 1.6); },
        all: function () { show(axis.x.whole.slice(), axis.y.whole.slice()); },
        home: home
      },
      mark: function (name, lit) {
        spots.forEach(function (spot) {
          if (spot.getAttribute("data-name") === name) { spot.classList.toggle("lit", lit); }
        });
      }
    };
  }

  var pictures = {};
  each(".plot", function (plot) { pictures[plot.getAttribute("data-view")] = Picture(plot); });

  addEventListener("resize", function () {
    Object.keys(pictures).forEach(function (key) { pictures[key].again(); });
  });

  function current() {
    return pictures[document.querySelector("input[name=view]:checked").value];
  }

  each("[data-zoom]", function (button) {
    button.addEventListener("click", function () { current().zoom[button.getAttribute("data-zoom")](); });
  });
  each("a[data-mark]", function (link) {
    [["focus", true], ["mouseenter", true], ["blur", false], ["mouseleave", false]].forEach(function (pair) {
      link.addEventListener(pair[0], function () {
        Object.keys(pictures).forEach(function (key) { pictures[key].mark(link.getAttribute("data-mark"), pair[1]); });
      });
    });
  });

  // --- the picture as a file: every style written into a copy, then painted ---
  var STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "paint-order", "opacity",
    "font-size", "font-weight", "font-family", "text-anchor", "display", "overflow", "transform"];

  function dressed(from) {
    var copy = from.cloneNode(false), style = getComputedStyle(from);
    if (copy.setAttribute) {
      ["class", "href", "aria-label", "data-words", "data-name", "tabindex"].forEach(function (key) { copy.removeAttribute(key); });
      STYLES.forEach(function (key) { copy.style.setProperty(key, style.getPropertyValue(key)); });
    }
    Array.prototype.forEach.call(from.childNodes, function (child) {
      if (child.nodeType === 3) { copy.appendChild(child.cloneNode()); }
      if (child.nodeType === 1) { copy.appendChild(dressed(child)); }
    });
    return copy;
  }

  function drawing(plot) {
    var box = plot.getBoundingClientRect(), style = getComputedStyle(root);
    var made = element("svg", { xmlns: SVG, width: box.width + 40, height: box.height + 30, viewBox: "-20 -15 " + (box.width + 40) + " " + (box.height + 30) });
    made.appendChild(element("rect", { x: -20, y: -15, width: box.width + 40, height: box.height + 30, fill: style.getPropertyValue("--card") }));
    each(".plot > svg, .plot > p", function (one) {
      if (one.parentNode !== plot) { return; }
      var here = one.getBoundingClientRect(), copy;
      if (one.tagName === "P") {
        var end = one.className === "across-title";
        copy = element("text", { x: (end ? here.right : here.left) - box.left, y: here.top - box.top + here.height / 2 + 4, "text-anchor": end ? "end" : "start",
          "font-size": 13, "font-family": getComputedStyle(one).fontFamily, fill: getComputedStyle(one).color }, one.textContent);
      } else {
        copy = dressed(one);
        copy.setAttribute("x", here.left - box.left);
        copy.setAttribute("y", here.top - box.top);
        copy.setAttribute("width", here.width);
        copy.setAttribute("height", here.height);
      }
      made.appendChild(copy);
    });
    return made;
  }

  function save() {
    var plot = current().plot, made = drawing(plot);
    var address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(made)], { type: "image/svg+xml" }));
    var image = new Image();
    image.onload = function () {
      var canvas = document.createElement("canvas");
      canvas.width = 2 * made.getAttribute("width");
      canvas.height = 2 * made.getAttribute("height");
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(address);
      var link = document.createElement("a");
      link.download = "front-" + plot.getAttribute("data-view") + ".png";
      link.href = canvas.toDataURL("image/png");
      link.click();
      root.setAttribute("data-saved", canvas.width + "x" + canvas.height);
    };
    image.src = address;
  }
  each("[data-save]", function (button) { button.addEventListener("click", save); });

  // --- folded parts, paper, copying ---
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
    closed = Array.prototype.filter.call(document.querySelectorAll("details:not(.skips)"), function (one) { return !one.open; });
    closed.forEach(function (one) { one.open = true; });
  });
  addEventListener("afterprint", function () {
    closed.forEach(function (one) { one.open = false; });
  });
  addEventListener("hashchange", openTarget);
  each("a.spot, a[data-mark]", function (link) {
    // also when the address names it already
    link.addEventListener("click", function () { setTimeout(openTarget, 0); });
  });
  openTarget();
  each("button.copy", function (button) {
    button.addEventListener("click", function () { copy(button); });
  });
  root.setAttribute("data-drawn", Object.keys(pictures).join(" "));
})();
