/* What every frame with fields tells the page by itself: focus and blur of the whole, the Escape key, and its height. */
function followFrame(host, root) {
  let hasFocus = false;
  document.addEventListener("focusin", () => {
    if (!hasFocus) host.send("focus");
    hasFocus = true;
  });
  document.addEventListener("focusout", (event) => {
    if (event.relatedTarget) return;
    hasFocus = false;
    host.send("blur");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") host.send("escape");
  });
  const measure = () => host.send("resize", { height: Math.ceil(root.getBoundingClientRect().height) });
  new ResizeObserver(measure).observe(root);
}
