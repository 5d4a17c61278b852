// What is around every view: navigation, state, banner, light and dark, the sign-in form.

import { el, put, say } from "./dom.js";
import { inert } from "./text.js";
import { update } from "./update.js";

export function navigation(nav, views, current) {
  update(nav, el("ul", null, views.map((view) =>
    el("li", { dataset: { key: view.id } }, el("a", { href: `#/${view.id}`, "aria-current": view === current ? "page" : null }, view.title)))));
  nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const STATES = {
  connecting: "connecting",
  live: "live",
  paused: "paused",
  lost: "connection lost, trying again",
};

export function showState(state) {
  const place = document.getElementById("state");
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  say(place, STATES[state] ?? "");
}

/** What is to be known wherever one is: problems of the configuration, and that no provider answers. */
export function banner(tick) {
  const notes = [];
  const { config, providers } = tick ?? {};
  if (config && config.state !== "current") {
    const problems = config.problems ?? [];
    notes.push(["bad", [el("strong", null, "The configuration file has problems; the last good one is in force. "),
      problems.length ? inert(problems.length > 1 ? `${problems[0]} (and ${problems.length - 1} more)` : problems[0], 300) : "", " ", el("a", { href: "#/config" }, "Configuration")]]);
  }
  if (config?.needs_restart?.length) notes.push(["", [`In force after the next start: ${inert(config.needs_restart.join(", "), 300)}.`]]);
  if (providers?.demo) notes.push(["", ["No provider is active: a demonstration answers every model. ", el("a", { href: "#/providers" }, "Providers")]]);
  update(document.getElementById("banner"), notes.map(([kind, said]) => el("p", { class: `banner ${kind}`.trim() }, said)));
}

const THEMES = ["auto", "light", "dark"];
const KEPT = "refrain-theme";

function kept() {
  try {
    const theme = localStorage.getItem(KEPT);
    return THEMES.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

/** A button that goes through light, dark, and what the system says. */
export function themeSwitch(button) {
  let theme = kept();
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    say(button, `◐ ${theme}`);
    button.setAttribute("aria-label", `Colours: ${theme}`);
  };
  button.onclick = () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    apply();
    try {
      localStorage.setItem(KEPT, theme);
    } catch {
      // Then it holds until the page is left.
    }
  };
  apply();
}

/** Asks for the admin key; `signIn(key)` throws what is to be said. */
export function signInForm(main, reason, signIn) {
  const input = el("input", { id: "key", type: "password", name: "password", autocomplete: "current-password", required: true, "aria-describedby": "sign-in-failure" });
  // Password managers keep a key under a name.
  const user = el("input", { type: "text", name: "username", value: "admin", autocomplete: "username", readonly: true, class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  const failure = el("p", { id: "sign-in-failure", class: "failure", role: "alert" });
  const button = el("button", { type: "submit", class: "primary" }, "Sign in");
  const form = el("form", { class: "sign-in" }, el("h1", null, "Sign in"), reason ? el("p", { role: "status" }, reason) : null, user,
    el("div", { class: "field" }, el("label", { for: "key" }, "Admin key"), input), failure, button);
  form.onsubmit = async (event) => {
    event.preventDefault();
    say(failure, "");
    button.disabled = true;
    input.removeAttribute("aria-invalid");
    try {
      await signIn(input.value);
    } catch (error) {
      const text = error.status === 401 ? "That is not the admin key." : `Not signed in: ${error.message}.`;
      say(failure, inert(text, 300));
      input.setAttribute("aria-invalid", "true");
      button.disabled = false;
      input.select();
      input.focus();
    }
  };
  put(main, form);
  input.focus();
}
