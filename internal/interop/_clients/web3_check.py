"""web3.py against a node."""

import asyncio
import json
import os
import secrets
import sys
import time
import traceback
from pathlib import Path

from eth_account import Account
from eth_account.messages import encode_typed_data
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import (
    BlockNotFound,
    ContractCustomError,
    ContractLogicError,
    ContractPanicError,
    MethodUnavailable,
    TransactionNotFound,
    Web3RPCError,
)

HTTP_URL, WS_URL = os.environ["HTTP_URL"], os.environ["WS_URL"]
REALTIME_URL = os.environ.get("REALTIME_URL", "")
CHAIN_ID = int(os.environ["CHAIN_ID"])
LACKING = os.environ.get("LACKING", "").split(",")

probe = json.loads(Path(__file__).with_name("Probe.json").read_text())
w3 = Web3(Web3.HTTPProvider(HTTP_URL))
account = Account.from_key(os.environ["PRIVATE_KEY"])
signing = {"from": account.address, "chainId": CHAIN_ID}


def check(name, lacking=None):
    """Runs the function below it; the first that fails ends the script."""

    def run(function):
        if lacking in LACKING:
            print(f"skip - {name}: the node has no {lacking}")
            return
        try:
            function()
        except Exception:
            print(f"not ok - {name}\n{traceback.format_exc()}")
            sys.exit(1)
        print(f"ok - {name}")

    return run


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def raises(kind, function):
    try:
        got = function()
    except kind as e:
        return e
    raise AssertionError(f"no {kind.__name__}, got {got!r}")


def send(tx):
    return w3.eth.send_raw_transaction(account.sign_transaction(tx).raw_transaction)


def mined(tx_hash):
    return w3.eth.wait_for_transaction_receipt(tx_hash, timeout=60, poll_latency=0.05)


def write(function, **fields):
    nonce = w3.eth.get_transaction_count(account.address, "pending")
    return mined(send(function.build_transaction({**signing, "nonce": nonce, **fields})))


contract = deployed = stored = None


@check("web3.py: network")
def _():
    assert w3.is_connected()
    equal(w3.eth.chain_id, CHAIN_ID)
    equal(w3.net.version, str(CHAIN_ID))
    assert w3.client_version


@check("web3.py: deploy")
def _():
    global contract, deployed
    factory = w3.eth.contract(abi=probe["abi"], bytecode=probe["bytecode"])
    deployed = write(factory.constructor("first", 7), value=1000)
    equal(deployed["status"], 1)
    equal(deployed["to"], None)
    equal(deployed["type"], 2)
    contract = w3.eth.contract(address=deployed["contractAddress"], abi=probe["abi"])
    equal(w3.eth.get_balance(contract.address), 1000)
    assert len(w3.eth.get_code(contract.address)) > 1000
    equal(w3.eth.syncing, False)


@check("web3.py: read")
def _():
    equal(contract.functions.name().call(), "first")
    equal(contract.functions.owner().call(), account.address)
    points = [(-1, 2, "a"), (1 << 200, -3, "ü" * 50)]
    equal(contract.functions.echo(points, b"\1\2\3").call(), [points, b"\1\2\3", 5])
    equal(contract.functions.blockContext().call()[3], CHAIN_ID)
    equal(contract.functions.value().call(block_identifier=deployed["blockNumber"]), 7)
    equal(contract.functions.value().call(block_identifier="pending"), 7)
    equal(int.from_bytes(w3.eth.get_storage_at(contract.address, 1)), 7)
    override = {contract.address: {"stateDiff": {"0x" + "1".zfill(64): "0x" + "2a".zfill(64)}}}
    equal(contract.functions.value().call(state_override=override), 42)


@check("web3.py: write, receipt, logs")
def _():
    global stored
    stored = write(contract.functions.store(8, "hello"))
    equal(contract.functions.value().call(), 8)
    (event,) = contract.events.Stored().process_receipt(stored)
    equal(dict(event["args"]), {"by": account.address, "value": 8, "note": "hello"})
    equal(event["blockHash"], stored["blockHash"])
    tx = w3.eth.get_transaction(stored["transactionHash"])
    equal(tx["blockHash"], stored["blockHash"])
    equal(w3.eth.get_transaction_by_block(stored["blockHash"], stored["transactionIndex"]), tx)
    equal(w3.to_hex(w3.keccak(w3.eth.get_raw_transaction(tx["hash"]))), w3.to_hex(tx["hash"]))


@check("web3.py: logs by block, hash, topic and filter")
def _():
    logs = contract.events.Stored().get_logs(from_block=deployed["blockNumber"], argument_filters={"by": account.address})
    equal(len(logs), 1)
    equal(contract.events.Stored().get_logs(block_hash=stored["blockHash"]), logs)
    equal(contract.events.Stored().get_logs(from_block=0, argument_filters={"value": 9, "by": account.address}), [])
    live = contract.events.Stored().create_filter(from_block="latest")
    write(contract.functions.store(9, "filtered"))
    while not (changes := live.get_new_entries()):
        time.sleep(0.05)
    equal(changes[-1]["args"]["note"], "filtered")
    assert w3.eth.uninstall_filter(live.filter_id)


@check("web3.py: subscriptions by WebSocket")
def _():
    async def watch():
        async with AsyncWeb3(WebSocketProvider(WS_URL)) as ws:
            topic = contract.events.Stored().topic
            logs = await ws.eth.subscribe("logs", {"address": contract.address, "topics": [topic]})
            heads = await ws.eth.subscribe("newHeads")
            pending = await ws.eth.subscribe("newPendingTransactions")
            receipt = await asyncio.to_thread(write, contract.functions.store(10, "watched"))
            seen = {logs: [], heads: [], pending: []}
            async for message in ws.socket.process_subscriptions():
                seen[message["subscription"]].append(message["result"])
                if seen[logs] and seen[heads] and receipt["transactionHash"] in seen[pending]:
                    break
            event = contract.events.Stored().process_log(seen[logs][0])
            equal(event["args"]["note"], "watched")
            equal(event["transactionHash"], receipt["transactionHash"])
            assert seen[heads][0]["number"] > 0
            assert await ws.eth.unsubscribe(logs)

    asyncio.run(asyncio.wait_for(watch(), 60))


@check("web3.py: reverts: string, custom error, panics, nothing")
def _():
    def fail(given, sender=account.address):
        return lambda: contract.functions.fail(given).call({"from": sender})

    assert "zero is not allowed" in raises(ContractLogicError, fail(0)).message
    small = raises(ContractCustomError, fail(5)).data
    equal(small[10:], f"{5:064x}{100:064x}")
    equal(small[:10], w3.to_hex(w3.keccak(text="TooSmall(uint256,uint256)")[:4]))
    raises(ContractCustomError, fail(200, Account.create().address))
    assert "0x01" in raises(ContractPanicError, fail(100)).message
    assert "0x12" in raises(ContractPanicError, fail(101)).message
    withdraw = contract.functions.withdraw(1)
    assert "0x11" in raises(ContractPanicError, lambda: withdraw.call({"from": account.address})).message
    raises(ContractLogicError, fail(200))
    estimate = contract.functions.fail(0).estimate_gas
    assert "zero is not allowed" in raises(ContractLogicError, lambda: estimate({"from": account.address})).message


@check("web3.py: a reverted transaction has a receipt")
def _():
    equal(write(contract.functions.fail(5), gas=100_000)["status"], 0)


@check("web3.py: batch")
def _():
    with w3.batch_requests() as batch:
        for _ in range(150):
            batch.add(contract.functions.value())
        batch.add(w3.eth.get_balance(contract.address))
        batch.add(w3.eth.get_block("latest"))
        answers = batch.execute()
    equal(answers[:151], [10] * 150 + [1000])
    assert answers[151]["number"] >= stored["blockNumber"]


@check("web3.py: fees and gas")
def _():
    assert w3.eth.gas_price > 0 and w3.eth.max_priority_fee >= 0
    history = w3.eth.fee_history(3, "latest", [25, 75])
    equal(len(history["reward"]), len(history["gasUsedRatio"]))
    transfer = {"from": account.address, "to": Account.create().address, "value": 1}
    equal(w3.eth.estimate_gas(transfer), 21000)
    assert 25_000 < contract.functions.store(1, "x").estimate_gas({"from": account.address}) < 100_000


@check("web3.py: transactions of types 0, 1, 2")
def _():
    call = {"from": account.address, "to": contract.address, "data": contract.encode_abi("store", [1, "list"])}
    access = w3.eth.create_access_list(call)["accessList"]
    equal(access[0]["address"], contract.address)
    price = w3.to_wei(20, "gwei")
    listed = [{"address": a["address"], "storageKeys": list(a["storageKeys"])} for a in access]
    for kind, fees in (
        (0, {"gasPrice": price}),
        (1, {"gasPrice": price, "accessList": listed}),
        (2, {"maxFeePerGas": price, "maxPriorityFeePerGas": 1, "accessList": listed}),
    ):
        receipt = write(contract.functions.store(12, f"type {kind}"), **fees)
        equal((receipt["type"], receipt["status"]), (kind, 1))
        tx = w3.eth.get_transaction(receipt["transactionHash"])
        equal(tx["type"], kind)
        if kind > 0:
            equal([len(a["storageKeys"]) for a in tx["accessList"]], [1])


@check("web3.py: EIP-7702 authorization")
def _():
    user = Account.create()
    authorization = user.sign_authorization({"chainId": CHAIN_ID, "address": contract.address, "nonce": 0})
    price = w3.to_wei(20, "gwei")
    tx = {
        "chainId": CHAIN_ID,
        "nonce": w3.eth.get_transaction_count(account.address, "pending"),
        "to": user.address,
        "value": 5,
        "gas": 200_000,
        "maxFeePerGas": price,
        "maxPriorityFeePerGas": 1,
        "authorizationList": [authorization],
    }
    receipt = mined(send(tx))
    equal((receipt["type"], receipt["status"]), (4, 1))
    equal(w3.to_hex(w3.eth.get_code(user.address)), "0xef0100" + contract.address[2:].lower())
    equal(w3.eth.get_transaction(receipt["transactionHash"])["authorizationList"][0]["address"], contract.address)


@check("web3.py: nonces: five sends without waiting")
def _():
    nonce = w3.eth.get_transaction_count(account.address)
    base = {"chainId": CHAIN_ID, "to": contract.address, "gas": 100_000, "gasPrice": w3.to_wei(20, "gwei")}
    hashes = [send({**base, "nonce": nonce + i, "value": i + 1}) for i in range(5)]
    equal([mined(h)["status"] for h in hashes], [1] * 5)
    equal(w3.eth.get_transaction_count(account.address, "pending"), nonce + 5)
    equal(contract.functions.deposits(account.address).call(), 15)


@check("web3.py: blocks by tag, number and hash")
def _():
    block = w3.eth.get_block(stored["blockHash"], full_transactions=True)
    equal(block["transactions"][stored["transactionIndex"]], w3.eth.get_transaction(stored["transactionHash"]))
    equal(w3.eth.get_block(block["number"], full_transactions=True), block)
    equal(w3.eth.get_block_transaction_count(block["hash"]), len(block["transactions"]))
    equal(w3.eth.get_block("earliest")["number"], 0)
    assert w3.eth.get_block("latest")["number"] >= block["number"]
    assert w3.eth.get_block("pending")["baseFeePerGas"] > 0
    receipts = w3.eth.get_block_receipts(block["number"])
    equal(receipts[stored["transactionIndex"]], w3.eth.get_transaction_receipt(stored["transactionHash"]))


@check("web3.py: safe and finalized", lacking="finality")
def _():
    finalized = w3.eth.get_block("finalized")["number"]  # first: the chain grows between the two questions
    assert w3.eth.get_block("safe")["number"] >= finalized


@check("web3.py: proofs", lacking="shortKeys")  # web3.py asks for slot "0x1", without zeros in front
def _():
    proof = w3.eth.get_proof(contract.address, [1], "latest")
    equal(proof["codeHash"], w3.keccak(w3.eth.get_code(contract.address)))
    equal(int.from_bytes(proof["storageProof"][0]["value"]), 12)


@check("web3.py: tracing and simulation")
def _():
    answer = w3.provider.make_request("debug_traceTransaction", [w3.to_hex(stored["transactionHash"]), {"tracer": "callTracer"}])
    equal(int(answer["result"]["gasUsed"], 16), stored["gasUsed"])
    call = {"from": account.address, "to": contract.address, "data": contract.encode_abi("value", [])}
    blocks = w3.eth.simulate_v1({"blockStateCalls": [{"calls": [call]}], "validation": False}, "latest")
    equal(int.from_bytes(blocks[0]["calls"][0]["returnData"]), 12)


@check("web3.py: errors by their kinds")
def _():
    base = {"chainId": CHAIN_ID, "to": contract.address, "gas": 100_000, "gasPrice": w3.to_wei(20, "gwei"), "nonce": 0}
    poor = Account.from_key(secrets.token_bytes(32)).sign_transaction(base).raw_transaction
    assert "insufficient funds" in raises(Web3RPCError, lambda: w3.eth.send_raw_transaction(poor)).message.lower()
    assert "nonce too low" in raises(Web3RPCError, lambda: send(base)).message.lower()
    nowhere = "0x" + "ab" * 32
    raises(TransactionNotFound, lambda: w3.eth.get_transaction(nowhere))
    raises(TransactionNotFound, lambda: w3.eth.get_transaction_receipt(nowhere))
    raises(BlockNotFound, lambda: w3.eth.get_block(nowhere))
    raises(MethodUnavailable, lambda: w3.manager.request_blocking("eth_noSuchMethod", []))


@check("web3.py: typed data")
def _():
    domain = {"name": "probe", "chainId": CHAIN_ID, "verifyingContract": contract.address}
    types = {"Mail": [{"name": "text", "type": "string"}]}
    message = {"text": "hello"}
    signed = account.sign_typed_data(domain, types, message)
    signable = encode_typed_data(domain, types, message)
    equal(Account.recover_message(signable, signature=signed.signature), account.address)


if REALTIME_URL:

    def signed(value):
        tx = {"chainId": CHAIN_ID, "to": contract.address, "gas": 100_000, "gasPrice": w3.to_wei(20, "gwei")}
        nonce = w3.eth.get_transaction_count(account.address, "pending")
        return w3.to_hex(account.sign_transaction({**tx, "nonce": nonce, "value": value}).raw_transaction)

    @check("web3.py: realtime_sendRawTransaction")
    def _():
        receipt = w3.provider.make_request("realtime_sendRawTransaction", [signed(3)])["result"]
        equal(receipt["status"], "0x1")
        equal(w3.to_hex(mined(receipt["transactionHash"])["transactionHash"]), receipt["transactionHash"])

    @check("web3.py: the path /realtime")
    def _():
        realtime = Web3(Web3.HTTPProvider(REALTIME_URL))
        there = realtime.eth.contract(address=contract.address, abi=probe["abi"])
        before = contract.functions.deposits(account.address).call()
        sync = realtime.provider.make_request("eth_sendRawTransactionSync", [signed(4)])["result"]
        equal(there.functions.deposits(account.address).call(), before + 4)  # nobody has waited for a block
        receipt = realtime.eth.get_transaction_receipt(sync["transactionHash"])
        equal(receipt["gasUsed"], int(sync["gasUsed"], 16))
        (event,) = there.events.Deposited().process_receipt(receipt)
        equal(event["args"]["amount"], 4)
        mined(sync["transactionHash"])


print("done")
