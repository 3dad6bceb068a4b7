// Small help for hands and eyes. Every page works without it.
(() => {
  "use strict";

  // "/" or Ctrl-K: to the search box. Escape: out of it, or close an open menu.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea, select, [contenteditable]");
    const search = document.querySelector("#omnibox");
    if (search && ((event.key === "/" && !typing) || (event.key === "k" && (event.ctrlKey || event.metaKey)))) {
      event.preventDefault();
      search.focus();
      search.select();
    }
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details[data-menu][open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
      const found = document.querySelector("#omnibox-results");
      if (found && found.childElementCount) {
        found.replaceChildren();
        search.focus();
      }
    }
  });

  // Arrow keys walk the matches under the search box.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const box = event.target.closest("[data-omnibox]");
    if (!box) return;
    const stops = [box.querySelector("input[type=search]"), ...box.querySelectorAll("#omnibox-results a, #omnibox-results button")];
    const at = stops.indexOf(event.target);
    if (at < 0) return;
    event.preventDefault();
    stops[(at + (event.key === "ArrowDown" ? 1 : stops.length - 1)) % stops.length].focus();
  });

  // A click elsewhere closes menus and the matches.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    const box = document.querySelector("[data-omnibox]");
    if (box && !box.contains(event.target)) document.querySelector("#omnibox-results")?.replaceChildren();
  });

  // An explanation opens to the side that has room.
  document.addEventListener(
    "toggle",
    (event) => {
      const box = event.target.matches?.("details[data-menu][open]") ? event.target.querySelector(".zz-pop") : null;
      if (!box) return;
      box.classList.remove("is-left");
      box.classList.toggle("is-left", box.getBoundingClientRect().right > document.documentElement.clientWidth);
    },
    true,
  );

  // A form is sent once: its button rests until the answer is here.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    if (form.matches("[hx-post], [hx-get], [data-omnibox] form, [data-download]")) return; // a file leaves the page as it is
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // What went wrong is read first.
  const focusErrors = (root) => root.querySelector("[data-focus]")?.focus();
  focusErrors(document);
  document.addEventListener("htmx:afterSwap", (event) => focusErrors(event.target));

  // A refusal that comes as a fragment is shown where its page part would stand; a whole page is never put into another.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const isPage = /^\s*<!doctype/i.test(event.detail.xhr.responseText);
    if (isPage) event.detail.shouldSwap = false;
    else if (event.detail.xhr.status >= 400) event.detail.shouldSwap = true;
  });

  // A revealed value counts down its seconds, then leaves the page; the masked one stands behind it.
  const count = (box) => {
    let left = Number(box.dataset.seconds);
    const number = box.querySelector("[data-left]");
    const turn = setInterval(() => {
      left -= 1;
      number.textContent = String(left);
      if (left > 0 && box.isConnected) return;
      clearInterval(turn);
      box.nextElementSibling?.removeAttribute("hidden");
      box.remove();
    }, 1000);
  };
  const countAll = (root) => {
    for (const box of root.querySelectorAll("[data-seconds]:not([data-counting])")) {
      box.dataset.counting = "yes";
      count(box);
    }
  };
  countAll(document);
  document.addEventListener("htmx:load", (event) => countAll(event.target.parentElement ?? document));

  // Buttons that need a script show themselves.
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.querySelector("[data-word]").textContent = button.dataset.copied;
    });
  }
  for (const button of document.querySelectorAll("[data-theme-to]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const dark = document.documentElement.dataset.bsTheme === "dark";
      window.dispatchEvent(new CustomEvent("zz:theme", { detail: dark ? "light" : "dark" }));
    });
  }
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
})();
