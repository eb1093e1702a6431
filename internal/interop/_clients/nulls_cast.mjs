import { foundry as cast } from "./foundry.mjs";
import { DATA_URL, PRIVATE_KEY, probe, tryAll } from "./nulls.mjs";

const json = (...args) => JSON.parse(cast(...args, "--json"));
const send = ["send", "--private-key", PRIVATE_KEY];
const sure = ["--rpc-url", DATA_URL];
const { contractAddress: address } = json(...send, ...sure, "--create", probe.bytecode, "constructor(string,uint256)", "nulls", 1);
const { transactionHash: hash, blockNumber } = json(...send, ...sure, address, "store(uint256,string)", 1, "x");

await tryAll({
  "a receipt": async () => json("receipt", hash).blockHash,
  "waiting for a receipt": async () => json(...send, "--value", 1, address).blockHash,
  "the answer of eth_sendRawTransactionSync": async () => json(...send, "--sync", "--value", 1, address).blockHash,
  "a transaction": async () => json("tx", hash).blockHash,
  "logs": async () => json("logs", "--address", address, "--from-block", 0)[0].blockHash ?? null,
  "a block": async () => json("block", Number(blockNumber)).hash,
  "a block with transactions": async () => json("block", Number(blockNumber), "--full").transactions[0].blockHash,
});
