// A browser wallet (EIP-1193) on the page that signs a task: signs in, uploads the test set, and posts what the page
// shows and nothing else. Without a wallet the page says so, and the command beside it does the same.
"use strict";

(() => {
  const box = document.getElementById("wallet");
  const facts = JSON.parse(box.dataset.wallet);
  const words = box.dataset;
  const status = box.querySelector("[data-status]");
  const button = {signIn: box.querySelector("[data-sign-in]"), post: box.querySelector("[data-post]")};
  const memory = `hearth-post-${facts.digest}`;
  const PAUSE = 1500;  // milliseconds between two questions
  const pause = () => new Promise((done) => setTimeout(done, PAUSE));

  class Told extends Error {}  // what the reader is told as it stands

  function say(text, kind = "info") {
    status.hidden = false;
    status.className = `note ${kind}`;
    status.textContent = text;
  }

  async function api(method, path, body, kind = "application/json") {
    const answer = await fetch(`/api/v1/${path}`, {
      method, body, credentials: "same-origin", headers: body === undefined ? {} : {"content-type": kind},
    });
    const found = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw new Told(words.trouble.replace("WHY", `${found.detail} (${found.code})`));
    return found;
  }

  function wallet() {
    if (!window.ethereum) throw new Told(words.none);
    return window.ethereum;
  }

  const ask = (method, params = []) => wallet().request({method, params});

  async function account() {
    const [first] = await ask("eth_requestAccounts");
    return first.toLowerCase();
  }

  // the chain -------------------------------------------------------------------------------------------------------
  const chain = async () => Number(BigInt(await ask("eth_chainId")));

  async function onChain() {
    if (await chain() === facts.chain) return;
    try {
      await ask("wallet_switchEthereumChain", [{chainId: `0x${facts.chain.toString(16)}`}]);
    } catch { /* asked below where the wallet is now */ }
    const now = await chain();
    if (now !== facts.chain) throw new Told(words.chain.replaceAll("WANTED", facts.chain).replace("CHAIN", now));
  }

  // signing in ------------------------------------------------------------------------------------------------------
  const hex = (bytes) => `0x${[...bytes].map((one) => one.toString(16).padStart(2, "0")).join("")}`;

  async function signIn() {
    const address = await account();
    await onChain();
    const challenge = await api("POST", "sign-in/challenges", JSON.stringify({address}));
    say(words.signing);
    const signature = await ask("personal_sign", [hex(new TextEncoder().encode(challenge.message)), address]);
    await api("POST", "sign-in/sessions", JSON.stringify({message: challenge.message, signature}));
    window.location.reload();
  }

  async function upload(file) {
    say(words.uploading);
    const kept = await api("POST", "uploads/test-sets", file, "application/octet-stream");
    const url = new URL(window.location.href);
    url.searchParams.set("test_set", kept.cid);
    window.location.assign(url);
  }

  // posting ---------------------------------------------------------------------------------------------------------
  async function check(prepared) {
    const call = prepared.call;
    const bare = facts.digest.slice(2);
    let same = prepared.spec === facts.spec && prepared.digest === facts.digest && call.spec === facts.digest
      && call.to === facts.ledger && call.chain_id === facts.chain && call.value === facts.escrow
      && call.data.slice(10).match(/.{64}/g).includes(bare);
    if (window.crypto.subtle) {  // not where the page came without TLS from another machine
      const digest = await window.crypto.subtle.digest("SHA-256", new TextEncoder().encode(prepared.spec));
      same = same && hex(new Uint8Array(digest)) === facts.digest;
    }
    if (!same) throw new Told(words.different);
    return call;
  }

  async function posted(from) {
    const list = await api("GET", `tasks?manufacturer=${from}&limit=50`);
    return list.items.find((one) => one.spec === facts.digest);
  }

  async function post() {
    const from = await account();
    if (from !== facts.account) throw new Told(words.account);
    await onChain();
    const before = await posted(from);  // by an earlier visit that did not hear of it: nothing is paid twice
    if (before) return finish(before);
    const call = await check(await api("POST", "drafts/prepare", JSON.stringify(facts.draft)));
    say(words.signing);
    const nonce = await ask("eth_getTransactionCount", [from, "latest"]);
    const hash = await ask("eth_sendTransaction", [{
      from, to: call.to, data: call.data, value: `0x${BigInt(call.value).toString(16)}`,
    }]);
    remember({from, hash, nonce});
    await follow({from, hash, nonce});
  }

  async function follow({from, hash, nonce}) {
    say(words.waiting.replace("HASH", hash));
    let replaced = 0;
    for (;;) {
      const receipt = await ask("eth_getTransactionReceipt", [hash]);
      if (receipt) {
        if (BigInt(receipt.status) !== 1n) { forget(); throw new Told(words.reverted); }
        say(words.mined);
        break;
      }
      const count = await ask("eth_getTransactionCount", [from, "latest"]);
      if (BigInt(count) > BigInt(nonce) && !await ask("eth_getTransactionByHash", [hash])) {
        say(words.gone, "wait");  // by the same call at another price, or by another one: the ledger knows
        if (await posted(from)) break;
        if (++replaced > 20) { forget(); throw new Told(words.other); }
      }
      await pause();
    }
    let task = await posted(from);
    while (!task) { await pause(); task = await posted(from); }
    finish(task);
  }

  function finish(task) {
    forget();
    say(words.done, "good");
    const result = box.querySelector("[data-result]");
    result.hidden = false;
    result.firstElementChild.href = `${words.root}/tasks/${task.task}`;
    button.post.hidden = true;
  }

  const remember = (sent) => { try { localStorage.setItem(memory, JSON.stringify(sent)); } catch { /* private window */ } };
  const forget = () => { try { localStorage.removeItem(memory); } catch { /* private window */ } };
  function remembered() {
    try { return JSON.parse(localStorage.getItem(memory)); } catch { return null; }
  }

  async function doing(work, pressed) {
    if (pressed) pressed.disabled = true;
    try {
      await work();
    } catch (error) {
      const refused = error.code === 4001;
      const text = error instanceof Told ? error.message : words.trouble.replace("WHY", error.message || String(error));
      say(refused ? words.refused : text, refused ? "wait" : "bad");
    } finally {
      if (pressed) pressed.disabled = false;
    }
  }

  for (const [pressed, work] of [[button.signIn, signIn], [button.post, post]]) {
    if (!pressed) continue;
    pressed.hidden = false;
    pressed.addEventListener("click", () => doing(work, pressed));
  }
  const chooser = box.querySelector("[data-upload]");
  if (chooser) {
    chooser.hidden = false;
    const input = chooser.querySelector("input");
    input.addEventListener("change", () => input.files[0] && doing(() => upload(input.files[0]), null));
  }
  const sent = facts.digest && window.ethereum ? remembered() : null;
  if (sent) doing(() => follow(sent), button.post);
})();
