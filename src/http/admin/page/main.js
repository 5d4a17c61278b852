// Starts the page: asks who is there, then shows the view that the address names and keeps it live.

import * as api from "./api.js";
import { el, put, say } from "./dom.js";
import { banner, navigation, showState, signInForm, themeSwitch } from "./shell.js";
import { view as cache } from "./views/cache.js";
import { view as clients } from "./views/clients.js";
import { view as config } from "./views/config.js";
import { view as overview } from "./views/overview.js";
import { view as providers } from "./views/providers.js";
import { view as requests } from "./views/requests.js";
import { view as threshold } from "./views/threshold.js";
import { view as why } from "./views/why.js";
import { closeDialogs, toast } from "./widgets.js";

const VIEWS = [overview, cache, why, requests, threshold, providers, clients, config];

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const signOut = document.getElementById("sign-out");

let session = null;
let mounted = null;
let endLive = null;
let latest = null;

/** What the address names: `#/cache/ID?x=y` is the view `cache` with the path `ID` and a query. */
function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [id, ...rest] = path.split("/");
  return { view: VIEWS.find((view) => view.id === id) ?? VIEWS[0], path: rest.map(decoded).join("/"), query: new URLSearchParams(query) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const navigate = (hash) => {
  location.hash = hash;
};

function unmount() {
  closeDialogs();
  mounted?.handle?.unmount?.();
  mounted = null;
}

/** A view is mounted anew for each address. */
function show({ byReader = true } = {}) {
  const { view, path, query } = place();
  unmount();
  document.title = `${view.title} · Refrain`;
  navigation(nav, VIEWS, view);
  const heading = el("h1", { tabindex: "-1" }, view.title);
  const root = el("div", { class: `view ${view.id}` });
  put(main, heading, root);
  mounted = { view, handle: null };
  const handle = view.mount(root, { navigate, path, query }) ?? {};
  mounted.handle = handle;
  if (latest) handle.tick?.(latest);
  if (byReader) {
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function tick(what) {
  latest = what;
  say(document.getElementById("version"), `version ${what.version}`);
  banner(what);
  mounted?.handle?.tick?.(what);
}

function start(options) {
  signOut.hidden = !session.needs_key;
  nav.hidden = false;
  document.body.classList.remove("signed-out");
  show(options);
  endLive?.();
  endLive = api.live(tick, showState);
}

function askForKey(reason = "") {
  endLive?.();
  endLive = null;
  latest = null;
  unmount();
  nav.hidden = true;
  signOut.hidden = true;
  document.body.classList.add("signed-out");
  document.title = "Sign in · Refrain";
  showState("");
  banner(null);
  signInForm(main, reason, async (key) => {
    await api.signIn(key);
    session = await api.session();
    start({ byReader: true });
  });
}

async function begin() {
  try {
    session = await api.session();
  } catch (error) {
    put(main, el("p", { class: "failure", role: "alert" }, `Nothing to show: ${error.message}.`),
      el("p", null, el("button", { type: "button", onclick: begin }, "Try again")));
    return;
  }
  if (session.needs_key && !session.signed_in) askForKey();
  else start({ byReader: false });
}

themeSwitch(document.getElementById("theme"));
document.querySelector(".skip").onclick = (event) => {
  // The address says which view is shown.
  event.preventDefault();
  main.focus();
};
signOut.onclick = async () => {
  try {
    await api.signOut();
  } catch (error) {
    // Whom the gateway doesn't know is signed out.
    if (error.status !== 401) {
      toast(`You are still signed in: ${error.message}`, "bad");
      return;
    }
  }
  askForKey("You are signed out.");
};
api.onSignedOut(() => {
  if (!document.body.classList.contains("signed-out")) askForKey("The session has ended; please sign in again.");
});
addEventListener("hashchange", () => {
  if (endLive) show();
});
begin();
