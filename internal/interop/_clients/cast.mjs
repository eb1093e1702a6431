// cast against a node.
import assert from "node:assert/strict";
import {
  CHAIN_ID, check, checkUnlessLacking, done, PRIVATE_KEY, probe, REALTIME_URL, sleep, thrown, until, WS_URL,
} from "./lib.mjs";
import { background, foundry as cast } from "./foundry.mjs";

const json = (...args) => JSON.parse(cast(...args, "--json"));
const me = cast("wallet", "address", PRIVATE_KEY);
const send = (...args) => json("send", "--private-key", PRIVATE_KEY, ...args);
const Stored = "Stored(address indexed,uint256 indexed,string)";
const fails = async (...args) => (await thrown((async () => cast(...args))())).message;

let address, deployed, stored;
await check("cast: chain", async () => {
  assert.equal(cast("chain-id"), String(CHAIN_ID));
  assert.match(cast("client"), /./);
  assert.ok(Number(cast("gas-price")) > 0 && Number(cast("base-fee")) > 0);
});

await check("cast: send --create", async () => {
  deployed = send("--value", 1000, "--create", probe.bytecode, "constructor(string,uint256)", "first", 7);
  assert.equal(deployed.status, "0x1");
  address = deployed.contractAddress;
  assert.equal(cast("balance", address), "1000");
  assert.ok(cast("code", address).length > 1000);
  assert.ok(Number(cast("codesize", address)) > 500);
});

await check("cast: call, storage", async () => {
  assert.equal(cast("call", address, "name()(string)"), '"first"');
  assert.equal(cast("call", address, "value()(uint256)", "--block", Number(deployed.blockNumber)), "7");
  assert.equal(cast("call", address, "owner()(address)").toLowerCase(), me.toLowerCase());
  const echo = cast("call", address, "echo((int256,int64,string)[],bytes)((int256,int64,string)[],bytes,uint256)", '[(-1,2,"a")]', "0x010203");
  assert.deepEqual(echo.split("\n"), ['[(-1, 2, "a")]', "0x010203", "4"]);
  assert.equal(BigInt(cast("storage", address, 1)), 7n);
  const slot = `${address}:0x1:0x2a`;
  assert.equal(cast("call", address, "value()(uint256)", "--override-state-diff", slot), "42");
});

await check("cast: send, receipt, tx", async () => {
  stored = send(address, "store(uint256,string)", 8, "hello");
  assert.equal(stored.status, "0x1");
  assert.equal(cast("call", address, "value()(uint256)"), "8");
  const { blockTimestamp, ...receipt } = json("receipt", stored.transactionHash); // anvil's, in one of the two
  assert.deepEqual(receipt, stored);
  const tx = json("tx", stored.transactionHash);
  assert.equal(tx.blockHash, stored.blockHash);
  assert.equal(cast("keccak", cast("tx", stored.transactionHash, "--raw")), stored.transactionHash);
  assert.equal(cast("decode-event", "--sig", "Stored(string)", stored.logs[0].data), '"hello"');
});

await check("cast: logs", async () => {
  const logs = json("logs", "--address", address, "--from-block", 0, Stored, me);
  assert.equal(logs.length, 1);
  assert.deepEqual(logs[0].transactionHash, stored.transactionHash);
  assert.deepEqual(json("logs", "--address", address, "--from-block", Number(deployed.blockNumber), Stored, me, 9), []);
});

await check("cast: logs --subscribe", async () => {
  const watcher = background("logs", "--rpc-url", WS_URL, "--address", address, "--subscribe", Stored);
  await until(async () => {
    const { transactionHash } = send(address, "store(uint256,string)", 9, "watched");
    await sleep(200);
    assert.equal(watcher.child.exitCode, null, watcher.text);
    return watcher.text.includes(transactionHash);
  });
  watcher.child.kill();
});

await check("cast: reverts: string, custom error, panics, nothing", async () => {
  const fail = (given, ...args) => fails("call", address, "fail(uint256)", given, "--from", me, ...args);
  assert.match(await fail(0), /zero is not allowed/);
  const small = await fail(5);
  assert.match(small, /0xe94fe3af|TooSmall/);
  assert.match(small, /data: "0xe94fe3af0{63}50{62}64"/);
  assert.match(await fail(100), /data: "0x4e487b710{63}1"/);
  assert.match(await fail(101), /data: "0x4e487b710{62}12"/);
  assert.match(await fails("call", address, "withdraw(uint256)", 1), /data: "0x4e487b710{62}11"/);
  assert.match(await fail(200), /execution reverted/);
  assert.match(await fails("estimate", "--from", me, address, "fail(uint256)", 0), /zero is not allowed/);
  assert.match(await fails("send", "--private-key", PRIVATE_KEY, address, "fail(uint256)", 0), /zero is not allowed/);
});

await check("cast: a reverted transaction has a receipt", async () => {
  assert.equal(send("--gas-limit", 100_000, address, "fail(uint256)", 5).status, "0x0");
});

await check("cast: estimate, access-list", async () => {
  const gas = Number(cast("estimate", "--from", me, address, "store(uint256,string)", 1, "x"));
  assert.ok(gas > 25_000 && gas < 100_000, `${gas}`);
  const { accessList } = json("access-list", "--from", me, address, "store(uint256,string)", 1, "x");
  assert.deepEqual(accessList.map((a) => a.storageKeys.map(BigInt)), [[1n]]);
});

await check("cast: transactions of types 0, 1, 2", async () => {
  const list = JSON.stringify([{ address, storageKeys: [`0x${"1".padStart(64, "0")}`] }]);
  for (const [type, ...args] of [
    ["0x0", "--legacy", "--gas-price", "20gwei"],
    ["0x1", "--legacy", "--gas-price", "20gwei", "--access-list", list],
    ["0x2", "--gas-price", "20gwei", "--priority-gas-price", "1"],
  ]) {
    const receipt = send(...args, address, "store(uint256,string)", 10, type);
    assert.deepEqual([receipt.type, receipt.status], [type, "0x1"]);
    assert.equal(json("tx", receipt.transactionHash).type, type);
  }
});

await check("cast: EIP-7702 authorization", async () => {
  const [user] = json("wallet", "new");
  const auth = cast("wallet", "sign-auth", address, "--private-key", user.private_key, "--nonce", 0, "--chain", CHAIN_ID);
  assert.equal(send("--value", 5, "--auth", auth, user.address).status, "0x1");
  assert.equal(cast("code", user.address), `0xef0100${address.slice(2).toLowerCase()}`);
  assert.equal(cast("call", user.address, "deposits(address)(uint256)", me), "5");
});

await check("cast: nonces: three sends without waiting", async () => {
  const nonce = Number(cast("nonce", me));
  const hashes = [0, 1, 2].map((i) => cast("send", "--async", "--private-key", PRIVATE_KEY, "--nonce", nonce + i, "--value", i + 1, address));
  assert.deepEqual(hashes.map((hash) => json("receipt", hash).status), ["0x1", "0x1", "0x1"]);
  assert.equal(Number(cast("nonce", me, "--block", "pending")), nonce + 3);
  const raw = cast("mktx", "--private-key", PRIVATE_KEY, "--value", 4, address);
  assert.equal(json("publish", raw).status, "0x1");
  assert.equal(cast("call", address, "deposits(address)(uint256)", me), "10");
});

await checkUnlessLacking("sync", "cast: send --sync", async () => {
  const receipt = send("--sync", "--value", 1, address);
  assert.equal(receipt.status, "0x1");
  await until(() => json("receipt", receipt.transactionHash).blockHash);
});

await check("cast: blocks by tag, number and hash", async () => {
  const block = json("block", stored.blockHash, "--full");
  assert.equal(block.number, stored.blockNumber);
  assert.equal(block.transactions[Number(stored.transactionIndex)].hash, stored.transactionHash);
  assert.equal(json("block", Number(stored.blockNumber)).hash, block.hash);
  assert.equal(Number(cast("block", "earliest", "--field", "number")), 0);
  assert.ok(Number(cast("block-number")) >= Number(stored.blockNumber));
  assert.ok(Number(cast("block", "pending", "--field", "baseFeePerGas")) > 0);
});

await checkUnlessLacking("finality", "cast: safe and finalized", async () => {
  const finalized = Number(cast("block", "finalized", "--field", "number")); // first: the chain grows between the two questions
  assert.ok(Number(cast("block", "safe", "--field", "number")) >= finalized);
});

await check("cast: proof, rpc, tx-pool", async () => {
  const proof = json("proof", address, 1);
  assert.equal(BigInt(proof.storageProof[0].value), 10n);
  assert.equal(proof.codeHash, cast("codehash", address));
  assert.equal(JSON.parse(cast("rpc", "eth_chainId")), `0x${CHAIN_ID.toString(16)}`);
  const history = JSON.parse(cast("rpc", "eth_feeHistory", "0x3", "latest", "[25,75]"));
  assert.equal(history.reward.length, history.gasUsedRatio.length);
  const trace = JSON.parse(cast("rpc", "debug_traceTransaction", stored.transactionHash, '{"tracer":"callTracer"}'));
  assert.equal(trace.gasUsed, stored.gasUsed);
  assert.match(await fails("rpc", "eth_noSuchMethod"), /-32601/);
  assert.match(cast("tx-pool", "status"), /pending/);
});

// Executes here, on state that it asks for, with all that is before in the block: others
// may have sent what the rules that it takes without being told do not know.
await check("cast: run, call --trace", async () => {
  assert.match(cast("run", "--evm-version", "prague", stored.transactionHash), new RegExp(`Transaction successfully executed[^]*Gas used: ${Number(stored.gasUsed)}`));
  assert.match(cast("call", "--trace", address, "value()"), /Traces:/);
});

await check("cast: errors by their words", async () => {
  const [{ private_key }] = json("wallet", "new");
  const fixed = ["--gas-limit", 100_000, "--gas-price", "20gwei", address];
  assert.match(await fails("send", "--private-key", private_key, ...fixed), /[Ii]nsufficient funds/);
  assert.match(await fails("send", "--private-key", PRIVATE_KEY, "--nonce", 0, ...fixed), /nonce too low/);
  assert.match(await fails("tx", `0x${"ab".repeat(32)}`), /tx not found/);
});

if (REALTIME_URL) {
  const sign = (value) => cast("mktx", "--private-key", PRIVATE_KEY, "--value", value, address);

  await check("cast: realtime_sendRawTransaction", async () => {
    const receipt = JSON.parse(cast("rpc", "realtime_sendRawTransaction", sign(3)));
    assert.equal(receipt.status, "0x1");
    assert.equal(json("receipt", receipt.transactionHash).gasUsed, receipt.gasUsed);
  });

  await check("cast: the path /realtime", async () => {
    const before = BigInt(cast("call", address, "deposits(address)", me));
    const there = ["--rpc-url", REALTIME_URL];
    const receipt = send(...there, "--sync", "--value", 4, address);
    assert.equal(receipt.status, "0x1");
    assert.equal(BigInt(cast("call", ...there, address, "deposits(address)", me)), before + 4n);
    assert.equal(json("receipt", ...there, receipt.transactionHash).gasUsed, receipt.gasUsed);
    assert.equal(json("receipt", receipt.transactionHash).gasUsed, receipt.gasUsed);
  });
}

done();
