/**
 * Tells the server, in a cookie, which time zone this browser's clock goes by, so that times are shown in it. Whoever has chosen
 * a zone on the account page reads in that one; without this script, in the company's.
 */
// A name such as Asia/Kolkata needs no quoting in a cookie, and the server takes it as it stands.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const A_YEAR = 365 * 24 * 60 * 60;

if (/^[\w+/-]+$/.test(zone ?? "")) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `time_zone=${zone}; Path=/; Max-Age=${A_YEAR}; SameSite=Lax${secure}`;
}
