// The lock of an idle page. The server decides; this shows what it would say, over the page, so that nothing typed is lost.
(() => {
  "use strict";
  const lock = document.querySelector("[data-lock]");
  if (!lock) return;
  const form = lock.querySelector("form");
  const error = lock.querySelector("[data-lock-error]");
  const sign = Number(lock.dataset.sign) * 1000;
  let timer;
  let told = Date.now();
  let title = "";

  const ask = async (address, options = {}) => {
    const answer = await fetch(address, { ...options, headers: { Accept: "application/json", ...options.headers } });
    if (answer.status === 423) return { left: 0 };
    if (!answer.ok || answer.redirected) return null;
    return answer.json();
  };
  const post = (address, body) =>
    ask(address, { method: "POST", headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value }, body });

  const wait = (seconds) => {
    clearTimeout(timer);
    timer = setTimeout(look, seconds * 1000);
  };
  const show = () => {
    if (lock.open) return;
    title = document.title;
    document.title = lock.dataset.title;
    lock.showModal();
    form.elements.password.focus();
  };
  const open = (left) => {
    lock.close();
    document.title = title;
    form.reset();
    error.hidden = true;
    told = Date.now();
    wait(left);
  };
  // Whether anybody was here, in this window or another, is asked of the server.
  const look = async () => {
    const state = await ask(lock.dataset.state);
    if (state && state.left > 0) {
      if (lock.open) open(state.left);
      else wait(state.left);
    } else show();
  };

  // Typing in a long form is a sign of life too: it is told once a minute.
  const alive = async () => {
    if (lock.open || Date.now() - told < sign) return;
    told = Date.now();
    const state = await post(lock.dataset.alive);
    if (state && state.left > 0) wait(state.left);
    else if (state) show();
  };
  for (const kind of ["keydown", "pointerdown", "scroll"]) document.addEventListener(kind, alive, { passive: true });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    delete form.dataset.sent;
    const answer = await post(form.action, new FormData(form));
    form.elements.credential.value = "";
    if (answer && answer.left > 0) return open(answer.left);
    error.textContent = (answer && answer.error) || lock.dataset.gone;
    error.hidden = false;
    form.elements.password.select();
  });
  lock.addEventListener("cancel", (event) => event.preventDefault());

  // A part of the page that asks while it is locked is told so; a part that asks by itself is no sign of anybody.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status !== 423) return;
    event.detail.shouldSwap = false;
    show();
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.detail.triggeringEvent) event.detail.headers["X-No-Sign-Of-Life"] = "1";
  });

  wait(Number(lock.dataset.left));
})();
