// forge against a node.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CHAIN_ID, check, done, HTTP_URL, PRIVATE_KEY, rpc } from "./lib.mjs";
import { foundry as forge } from "./foundry.mjs";

process.chdir(import.meta.dirname);
const value = async (address) => BigInt((await rpc(HTTP_URL, "eth_call", { to: address, data: "0x3fa4f245" }, "latest")).result);

await check("forge: build", async () => {
  assert.match(forge("build"), /Compiler run successful/);
});

await check("forge: create --broadcast", async () => {
  const out = forge("create", "src/Probe.sol:Probe", "--private-key", PRIVATE_KEY, "--broadcast", "--json", "--constructor-args", "created", 7);
  const { deployedTo, transactionHash } = JSON.parse(out.slice(out.indexOf("{")));
  assert.equal(await value(deployedTo), 7n);
  assert.equal((await rpc(HTTP_URL, "eth_getTransactionReceipt", transactionHash)).result.status, "0x1");
});

await check("forge: script --broadcast", async () => {
  forge("script", "script/Deploy.s.sol:Deploy", "--broadcast", "--rpc-url", HTTP_URL);
  const run = JSON.parse(readFileSync(`broadcast/Deploy.s.sol/${CHAIN_ID}/run-latest.json`, "utf8"));
  assert.deepEqual(run.receipts.map((r) => r.status), ["0x1", "0x1", "0x1"]);
  assert.equal(await value(run.receipts[0].contractAddress), 4n);
});

done();
