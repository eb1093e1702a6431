// What the scripts that try null hashes share. Each tries every row of the table in
// ../README.md and ends with one line of JSON: whether the client bears it.
import { CHAIN_ID, HTTP_URL, PRIVATE_KEY, probe, within } from "./lib.mjs";

// DATA_URL is the node without the nulls.
export const DATA_URL = process.env.DATA_URL;
export { CHAIN_ID, HTTP_URL, PRIVATE_KEY, probe };

// A client bears a null if it answers soon, and with the null.
export async function tryAll(rows) {
  const bears = {};
  for (const [name, run] of Object.entries(rows)) {
    try {
      const hash = await within(3_000, run());
      bears[name] = hash === null;
      console.log(`${name}: ${hash === null ? "bears it" : `answers with ${hash}`}`);
    } catch (e) {
      bears[name] = false;
      console.log(`${name}: ${String(e.shortMessage ?? e.message ?? e).split("\n")[0].slice(0, 200)}`);
    }
  }
  console.log(JSON.stringify(bears));
  process.exit(0);
}
