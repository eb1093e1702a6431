// ethers against a node.
import assert from "node:assert/strict";
import { ethers } from "ethers";
import {
  CHAIN_ID, check, checkUnlessLacking, done, HTTP_URL, PRIVATE_KEY, probe, REALTIME_URL, sleep, thrown, until, WS_URL,
} from "./lib.mjs";

const options = { polling: true, pollingInterval: 50, cacheTimeout: -1 };
const provider = new ethers.JsonRpcProvider(HTTP_URL, undefined, options);
const ws = new ethers.WebSocketProvider(WS_URL);
const wallet = new ethers.Wallet(PRIVATE_KEY, provider);
const { abi, bytecode } = probe;

let contract, deployed;
await check("ethers: network", async () => {
  assert.equal((await provider.getNetwork()).chainId, BigInt(CHAIN_ID));
  assert.equal((await ws.getNetwork()).chainId, BigInt(CHAIN_ID));
});

await check("ethers: deploy", async () => {
  contract = await new ethers.ContractFactory(abi, bytecode, wallet).deploy("first", 7n, { value: 1000n });
  await contract.waitForDeployment();
  deployed = await contract.deploymentTransaction().wait();
  assert.equal(deployed.status, 1);
  assert.equal(deployed.contractAddress, await contract.getAddress());
  assert.equal(deployed.type, 2);
  assert.ok(deployed.gasPrice > 0n && deployed.fee === deployed.gasUsed * deployed.gasPrice);
  assert.equal(await provider.getBalance(contract), 1000n);
  assert.ok((await contract.getDeployedCode()).length > 1000);
});

await check("ethers: read", async () => {
  assert.equal(await contract.name(), "first");
  assert.equal(await contract.owner(), wallet.address);
  const [points, data, sum] = await contract.echo([[-1n, 2n, "a"], [1n << 200n, -3n, "ü".repeat(50)]], "0x010203");
  assert.deepEqual(points.toArray().map((p) => p.toArray()), [[-1n, 2n, "a"], [1n << 200n, -3n, "ü".repeat(50)]]);
  assert.deepEqual([data, sum], ["0x010203", 5n]);
  const context = await contract.blockContext();
  assert.equal(context.chainId, BigInt(CHAIN_ID));
  assert.equal(await contract.value({ blockTag: deployed.blockNumber }), 7n);
  assert.equal(BigInt(await provider.getStorage(contract, 1)), 7n);
  assert.equal(await contract.value({ blockTag: "pending" }), 7n);
});

let stored;
await check("ethers: write, receipt, logs", async () => {
  stored = await (await contract.store(8n, "hello")).wait();
  assert.equal(await contract.value(), 8n);
  const event = stored.logs[0];
  assert.equal(event.eventName, "Stored");
  assert.deepEqual(event.args.toArray(), [wallet.address, 8n, "hello"]);
  assert.equal(event.blockHash, stored.blockHash);
  const tx = await provider.getTransaction(stored.hash);
  assert.equal(tx.blockHash, stored.blockHash);
  assert.equal(tx.from, wallet.address);
  assert.equal(tx.chainId, BigInt(CHAIN_ID));
  assert.ok(await tx.confirmations() >= 1);
  const receipt = await provider.getTransactionReceipt(stored.hash);
  assert.equal(receipt.gasUsed, stored.gasUsed);
});

await check("ethers: logs by block, hash and topic", async () => {
  const all = await contract.queryFilter(contract.filters.Stored(wallet.address), deployed.blockNumber);
  assert.equal(all.length, 1);
  assert.deepEqual(await contract.queryFilter(contract.filters.Stored(null, 9n), 0), []);
  const filter = { address: await contract.getAddress(), blockHash: stored.blockHash, topics: [[contract.interface.getEvent("Stored").topicHash]] };
  const byHash = await provider.getLogs(filter);
  assert.equal(byHash[0].transactionHash, stored.hash);
});

await check("ethers: subscriptions by WebSocket", async () => {
  const events = [], blocks = [], pending = [];
  const watching = contract.connect(ws);
  await watching.on("Stored", (by, value, note) => events.push([by, value, note]));
  await ws.on("block", (number) => blocks.push(number));
  await ws.on("pending", (hash) => pending.push(hash));
  // Again and again: nobody says when the subscriptions have begun.
  await until(async () => {
    const { hash } = await (await contract.store(10n, "watched")).wait();
    await sleep(200);
    return events.length > 0 && blocks.length > 0 && pending.includes(hash);
  });
  assert.deepEqual(events[0], [wallet.address, 10n, "watched"]);
  await watching.removeAllListeners();
  await ws.removeAllListeners();
});

await check("ethers: events by polling", async () => {
  const events = [];
  await contract.on("Stored", (by, value, note) => events.push(note));
  await until(async () => {
    await (await contract.store(11n, "polled")).wait();
    await sleep(200);
    return events.includes("polled");
  });
  await contract.removeAllListeners();
});

const exception = async (promise) => {
  const e = await thrown(promise);
  assert.equal(e.code, "CALL_EXCEPTION", `${e.code}: ${e.message}`);
  return e;
};
await check("ethers: reverts: string, custom error, panics, nothing", async () => {
  const fail = contract.fail;
  assert.equal((await exception(fail.staticCall(0n))).reason, "zero is not allowed");
  const small = (await exception(fail.staticCall(5n))).revert;
  assert.equal(small.name, "TooSmall");
  assert.deepEqual(small.args.toArray(), [5n, 100n]);
  const stranger = ethers.Wallet.createRandom().address;
  assert.deepEqual((await exception(contract.connect(provider).fail.staticCall(200n, { from: stranger }))).revert.args.toArray(), [stranger]);
  const panic = (await exception(fail.staticCall(101n))).revert;
  assert.equal(panic.name, "Panic");
  assert.equal(Number(panic.args[0]), 0x12);
  assert.equal(Number((await exception(contract.withdraw.staticCall(1n))).revert.args[0]), 0x11);
  assert.equal((await exception(fail.staticCall(200n))).data, "0x");
  assert.equal((await exception(fail.estimateGas(0n))).reason, "zero is not allowed");
  assert.equal((await exception(fail(0n))).reason, "zero is not allowed"); // estimates before it sends
});

await check("ethers: a reverted transaction has a receipt", async () => {
  const tx = await contract.fail(5n, { gasLimit: 100_000n });
  assert.equal((await exception(tx.wait())).receipt.status, 0);
});

await check("ethers: batch", async () => {
  let sent = 0;
  const count = (info) => { if (info.action === "sendRpcPayload" && Array.isArray(info.payload)) sent += info.payload.length; };
  provider.on("debug", count);
  const [block, balance, e, ...values] = await Promise.all([
    provider.getBlockNumber(), provider.getBalance(contract), exception(contract.fail.staticCall(0n)),
    ...Array.from({ length: 150 }, () => contract.value()),
  ]);
  await provider.off("debug", count);
  assert.ok(sent >= 150, `${sent} requests went in batches`);
  assert.ok(block > 0 && balance === 1000n && e.reason === "zero is not allowed");
  assert.ok(values.every((v) => v === 11n));
});

await check("ethers: fees and gas", async () => {
  const fees = await provider.getFeeData();
  assert.ok(fees.gasPrice > 0n && fees.maxFeePerGas >= fees.maxPriorityFeePerGas);
  const to = ethers.Wallet.createRandom().address;
  assert.equal(await provider.estimateGas({ from: wallet.address, to, value: 1n }), 21000n);
  const gas = await contract.store.estimateGas(1n, "x");
  assert.ok(gas > 25_000n && gas < 100_000n, `${gas}`);
  const history = await provider.send("eth_feeHistory", ["0x3", "latest", [25, 75]]);
  assert.equal(history.reward.length, history.gasUsedRatio.length);
});

await check("ethers: transactions of types 0, 1, 2", async () => {
  const { accessList } = await provider.send("eth_createAccessList", [await contract.store.populateTransaction(1n, "list").then((tx) => ({ ...tx, from: wallet.address })), "latest"]);
  const gasPrice = ethers.parseUnits("20", "gwei");
  for (const [type, fees] of [
    [0, { gasPrice }],
    [1, { gasPrice, accessList }],
    [2, { maxFeePerGas: gasPrice, maxPriorityFeePerGas: 1n, accessList }],
  ]) {
    const receipt = await (await contract.store(12n, `type ${type}`, { type, ...fees })).wait();
    assert.equal(receipt.type, type);
    const tx = await provider.getTransaction(receipt.hash);
    assert.equal(tx.type, type);
    if (accessList && type > 0) assert.deepEqual(tx.accessList.map((a) => a.storageKeys), accessList.map((a) => a.storageKeys));
    assert.equal(tx.signature.yParity === 0 || tx.signature.yParity === 1, true);
  }
});

await check("ethers: EIP-7702 authorization", async () => {
  const user = ethers.Wallet.createRandom(provider);
  const address = await contract.getAddress();
  const authorization = await user.authorize({ address, nonce: 0, chainId: CHAIN_ID });
  const tx = await wallet.sendTransaction({ type: 4, to: user.address, value: 5n, authorizationList: [authorization] });
  assert.equal((await tx.wait()).status, 1);
  assert.equal(await provider.getCode(user.address), `0xef0100${address.slice(2).toLowerCase()}`);
  assert.equal(await contract.attach(user.address).deposits(wallet.address), 5n);
  const read = await provider.getTransaction(tx.hash);
  assert.equal(read.type, 4);
  assert.equal(read.authorizationList[0].address, address);
});

await check("ethers: nonces: five sends at once", async () => {
  const managed = new ethers.NonceManager(wallet);
  const before = await provider.getTransactionCount(wallet);
  const sent = await Promise.all([1n, 2n, 3n, 4n, 5n].map((value) => managed.sendTransaction({ to: contract, value })));
  const receipts = await Promise.all(sent.map((tx) => tx.wait()));
  assert.ok(receipts.every((r) => r.status === 1));
  assert.equal(await provider.getTransactionCount(wallet, "pending"), before + 5);
  assert.equal(await contract.deposits(wallet), 15n);
});

await check("ethers: blocks by tag, number and hash", async () => {
  const block = await provider.getBlock(stored.blockHash, true);
  assert.equal(block.number, stored.blockNumber);
  assert.equal(block.prefetchedTransactions[stored.index].hash, stored.hash);
  assert.equal((await provider.getBlock(stored.blockNumber)).hash, block.hash);
  assert.equal((await provider.getBlock("earliest")).number, 0);
  assert.ok((await provider.getBlock("latest")).baseFeePerGas > 0n);
  assert.ok((await provider.send("eth_getBlockByNumber", ["pending", false])).baseFeePerGas);
});

await checkUnlessLacking("finality", "ethers: safe and finalized", async () => {
  const finalized = await provider.getBlock("finalized"); // first: the chain grows between the two questions
  const safe = await provider.getBlock("safe");
  assert.ok(safe.number >= finalized.number);
});

await check("ethers: proofs", async () => {
  const proof = await provider.send("eth_getProof", [await contract.getAddress(), [ethers.toBeHex(1, 32)], "latest"]);
  assert.equal(ethers.keccak256(await contract.getDeployedCode()), proof.codeHash);
  assert.equal(BigInt(proof.storageProof[0].value), 12n);
});

await check("ethers: errors by their codes", async () => {
  const code = async (promise) => (await thrown(promise)).code;
  const fees = { gasLimit: 100_000n, maxFeePerGas: ethers.parseUnits("100", "gwei"), maxPriorityFeePerGas: 1n };
  const poor = ethers.Wallet.createRandom(provider);
  assert.equal(await code(poor.sendTransaction({ to: contract, nonce: 0, ...fees })), "INSUFFICIENT_FUNDS");
  assert.equal(await code(wallet.sendTransaction({ to: contract, nonce: 0, ...fees })), "NONCE_EXPIRED");
  assert.equal(await provider.getTransaction(ethers.id("nowhere")), null);
  assert.equal(await provider.getTransactionReceipt(ethers.id("nowhere")), null);
  assert.equal(await provider.getBlock(ethers.id("nowhere")), null);
});

await checkUnlessLacking("wording", "ethers: an unknown method by its code", async () => {
  assert.equal((await thrown(provider.send("eth_noSuchMethod", []))).code, "UNSUPPORTED_OPERATION");
});

await check("ethers: typed data", async () => {
  const domain = { name: "probe", version: "1", chainId: CHAIN_ID, verifyingContract: await contract.getAddress() };
  const types = { Mail: [{ name: "to", type: "address" }, { name: "text", type: "string" }] };
  const mail = { to: ethers.ZeroAddress, text: "hello" };
  assert.equal(ethers.verifyTypedData(domain, types, mail, await wallet.signTypedData(domain, types, mail)), wallet.address);
});

if (REALTIME_URL) {
  await check("ethers: realtime_sendRawTransaction", async () => {
    const tx = await wallet.populateTransaction({ to: contract, value: 3n });
    const receipt = await provider.send("realtime_sendRawTransaction", [await wallet.signTransaction(tx)]);
    assert.equal(receipt.status, "0x1");
    assert.equal((await provider.waitForTransaction(receipt.transactionHash)).hash, receipt.transactionHash);
  });

  await check("ethers: state on the path /realtime", async () => {
    const realtime = new ethers.JsonRpcProvider(REALTIME_URL, undefined, options);
    const before = await contract.deposits(wallet);
    const tx = await wallet.populateTransaction({ to: contract, value: 4n });
    const sync = await realtime.send("eth_sendRawTransactionSync", [await wallet.signTransaction(tx)]);
    assert.equal(await contract.connect(realtime).deposits(wallet), before + 4n); // nobody has waited for a block
    await provider.waitForTransaction(sync.transactionHash);
  });
}

done();
