// Sums over points of the history.

import { share } from "../parts.js";

export const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Requests answered from the cache, in any way. */
export const hits = ({ exact, semantic, stale, coalesced }) => exact + semantic + stale + coalesced;

/** Requests that were looked up. */
export const looked = ({ requests }) => hits(requests) + requests.miss;

/** The share of hits, or `null` where nothing was looked up. */
export const hitRate = (requests) => share(hits(requests), looked({ requests }));

const SUMMED = ["requests", "errors", "tokens", "usd", "waited_seconds"];
const EMPTY = {
  requests: { exact: 0, semantic: 0, stale: 0, coalesced: 0, miss: 0, bypass: 0, background: 0, failed: 0 },
  errors: { client: 0, provider: 0, gateway: 0 },
  tokens: { billed: 0, saved: 0 },
  usd: { billed: 0, saved: 0 },
  waited_seconds: { billed: 0, saved: 0 },
};

/** What all points counted. */
export function sums(points) {
  const sum = structuredClone(EMPTY);
  for (const point of points) {
    for (const kind of SUMMED) for (const name of Object.keys(sum[kind])) sum[kind][name] += point[kind]?.[name] ?? 0;
  }
  return sum;
}

/** The requests of `points` in buckets of `step` seconds: of few requests, no share can be read. */
export function coarse(points, step) {
  const buckets = new Map();
  for (const point of points) {
    const at = Math.floor(point.at / step) * step;
    buckets.set(at, [...(buckets.get(at) ?? []), point]);
  }
  return [...buckets].map(([at, all]) => ({ at, step_seconds: step, requests: sums(all).requests }));
}

/** `points` with `latest` in its place. A point that nothing has happened in is left out, as in the history. */
export function join(points, latest) {
  const before = points.filter((point) => point.at < latest.at);
  const isEmpty = total(latest.requests) === 0 && total(latest.errors) === 0;
  return isEmpty ? before : [...before, latest];
}
