// What the scripts share: where the node is, who pays, and one line per check.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";

export const HTTP_URL = need("HTTP_URL");
export const WS_URL = need("WS_URL");
// A path whose answers are those of the newest mini-block; empty if the node has none.
export const REALTIME_URL = process.env.REALTIME_URL ?? "";
export const REALTIME_WS_URL = REALTIME_URL.replace(/^http/, "ws");
export const PRIVATE_KEY = need("PRIVATE_KEY");
export const CHAIN_ID = Number(need("CHAIN_ID"));
// What the node is known not to do, by name: "fillTransaction,finalized".
const lacking = (process.env.LACKING ?? "").split(",");

export const probe = JSON.parse(readFileSync(new URL("Probe.json", import.meta.url), "utf8"));

function need(name) {
  if (!process.env[name]) {
    console.error(`${name} is not set`);
    process.exit(2);
  }
  return process.env[name];
}

// check runs one check. The first one that fails ends the script with code 1.
export async function check(name, run) {
  try {
    await within(60_000, run());
  } catch (e) {
    console.log(`not ok - ${name}\n${inspect(e, { depth: 6 }).replace(/[^\n]{500,}/g, (line) => line.slice(0, 500) + "...")}`);
    process.exit(1);
  }
  console.log(`ok - ${name}`);
}

// checkUnlessLacking is check, for what not every node can do.
export async function checkUnlessLacking(feature, name, run) {
  if (lacking.includes(feature)) return console.log(`skip - ${name}: the node has no ${feature}`);
  return check(name, run);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// within fails when a promise takes longer.
export async function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// until polls until the answer is truthy, and returns it.
export async function until(ask) {
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    await sleep(50);
  }
}

// thrown returns what a promise was rejected with.
export async function thrown(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  assert.fail("expected an error, got none");
}

// rpc asks without any client's help, and returns the whole answer.
export async function rpc(url, method, ...params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return response.json();
}

export function done() {
  console.log("done");
  process.exit(0); // sockets of clients that have no way to close may be open
}
