(function () {
  "use strict";
  var root = document.documentElement;
  function show(lang) {
    root.lang = lang === "en" ? "en" : "zh-CN";
    document.title = root.getAttribute("data-title-" + lang);
    var box = document.getElementById("lang-" + lang);
    if (box) { box.checked = true; }
  }
  var asked = /[#&]lang=(zh|en)/.exec(location.hash);
  var preferred = /^zh/i.test(navigator.language || "zh") ? "zh" : "en";
  show(asked ? asked[1] : preferred);
  document.querySelectorAll("input[name=lang]").forEach(function (box) {
    box.addEventListener("change", function () { show(box.value); });
  });
})();
