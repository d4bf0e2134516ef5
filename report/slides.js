"use strict";
// One slide at a time, scaled to the window. Keys: arrows, space, Page Up and Down, Home, End. Without this script all slides lie one below the other.
const slides = [...document.querySelectorAll(".slide")];
let current = 0;
function show(place) {
  current = Math.max(0, Math.min(slides.length - 1, place));
  slides.forEach((slide, i) => slide.classList.toggle("current", i === current));
  history.replaceState(null, "", "#" + (current + 1));
}
function fit() {
  document.documentElement.style.setProperty("--scale", Math.min(innerWidth / 1280, innerHeight / 720));
}
const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
addEventListener("keydown", (event) => {
  if (event.key in steps) show(current + steps[event.key]);
  else if (event.key === "Home") show(0);
  else if (event.key === "End") show(slides.length - 1);
  else return;
  event.preventDefault();
});
addEventListener("click", (event) => show(current + (event.clientX < innerWidth / 3 ? -1 : 1)));
addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1 || 0));
addEventListener("resize", fit);
document.documentElement.classList.add("deck");
fit();
show(Number(location.hash.slice(1)) - 1 || 0);
