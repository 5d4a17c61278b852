// One entry: what was asked, what is answered, what it saved, and what is near it.

import { del, format, get, post } from "../../api.js";
import { el, put } from "../../dom.js";
import { inert } from "../../text.js";
import { busy, dialog, table, toast } from "../../widgets.js";
import { asking, chip, facts, failed, link, near, section, status, whole, word } from "../parts.js";

const NEIGHBOURS = [
  { title: "Prompt", class: "prompt", cell: (one) => link(`#/cache/${encodeURIComponent(one.id)}`, inert(one.prompt, 160) || "(empty)") },
  { title: "Similarity", numeric: true, cell: (one) => near(one.similarity) },
];

/** The page of the entry `id`. */
export function entry(root, context, id) {
  const path = `/cache/entries/${encodeURIComponent(id)}`;
  const content = el("div", { class: "view-entry" }, status("Loading…"));
  const back = () => context.navigate("#/cache");
  put(root, el("p", { class: "crumbs" }, link("#/cache", "Cache"), " / entry"), content);

  const ask = asking((signal) => get(path, { signal }), show, (error) => {
    put(content, error.status === 404 ? el("p", { class: "empty" }, "This entry is not kept any more.") : failed(error, "The entry can't be shown"));
  });

  const remove = () => dialog({
    title: "Delete this entry?",
    body: el("p", null, "The next request like it is asked at a provider again. This can't be undone."),
    actions: [{ label: "Keep it" }, { label: "Delete", kind: "danger", async run() {
      await del(path);
      toast("The entry is deleted", "good");
      back();
    } }],
  });

  const wrong = () => dialog({
    title: "Is this answer wrong?",
    body: [
      el("p", null, "The entry is forgotten, so that nobody gets this answer again."),
      el("p", null, "If it answers by meaning, the cache also learns from it, as from a client's complaint: where wrong answers add up, hits by meaning on questions of this kind become stricter."),
      el("p", null, "This can't be undone."),
    ],
    actions: [{ label: "Cancel" }, { label: "It is wrong: forget it", kind: "danger", async run() {
      const { forgotten } = await post(`${path}/wrong`, {});
      toast(forgotten ? "Noted, and the entry is forgotten" : "Noted; the entry was gone already", "good");
      back();
    } }],
  });

  async function pin(kept, button) {
    try {
      await busy([button], () => post(`${path}/pin`, { pinned: !kept.pinned }));
      toast(kept.pinned ? "No longer pinned" : "Pinned: it stays until it is unpinned, deleted or purged", "good");
      await ask();
      content.querySelector("button.pin")?.focus();
    } catch (error) {
      toast(`It can't be ${kept.pinned ? "unpinned" : "pinned"}: ${error.message}`, "bad");
    }
  }

  function show(kept) {
    const pinning = el("button", { type: "button", class: "plain pin", onclick: () => pin(kept, pinning) }, kept.pinned ? "Unpin" : "Pin");
    const tokens = kept.usage && `${format.count(kept.usage.input)} in, ${format.count(kept.usage.output)} out`;
    const left = kept.ttl_seconds - kept.age_seconds;
    const life = kept.pinned ? "does not end while it is pinned" : left > 0 ? `ends in ${format.seconds(left)}` : "over: served only while it is refreshed";
    put(content,
      el("div", { class: "actions" }, pinning,
        el("button", { type: "button", class: "plain", onclick: wrong }, "Wrong answer…"),
        el("button", { type: "button", class: "danger", onclick: remove }, "Delete…")),
      section("Prompt", whole(kept.prompt, "Prompt")),
      kept.question !== null && kept.question !== kept.prompt && section("Question that is compared by meaning", whole(kept.question, "Question")),
      section("Answer", kept.answer === null ? el("p", { class: "empty" }, "No text; see the response below.") : whole(kept.answer, "Answer"),
        el("details", null, el("summary", null, "The response as JSON"), raw(kept.response))),
      section("Facts", facts([
        ["Id", word(kept.id)],
        ["Asked for", inert(kept.model, 200)],
        ["Answered by", inert(kept.answered_by, 200)],
        ["Client", kept.client === null ? "any" : inert(kept.client, 100)],
        ["Namespace", kept.namespace === null ? "–" : inert(kept.namespace, 100)],
        ["Tags", kept.tags.length ? el("span", { class: "chips" }, kept.tags.map((tag) => chip(`#${tag}`))) : "none"],
        ["Stored", `${format.time(kept.stored_at)}, ${format.seconds(kept.age_seconds)} ago`],
        ["Life", life],
        ["Generation", format.count(kept.generation)],
        ["Found by", kept.semantic ? "equal requests and meaning" : "equal requests only"],
        ["Size", format.bytes(kept.bytes)],
        ["Tokens", tokens],
        ["Served", kept.uses === 1 ? "once" : `${format.count(kept.uses)} times`],
        ["Saved", `${format.usd(kept.saved_usd)}, ${format.count(kept.saved_tokens)} tokens, ${format.seconds(kept.saved_seconds)} of waiting`],
      ])),
      section("Neighbours", table({
        caption: "The nearest entries by meaning",
        columns: NEIGHBOURS,
        rows: kept.neighbours,
        key: (one) => one.id,
        empty: kept.semantic ? "Nothing else is kept beside it." : "It is found by equal requests only, so it has none.",
      })));
  }

  /** Made when it is looked at. */
  function raw(response) {
    const place = el("div");
    queueMicrotask(() => {
      const details = place.closest("details");
      if (details) details.ontoggle = () => {
        if (details.open && !place.firstChild) place.append(whole(JSON.stringify(response, null, 2), "Response as JSON"));
      };
    });
    return place;
  }

  ask();
  return { unmount: ask.end };
}
