// viem at a full node that has what it knows from the network: a contract is deployed and
// used, and what it did becomes safe and final.
import assert from "node:assert/strict";
import { createPublicClient, createWalletClient, defineChain, getContract, http, parseEventLogs, publicActions, webSocket } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { CHAIN_ID, check, checkUnlessLacking, done, HTTP_URL, PRIVATE_KEY, probe, sleep, until, WS_URL } from "./lib.mjs";

const chain = defineChain({
  id: CHAIN_ID, name: "test", nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [HTTP_URL] } },
});
const account = privateKeyToAccount(PRIVATE_KEY), { abi, bytecode } = probe;
const client = createWalletClient({ account, chain, transport: http(), pollingInterval: 50 }).extend(publicActions);
const ws = createPublicClient({ chain, transport: webSocket(WS_URL) });
const mined = (hash) => client.waitForTransactionReceipt({ hash });

let contract, deployed, written;
await check("viem: deploy", async () => {
  deployed = await mined(await client.deployContract({ abi, bytecode, args: ["deployed", 7n], value: 1000n }));
  assert.equal(deployed.status, "success");
  contract = getContract({ address: deployed.contractAddress, abi, client });
  assert.equal(await contract.read.name(), "deployed");
  assert.equal(await contract.read.value(), 7n);
  assert.equal(await client.getBalance({ address: contract.address }), 1000n);
});

await check("viem: write and read", async () => {
  written = await mined(await contract.write.store([8n, "written"]));
  assert.equal(written.status, "success");
  assert.ok(written.blockNumber > deployed.blockNumber || written.transactionIndex > deployed.transactionIndex);
  assert.equal(await contract.read.value(), 8n);
  assert.deepEqual(parseEventLogs({ abi, logs: written.logs })[0].args, { by: account.address, value: 8n, note: "written" });
  const block = await client.getBlock({ blockHash: written.blockHash, includeTransactions: true });
  assert.equal(block.transactions[written.transactionIndex].hash, written.transactionHash);
});

await checkUnlessLacking("logs", "viem: logs, found and watched", async () => {
  const [event] = await client.getContractEvents({ abi, address: contract.address, eventName: "Stored", blockHash: written.blockHash });
  assert.equal(event.transactionHash, written.transactionHash);

  const seen = [], errors = [];
  const unwatch = ws.watchContractEvent({
    address: contract.address, abi, eventName: "Stored", onLogs: (logs) => seen.push(...logs), onError: (e) => errors.push(e),
  });
  // Again and again: nobody says when the subscription has begun.
  await until(async () => {
    written = await mined(await contract.write.store([9n, "watched"]));
    await sleep(200);
    return seen.some((log) => log.transactionHash === written.transactionHash);
  });
  unwatch();
  assert.deepEqual(errors, []);
});

// safe is what is in the data-availability layer, finalized what is proven. Until the full
// node knows of one it says that there is none.
const head = (blockTag) => client.getBlock({ blockTag }).catch((e) => {
  if (!e.message.includes(`${blockTag} block not found`)) throw e;
});

for (const blockTag of ["safe", "finalized"]) {
  await check(`viem: ${blockTag} comes to the contract, and goes on`, async () => {
    const reached = (number) => until(async () => {
      const block = await head(blockTag);
      return block?.number >= number && block;
    });
    const { number } = await reached(written.blockNumber);
    assert.equal((await client.getBlock({ blockNumber: written.blockNumber })).hash, written.blockHash);
    assert.equal(await client.readContract({ ...contract, functionName: "value", blockTag }), await contract.read.value());
    assert.ok((await client.getBlock()).number >= number);
    await reached(number + 2n);
  });
}

done();
