// A box to sign in with a finger, a pen or the mouse. What was drawn goes with the form as a picture; an empty box goes as nothing.
(() => {
  "use strict";
  const sign = document.querySelector("[data-sign]");
  if (!sign) return;
  const canvas = sign.querySelector("canvas");
  const field = sign.querySelector("[name=signature]");
  const pen = canvas.getContext("2d");
  let drawing = false;
  sign.hidden = false;
  Object.assign(pen, { lineWidth: 6, lineCap: "round", lineJoin: "round", strokeStyle: "#111" });

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  const clear = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    field.value = "";
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    drawing = true;
    pen.beginPath();
    pen.moveTo(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    pen.lineTo(...place(event));
    pen.stroke();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (drawing) field.value = canvas.toDataURL("image/png");
      drawing = false;
    });
  }
  sign.querySelector("[data-sign-clear]").addEventListener("click", clear);
  clear();
})();
