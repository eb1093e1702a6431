import { ethers } from "ethers";
import { WS_URL } from "./lib.mjs";
import { DATA_URL, HTTP_URL, PRIVATE_KEY, probe, tryAll } from "./nulls.mjs";

const options = { polling: true, pollingInterval: 50, cacheTimeout: -1 };
const sure = new ethers.JsonRpcProvider(DATA_URL, undefined, options);
const provider = new ethers.JsonRpcProvider(HTTP_URL, undefined, options);
const ws = new ethers.WebSocketProvider(WS_URL);
const wallet = new ethers.Wallet(PRIVATE_KEY, sure);

const contract = await new ethers.ContractFactory(probe.abi, probe.bytecode, wallet).deploy("nulls", 1n);
await contract.waitForDeployment();
const { hash, blockNumber } = await (await contract.store(1n, "x")).wait();

await tryAll({
  "a receipt": async () => (await provider.getTransactionReceipt(hash)).blockHash,
  "waiting for a receipt": async () => (await provider.waitForTransaction(hash)).blockHash,
  "a transaction": async () => (await provider.getTransaction(hash)).blockHash,
  "logs": async () => (await contract.connect(provider).queryFilter("Stored", 0))[0].blockHash,
  "a log subscription": () => new Promise((resolve, reject) => {
    contract.connect(ws).on("Stored", (...args) => resolve(args.at(-1).log.blockHash)).catch(reject);
    process.once("uncaughtException", reject); // of the listener
    for (const wait of [500, 1500]) setTimeout(() => contract.store(2n, "x"), wait); // the subscription may be late
  }),
  "a block": async () => (await provider.getBlock(blockNumber)).hash,
  "a block with transactions": async () => (await provider.getBlock(blockNumber, true)).prefetchedTransactions[0].blockHash,
});
