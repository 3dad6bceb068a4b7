// Reads the page aloud, with voices that stay on this device alone. Where there is none, the button stays hidden.
(() => {
  "use strict";
  const button = document.querySelector("[data-aloud]");
  if (!button || !window.speechSynthesis) return;
  const language = document.documentElement.lang.slice(0, 2);

  const voice = () =>
    speechSynthesis.getVoices().find((one) => one.localService && one.lang.slice(0, 2) === language);

  const offer = () => {
    button.hidden = !voice();
  };

  const words = () =>
    [...document.querySelectorAll("#main :is(h1, h2, h3, p, li, dt, dd)")]
      .filter((part) => !part.querySelector("p, li, dt, dd, h2, h3"))
      .map((part) => part.innerText.trim())
      .filter(Boolean)
      .join("\n");

  button.addEventListener("click", () => {
    if (speechSynthesis.speaking) return speechSynthesis.cancel();
    const speech = new SpeechSynthesisUtterance(words());
    speech.voice = voice();
    speech.rate = 0.85;
    speechSynthesis.speak(speech);
  });
  speechSynthesis.addEventListener("voiceschanged", offer);
  addEventListener("pagehide", () => speechSynthesis.cancel());
  offer();
})();
