// What clients ask in these tests, and texts that mean harm.

/** Each of these is markup, a control or a length that a page could stumble over, and a word to find it by. */
export const HOSTILE = [
  'zebra <script>window.__pwned = 1; alert(1)</script> in a tag?',
  'quagga <img src=x onerror="window.__pwned = 2; alert(2)"> in an attribute?',
  'okapi \u202Etxt.exe\u202C and \u200Bzero width?',
  'tapir one\r\nset-cookie: a=b\r\n\r\ntwo \u001b[2J \u0000 three?',
  '</textarea></pre><svg onload="window.__pwned = 3"> dugong ${7*7} {{7*7}} javascript:alert(3)?',
];
/** Longer than a page can lay out at once: a megabyte. */
export const LONG = `manatee ${'0123456789abcdef '.repeat(61_600)}`;

/** Kept questions, each with another wording of the same and one that only looks alike. */
export const TOPICS = [
  ['How do I boil an egg?', 'What is the best way to boil an egg?', 'How do I boil 12 eggs?'],
  ['How tall is the Eiffel Tower?', 'What is the height of the Eiffel Tower?', 'How tall is the Tokyo Tower?'],
  ['Explain how a bicycle pump works.', 'Can you explain how a bicycle pump works?', 'Explain how a heat pump works.'],
  ['How do I reset my password?', 'How can I reset my password?', 'How do I reset my router?'],
  ['What is the length of the coast of Norway?', 'How long is the coast of Norway?', 'What is the length of the coast of Chile?'],
  ['Which vitamins are in carrots?', 'What vitamins are in carrots?', 'Which vitamins are in 20 oranges?'],
  ['Why is the sky blue?', 'Why is the sky blue in colour?', 'Why is the sea blue?'],
  ['How do I remove rust from a bicycle chain?', 'How can I remove rust from a bicycle chain?', 'How do I remove paint from a bicycle chain?'],
];

/** What is said to them: wordings of one question get one answer, what only looks alike another. */
const SAID = [
  ['Put it into boiling water for eight minutes, then into cold water.', 'Put 12 of them into boiling water in two pots, for eight minutes.'],
  ['It is 330 metres tall, antennas included.', 'It is 333 metres tall.'],
  ['A piston presses air through a valve into the tyre; the valve lets none back.', 'It takes heat from outside and gives it off indoors, with a compressor in between.'],
  ['Open Settings, choose Security, then "Reset password", and follow the mail.', 'Hold the button at its back for ten seconds.'],
  ['About 29,000 km with all fjords, and 100,000 km with the islands.', 'About 6,400 km, without islands.'],
  ['Mostly vitamin A, as beta-carotene, and some K and B6.', 'Mostly vitamin C, in 20 as in one.'],
  ['Air scatters blue light more than red.', 'Water absorbs red light more than blue.'],
  ['Soak it in vinegar, brush it, rinse, dry and oil it.', 'Use a solvent and a brush, then degrease and oil it.'],
];
export const ANSWERS = new Map(TOPICS.flatMap(([kept, same, other], index) => [[kept, SAID[index][0]], [same, SAID[index][0]], [other, SAID[index][1]]]));
