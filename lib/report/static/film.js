// Pictures that stand one below the other become one picture with a slider.
"use strict";
document.querySelectorAll(".film").forEach(function (film, number) {
  const frames = Array.from(film.querySelectorAll("figure"));
  if (frames.length < 2) return;
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.max = frames.length - 1;
  slider.value = frames.length - 1;
  slider.id = "film-" + number;
  const label = document.createElement("label");
  label.htmlFor = slider.id;
  function show() {
    frames.forEach(function (frame, i) { frame.hidden = i !== Number(slider.value); });
    const value = film.dataset.over + " " + frames[slider.value].dataset.value;
    label.textContent = "Drag: " + value;
    slider.setAttribute("aria-valuetext", value);
  }
  slider.addEventListener("input", show);
  film.prepend(label, slider);
  film.classList.add("moves");
  show();
});
