// Words of the gateway as people read them, and things that are counted.

import { format } from "../api.js";

/** States of a breaker, with the kind of their chip. */
export const BREAKERS = { closed: ["closed", "good"], half_open: ["half open", "warn"], open: ["open", "bad"] };

/** Why an admission point is where it is. */
export const WHYS = { start: "where it starts", relaxed: "lowered by what was learned", raised: "raised by what was learned" };

/** "1 line", "2 lines". */
export const counted = (many, one, more = `${one}s`) => `${format.count(many)} ${many === 1 ? one : more}`;

export const manyEntries = (many) => counted(many, "entry", "entries");
