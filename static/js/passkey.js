// Passkeys: asks the browser for one and sends what it says with the form. Where the browser knows none, the buttons stay hidden.
(() => {
  "use strict";
  if (!window.PublicKeyCredential || !window.webauthnJSON) return;

  const optionsOf = async (button) => {
    if (!button.dataset.options) return JSON.parse(document.getElementById("js_data").textContent);
    const answer = await fetch(button.dataset.options, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  const credentialFor = async (button) => {
    const options = await optionsOf(button);
    if (button.dataset.passkey === "get") return window.webauthnJSON.get(options.request_options);
    // A passkey that signs in by itself must stay on the device and know its owner.
    const creation = structuredClone(options.creation_options);
    creation.publicKey.authenticatorSelection = {
      ...creation.publicKey.authenticatorSelection,
      residentKey: "required",
      requireResidentKey: true,
      userVerification: "required",
    };
    return window.webauthnJSON.create(creation);
  };

  const ask = async (button) => {
    const form = document.getElementById(button.dataset.form);
    const error = button.parentElement.querySelector("[data-passkey-error]");
    button.disabled = true;
    error.hidden = true;
    try {
      form.querySelector("[name=credential]").value = JSON.stringify(await credentialFor(button));
      form.noValidate = true; // a passkey stands for what the form asks for
      form.requestSubmit();
    } catch {
      error.textContent = button.dataset.refused;
      error.hidden = false;
    } finally {
      button.disabled = false;
    }
  };

  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.hidden = false;
    button.addEventListener("click", () => ask(button));
  }
})();
