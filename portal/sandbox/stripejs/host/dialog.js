/* A frame of the sandbox over the whole page, as a modal dialog: the page can neither read nor dress up what stands in it. */
const OVERLAY_STYLES = {
  position: "fixed",
  inset: "0",
  width: "100%",
  height: "100%",
  margin: "0",
  "z-index": "2147483647",
  background: "transparent",
};

/* Opens the dialog, and gives {channel, close}. close() takes it away, with the focus back where it was. */
function openDialog({ path, title, start, handlers }) {
  const focused = document.activeElement;
  const behind = [...document.body.children].filter((element) => !element.inert);
  const scrolling = document.documentElement.style.overflow;
  const channel = new FrameChannel({
    path,
    title,
    styles: OVERLAY_STYLES,
    handlers: {
      loaded: () => {
        channel.send("start", start);
        channel.iframe.focus();
      },
      ...handlers,
    },
  });
  // Keyboard and screen reader stay in the dialog, as they do in a modal <dialog>.
  for (const element of behind) element.inert = true;
  document.documentElement.style.overflow = "hidden";
  document.body.append(channel.iframe);
  const close = () => {
    channel.destroy();
    for (const element of behind) element.inert = false;
    document.documentElement.style.overflow = scrolling;
    focused?.focus?.();
  };
  return { channel, close };
}
