// Light or dark before the first paint: the person's own choice on this device, else what the system says.
(() => {
  "use strict";
  const root = document.documentElement;
  const wish = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("zz-theme");
    } catch {
      return null; // storage may be switched off
    }
  };
  const apply = () => {
    root.dataset.bsTheme = chosen() ?? (wish.matches ? "dark" : "light");
  };
  apply();
  wish.addEventListener("change", apply);
  window.addEventListener("zz:theme", (event) => {
    try {
      localStorage.setItem("zz-theme", event.detail);
    } catch {
      // the choice then lasts for this page only
    }
    root.dataset.bsTheme = event.detail;
  });
})();
