/*
 * The frame's side of the talk with the page. The page's origin comes with the frame's address, which the page itself wrote;
 * where the browser tells who embeds us, it must say the same. Every message is checked for window, origin and frame name, and
 * answers go to that origin alone.
 */
const address = new URLSearchParams(location.hash.slice(1));
const HOST_ORIGIN = address.get("host");
const FRAME_NAME = address.get("frame");
const EMBEDDER = location.ancestorOrigins?.[0] ?? HOST_ORIGIN;

/* handlers maps message types to functions of the payload; what they return (or resolve to) is the answer to an asking message. */
function connectToHost(handlers) {
  if (window.parent === window || !HOST_ORIGIN || EMBEDDER !== HOST_ORIGIN) return { send: () => {} };
  const post = (message) => window.parent.postMessage({ frame: FRAME_NAME, ...message }, HOST_ORIGIN);

  window.addEventListener("message", async (event) => {
    if (event.source !== window.parent || event.origin !== HOST_ORIGIN) return;
    const { frame, type, payload, request } = event.data ?? {};
    if (frame !== FRAME_NAME || !Object.hasOwn(handlers, type)) return;
    const answer = await handlers[type](payload);
    if (request !== undefined) post({ type: "response", request, payload: answer });
  });
  return { send: (type, payload) => post({ type, payload }) };
}
