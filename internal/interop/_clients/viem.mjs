// viem against a node.
import assert from "node:assert/strict";
import {
  ContractFunctionRevertedError, createPublicClient, createWalletClient, decodeEventLog, defineChain, encodeDeployData,
  encodeFunctionData, getContract, http, keccak256, parseEventLogs, parseGwei, publicActions, webSocket,
  zeroAddress, recoverTypedDataAddress,
} from "viem";
import { generatePrivateKey, nonceManager, privateKeyToAccount } from "viem/accounts";
import {
  CHAIN_ID, check, checkUnlessLacking, done, HTTP_URL, PRIVATE_KEY, probe, REALTIME_URL, REALTIME_WS_URL, rpc,
  sleep, thrown, until, WS_URL,
} from "./lib.mjs";

const chain = defineChain({
  id: CHAIN_ID, name: "test", nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [HTTP_URL] } },
});
const account = privateKeyToAccount(PRIVATE_KEY);
const common = { account, chain, pollingInterval: 50 };
const client = createWalletClient({ ...common, transport: http() }).extend(publicActions);
const ws = createWalletClient({ ...common, transport: webSocket(WS_URL) }).extend(publicActions);
const { abi, bytecode } = probe;
const mined = (hash) => client.waitForTransactionReceipt({ hash });

let contract, deployed;
await check("viem: chain id, version", async () => {
  assert.equal(await client.getChainId(), CHAIN_ID);
  assert.equal(await ws.getChainId(), CHAIN_ID);
  assert.equal(await client.request({ method: "net_version" }), String(CHAIN_ID));
  assert.match(await client.request({ method: "web3_clientVersion" }), /./);
});

await check("viem: deploy", async () => {
  const hash = await client.deployContract({ abi, bytecode, args: ["first", 7n], value: 1000n });
  deployed = await mined(hash);
  assert.equal(deployed.status, "success");
  assert.equal(deployed.from.toLowerCase(), account.address.toLowerCase());
  assert.equal(deployed.to, null);
  assert.equal(deployed.type, "eip1559");
  assert.ok(deployed.gasUsed > 100_000n && deployed.cumulativeGasUsed >= deployed.gasUsed);
  assert.ok(deployed.effectiveGasPrice > 0n);
  assert.equal(deployed.logsBloom.length, 2 + 512);
  contract = getContract({ address: deployed.contractAddress, abi, client });
  assert.ok((await client.getCode({ address: contract.address })).length > 1000);
  assert.equal(await client.getBalance({ address: contract.address }), 1000n);
  assert.equal(await client.request({ method: "eth_syncing" }), false);
});

await check("viem: read", async () => {
  assert.equal(await contract.read.name(), "first");
  assert.equal(await contract.read.value(), 7n);
  assert.equal((await contract.read.owner()).toLowerCase(), account.address.toLowerCase());
  const points = [{ x: -1n, y: 2n, label: "a" }, { x: 1n << 200n, y: -3n, label: "ü".repeat(50) }];
  assert.deepEqual(await contract.read.echo([points, "0x010203"]), [points, "0x010203", 5n]);
  const [number, , , id] = await contract.read.blockContext();
  assert.ok(number >= deployed.blockNumber);
  assert.equal(id, BigInt(CHAIN_ID));
  assert.equal(await client.readContract({ abi, address: contract.address, functionName: "value", blockNumber: deployed.blockNumber }), 7n);
  assert.equal(BigInt(await client.getStorageAt({ address: contract.address, slot: "0x1" })), 7n);
});

await check("viem: read with state override, and code that is nowhere", async () => {
  const address = "0x00000000000000000000000000000000000c0de5";
  const code = await client.getCode({ address: contract.address });
  const slot = `0x${"1".padStart(64, "0")}`;
  const stateOverride = [{ address, code, stateDiff: [{ slot, value: `0x${"2a".padStart(64, "0")}` }] }];
  assert.equal(await client.readContract({ address, abi, functionName: "value", stateOverride }), 42n);
  const nowhere = { code: encodeDeployData({ abi, bytecode, args: ["nowhere", 3n] }) };
  assert.equal(await client.readContract({ ...nowhere, abi, functionName: "value" }), 3n);
});

let stored;
await check("viem: write, receipt, logs", async () => {
  const { request } = await client.simulateContract({ ...contract, functionName: "store", args: [8n, "hello"], account });
  stored = await mined(await client.writeContract(request));
  assert.equal(stored.status, "success");
  assert.equal(await contract.read.value(), 8n);
  const [event] = parseEventLogs({ abi, logs: stored.logs });
  assert.equal(event.eventName, "Stored");
  assert.deepEqual(event.args, { by: account.address, value: 8n, note: "hello" });
  assert.equal(event.blockHash, stored.blockHash);
  assert.equal(event.removed, false);
  const tx = await client.getTransaction({ hash: stored.transactionHash });
  assert.equal(tx.blockHash, stored.blockHash);
  assert.equal(tx.transactionIndex, stored.transactionIndex);
  assert.ok(tx.yParity === 0 || tx.yParity === 1);
  assert.equal(tx.chainId, CHAIN_ID);
  assert.deepEqual(await client.getTransaction({ blockHash: tx.blockHash, index: tx.transactionIndex }), tx);
  assert.deepEqual(await client.getTransaction({ blockNumber: tx.blockNumber, index: tx.transactionIndex }), tx);
  assert.ok(await client.getTransactionConfirmations({ hash: tx.hash }) >= 1n);
});

await check("viem: logs by block, hash, topic and filter", async () => {
  const filter = { abi, address: contract.address, eventName: "Stored" };
  const all = await client.getContractEvents({ ...filter, fromBlock: deployed.blockNumber, toBlock: "latest" });
  assert.equal(all.length, 1);
  assert.deepEqual(await client.getContractEvents({ ...filter, blockHash: stored.blockHash }), all);
  assert.deepEqual(await client.getContractEvents({ ...filter, fromBlock: 0n, args: { by: account.address, value: [9n, 8n] } }), all);
  assert.deepEqual(await client.getContractEvents({ ...filter, fromBlock: 0n, args: { value: 9n } }), []);
  const live = await client.createContractEventFilter({ ...filter, fromBlock: stored.blockNumber });
  assert.equal((await client.getFilterLogs({ filter: live })).length, 1);
  await client.getFilterChanges({ filter: live });
  await mined(await contract.write.store([9n, "filtered"]));
  const [change] = await until(async () => {
    const changes = await client.getFilterChanges({ filter: live });
    return changes.length > 0 && changes;
  });
  assert.equal(change.args.note, "filtered");
  assert.equal(await client.uninstallFilter({ filter: live }), true);
});

await check("viem: subscriptions by WebSocket", async () => {
  const events = [], blocks = [], pending = [], errors = [];
  const onError = (e) => errors.push(e);
  const unwatch = [
    ws.watchContractEvent({ address: contract.address, abi, eventName: "Stored", onLogs: (l) => events.push(...l), onError }),
    ws.watchBlockNumber({ onBlockNumber: (n) => blocks.push(n), onError }),
    ws.watchPendingTransactions({ onTransactions: (hashes) => pending.push(...hashes), onError }),
  ];
  // Again and again: nobody says when the subscriptions have begun.
  await until(async () => {
    const hash = await contract.write.store([10n, "watched"]);
    await mined(hash);
    await sleep(200);
    return events.length > 0 && blocks.length > 0 && pending.includes(hash);
  });
  assert.equal(events[0].args.note, "watched");
  unwatch.forEach((stop) => stop());
  assert.deepEqual(errors, []);
});

const reverted = async (promise) => {
  const e = (await thrown(promise)).walk?.((e) => e instanceof ContractFunctionRevertedError);
  assert.ok(e, "no ContractFunctionRevertedError");
  return e;
};
await check("viem: reverts: string, custom error, panics, nothing", async () => {
  assert.equal((await reverted(contract.simulate.fail([0n]))).reason, "zero is not allowed");
  const small = (await reverted(contract.simulate.fail([5n]))).data;
  assert.equal(small.errorName, "TooSmall");
  assert.deepEqual(small.args, [5n, 100n]);
  const stranger = privateKeyToAccount(generatePrivateKey()).address;
  const other = (await reverted(contract.simulate.fail([200n], { account: stranger }))).data;
  assert.equal(other.errorName, "NotOwner");
  assert.deepEqual(other.args, [stranger]);
  assert.deepEqual((await reverted(contract.simulate.fail([100n]))).data.args, [1n]);
  assert.deepEqual((await reverted(contract.simulate.fail([101n]))).data.args, [0x12n]);
  assert.deepEqual((await reverted(contract.simulate.withdraw([1n]))).data.args, [0x11n]);
  const nothing = await reverted(contract.simulate.fail([200n]));
  assert.equal(nothing.data, undefined);
  assert.match((await thrown(contract.estimateGas.fail([0n]))).message, /zero is not allowed/);
  assert.match((await thrown(contract.write.fail([0n]))).message, /zero is not allowed/);
});

await check("viem: a reverted transaction has a receipt", async () => {
  const receipt = await mined(await contract.write.fail([5n], { gas: 100_000n }));
  assert.equal(receipt.status, "reverted");
  assert.deepEqual(receipt.logs, []);
});

await check("viem: batch by HTTP", async () => {
  const batched = createPublicClient({ chain, transport: http(HTTP_URL, { batch: true }) });
  const answers = await Promise.all([
    batched.getChainId(), batched.getBlockNumber(), batched.getBalance({ address: contract.address }),
    ...Array.from({ length: 200 }, () => batched.readContract({ ...contract, functionName: "value" })),
    thrown(batched.readContract({ ...contract, functionName: "fail", args: [0n] })),
  ]);
  assert.equal(answers[0], CHAIN_ID);
  assert.equal(answers[2], 1000n);
  assert.equal(answers[202], 10n);
  assert.match(answers[203].message, /zero is not allowed/);
});

await check("viem: fees", async () => {
  const fees = await client.estimateFeesPerGas();
  assert.ok(fees.maxFeePerGas >= fees.maxPriorityFeePerGas);
  const { gasPrice } = await client.estimateFeesPerGas({ type: "legacy" });
  assert.ok(gasPrice > 0n && await client.getGasPrice() > 0n);
  assert.ok(await client.estimateMaxPriorityFeePerGas() >= 0n);
  assert.ok(await client.getBlobBaseFee() >= 1n);
  const history = await client.getFeeHistory({ blockCount: 3, rewardPercentiles: [25, 75] });
  assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1);
  assert.equal(history.reward.length, history.gasUsedRatio.length);
  assert.equal(history.reward[0].length, 2);
});

await check("viem: gas estimation", async () => {
  const to = privateKeyToAccount(generatePrivateKey()).address;
  assert.equal(await client.estimateGas({ account, to, value: 1n }), 21000n);
  const gas = await contract.estimateGas.store([11n, "x"]);
  assert.ok(gas > 25_000n && gas < 100_000n, `${gas}`);
});

await checkUnlessLacking("fillTransaction", "viem: fillTransaction", async () => {
  const { transaction, raw } = await client.fillTransaction({ account, to: contract.address, value: 1n });
  assert.equal(transaction.nonce, await client.getTransactionCount({ address: account.address }));
  assert.equal(transaction.type, "eip1559");
  assert.ok(transaction.gas > 21_000n && transaction.maxFeePerGas > 0n);
  assert.match(raw, /^0x02/);
});

await check("viem: transactions of types 0, 1, 2 with an access list", async () => {
  const { accessList, gasUsed } = await client.createAccessList({
    account, to: contract.address, data: encodeFunctionData({ abi, functionName: "store", args: [1n, "list"] }),
  });
  assert.ok(gasUsed > 21000n);
  assert.equal(accessList[0].address.toLowerCase(), contract.address.toLowerCase());
  assert.deepEqual(accessList[0].storageKeys.map(BigInt), [1n]);
  for (const [type, fees] of [
    ["legacy", { gasPrice: parseGwei("20") }],
    ["eip2930", { gasPrice: parseGwei("20"), accessList }],
    ["eip1559", { maxFeePerGas: parseGwei("20"), maxPriorityFeePerGas: 1n, accessList }],
  ]) {
    const receipt = await mined(await contract.write.store([12n, type], { type, ...fees }));
    assert.equal(receipt.status, "success");
    assert.equal(receipt.type, type);
    const tx = await client.getTransaction({ hash: receipt.transactionHash });
    assert.equal(tx.type, type);
    if (fees.accessList) assert.deepEqual(tx.accessList, accessList);
    const raw = await client.request({ method: "eth_getRawTransactionByHash", params: [tx.hash] });
    assert.equal(keccak256(raw), tx.hash);
  }
});

await check("viem: EIP-7702 authorization", async () => {
  const user = privateKeyToAccount(generatePrivateKey());
  const authorization = await client.signAuthorization({ account: user, contractAddress: contract.address });
  const receipt = await mined(await client.sendTransaction({ to: user.address, authorizationList: [authorization], value: 5n }));
  assert.equal(receipt.status, "success");
  assert.equal(receipt.type, "eip7702");
  assert.equal(await client.getCode({ address: user.address }), `0xef0100${contract.address.slice(2).toLowerCase()}`);
  assert.equal(await client.readContract({ abi, address: user.address, functionName: "deposits", args: [account.address] }), 5n);
  const tx = await client.getTransaction({ hash: receipt.transactionHash });
  assert.equal(tx.authorizationList[0].address.toLowerCase(), contract.address.toLowerCase());
  assert.equal((await client.getDelegation({ address: user.address })).toLowerCase(), contract.address.toLowerCase());
});

await check("viem: nonces: five sends at once", async () => {
  const managed = createWalletClient({ ...common, account: privateKeyToAccount(PRIVATE_KEY, { nonceManager }), transport: http() });
  const before = await client.getTransactionCount({ address: account.address });
  const hashes = await Promise.all(Array.from({ length: 5 }, (_, i) => managed.sendTransaction({ to: contract.address, value: BigInt(i + 1) })));
  const receipts = await Promise.all(hashes.map(mined));
  assert.ok(receipts.every((r) => r.status === "success"));
  assert.equal(await client.getTransactionCount({ address: account.address, blockTag: "pending" }), before + 5);
  assert.equal(await contract.read.deposits([account.address]), 15n);
});

await check("viem: blocks by tag, number and hash", async () => {
  const block = await client.getBlock({ blockHash: stored.blockHash, includeTransactions: true });
  const tx = await client.getTransaction({ hash: stored.transactionHash });
  assert.deepEqual(block.transactions[stored.transactionIndex], tx);
  assert.deepEqual(await client.getBlock({ blockNumber: block.number, includeTransactions: true }), block);
  assert.equal(await client.getBlockTransactionCount({ blockHash: block.hash }), block.transactions.length);
  assert.equal(block.size > 500n && block.gasUsed >= stored.gasUsed, true);
  assert.ok(block.withdrawalsRoot && block.parentBeaconBlockRoot && block.excessBlobGas === 0n);
  const latest = await client.getBlock();
  assert.ok(latest.number >= stored.blockNumber && latest.baseFeePerGas > 0n);
  assert.equal((await client.getBlock({ blockTag: "earliest" })).number, 0n);
  const pending = await client.getBlock({ blockTag: "pending" });
  assert.ok(pending.baseFeePerGas > 0n);
  const receipts = await client.getBlockReceipts({ blockHash: stored.blockHash });
  assert.deepEqual(receipts[stored.transactionIndex], await client.getTransactionReceipt({ hash: tx.hash }));
});

await checkUnlessLacking("finality", "viem: safe and finalized", async () => {
  const finalized = await client.getBlock({ blockTag: "finalized" }); // first: the chain grows between the two questions
  const safe = await client.getBlock({ blockTag: "safe" });
  assert.ok(safe.number >= finalized.number);
});

await check("viem: proofs", async () => {
  const proof = await client.getProof({ address: contract.address, storageKeys: [`0x${"1".padStart(64, "0")}`, `0x${"9".padStart(64, "0")}`] });
  assert.equal(proof.balance, await client.getBalance({ address: contract.address }));
  assert.ok(proof.accountProof.length > 0 && proof.codeHash === keccak256(await client.getCode({ address: contract.address })));
  assert.equal(proof.storageProof[0].value, 12n);
  assert.equal(proof.storageProof[1].value, 0n);
  const block = await client.getBlock();
  const old = await client.getProof({ address: zeroAddress, storageKeys: [], blockNumber: block.number });
  if ((await client.getBlock()).number === block.number) assert.equal(keccak256(old.accountProof[0]), block.stateRoot);
});

await checkUnlessLacking("sync", "viem: sendTransactionSync", async () => {
  const receipt = await client.sendTransactionSync({ to: contract.address, value: 1n });
  assert.equal(receipt.status, "success");
  const written = await client.writeContractSync({ ...contract, functionName: "store", args: [13n, "sync"] });
  assert.equal(decodeEventLog({ abi, ...written.logs[0] }).args.note, "sync");
  const request = await client.prepareTransactionRequest({ to: contract.address, value: 1n });
  const serializedTransaction = await client.signTransaction(request);
  const sent = await client.sendRawTransactionSync({ serializedTransaction });
  assert.equal(sent.transactionHash, keccak256(serializedTransaction));
  assert.equal(await contract.read.value(), 13n);
  await mined(sent.transactionHash);
});

await check("viem: simulateCalls", async () => {
  const { results } = await client.simulateCalls({
    account,
    calls: [
      { to: contract.address, abi, functionName: "store", args: [77n, "simulated"] },
      { to: contract.address, abi, functionName: "value" },
      { to: contract.address, abi, functionName: "fail", args: [5n] },
    ],
  });
  assert.deepEqual(results.map((r) => r.status), ["success", "success", "failure"]);
  assert.equal(results[1].result, 77n);
  assert.equal(decodeEventLog({ abi, ...results[0].logs[0] }).args.note, "simulated");
});

await check("viem: debug_traceTransaction", async () => {
  const trace = await client.request({ method: "debug_traceTransaction", params: [stored.transactionHash, { tracer: "callTracer" }] });
  assert.equal(trace.type, "CALL");
  assert.equal(BigInt(trace.gasUsed), stored.gasUsed);
});

await check("viem: errors by their names", async () => {
  const poor = privateKeyToAccount(generatePrivateKey());
  const names = async (promise) => {
    const found = [];
    (await thrown(promise)).walk((e) => { found.push(e.name); return false; });
    return found;
  };
  const to = contract.address, fees = { maxFeePerGas: parseGwei("100"), maxPriorityFeePerGas: 1n };
  const send = (tx) => client.sendTransaction({ to, gas: 100_000n, ...fees, ...tx });
  assert.ok((await names(send({ account: poor, nonce: 0 }))).includes("InsufficientFundsError"));
  assert.ok((await names(send({ nonce: 0 }))).includes("NonceTooLowError"));
  assert.ok((await names(send({ gas: 20_000n }))).includes("IntrinsicGasTooLowError"));
  assert.ok((await names(client.request({ method: "eth_noSuchMethod" }))).includes("MethodNotFoundRpcError"));
  const nowhere = `0x${"ab".repeat(32)}`;
  assert.ok((await names(client.getTransaction({ hash: nowhere }))).includes("TransactionNotFoundError"));
  assert.ok((await names(client.getTransactionReceipt({ hash: nowhere }))).includes("TransactionReceiptNotFoundError"));
  assert.ok((await names(client.getBlock({ blockHash: nowhere }))).includes("BlockNotFoundError"));
  const { error } = await rpc(HTTP_URL, "eth_call", { to, data: encodeFunctionData({ abi, functionName: "fail", args: [0n] }) }, "latest");
  assert.equal(error.code, 3);
  assert.match(error.message, /execution reverted/);
  assert.match(error.data, /^0x08c379a0/);
});

await check("viem: signatures, by accounts and on chain", async () => {
  const typed = {
    domain: { name: "probe", version: "1", chainId: CHAIN_ID, verifyingContract: contract.address },
    types: { Mail: [{ name: "to", type: "address" }, { name: "text", type: "string" }] },
    primaryType: "Mail", message: { to: zeroAddress, text: "hello" },
  };
  const signature = await client.signTypedData(typed);
  assert.equal(await recoverTypedDataAddress({ ...typed, signature }), account.address);
  assert.equal(await client.verifyTypedData({ ...typed, signature, address: account.address }), true);
  const message = "hello", signed = await client.signMessage({ message });
  assert.equal(await client.verifyMessage({ address: account.address, message, signature: signed }), true);
  assert.equal(await client.verifyMessage({ address: contract.address, message, signature: signed }), false); // asks the node
});

if (REALTIME_URL) {
  const realtime = createWalletClient({ ...common, transport: http(REALTIME_URL) }).extend(publicActions);
  const signed = async (value) => client.signTransaction(await client.prepareTransactionRequest({ to: contract.address, value }));

  await check("viem: realtime_sendRawTransaction", async () => {
    const receipt = await client.request({ method: "realtime_sendRawTransaction", params: [await signed(3n)] });
    assert.equal(receipt.status, "0x1");
    assert.equal(receipt.logs.length, 1);
    assert.ok(BigInt(receipt.blockNumber) > 0n && receipt.transactionIndex !== null);
    assert.ok(receipt.blockHash === null || receipt.blockHash.length === 66);
    await mined(receipt.transactionHash);
  });

  await check("viem: the path /realtime", async () => {
    const before = await contract.read.deposits([account.address]);
    const sync = await realtime.sendRawTransactionSync({ serializedTransaction: await signed(4n) });
    assert.equal(sync.status, "success");
    // Nobody has waited for a block.
    assert.equal(await realtime.readContract({ ...contract, functionName: "deposits", args: [account.address] }), before + 4n);
    const tx = await realtime.getTransaction({ hash: sync.transactionHash });
    assert.equal(tx.blockNumber, sync.blockNumber);
    const receipt = await realtime.getTransactionReceipt({ hash: sync.transactionHash });
    assert.equal(receipt.gasUsed, sync.gasUsed);
    const logs = await realtime.getLogs({ address: contract.address, fromBlock: receipt.blockNumber, toBlock: "pending" });
    assert.ok(logs.some((log) => log.transactionHash === sync.transactionHash));
    const written = await realtime.writeContract({ ...contract, functionName: "store", args: [14n, "realtime"] });
    assert.equal((await realtime.waitForTransactionReceipt({ hash: written })).status, "success");
    assert.equal(await realtime.readContract({ ...contract, functionName: "value" }), 14n);
    await mined(written);
  });

  await check("viem: miniBlocks and stateChanges", async () => {
    const stream = createPublicClient({ chain, transport: webSocket(REALTIME_WS_URL) });
    const minis = [], changes = [], errors = [];
    const subscribe = (params, into) => stream.transport.subscribe({
      params, onData: ({ result }) => into.push(result), onError: (e) => errors.push(e),
    });
    await subscribe(["miniBlocks"], minis);
    await subscribe(["stateChanges", [contract.address]], changes);
    const hash = await client.writeContract({ ...contract, functionName: "store", args: [15n, "streamed"] });
    await mined(hash);
    const address = contract.address.toLowerCase();
    const holds = (mini) => JSON.stringify(mini).includes(hash);
    await until(() => minis.some(holds) && changes.some((c) => c.address.toLowerCase() === address));
    assert.deepEqual(errors, []);
  });
}

done();
