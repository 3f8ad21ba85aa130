// node read_pad_vectors.mjs FOLDER: recomputes every value in pad.json and pad_broken.json; prints what it compared.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pad from "./pad.mjs";

const read = (name) => JSON.parse(readFileSync(join(process.argv[2], name), "utf8"));
const hex = (text) => Buffer.from(text, "hex");
let compared = 0;
let refused = 0;

function same(actual, expected, what) {
  assert.deepEqual(actual, expected, what);
  compared += 1;
}

function refuses(act, code, what) {
  assert.throws(act, (error) => error instanceof pad.Refusal && error.code === code, `${what}: no ${code}`);
  refused += 1;
}

const good = read("pad.json");
for (const c of good.known_answers) {
  const [label, nonce, w, d] = [hex(c.label), hex(c.nonce), c.width, c.dimension];
  const hash = (words) => pad.sha256(pad.pack(words, w));
  const stream = pad.stream(hex(Object.values(c.keys)[0]), label, nonce, d, w);
  same(stream.slice(0, 3).map(Number), c.first_stream_words, `${c.name}: first words`);
  if (c.stream_word_8192 !== null) same(Number(stream[8192]), c.stream_word_8192, `${c.name}: word 8192`);
  same(hash(stream), c.first_stream_sha256, `${c.name}: stream`);
  same(hash(pad.shareOf(c.keys, 0, label, nonce, d, w)), c.pad_sha256, `${c.name}: pad`);
  const ramp = Array.from({ length: d }, (_, j) => ((6 * j) % 65536) - 32768);
  same(hash(pad.encrypt(c.keys, label, nonce, ramp, w)), c.ciphertext_sha256, `${c.name}: ciphertext`);
  for (const [j, expected] of Object.entries(c.shares_sha256)) {
    same(hash(pad.shareOf(c.keys, Number(j), label, nonce, d, w)), expected, `${c.name}: share ${j}`);
  }
}

for (const c of good.ratchet) same(pad.ratchet(hex(c.key), c.steps).toString("hex"), c.result, "ratchet");

for (const c of good.samplers) {
  same(pad.acceptedWords(hex(c.stream), c.dimension, c.width).map(Number), c.words, c.name);
}

for (const c of good.budgets) {
  pad.budget(c);
  compared += 1;
}

for (const c of good.rounds) {
  const [label, w, d] = [hex(c.label), c.width, c.dimension];
  const text = (words) => pad.pack(words, w).toString("hex");
  const weights = c.clients.map((client) => client.weight);
  const shares = {};
  for (const client of c.clients) {
    const nonce = hex(client.nonce);
    same(text(pad.shareOf(client.keys, 0, label, nonce, d, w)), client.pad, `${c.name}: pad`);
    same(text(pad.encrypt(client.keys, label, nonce, client.values, w)), client.ciphertext, `${c.name}: ciphertext`);
    for (const [j, expected] of Object.entries(client.shares)) {
      const share = text(pad.shareOf(client.keys, Number(j), label, nonce, d, w));
      same(share, expected, `${c.name}: share of ${j}`);
      (shares[j] ??= []).push(hex(share));
    }
  }
  const total = text(pad.fold(c.clients.map((client) => hex(client.ciphertext)), weights, d, w));
  same(total, c.sum, `${c.name}: sum of the ciphertexts`);
  for (const [j, expected] of Object.entries(c.sum_keys)) {
    same(text(pad.fold(shares[j], weights, d, w)), expected, `${c.name}: sum key of ${j}`);
  }
  const numbers = Object.keys(c.sum_keys);
  for (const quorum of [numbers.slice(0, c.threshold), numbers.slice(-c.threshold), numbers]) {
    const answers = Object.fromEntries(quorum.map((j) => [j, c.sum_keys[j]]));
    same(text(pad.combine({ ...c, answers })), c.key, `${c.name}: key from ${quorum}`);
  }
  same(pad.decrypt({ ...c, weights }).map(Number), c.decrypted, `${c.name}: decrypted sum`);
}

const acts = {
  fold: (c) => pad.fold([hex(c.body)], [c.weight], c.dimension, c.width),
  combine: pad.combine,
  decrypt: pad.decrypt,
  budget: pad.budget,
  sampler: (c) => pad.acceptedWords(hex(c.stream), c.dimension, c.width),
};
for (const c of read("pad_broken.json").cases) refuses(() => acts[c.step](c), c.error, `${c.step}: ${c.name}`);

console.log(JSON.stringify({ compared, refused }));
