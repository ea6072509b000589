(function () {
  "use strict";
  var PAGE = 50;
  var data = JSON.parse(document.getElementById("data").textContent);
  var rows = data.columns, levels = data.levels, total = rows.id.length;
  var byId = function (id) { return document.getElementById(id); };
  var body = document.querySelector("#rows tbody"), heads = document.querySelectorAll("#rows th button");
  var tiers = Array.prototype.slice.call(document.querySelectorAll("input[name=tier]"));
  var place = {};
  levels.tier.forEach(function (one, k) { place[one[0]] = k; });
  var withDossier = data.command !== "" || Object.keys(data.dossiers).length > 0;
  var withDecision = document.getElementById("decided") !== null;
  // What is searched: name and code of each row, in small letters.
  var text = rows.name.map(function (name, k) { return (name + "\n" + rows.id[k]).toLowerCase(); });
  var state = { q: "", tier: [], sector: "", district: "", sure: "", sort: "risk", down: true, page: 0 };
  var found = new Int32Array(total), n = 0, orders = {}, formats = [];

  function lang() { return document.documentElement.lang === "en" ? "en" : "zh"; }
  function label(kind, k) { return k < 0 ? "–" : levels[kind][k][lang() === "en" ? 2 : 1]; }
  function say(name, values) {
    return data.texts[lang()][name].replace(/\{(\w+)\}/g, function (whole, key) {
      return key in values ? values[key] : whole;
    });
  }
  function number(value, digits) {
    if (value === null) { return "–"; }
    // One formatter a number of decimals: making one takes longer than all else that a row needs.
    if (!formats[digits]) {
      formats[digits] = new Intl.NumberFormat("en-US", {
        minimumFractionDigits: digits, maximumFractionDigits: digits
      });
    }
    return (value < 0 ? "−" : "") + formats[digits].format(Math.abs(value));
  }
  function percent(share, digits) { return share === null ? "–" : number(share * 100, digits) + "%"; }
  function signed(value, digits) { return (value > 0 ? "+" : "") + number(value, digits); }

  // Rows in the order of a column, made once; what is missing comes last, equal ones as in the file.
  function order(key, down) {
    var name = key + (down ? "-" : "");
    if (!orders[name]) {
      var values = rows[key], all = new Int32Array(total), sign = down ? -1 : 1, k;
      for (k = 0; k < total; k += 1) { all[k] = k; }
      if (key === "name") {
        var compare = new Intl.Collator("zh").compare;
        all.sort(function (a, b) { return sign * compare(values[a], values[b]) || a - b; });
      } else {
        var keys = new Float64Array(total);
        for (k = 0; k < total; k += 1) { keys[k] = values[k] === null ? Infinity : sign * values[k]; }
        all.sort(function (a, b) { return keys[a] === keys[b] ? a - b : keys[a] - keys[b]; });
      }
      orders[name] = all;
    }
    return orders[name];
  }

  // Take the rows that meet the filter, in order; count by tier as if no tier were chosen.
  function filter() {
    var q = state.q.trim().toLowerCase(), counts = levels.tier.map(function () { return 0; });
    var chosen = levels.tier.map(function (one) {
      return state.tier.length === 0 || state.tier.indexOf(one[0]) >= 0;
    });
    var want = {};
    ["sector", "district", "sure"].forEach(function (kind) {
      want[kind] = levels[kind].findIndex(function (one) { return one[0] === state[kind]; });
    });
    var all = order(state.sort, state.down), i, k;
    n = 0;
    for (i = 0; i < total; i += 1) {
      k = all[i];
      if (want.sector >= 0 && rows.sector[k] !== want.sector) { continue; }
      if (want.district >= 0 && rows.district[k] !== want.district) { continue; }
      if (want.sure >= 0 && rows.sure[k] !== want.sure) { continue; }
      if (q && text[k].indexOf(q) < 0) { continue; }
      counts[rows.tier[k]] += 1;
      if (chosen[rows.tier[k]]) { found[n] = k; n += 1; }
    }
    return counts;
  }

  function add(parent, tag, words, kind) {
    var made = document.createElement(tag);
    if (kind) { made.className = kind; }
    if (words !== undefined) { made.textContent = words; }
    parent.appendChild(made);
    return made;
  }
  function because(reason, effect, digits) {
    return reason < 0 ? "–" : label("reason", reason) + " " + signed(effect, digits);
  }
  function row(k) {
    var line = document.createElement("tr"), cell = add(line, "th"), name = rows.name[k] || rows.id[k], words;
    cell.scope = "row";
    add(cell, "bdi", name);
    add(cell, "small", rows.id[k], "mono");
    words = levels.tier[rows.tier[k]];
    add(add(line, "td"), "span", words[0] + " " + label("tier", rows.tier[k]), "tier " + words[0]);
    if (withDossier) { dossier(add(line, "td", undefined, "own"), rows.id[k], name); }
    if (withDecision) { decision(add(line, "td"), rows.id[k]); }
    add(line, "td", percent(rows.risk[k], 1), "n");
    add(line, "td", number(rows.credit[k], 1), "n");
    cell = add(line, "td");
    add(cell, "span", label("sure", rows.sure[k]), levels.sure[rows.sure[k]][0]);
    if (rows.agree) {
      words = percent(rows.agree[k], 0);
      add(cell, "small", words + " [" + percent(rows.low[k], 0) + ", " + percent(rows.high[k], 0) + "]");
    }
    cell = add(line, "td", undefined, "n");
    if (rows.way[k] === null) {
      cell.textContent = say("nowhere", {});
    } else {
      cell.textContent = say("risk", { value: signed(rows.wayRisk[k], 2) });
      add(cell, "small", say("credit", { value: signed(rows.wayCredit[k], 1) }));
    }
    if (rows.riskReason) {
      cell = add(line, "td", because(rows.riskReason[k], rows.riskEffect[k], 2), "reason");
      add(cell, "small", because(rows.creditReason[k], rows.creditEffect[k], 1));
    }
    add(line, "td", label("sector", rows.sector[k]));
    add(line, "td", label("district", rows.district[k]));
    return line;
  }
  // What was decided and when, and on which tier of which day: an earlier assignment is not this one.
  function decision(cell, id) {
    var one = data.decisions[id];
    if (!one) { cell.textContent = "–"; return; }
    var on = { tier: one[3], day: one[4] };
    add(cell, "span", [say("decision." + one[0], {}), one[1], one[2]].filter(Boolean).join(" "));
    add(cell, "small", one[5] ? say("on_another", on) : say("on_this", on));
  }
  function dossier(cell, id, name) {
    var made = data.dossiers[id];
    if (made) {
      made.forEach(function (one) {
        var link = add(cell, "a", one === "zh" ? "中文" : "English");
        link.href = "dossiers/" + encodeURIComponent(id) + "." + one + ".html";
        link.lang = one === "zh" ? "zh-CN" : "en";
        link.setAttribute("aria-label", say("open", { name: name }) + " " + link.textContent);
      });
    } else if (data.command) {
      var button = add(cell, "button", say("make", {}));
      button.type = "button";
      button.value = id;
      button.setAttribute("aria-label", say("make_of", { name: name }));
    }
  }

  function draw(counts) {
    var part = document.createDocumentFragment(), from = state.page * PAGE, to = Math.min(from + PAGE, n), i;
    for (i = from; i < to; i += 1) { part.appendChild(row(found[i])); }
    if (!n) {
      var none = add(add(part, "tr"), "td", say("nobody", {}), "nobody");
      none.colSpan = document.querySelectorAll("#rows thead th").length;
    }
    body.replaceChildren(part);
    var all = counts.reduce(function (a, b) { return a + b; }, 0);
    document.querySelectorAll(".count").forEach(function (one) {
      one.textContent = number(counts[place[one.dataset.tier]], 0);
    });
    document.querySelectorAll(".share b").forEach(function (one) {
      one.style.width = (all ? counts[place[one.dataset.tier]] / all * 100 : 0) + "%";
    });
    byId("count").textContent = say("count", {
      n: number(n, 0), of: number(total, 0), from: number(n ? from + 1 : 0, 0), to: number(to, 0)
    });
    var pages = Math.max(1, Math.ceil(n / PAGE));
    byId("page").textContent = say("page", { page: number(state.page + 1, 0), pages: number(pages, 0) });
    byId("before").disabled = state.page === 0;
    byId("after").disabled = state.page >= pages - 1;
    heads.forEach(function (one) {
      var head = one.parentNode;
      if (one.dataset.key === state.sort) {
        head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      } else { head.removeAttribute("aria-sort"); }
    });
  }

  var counts = [];
  function update() {
    performance.mark("filter-start");
    counts = filter();
    state.page = Math.max(0, Math.min(state.page, Math.ceil(n / PAGE) - 1));
    draw(counts);
    performance.measure("filter", "filter-start");
    remember();
  }
  function restart() { state.page = 0; byId("command").hidden = true; update(); }

  // The address keeps the filter, so that a page can be sent as it is seen.
  function remember() {
    var kept = new URLSearchParams();
    ["q", "sector", "district", "sure"].forEach(function (key) { if (state[key]) { kept.set(key, state[key]); } });
    if (state.tier.length) { kept.set("tier", state.tier.join(".")); }
    kept.set("sort", (state.down ? "-" : "") + state.sort);
    if (state.page) { kept.set("page", state.page + 1); }
    kept.set("lang", lang());
    history.replaceState(null, "", "#" + kept.toString());
  }
  function recall() {
    var kept = new URLSearchParams(location.hash.slice(1));
    if (!kept.has("sort") && !kept.has("q") && !kept.has("tier") && !kept.has("sector") && !kept.has("district") &&
        !kept.has("sure")) { return; }
    ["q", "sector", "district", "sure"].forEach(function (key) { state[key] = kept.get(key) || ""; });
    state.tier = (kept.get("tier") || "").split(".").filter(function (one) { return one in place; });
    var sort = kept.get("sort") || "-risk";
    state.down = sort.charAt(0) === "-";
    sort = sort.replace("-", "");
    state.sort = Array.prototype.some.call(heads, function (one) { return one.dataset.key === sort; }) ? sort : "risk";
    state.page = Math.max(0, (parseInt(kept.get("page"), 10) || 1) - 1);
  }
  function show() {
    byId("q").value = state.q;
    tiers.forEach(function (box) { box.checked = state.tier.indexOf(box.value) >= 0; });
    ["sector", "district", "sure"].forEach(function (kind) {
      var list = byId(kind), there = {};
      rows[kind].forEach(function (k) { there[k] = (there[k] || 0) + 1; });
      list.replaceChildren();
      add(list, "option", say("all", {})).value = "";
      levels[kind].forEach(function (one, k) {
        if (there[k]) {
          add(list, "option", label(kind, k) + " (" + number(there[k], 0) + ")").value = one[0];
        }
      });
      list.value = state[kind];
      if (list.value !== state[kind]) { list.value = state[kind] = ""; }
    });
  }

  // A spreadsheet takes a cell that begins so for a formula or a number; an apostrophe before it makes it text.
  var taken = new RegExp(data.taken);
  function quoted(value) {
    var words = String(value);
    return "\"" + (taken.test(words) ? "'" + words : words).replace(/"/g, "\"\"") + "\"";
  }
  function save() {
    var names = ["id", "name", "tier", "risk", "credit", "sure", "agree", "low", "high", "wayRisk", "wayCredit",
      "riskReason", "riskEffect", "creditReason", "creditEffect", "sector", "district"
    ].filter(function (name) { return name in rows; });
    var words = { tier: "tier", sure: "sure", riskReason: "reason", creditReason: "reason", sector: "sector",
      district: "district" };
    var lines = [names.map(function (name) { return quoted(say("column." + name, {})); }).join(",")], i, k;
    for (i = 0; i < n; i += 1) {
      k = found[i];
      lines.push(names.map(function (name) {
        var value = rows[name][k];
        if (value === null) { return ""; }
        if (name === "tier") { return quoted(levels.tier[value][0]); }
        if (name in words) { return quoted(value < 0 ? "" : label(words[name], value)); }
        return typeof value === "number" ? String(value) : quoted(value);
      }).join(","));
    }
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = data.file;
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }

  function tell(id) {
    // {id} stands between single quotes, where only another one means anything to a shell.
    var box = byId("command"), words = data.command.split("{id}").join(id.replace(/'/g, "'\"'\"'"));
    box.hidden = false;
    box.querySelector("code").textContent = words;
    box.querySelector("p").textContent = say("command", {});
    if (navigator.clipboard) {
      navigator.clipboard.writeText(words).then(function () {
        box.querySelector("p").textContent = say("copied", {});
      }, function () { return null; });
    }
  }

  byId("q").addEventListener("input", function () { state.q = this.value; restart(); });
  ["sector", "district", "sure"].forEach(function (kind) {
    byId(kind).addEventListener("change", function () { state[kind] = this.value; restart(); });
  });
  tiers.forEach(function (box) {
    box.addEventListener("change", function () {
      state.tier = tiers.filter(function (one) { return one.checked; }).map(function (one) { return one.value; });
      restart();
    });
  });
  byId("filters").addEventListener("submit", function (event) { event.preventDefault(); });
  byId("filters").addEventListener("reset", function (event) {
    event.preventDefault();
    state.q = state.sector = state.district = state.sure = "";
    state.tier = [];
    show();
    restart();
  });
  heads.forEach(function (one) {
    one.addEventListener("click", function () {
      var key = one.dataset.key, words = key === "name" || key === "sector" || key === "district";
      state.down = state.sort === key ? !state.down : !words && key !== "way" && key !== "agree";
      state.sort = key;
      restart();
    });
  });
  byId("before").addEventListener("click", function () { state.page -= 1; update(); });
  byId("after").addEventListener("click", function () { state.page += 1; update(); });
  byId("save").addEventListener("click", save);
  body.addEventListener("click", function (event) {
    if (event.target.tagName === "BUTTON") { tell(event.target.value); }
  });
  document.querySelectorAll("input[name=lang]").forEach(function (box) {
    box.addEventListener("change", function () { show(); update(); });
  });
  window.addEventListener("hashchange", function () { recall(); show(); update(); });
  recall();
  show();
  update();
})();
