// Runs a program of foundry against the node.
import { spawn, spawnSync } from "node:child_process";
import { CHAIN_ID, HTTP_URL, PRIVATE_KEY } from "./lib.mjs";

const here = import.meta.dirname;
const env = {
  PATH: process.env.PATH, HOME: here, // no configuration but the one beside this file
  ETH_RPC_URL: HTTP_URL, PRIVATE_KEY, CHAIN: String(CHAIN_ID), NO_COLOR: "1", FOUNDRY_OFFLINE: "true", FOUNDRY_DISABLE_NIGHTLY_WARNING: "1",
};
const program = process.argv[2];

// foundry returns what the program prints, and throws what it complains about.
export function foundry(...args) {
  const { status, stdout, stderr, error } = spawnSync(program, args.map(String), { cwd: here, env, encoding: "utf8", timeout: 120_000 });
  if (error || status !== 0) throw new Error(`${args.join(" ")}: ${error ?? `exit code ${status}`}\n${stderr}\n${stdout}`);
  return stdout.trim();
}

// background starts the program and returns it with what it has printed so far.
export function background(...args) {
  const child = spawn(program, args, { cwd: here, env });
  const output = { child, text: "" };
  child.stdout.on("data", (data) => { output.text += data; });
  child.stderr.on("data", (data) => { output.text += data; });
  return output;
}
