import asyncio
import json
import os
from pathlib import Path

from eth_account import Account
from web3 import AsyncWeb3, Web3, WebSocketProvider

probe = json.loads(Path(__file__).with_name("Probe.json").read_text())
sure, w3 = (Web3(Web3.HTTPProvider(os.environ[name])) for name in ("DATA_URL", "HTTP_URL"))
account = Account.from_key(os.environ["PRIVATE_KEY"])


def send(function):
    nonce = sure.eth.get_transaction_count(account.address, "pending")
    tx = function.build_transaction({"from": account.address, "nonce": nonce, "chainId": int(os.environ["CHAIN_ID"])})
    tx_hash = sure.eth.send_raw_transaction(account.sign_transaction(tx).raw_transaction)
    return sure.eth.wait_for_transaction_receipt(tx_hash, poll_latency=0.05)


deployed = send(sure.eth.contract(abi=probe["abi"], bytecode=probe["bytecode"]).constructor("nulls", 1))
contract = sure.eth.contract(address=deployed["contractAddress"], abi=probe["abi"])
stored = send(contract.functions.store(1, "x"))
tx_hash, number = stored["transactionHash"], stored["blockNumber"]


def subscribe():
    async def watch():
        async with AsyncWeb3(WebSocketProvider(os.environ["WS_URL"])) as ws:
            await ws.eth.subscribe("logs", {"address": contract.address})
            await asyncio.to_thread(send, contract.functions.store(2, "x"))
            async for message in ws.socket.process_subscriptions():
                return contract.events.Stored().process_log(message["result"])["blockHash"]

    return asyncio.run(asyncio.wait_for(watch(), 3))


bears = {}
for name, run in {
    "a receipt": lambda: w3.eth.get_transaction_receipt(tx_hash)["blockHash"],
    "waiting for a receipt": lambda: w3.eth.wait_for_transaction_receipt(tx_hash, timeout=3)["blockHash"],
    "receipts of a block": lambda: w3.eth.get_block_receipts(number)[0]["blockHash"],
    "a transaction": lambda: w3.eth.get_transaction(tx_hash)["blockHash"],
    "logs": lambda: w3.eth.contract(address=contract.address, abi=probe["abi"]).events.Stored().get_logs(from_block=0)[0]["blockHash"],
    "a log subscription": subscribe,
    "a block": lambda: w3.eth.get_block(number)["hash"],
    "a block with transactions": lambda: w3.eth.get_block(number, full_transactions=True)["transactions"][0]["blockHash"],
}.items():
    try:
        got = run()
        bears[name] = got is None
        print(f"{name}: {'bears it' if got is None else f'answers with {got}'}")
    except Exception as e:
        bears[name] = False
        print(f"{name}: {e!r}")
print(json.dumps(bears))
