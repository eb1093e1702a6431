import { createPublicClient, createWalletClient, defineChain, http, publicActions, webSocket } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { WS_URL } from "./lib.mjs";
import { CHAIN_ID, DATA_URL, HTTP_URL, PRIVATE_KEY, probe, tryAll } from "./nulls.mjs";

const chain = defineChain({
  id: CHAIN_ID, name: "test", nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [DATA_URL] } },
});
const account = privateKeyToAccount(PRIVATE_KEY), { abi } = probe, pollingInterval = 50;
const sure = createWalletClient({ account, chain, transport: http(), pollingInterval }).extend(publicActions);
const client = createPublicClient({ chain, transport: http(HTTP_URL), pollingInterval });
const ws = createPublicClient({ chain, transport: webSocket(WS_URL) });

const { contractAddress: address } = await sure.waitForTransactionReceipt({
  hash: await sure.deployContract({ ...probe, args: ["nulls", 1n] }),
});
const store = () => sure.writeContract({ address, abi, functionName: "store", args: [1n, "x"] });
const hash = await store();
const { blockNumber } = await sure.waitForTransactionReceipt({ hash });

await tryAll({
  "a receipt": async () => (await client.getTransactionReceipt({ hash })).blockHash,
  "waiting for a receipt": async () => (await client.waitForTransactionReceipt({ hash })).blockHash,
  "the answer of eth_sendRawTransactionSync": async () => {
    const request = await sure.prepareTransactionRequest({ to: address, value: 1n });
    return (await client.sendRawTransactionSync({ serializedTransaction: await sure.signTransaction(request) })).blockHash;
  },
  "receipts of a block": async () => (await client.getBlockReceipts({ blockNumber }))[0].blockHash,
  "a transaction": async () => (await client.getTransaction({ hash })).blockHash,
  "logs": async () => (await client.getContractEvents({ address, abi, fromBlock: 0n }))[0].blockHash,
  "a log subscription": () => new Promise((resolve, reject) => {
    ws.watchContractEvent({ address, abi, onLogs: ([log]) => resolve(log.blockHash), onError: reject });
    for (const wait of [500, 1500]) setTimeout(store, wait); // the subscription may be late
  }),
  "a block": async () => (await client.getBlock({ blockNumber })).hash,
  "a block with transactions": async () => (await client.getBlock({ blockNumber, includeTransactions: true })).transactions[0].blockHash,
});
