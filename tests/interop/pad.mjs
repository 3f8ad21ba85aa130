// PAD/1 in another language, from docs/vectors.md and nothing else: BigInt arithmetic, AES and SHA-256 of node's crypto.
import { createCipheriv, createHash, createHmac } from "node:crypto";

const PRIMES = { 4: (1n << 32n) - 5n, 6: (1n << 48n) - 59n };
const BLOCK = 8192;
const RESERVE = 8;

export class Refusal extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const refuse = (code) => {
  throw new Refusal(code);
};
const hex = (text) => Buffer.from(text, "hex");
const mod = (x, p) => ((x % p) + p) % p;
export const sha256 = (data) => createHash("sha256").update(data).digest("hex");

function power(base, exponent, p) {
  let result = 1n;
  for (base = mod(base, p); exponent > 0n; exponent >>= 1n, base = (base * base) % p) {
    if (exponent & 1n) result = (result * base) % p;
  }
  return result;
}

export const inverse = (x, p) => power(x, p - 2n, p);

export function pack(words, width) {
  const data = Buffer.alloc(words.length * width);
  words.forEach((word, i) => data.writeUIntLE(Number(word), i * width, width));
  return data;
}

export function unpack(data, width) {
  const words = [];
  for (let i = 0; i < data.length; i += width) words.push(BigInt(data.readUIntLE(i, width)));
  return words;
}

// A master key so many rounds later.
export function ratchet(key, steps) {
  for (let i = 0; i < steps; i += 1) key = createHmac("sha256", key).update("HEARTH/ratchet").digest();
  return key;
}

// The first `dimension` words below p: for each block, its main words, then 8 in reserve.
export function acceptedWords(data, dimension, width) {
  const p = PRIMES[width];
  const words = [];
  let at = 0;
  while (words.length < dimension) {
    const count = Math.min(BLOCK, dimension - words.length);
    const main = unpack(data.subarray(at, at + count * width), width);
    const reserve = unpack(data.subarray(at + count * width, at + (count + RESERVE) * width), width).filter((w) => w < p);
    for (const word of main) {
      words.push(word < p ? word : (reserve.shift() ?? refuse("E_SAMPLER")));
    }
    at += (count + RESERVE) * width;
  }
  return words;
}

export function stream(key, label, nonce, dimension, width) {
  const padKey = createHmac("sha256", key).update("PAD/main/1").update(label).update(nonce).digest();
  const bytes = width * (dimension + RESERVE * Math.ceil(dimension / BLOCK));
  const data = createCipheriv("aes-256-ctr", padKey, Buffer.alloc(16)).update(Buffer.alloc(bytes));
  return acceptedWords(data, dimension, width);
}

const members = (name) => name.split(",").map(BigInt);
const sharingValue = (subset, x) => subset.reduce((product, b) => product * (b - x), 1n);

function combination(parts, dimension, p) {
  const total = Array(dimension).fill(0n);
  for (const [factor, words] of parts) words.forEach((word, i) => (total[i] += factor * word));
  return total.map((word) => mod(word, p));
}

// The pad (j = 0), or authority j's share of it. `keys`: subset name -> hex.
export function shareOf(keys, j, label, nonce, dimension, width) {
  const parts = Object.entries(keys)
    .map(([name, key]) => [members(name), key])
    .filter(([subset]) => !subset.includes(BigInt(j)))
    .map(([subset, key]) => [sharingValue(subset, BigInt(j)), stream(hex(key), label, nonce, dimension, width)]);
  return combination(parts, dimension, PRIMES[width]);
}

export function encrypt(keys, label, nonce, values, width) {
  const p = PRIMES[width];
  return shareOf(keys, 0, label, nonce, values.length, width).map((r, i) => mod(BigInt(values[i]) + r, p));
}

export function checkWeights(weights) {
  if (weights.length === 0) refuse("E_PARAMS");
  for (const weight of weights) if (!Number.isInteger(weight) || weight < 1 || weight > 255) refuse("E_WEIGHT");
}

// The largest value of one client; refuses what the suite does not offer.
function largest(width, bits) {
  if (!(width in PRIMES) || bits < 2 || 2n * ((1n << BigInt(bits - 1)) - 1n) >= PRIMES[width]) refuse("E_PARAMS");
  return (1n << BigInt(bits - 1)) - 1n;
}

// The largest sum under `weights`; refuses one that would wrap.
export function budget({ width, bits, weights }) {
  const one = largest(width, bits);
  checkWeights(weights);
  const bound = BigInt(weights.reduce((a, b) => a + b)) * one;
  if (2n * bound >= PRIMES[width]) refuse("E_BUDGET");
  return bound;
}

export function fold(bodies, weights, dimension, width) {
  checkWeights(weights);
  const parts = bodies.map((body, i) => {
    if (body.length !== dimension * width) refuse("E_MALFORMED");
    return [BigInt(weights[i]), unpack(body, width)];
  });
  return combination(parts, dimension, PRIMES[width]);
}

function keyWords(data, dimension, width) {
  if (data.length !== dimension * width) refuse("E_MALFORMED");
  const words = unpack(data, width);
  if (words.some((word) => word >= PRIMES[width])) refuse("E_MALFORMED");
  return words;
}

function valueAt(points, x, dimension, p) {
  const parts = points.map(([j, words]) => {
    const others = points.map(([other]) => other).filter((other) => other !== j);
    const above = others.reduce((product, other) => product * (other - x), 1n);
    const below = others.reduce((product, other) => product * (other - j), 1n);
    return [mod(above * inverse(below, p), p), words];
  });
  return combination(parts, dimension, p);
}

// K(0) from the sum keys of at least t authorities, all on one polynomial of degree t - 1.
export function combine({ width, dimension, members: m, threshold: t, answers }) {
  if (t < 2 || t > m) refuse("E_PARAMS");
  const points = Object.entries(answers)
    .map(([j, data]) => [BigInt(j), keyWords(hex(data), dimension, width)])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (points.some(([j]) => j < 1n || j > BigInt(m))) refuse("E_PARAMS");
  if (points.length < t) refuse("E_SHARES");
  const p = PRIMES[width];
  const quorum = points.slice(0, t);
  for (const [j, words] of points.slice(t)) {
    if (!pack(valueAt(quorum, j, dimension, p), width).equals(pack(words, width))) refuse("E_SHARE_INCONSISTENT");
  }
  return valueAt(quorum, 0n, dimension, p);
}

export function decrypt({ width, bits, dimension, sum, key, weights }) {
  const bound = budget({ width, bits, weights });
  const p = PRIMES[width];
  const keys = keyWords(hex(key), dimension, width);
  return unpack(hex(sum), width).map((word, i) => {
    const value = mod(word - keys[i] + p / 2n, p) - p / 2n;
    if (value > bound || value < -bound) refuse("E_RANGE");
    return value;
  });
}
